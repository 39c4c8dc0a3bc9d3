"""The packets of MQTT 3.1.1 that a client needs which listens, and sometimes orders. Pure.

Everything is subscribed at QoS 0: within one TCP connection nothing is lost or doubled on the way,
and what a device says next replaces what it said before.

Source: OASIS MQTT Version 3.1.1, chapters 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.errors import FrameError

CONNACK: Final = 2
PUBLISH: Final = 3
SUBACK: Final = 9
PINGRESP: Final = 13
LONGEST_TOPIC: Final = 1024
"""Bytes. MQTT allows 65535; no device here needs them."""
LONGEST_ANSWER: Final = 4096
"""Bytes of a packet that is no message."""
NOT_GRANTED: Final = 0x80
"""Return code of a SUBACK (3.9.3)."""
_LENGTH_BYTES: Final = 4
_MOST_REMAINING: Final = 268_435_455
_HEAD: Final = 2

REFUSALS: Final = {
    1: "the broker does not speak MQTT 3.1.1",
    2: "the broker does not accept the client_id",
    3: "the broker is not available",
    4: "the broker does not accept the username or password",
    5: "the broker does not allow it: look at username, password and its access list",
}
"""Return codes of a CONNACK (3.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """CONNACK: whether the broker takes us."""

    code: int


@dataclass(frozen=True, slots=True)
class Granted:
    """SUBACK: one code for each topic."""

    number: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """PUBLISH: a message."""

    topic: str
    payload: bytes
    retained: bool
    """The broker kept it; it is of an unknown time."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A message that is longer than we take; its payload was passed over."""

    topic: str
    """Empty where it could not be read."""
    length: int


@dataclass(frozen=True, slots=True)
class Alive:
    """PINGRESP."""


Packet = Accepted | Granted | Published | Oversized | Alive


class PacketReader:
    """Cuts a stream into packets, wherever it was split; holds no more than one that is allowed."""

    def __init__(self, most: int) -> None:
        """Take the longest message, in bytes, without its topic."""
        self._most: Final = most
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Return the packets that are whole now.

        Raises:
            FrameError: this is no MQTT; the connection cannot go on.
        """
        self._buffer += data
        while True:
            if self._skip:
                passed = min(self._skip, len(self._buffer))
                del self._buffer[:passed]
                self._skip -= passed
                if self._skip:
                    return
            head = _header(self._buffer)
            if head is None:
                return
            size, length = head
            kind, flags = self._buffer[0] >> 4, self._buffer[0] & 0x0F
            if kind == PUBLISH and length > self._most + LONGEST_TOPIC + _HEAD:
                beginning = min(length, LONGEST_TOPIC + _HEAD)
                if len(self._buffer) < size + beginning:
                    return
                topic = _beginning(bytes(self._buffer[size : size + beginning]))
                self._skip = size + length
                yield Oversized(topic, length)
                continue
            if kind != PUBLISH and length > LONGEST_ANSWER:
                msg = f"a packet of type {kind} with {length} bytes"
                raise FrameError(msg, answer=bytes(self._buffer[:16]))
            if len(self._buffer) < size + length:
                return
            body = bytes(self._buffer[size : size + length])
            del self._buffer[: size + length]
            yield self._packet(kind, flags, body)

    def _packet(self, kind: int, flags: int, body: bytes) -> Packet:
        if kind == PUBLISH:
            return self._published(flags, body)
        if flags:  # reserved (2.2.2)
            msg = f"a packet of type {kind} with flags {flags:#x}"
            raise FrameError(msg, answer=body[:16])
        if kind == CONNACK and len(body) == _HEAD and body[0] <= 1:
            return Accepted(body[1])
        if kind == SUBACK and len(body) > _HEAD:
            return Granted(int.from_bytes(body[:2], "big"), tuple(body[2:]))
        if kind == PINGRESP and not body:
            return Alive()
        msg = f"a packet of type {kind} that no broker sends here"
        raise FrameError(msg, answer=body[:16])

    def _published(self, flags: int, body: bytes) -> Packet:
        if flags & 0x06:  # nothing was subscribed above QoS 0 (3.8.4)
            msg = "a message at a QoS that was not asked for"
            raise FrameError(msg, answer=body[:16])
        end = _HEAD + int.from_bytes(body[:2], "big")
        if len(body) < _HEAD or len(body) < end:
            msg = "a message that ends inside its topic"
            raise FrameError(msg, answer=body[:16])
        topic = _text(body[2:end])
        payload = body[end:]
        if len(payload) > self._most:
            return Oversized(topic, len(body))
        return Published(topic, payload, bool(flags & 0x01))


def _header(buffer: bytearray) -> tuple[int, int] | None:
    """Return the size of the fixed header and the remaining length (2.2.3); None: more is needed.

    Raises:
        FrameError: a length of more than four bytes.
    """
    length = 0
    for place in range(1, _LENGTH_BYTES + 1):
        if place >= len(buffer):
            return None
        length |= (buffer[place] & 0x7F) << 7 * (place - 1)
        if not buffer[place] & 0x80:
            return place + 1, length
    msg = "a length of more than four bytes"
    raise FrameError(msg, answer=bytes(buffer[:16]))


def _text(raw: bytes) -> str:
    """Return the topic of a message (3.3.2.1, 1.5.3).

    Raises:
        FrameError: none may be called so.
    """
    try:
        topic = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = "a topic that is no UTF-8"
        raise FrameError(msg, answer=raw[:32]) from error
    if not is_topic(topic):
        msg = "a topic that none can be"
        raise FrameError(msg, answer=raw[:32])
    return topic


def _beginning(body: bytes) -> str:
    end = _HEAD + int.from_bytes(body[:2], "big")
    if end > len(body):
        return ""
    try:
        return _text(body[2:end])
    except FrameError:
        return ""


def is_topic(topic: str) -> bool:
    """Say whether a message can have this topic: not empty, no wildcard, no NUL (4.7)."""
    return (
        0 < len(topic.encode("utf-8", "replace")) <= LONGEST_TOPIC
        and not set(topic) & {"+", "#", "\0"}
        and not any(0xD800 <= ord(letter) < 0xE000 for letter in topic)  # noqa: PLR2004
    )


# What we send


def connect(client_id: str, keep_alive_s: int, user: str | None, password: bytes | None) -> bytes:
    """Return CONNECT for a session that begins anew (3.1); we leave no will."""
    flags = 0x02 | (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    body = _string(b"MQTT") + bytes((4, flags)) + keep_alive_s.to_bytes(2, "big")
    body += _string(client_id.encode())
    if user is not None:
        body += _string(user.encode())
    if password is not None:
        body += _string(password)
    return _whole(0x10, body)


def subscribe(number: int, topics: Sequence[str]) -> bytes:
    """Return SUBSCRIBE at QoS 0 (3.8)."""
    body = number.to_bytes(2, "big")
    for topic in topics:
        body += _string(topic.encode()) + b"\x00"
    return _whole(0x82, body)


def publish(topic: str, payload: bytes) -> bytes:
    """Return PUBLISH at QoS 0, not retained (3.3): an order must not wait for who comes later."""
    return _whole(0x30, _string(topic.encode()) + payload)


PING: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"


def _string(raw: bytes) -> bytes:
    return len(raw).to_bytes(2, "big") + raw


def _whole(first: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    if rest > _MOST_REMAINING:
        msg = "a packet is longer than MQTT allows"
        raise ValueError(msg)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes((first,)) + bytes(length) + body
