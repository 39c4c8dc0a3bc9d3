"""How characters look on a serial line: speed and frame. A device may have its own.

A driver whose devices hang on serial lines puts these options among its own and hands them to
`ByteLine.exchange`; the owner of the line sets the port, keeps quiet and throws away what came in
between. What is left out is as the line has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gateway.model.options import About, Limits, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Characters(Options):
    """What of the line's settings a device has otherwise; None: as the line has it."""

    baud_rate: Annotated[
        Annotated[int, Limits(ge=50, le=4_000_000)] | None,
        About("speed of this device in bits per second, where it is not that of its line"),
    ] = None
    parity: Annotated[
        Literal["none", "even", "odd"] | None, About("parity bit of this device, likewise")
    ] = None
    stop_bits: Annotated[Literal[1, 2] | None, About("stop bits of this device, likewise")] = None
    byte_size: Annotated[Literal[7, 8] | None, About("data bits of this device, likewise")] = None

    @property
    def characters(self) -> Characters | None:
        """Return what is asked of the line; None when nothing is."""
        own = Characters(
            baud_rate=self.baud_rate,
            parity=self.parity,
            stop_bits=self.stop_bits,
            byte_size=self.byte_size,
        )
        return None if own == Characters() else own
