"""demo-relay-4: four relays with auxiliary contacts that show whether each really closed.

Register map: `simulators/modbus/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from simulators.modbus.device import TwinOptions, identity, input_answers
from simulators.modbus.memory import Bits, Memory, Words

MODEL: Final = "demo-relay-4"
CHANNELS: Final = 4
LAG_S: Final = 0.08
"""How long a contact takes to follow its coil."""

Channel = Annotated[int, Field(ge=1, le=CHANNELS)]


class RelayOptions(TwinOptions):
    """Options of a relay module in a scene."""

    kind: Literal["relay-4"] = "relay-4"
    on: tuple[Channel, ...] = Field(default=(), description="channels that are on at power-up")
    stuck: tuple[Channel, ...] = Field(
        default=(), description="channels whose contact does not follow"
    )


@dataclass(frozen=True, slots=True)
class Relay:
    """One channel."""

    coil: bool = False
    contact: bool = False
    differs_s: float = 0.0
    """How long coil and contact have differed."""
    on_s: float = 0.0
    """How long the coil has been on."""


def step(relay: Relay, dt_s: float, *, coil: bool, pulse_ms: int, stuck: bool) -> Relay:
    """Return the channel `dt_s` seconds later.

    Args:
        relay: before.
        dt_s: how much time passes.
        coil: what the coil was told.
        pulse_ms: after so long a coil falls off by itself; 0: it stays.
        stuck: the contact does not move.
    """
    on_s = relay.on_s + dt_s if coil else 0.0
    if coil and pulse_ms and on_s * 1000 >= pulse_ms:
        coil, on_s = False, 0.0
    if coil == relay.contact or stuck:
        return Relay(coil, relay.contact, 0.0, on_s)
    differs_s = relay.differs_s + dt_s
    if differs_s >= LAG_S:
        return Relay(coil, coil, 0.0, on_s)
    return Relay(coil, relay.contact, differs_s, on_s)


class Relay4:
    """The relay module as a device. Coils and pulse times live in its tables."""

    identity: Final = identity(MODEL)
    answers_at: Final = input_answers(0)
    step_s: Final = 0.005

    def __init__(self, options: RelayOptions) -> None:
        """Take the scene's options."""
        channels = range(CHANNELS)
        self.memory = Memory(
            coils=Bits(spans=(channels,)),
            discrete=Bits(spans=(channels,)),
            inputs=Words(spans=(range(2),)),
            holding=Words(spans=(channels,), writable=dict.fromkeys(channels, range(0x10000))),
        )
        self._options = options
        self.power_on()

    @property
    def switched(self) -> Sequence[bool]:
        """Return which contacts are closed: what the lamps see."""
        return [relay.contact for relay in self.relays]

    def power_on(self) -> None:
        """Let all coils be as at power-up, contacts with them, without pulses."""
        on = [channel + 1 in self._options.on for channel in range(CHANNELS)]
        self.relays = [Relay(coil=value, contact=value) for value in on]
        self.memory.coils.image[:] = bytes(on)
        self.memory.discrete.image[:] = bytes(on)
        self.memory.holding.image[:] = bytes(len(self.memory.holding.image))

    def advance(self, dt_s: float) -> None:
        """Let time pass, then write coils and contacts."""
        coils, pulses = self.memory.coils.image, self.memory.holding.image
        self.relays = [
            step(
                relay,
                dt_s,
                coil=bool(coils[place]),
                pulse_ms=int.from_bytes(pulses[2 * place : 2 * place + 2], "big"),
                stuck=place + 1 in self._options.stuck,
            )
            for place, relay in enumerate(self.relays)
        ]
        coils[:] = bytes(relay.coil for relay in self.relays)
        self.memory.discrete.image[:] = bytes(relay.contact for relay in self.relays)
