"""What twins on pins say of themselves in a scene."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulators.gpio.chip import TELLING
from simulators.options import LineOptions, TwinOptions

Gpio = Annotated[int, Field(ge=0, lt=TELLING, description="GPIO by its number on the chip")]
BOARD_3B = 0xA02082
"""Revision code of a Raspberry Pi 3B (gpiozero, `PiBoardInfo.from_revision` and its examples)."""


class GpioSpec(LineOptions):
    """The pins of a board, handed out by the pigpio service."""

    medium: Literal["gpio"] = "gpio"
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="0: the system chooses")
    revision: int = Field(default=BOARD_3B, ge=0, lt=2**32, description="of the board")
    tick_us: int = Field(
        default=0, ge=0, lt=2**32, description="its microsecond counter at the start, which wraps"
    )


class PinOptions(TwinOptions):
    """What hangs on one pin."""

    pin: Gpio

    @property
    def place(self) -> int:
        """Return the pin."""
        return self.pin

    @property
    def place_name(self) -> str:
        """Return it as a person names it."""
        return f"GPIO {self.pin}"


class BoardOptions(TwinOptions):
    """The service itself, for faults that strike all of its pins."""

    kind: Literal["gpio-board"] = "gpio-board"

    @property
    def place(self) -> str:
        """Return the one place there is."""
        return "board"

    @property
    def place_name(self) -> str:
        """Return it as a person names it."""
        return "the board"


class ContactOptions(PinOptions):
    """A door contact, a float, a button: to ground when it is closed."""

    kind: Literal["gpio-contact"] = "gpio-contact"
    closed: bool = Field(default=True, description="at the start")
    bounces: int = Field(default=3, ge=0, le=50, description="of the contact at each change")
    bounce_ms: float = Field(default=2.0, gt=0, le=50, description="over which it bounces")
    changes_per_hour: float = Field(default=0.0, ge=0, le=36_000, description="on average")


class PulsesOptions(PinOptions):
    """The pulse output of a meter: to ground for a moment, once for each unit."""

    kind: Literal["gpio-pulses"] = "gpio-pulses"
    rate_hz: float = Field(default=0.0, ge=0, le=100, description="pulses a second")
    width_ms: float = Field(default=30.0, gt=0, le=1000, description="of a pulse")
    bounces: int = Field(default=0, ge=0, le=50, description="of its contact at each change")


class RelayOptions(PinOptions):
    """A relay, driven by a pin, with an auxiliary contact to ground on another one."""

    kind: Literal["gpio-relay"] = "gpio-relay"
    contact: Gpio | None = Field(
        default=None, description="of its auxiliary contact; none: it has none"
    )
    active_low: bool = Field(default=False, description="a low level pulls it in")
    lag_ms: float = Field(default=10.0, ge=0, le=1000, description="of its contact")


class LampOptions(PinOptions):
    """A lamp that is dimmed by the duty cycle of a pin."""

    kind: Literal["gpio-lamp"] = "gpio-lamp"
