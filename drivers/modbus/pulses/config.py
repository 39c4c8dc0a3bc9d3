"""Options of a module that counts pulses: which of its points are counters, and what they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from drivers.modbus.config import ModbusConfig, ModbusDevice
from drivers.modbus.config import prepare as prepare_modbus
from drivers.modbus.fields import MappedPoint, Type
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN
from gateway.model.options import About, Checked, Limits, OneOrSeveral, Options
from gateway.model.units import is_unit

_SIZES: Final = {
    Type.U16: 1 << 16,
    Type.U32: 1 << 32,
    Type.U64: 1 << 64,
    Type.BCD16: 10**4,
    Type.BCD32: 10**8,
}
"""How many numbers a counter of a type has, unless its mask leaves fewer."""
RESETS: Final = "_resets"
"""Behind the name of a total: the point that tells how often its counter began anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterOptions(Options):
    """A counter of the module, and the total that is made of it."""

    name: Annotated[str, Limits(pattern=POINT_PATTERN), About("name of the total")]
    point: Annotated[str, About("the counter: a whole number of the profile, without a sign")]
    unit: Annotated[str, About("UCUM unit of the total: m3, kW.h, L, {count}")] = "{count}"
    pulses_per_unit: Annotated[
        float, Limits(gt=0, le=1e9), About("pulses that make one unit of the total")
    ] = 1.0
    initial: Annotated[
        float, Limits(ge=0, le=1e12), About("what the meter showed at the first start, in the unit")
    ] = 0.0
    max_per_s: Annotated[
        float,
        Limits(gt=0, le=1e6),
        About("pulses a second that can come at most; more is a jump and no consumption"),
    ] = 20.0
    ends_at: Annotated[
        Annotated[int, Limits(ge=1, le=2**64 - 1)] | None,
        About("highest number before it starts at 0; left out: as its register is wide"),
    ] = None
    audience: Annotated[
        str, Limits(pattern=NAME_PATTERN), About("who may see the total: a flat's is personal")
    ] = OPERATIONS

    def __post_init__(self) -> None:
        """Refuse a unit that is none.

        Raises:
            ValueError: with the unit.
        """
        if not is_unit(self.unit):
            msg = f"{self.name}: {self.unit!r} is not a UCUM code in use here"
            raise ValueError(msg)


def size_of(counter: CounterOptions, mapped: MappedPoint) -> int:
    """Return how many numbers a counter has.

    Raises:
        ValueError: the point is no counter.
    """
    field = mapped.field
    width = _SIZES.get(field.type)
    if width is None:
        msg = f"{counter.name}: {counter.point} is {field.type}, no whole number without a sign"
        raise ValueError(msg)
    if field.mask is not None:
        width = (field.mask >> field.shift) + 1
    if counter.ends_at is None:
        return width
    if counter.ends_at >= width:
        msg = f"{counter.name}: {counter.point} never gets to {counter.ends_at}"
        raise ValueError(msg)
    return counter.ends_at + 1


def _can_be_counted(counters: Any, before: Mapping[str, Any], site_dir: Path | None) -> None:
    """Refuse counters that the profile does not have, and names that are taken.

    Raises:
        ValueError: with the reason.
    """
    if "profile" not in before:
        return  # the profile has its own mistakes; they come first
    known = prepare_modbus(ModbusConfig(profile=before["profile"]), site_dir).map.points
    taken = {str(name) for name in known}
    for counter in counters:
        mapped = next((known[name] for name in known if name == counter.point), None)
        if mapped is None:
            numbers = [str(name) for name in known if known[name].field.type in _SIZES]
            msg = f"{counter.name}: no point {counter.point}; counters may be {', '.join(numbers)}"
            raise ValueError(msg)
        size_of(counter, mapped)
        for name in (counter.name, counter.name + RESETS):
            if name in taken:
                msg = f"point {name} is there twice: call the total otherwise"
                raise ValueError(msg)
            taken.add(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsesConfig(ModbusConfig):
    """Options of a module: those of a Modbus device, and its counters."""

    counter: Annotated[
        tuple[CounterOptions, ...],
        Limits(min_length=1),
        OneOrSeveral(),
        Checked(_can_be_counted),
        About("counters of the module, and the totals that are made of them"),
    ]
    keep_every_s: Annotated[
        float,
        Limits(ge=0, le=86_400),
        About("totals that moved are kept on the card so often, in seconds; a reset at once"),
    ] = 600.0


@dataclass(frozen=True, slots=True)
class PulsesDevice:
    """What the driver is built from: the module, and its counters."""

    modbus: ModbusDevice
    options: PulsesConfig


def prepare(options: PulsesConfig, site_dir: Path | None) -> PulsesDevice:
    """Return the options with their register map.

    Raises:
        ValueError: the profile cannot be used.
    """
    return PulsesDevice(prepare_modbus(options, site_dir), options)
