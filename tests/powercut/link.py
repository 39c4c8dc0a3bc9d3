"""What an agent and its platform told each other, read from the bytes of a plain MQTT connection.

Written from MQTT 5.0 §2.1, §3.3 and from the wire reference, `gateway/sync/README.md`; it shares no
codec with the agent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2

PUBLISH: Final = 3
HEAD: Final = -65537
PARTIAL_IV: Final = 6
STREAMS: Final = ("alarm", "event", "state", "data", "rollup", "log", "media")
QOS: Final = 0x06
DIGEST_LEN: Final = 16

Channel = tuple[int, str]
"""Stream and audience."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that left the agent."""

    channel: Channel
    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Hello:
    """What an agent says it has."""

    incarnation: str
    newest: dict[Channel, int]


@dataclass(frozen=True, slots=True)
class Ack:
    """What the platform says it has."""

    contiguous: dict[Channel, int]


Message = Batch | Hello | Ack


@dataclass(slots=True)
class Wire:
    """One direction of one connection."""

    _rest: bytes = field(default=b"")

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take bytes; return the messages that are whole now."""
        self._rest += data
        while (found := _packet(self._rest)) is not None:
            kind, body, size = found
            self._rest = self._rest[size:]
            if kind >> 4 == PUBLISH:
                message = _message(*_publish(kind, body))
                if message is not None:
                    yield message


def digest(body: bytes) -> str:
    """Return what stands for a batch."""
    return hashlib.blake2b(body, digest_size=DIGEST_LEN).hexdigest()


def _number(data: bytes) -> tuple[int, int] | None:
    """Return a variable byte integer (MQTT 5.0 §1.5.5) and its length, or None when cut short."""
    value = 0
    for place, byte in enumerate(data[:4]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, place + 1
    return None


def _packet(data: bytes) -> tuple[int, bytes, int] | None:
    number = _number(data[1:])
    if number is None:
        return None
    size = 1 + number[1] + number[0]
    return (data[0], data[1 + number[1] : size], size) if len(data) >= size else None


def _publish(kind: int, body: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(body[:2], "big")
    topic = body[2 : 2 + length].decode()
    rest = body[2 + length + (2 if kind & QOS else 0) :]
    properties = _number(rest)
    if properties is None:
        msg = f"{topic}: no properties"
        raise ValueError(msg)
    return topic, rest[properties[0] + properties[1] :]


def _message(topic: str, payload: bytes) -> Message | None:
    what = topic.rsplit("/", 1)[-1]
    if what in STREAMS:
        return batch(payload)
    if what == "hello":
        said = _signed(payload)
        return Hello(said[3].hex(), {(row[0], row[1]): row[3] for row in said[6]})
    if what == "ack":
        return Ack({(row[0], row[1]): row[2] for row in _signed(payload)[6]})
    return None


def batch(payload: bytes) -> Batch:
    """Return what a sealed batch says of itself."""
    protected = cbor2.loads(cbor2.loads(payload).value[0])
    head = protected[HEAD]
    return Batch((head[3], head[2]), int.from_bytes(protected[PARTIAL_IV], "big"), digest(payload))


def _signed(payload: bytes) -> dict[int, Any]:  # Any: CBOR values
    said: dict[int, Any] = cbor2.loads(cbor2.loads(payload).value[2])
    return said
