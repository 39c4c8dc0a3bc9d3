"""demo-meter-3p: a three-phase energy meter that feeds groups of street lamps.

Voltages wander about 230 V, currents follow which relays are on, energy grows with power,
temperature drifts and rises with the load. Register map: `simulators/modbus/README.md`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.modbus.device import (
    DAY_S,
    HOUR_S,
    DayLength,
    StartHour,
    Switches,
    TwinOptions,
    identity,
    input_answers,
    wander,
)
from simulators.modbus.memory import Memory, Words
from simulators.options import Name

MODEL: Final = "demo-meter-3p"
PHASES: Final = 3
MAINS_V: Final = 230.0
MAINS_HZ: Final = 50.0
BASE_A: Final = 0.25
"""What the cabinet itself draws, per phase."""
LAMPS_TAU_S: Final = 2.0
"""How fast the current follows a relay."""
LOST_V: Final = 100.0
"""Below it a phase counts as lost."""
DAY_TARIFF: Final = range(7, 23)
"""Hours of tariff 1; the others are tariff 2."""

ANSWERS: Final = input_answers(30)
_INSTANT: Final = struct.Struct(">3H3HiiHh")
_ENERGY: Final = struct.Struct(">Q")
_FLOAT: Final = struct.Struct(">f")
_STATUS: Final = struct.Struct(">H")
_ENERGY_AT, _TEMPERATURE_AT, _SERIAL_AT, _STATUS_AT = 2 * 20, 2 * 24, 2 * 40, 2 * 50
BRIGHTNESS: Final = 80
"""Display brightness after power-up, percent."""


class MeterOptions(TwinOptions):
    """Options of a meter in a scene."""

    kind: Literal["meter-3p"] = "meter-3p"
    relays: Name | None = Field(
        default=None, description="relay twin whose channels switch the lamps; none: lamps are on"
    )
    lamps_a: float = Field(default=4.0, ge=0, le=50, description="current of one group of lamps, A")
    energy_wh: int = Field(default=1_234_567, ge=0, lt=2**63, description="import at the start")
    lost_phase: Literal[0, 1, 2, 3] = Field(default=0, description="a phase without voltage")
    tamper: bool = Field(default=False, description="the cover was opened")
    start_hour: StartHour = 20.0
    day_s: DayLength = DAY_S

    @property
    def looks_at(self) -> Mapping[str, str]:
        """Return the relay module that switches its lamps."""
        return {} if self.relays is None else {self.relays: "relay-4"}


@dataclass(frozen=True, slots=True)
class MeterState:
    """What the meter measures, in volts, amperes, hertz, watt hours, degrees Celsius, hours."""

    voltages: tuple[float, ...] = (MAINS_V,) * PHASES
    currents: tuple[float, ...] = (BASE_A,) * PHASES
    power_factor: float = 0.95
    frequency: float = MAINS_HZ
    energy_wh: float = 0.0
    temperature: float = 18.0
    hour: float = 20.0

    @property
    def apparent(self) -> float:
        """Return the apparent power, V.A."""
        pairs = zip(self.voltages, self.currents, strict=True)
        return sum(volts * amperes for volts, amperes in pairs)

    @property
    def active(self) -> float:
        """Return the active power, W."""
        return self.apparent * self.power_factor

    @property
    def reactive(self) -> float:
        """Return the reactive power, var, inductive."""
        return self.apparent * math.sqrt(1 - self.power_factor**2)


def load(groups: Sequence[bool], lamps_a: float) -> tuple[float, ...]:
    """Return the current of each phase: groups 1 to 3 hang on L1 to L3, group 4 on all three."""
    everywhere = lamps_a / PHASES if groups[PHASES] else 0.0
    return tuple(BASE_A + lamps_a * groups[phase] + everywhere for phase in range(PHASES))


def step(
    state: MeterState, dt_s: float, rng: Random, wanted: Sequence[float], options: MeterOptions
) -> MeterState:
    """Return the state `dt_s` seconds later.

    Args:
        state: before.
        dt_s: how much time passes.
        rng: the twin's random numbers.
        wanted: currents that the lamps draw once they are warm, by phase, A.
        options: the scene's.
    """
    voltages = tuple(
        0.0 if phase + 1 == options.lost_phase else wander(volts, MAINS_V, 2.0, 60.0, dt_s, rng)
        for phase, volts in enumerate(state.voltages)
    )
    follow = -math.expm1(-dt_s / LAMPS_TAU_S)
    currents = tuple(
        0.0
        if phase + 1 == options.lost_phase
        else max(0.0, amperes + (wanted[phase] * (1 + rng.gauss(0, 0.004)) - amperes) * follow)
        for phase, amperes in enumerate(state.currents)
    )
    return MeterState(
        voltages=voltages,
        currents=currents,
        power_factor=min(0.99, max(0.8, wander(state.power_factor, 0.95, 0.01, 120, dt_s, rng))),
        frequency=wander(state.frequency, MAINS_HZ, 0.02, 20.0, dt_s, rng),
        energy_wh=state.energy_wh + state.active * dt_s / HOUR_S,
        temperature=wander(state.temperature, 15.0 + state.active / 500, 1.5, 600.0, dt_s, rng),
        hour=(state.hour + dt_s * 24 / options.day_s) % 24,
    )


def status(state: MeterState, *, tamper: bool) -> int:
    """Return the status register: bit 0 tamper, bit 1 phase lost, bits 4 to 7 tariff."""
    lost = min(state.voltages) < LOST_V
    tariff = 1 if int(state.hour) in DAY_TARIFF else 2
    return tamper | lost << 1 | tariff << 4


def _round(values: Sequence[float], scale: float) -> list[int]:
    return [min(0xFFFF, max(0, round(value * scale))) for value in values]


class Meter3p:
    """The meter as a device."""

    identity: Final = identity(MODEL)
    answers_at: Final = ANSWERS
    step_s: Final = 0.1

    def __init__(self, options: MeterOptions, switches: Switches | None = None) -> None:
        """Take the scene's options and, if there are any, the relays that switch its lamps."""
        self.memory = Memory(
            inputs=Words(spans=(range(26), range(30, 51))),
            holding=Words(spans=(range(1),), writable={0: range(101)}),
        )
        self.state = MeterState(energy_wh=options.energy_wh, hour=options.start_hour)
        self._options = options
        self._switches = switches
        self._rng = Random(options.seed)
        serial = f"MY3P-{options.seed % 10**11:011d}".encode()
        self.memory.inputs.image[_SERIAL_AT : _SERIAL_AT + len(serial)] = serial
        self.power_on()
        self.advance(self.step_s)

    def power_on(self) -> None:
        """Set the display back; energy is kept."""
        self.memory.holding.image[:] = BRIGHTNESS.to_bytes(2, "big")

    def advance(self, dt_s: float) -> None:
        """Let time pass, then write the registers."""
        groups = self._switches.switched if self._switches is not None else (True,) * 4
        wanted = load(groups, self._options.lamps_a)
        self.state = state = step(self.state, dt_s, self._rng, wanted, self._options)
        image = self.memory.inputs.image
        _INSTANT.pack_into(
            image,
            0,
            *_round(state.voltages, 10),
            *_round(state.currents, 100),
            round(state.active),
            round(state.reactive),
            *_round((state.frequency,), 100),
            round(state.power_factor * 1000),
        )
        _ENERGY.pack_into(image, _ENERGY_AT, int(state.energy_wh))
        abcd = _FLOAT.pack(state.temperature)
        image[_TEMPERATURE_AT : _TEMPERATURE_AT + 4] = abcd[2:] + abcd[:2]
        _STATUS.pack_into(image, _STATUS_AT, status(state, tamper=self._options.tamper))
