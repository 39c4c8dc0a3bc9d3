"""What a meter tells, for people: each record in words, and which points a site file could have.

Pure but for `describe`, which reads the meter once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from drivers.mbus.config import MbusPoint
from drivers.mbus.points import key_of, value_of
from drivers.mbus.quantities import OPAQUE, QUANTITIES, Form, factor_between, quantity_of
from drivers.mbus.readout import Asking, Meter, read_out
from drivers.mbus.telegram import Function, Record, Telegram
from gateway.model.ids import OPERATIONS
from gateway.model.reading import Value

_PREFERRED: Final = {"Gcal": "Gcal", "GJ": "GJ"}
"""Heat stays in the unit in which the meter counts it: that is what is on its face and its bill."""
_WORDS_OF: Final = {
    Function.INSTANT: "",
    Function.MAXIMUM: "max",
    Function.MINIMUM: "min",
    Function.ERROR: "error",
}


@dataclass(frozen=True, slots=True)
class Described:
    """One record: what the meter told, and the point it would be."""

    record: Record
    point: MbusPoint | None
    """None: it is not understood, or is of its manufacturer."""
    value: Value | None
    """As the point would have it now."""

    @property
    def words(self) -> str:
        """Return what it is, as a person reads it."""
        record = self.record
        parts = [record.meaning.quantity, *record.meaning.qualifiers]
        parts += [name for name in (_WORDS_OF[record.function],) if name]
        numbers = (
            ("storage", record.storage),
            ("tariff", record.tariff),
            ("subunit", record.subunit),
        )
        return " ".join(parts + [f"{name} {number}" for name, number in numbers if number])


def records_of(told: Telegram) -> list[Described]:
    """Return each record with the point it would be, every name once."""
    names: dict[str, int] = {}
    alike: dict[tuple[object, ...], int] = {}
    found = []
    for record in told.records:
        key = key_of(record)
        which = alike[key] = alike.get(key, -1) + 1
        if record.meaning.quantity == OPAQUE or quantity_of(record.meaning.quantity) is None:
            shown = record.value if isinstance(record.value, str) else None
            found.append(Described(record, None, shown))
            continue
        name = _name(record)
        number = names[name] = names.get(name, 0) + 1
        point = _point(record, name if number == 1 else f"{name}_n{number}", which)
        found.append(Described(record, point, value_of(record, point.point)[0]))
    return found


def _name(record: Record) -> str:
    """Return a name such as `energy_t2_s1_max`."""
    parts = [record.meaning.quantity.removeprefix("text-"), *record.meaning.qualifiers]
    for letter, number in (("u", record.subunit), ("t", record.tariff), ("s", record.storage)):
        parts += [f"{letter}{number}"] if number else []
    parts.append(_WORDS_OF[record.function])
    text = "_".join(part for part in parts if part).lower()
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in text)
    plain = "_".join(word for word in plain.split("_") if word)
    return (plain if plain[:1].isalpha() else f"value_{plain}".rstrip("_"))[:56]


def _point(record: Record, name: str, which: int) -> MbusPoint:
    quantity = quantity_of(record.meaning.quantity)
    unit = None
    resolution = None
    if quantity is not None and quantity.form is Form.NUMBER and record.meaning.unit:
        unit = _unit(record, quantity.units)
        resolution = _resolution(record, unit)
    return MbusPoint(
        name=name,
        quantity=record.meaning.quantity,
        storage=record.storage,
        tariff=record.tariff,
        subunit=record.subunit,
        function=record.function.value,
        qualifiers=record.meaning.qualifiers,
        which=which,
        unit=unit,
        resolution=resolution,
    )


def _unit(record: Record, units: Sequence[str]) -> str | None:
    own = _PREFERRED.get(record.meaning.unit)
    if own is not None:
        return own
    if record.meaning.quantity not in QUANTITIES:
        return None
    return next((unit for unit in units if factor_between(record.meaning.unit, unit)), None)


def _resolution(record: Record, unit: str | None) -> float | None:
    """Return the step of the meter in a unit, where that is a decimal one."""
    factor = Fraction(1) if unit is None else factor_between(record.meaning.unit, unit)
    if factor is None or isinstance(record.value, float):
        return None
    step = record.meaning.factor * factor
    near = float(step)
    return near if Fraction(str(near)) == step else None


def as_toml(described: Sequence[Described]) -> str:
    """Return the points as a site file has them, each with the value it has now beside it."""
    lines = ["points = ["]
    for each in described:
        if each.point is None:
            lines.append(f"  # {each.words}: not understood, {each.record.head.hex(' ')}")
            continue
        told = each.record.fault or str(each.value)
        lines.append(f"  {{ {_table(each.point)} }}, # {told}")
    return "\n".join([*lines, "]"])


def _table(point: MbusPoint) -> str:
    defaults: dict[str, Any] = {  # Any: plain TOML values
        "storage": 0,
        "tariff": 0,
        "subunit": 0,
        "function": "instant",
        "qualifiers": (),
        "which": 0,
        "unit": None,
        "resolution": None,
        "audience": OPERATIONS,
    }
    parts = [f'name = "{point.name}"', f'quantity = "{point.quantity}"']
    for name, default in defaults.items():
        value = getattr(point, name)
        if value != default:
            parts.append(f"{name} = {_toml(value)}")
    return ", ".join(parts)


def _toml(value: float | str | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


async def describe(asking: Asking, meter: Meter) -> tuple[Telegram, list[Described]]:
    """Read a meter once, and return what it tells.

    Raises:
        DeviceError: as `read_out`.
    """
    told = await read_out(asking, meter)
    return told, records_of(told)
