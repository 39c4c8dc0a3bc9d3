"""Options that several drivers of pins share."""

from __future__ import annotations

from typing import Annotated, Literal

from drivers.gpio.config import LAST_PIN, LAST_TELLING_PIN
from gateway.model.options import About, Limits

InputPin = Annotated[
    int,
    Limits(ge=0, le=LAST_TELLING_PIN),
    About("GPIO by its number on the chip (BCM), not by its place on the header"),
]
OutputPin = Annotated[
    int,
    Limits(ge=0, le=LAST_PIN),
    About("GPIO by its number on the chip (BCM), not by its place on the header"),
]
PullOption = Annotated[
    Literal["up", "down", "none"], About("resistor inside the chip to switch on")
]
DebounceMs = Annotated[
    float,
    Limits(ge=0, le=1000),
    About("how long a level must hold to count, in milliseconds"),
]
GlitchUs = Annotated[
    int,
    Limits(ge=0, le=300_000),
    About("the chip itself leaves out what is shorter, in microseconds; edges come later by it"),
]
CheckPeriod = Annotated[
    float, Limits(gt=0, le=3600), About("how often the pin is looked at as well, in seconds")
]
