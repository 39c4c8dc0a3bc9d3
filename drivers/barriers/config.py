"""The options of a barrier, over a Modbus module or over pins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from drivers.media.characters import Characters
from gateway.model.options import About, Limits, Options

Place = Annotated[int, Limits(ge=0, le=65_535)]
Contact = Literal["opened", "closed", "loop", "photo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierConfig(Characters):
    """Options of one barrier."""

    open_output: Annotated[Place, About("output that opens: a coil of the module, or a pin")]
    close_output: Annotated[Place, About("output that closes")]
    stop_output: Annotated[
        Place | None, About("output that stops; left out: it cannot be stopped")
    ] = None
    opened_input: Annotated[
        Place, About("limit switch at the upper end: an input of the module, or a pin")
    ]
    closed_input: Annotated[Place, About("limit switch at the lower end")]
    loop_input: Annotated[Place | None, About("safety loop; left out: there is none")] = None
    photo_input: Annotated[Place | None, About("photo cell; left out: there is none")] = None
    inverted: Annotated[
        tuple[Contact, ...],
        About("inputs that are off when they mean yes: opened, closed, loop, photo"),
    ] = ()
    unit: Annotated[int, Limits(ge=1, le=247), About("unit identifier of the Modbus module")] = 1
    inputs: Annotated[
        Literal["discrete", "coil"], About("table of the Modbus module in which the inputs are")
    ] = "discrete"
    framing: Annotated[
        Literal["auto", "mbap", "rtu"],
        About("auto: mbap over tcp, rtu over serial; rtu over tcp: serial behind an adapter"),
    ] = "auto"
    drive: Annotated[
        Literal["pulse", "hold"],
        About("pulse: an impulse of pulse_s; hold: the output is on until it has arrived"),
    ] = "pulse"
    pulse_s: Annotated[float, Limits(gt=0, le=5), About("length of an impulse, in seconds")] = 0.5
    travel_timeout_s: Annotated[
        float,
        Limits(gt=0, le=300),
        About("time in which it must have arrived, in seconds; then it is blocked"),
    ] = 10.0
    reopen: Annotated[
        bool, About("opens again when something comes under it while it is closing")
    ] = True
    moved_by_others: Annotated[
        bool, About("others may open it too, as a remote control: that is not forced")
    ] = False
    period_s: Annotated[
        float, Limits(gt=0, le=60), About("how often it is looked at, in seconds")
    ] = 0.5
    look_s: Annotated[
        float, Limits(gt=0, le=5), About("how often it is looked at while it moves, in seconds")
    ] = 0.1
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence of the module after a request that means no answer, in seconds"),
    ] = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: two contacts at one place, or a contact inverted that is not there.
        """
        outputs = [self.open_output, self.close_output, self.stop_output]
        inputs = [self.opened_input, self.closed_input, self.loop_input, self.photo_input]
        for what, places in (("output", outputs), ("input", inputs)):
            given = [place for place in places if place is not None]
            if len(set(given)) != len(given):
                msg = f"two contacts have the same {what}"
                raise ValueError(msg)
        for name in self.inverted:
            if getattr(self, f"{name}_input") is None:
                msg = f"inverted: there is no {name}_input"
                raise ValueError(msg)


__all__ = ["BarrierConfig", "Contact", "Options", "Place"]
