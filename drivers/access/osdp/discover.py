"""Looks for readers on an OSDP line, for `mayak scan`: who answers to its address says who it is.

The question for identity is what every panel begins with; it is allowed without a secure channel,
and nothing else is asked. libosdp has no part in it: no reader is taken up.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from drivers.access.osdp.bus import OsdpBus
from drivers.access.osdp.codec import (
    CRC,
    HEADER,
    LONGEST,
    MARK,
    SHORTEST,
    START,
    Frame,
    crc16,
    is_sound,
)
from drivers.media.characters import Characters
from drivers.media.framing import ForeignFrameError
from gateway.model.discovery import Found, Looked, Scope, State
from gateway.model.errors import BusUnavailableError, FrameError, NoResponseError

SPEEDS: Final = (9600, 115_200, 38_400, 19_200, 57_600, 230_400)
"""The usual ones first; the standard's are 9600 to 230400."""
LAST_ADDRESS: Final = 126
ASK_IDENTITY: Final = b"\x61\x00"
IDENTITY: Final = 0x45
IDENTITY_BYTES: Final = 12


def question(address: int) -> bytes:
    """Return the question for identity: sequence 0, so that a reader begins anew."""
    size = HEADER + len(ASK_IDENTITY) + 2
    wire = bytes((START, address)) + size.to_bytes(2, "little") + bytes((CRC,)) + ASK_IDENTITY
    return wire + crc16(wire).to_bytes(2, "little")


def identity(frame: bytes) -> dict[str, str]:
    """Return what a reader says of itself.

    Raises:
        FrameError: it says something else, as a reader that refuses does.
    """
    body = frame[HEADER : -2 if frame[4] & CRC else -1]
    if body[:1] != bytes((IDENTITY,)) or len(body) != 1 + IDENTITY_BYTES:
        msg = "no identity"
        raise FrameError(msg, answer=frame)
    told = body[1:]
    return {
        "maker": told[2::-1].hex(),
        "model": str(told[3]),
        "version": str(told[4]),
        "serial_number": f"{int.from_bytes(told[5:9], 'little'):08x}",
        "firmware": ".".join(map(str, told[9:12])),
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """A sound reply of one address. A `Framing`."""

    address: int
    shape: None = None

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the reply; see `Framing.measure`.

        Raises:
            ForeignFrameError: this is the reply of somebody else, or noise.
        """
        skip = 1 if received[0] == MARK else 0
        if len(received) < skip + HEADER:
            return 0
        size = int.from_bytes(received[skip + 2 : skip + 4], "little")
        if received[skip] != START or not SHORTEST <= size <= LONGEST:
            msg = "no frame"
            raise ForeignFrameError(msg, answer=bytes(received))
        if len(received) < skip + size:
            return 0
        frame = Frame(bytes(received[skip : skip + size]))
        if not is_sound(frame.wire) or not frame.is_reply or frame.address != self.address:
            msg = "the reply of another reader, or a broken one"
            raise ForeignFrameError(msg, answer=frame.wire)
        return skip + size


async def discover(bus: OsdpBus, scope: Scope, state: State) -> AsyncIterator[Looked]:
    """Look at each address at each speed; see `gateway.model.discovery.Discover`.

    Raises:
        BusUnavailableError: the line is gone.
    """
    speeds = (
        [Characters(baud_rate=speed) for speed in SPEEDS] if bus.wire.medium == "serial" else [None]
    )
    addresses = [address for address in scope.addresses if address <= LAST_ADDRESS]
    wanted = list(itertools.product(speeds, addresses))
    for place, (speed, address) in enumerate(wanted):
        if place < int(state.get("next", 0)):
            continue
        share, after = (place + 1) / len(wanted), {"next": place + 1}
        words = f"{speed.baud_rate} 8N1, " if speed is not None else ""
        words += f"address {address}"
        await scope.ready()
        try:
            wire = await bus.wire.exchange(
                question(address),
                Answer(address),
                timeout_s=scope.timeout_s,
                characters=speed,
            )
            who = identity(wire[wire[0] == MARK :])
        except NoResponseError:
            yield Looked(words, share, after)
        except FrameError:
            yield Looked(words, share, after, trouble="scan-garbled")
        except BusUnavailableError:
            await bus.open()  # still there: only this speed is not to be had
            yield Looked(words, share, after, trouble="scan-setting")
        else:
            options = {"address": address}
            if speed is not None and speed.baud_rate is not None:
                options["baud_rate"] = speed.baud_rate
            yield Looked(words, share, after, Found("osdp", options, who))
