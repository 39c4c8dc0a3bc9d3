"""The options of a line of pins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from gateway.model.options import About, Limits, Options

LAST_PIN: Final = 53
"""GPIO of the chips of a Raspberry Pi; pigpio tells the changes of 0 to 31."""
LAST_TELLING_PIN: Final = 31

Seconds = Annotated[float, Limits(gt=0, le=60)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioConfig(Options):
    """Options of a line of pins."""

    factory: Annotated[
        Literal["lgpio", "pigpio"],
        About(
            "lgpio: pins of this board; pigpio: through the pigpio service, also of another board"
        ),
    ] = "lgpio"
    chip: Annotated[
        Annotated[int, Limits(ge=0, le=255)] | None,
        About("lgpio: number of /dev/gpiochip; left out: that of the header of a Raspberry Pi"),
    ] = None
    host: Annotated[str, Limits(min_length=1), About("pigpio: name or address of the board")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Limits(ge=1, le=65_535), About("pigpio: TCP port")] = 8888
    connect_timeout_s: Annotated[
        Seconds, About("pigpio: how long a connection may take, in seconds")
    ] = 3.0
    response_timeout_s: Annotated[
        Seconds, About("silence after a request that means the chip is gone, in seconds")
    ] = 1.0
    check_s: Annotated[
        Seconds, About("how often the chip is asked whether it is there, in seconds")
    ] = 2.0
