"""What faults make of an answer on a serial line, whatever its protocol: pure."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from simulators.faults import Crc, Echo, Noise, Short
from simulators.twin import Struck


def serial_wire(struck: Sequence[Struck], wire: bytes, request: bytes) -> bytes:
    """Return what goes on the line for an answer.

    Args:
        struck: the faults that strike it.
        wire: the answer as it should be; its checksum is last.
        request: what was asked, for an echo; empty when nobody asked.
    """
    for fault, rng in struck:
        match fault:
            case Crc():
                wire = wire[:-1] + bytes((wire[-1] ^ rng.randrange(1, 256),))
            case Short():
                wire = wire[: max(1, len(wire) - fault.missing)]
            case Noise():
                wire = rng.randbytes(rng.randint(0, fault.stray)) + _flip(wire, fault.flips, rng)
            case Echo():
                wire = request + wire if fault.answers else request
            case _:
                pass  # shows elsewhere: in the content, in the time, or not at all
    return wire


def _flip(wire: bytes, flips: int, rng: Random) -> bytes:
    places = rng.sample(range(8 * len(wire)), min(flips, 8 * len(wire)))
    number = int.from_bytes(wire, "big")
    for place in places:
        number ^= 1 << place
    return number.to_bytes(len(wire), "big")
