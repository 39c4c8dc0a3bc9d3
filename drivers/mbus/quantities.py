"""What a meter can tell: quantities with the units they may be given in. Pure.

A value comes as an integer (or a real) times an exact fraction in a unit of its quantity; it is
converted by exact fractions too, and becomes a float at the very end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from gateway.model.reading import Kind

OPAQUE: Final = "opaque"
"""The quantity of a record that is not understood: it is shown to people, and is never a value."""
TEXT_PREFIX: Final = "text-"
"""Begins the quantity of a record whose unit is a text of its own, as `text-%RH`."""


class Form(StrEnum):
    """What a value of a quantity is."""

    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    BITS = "bits"


_HOUR: Final = 3600
_UNITS: Final[dict[str, dict[str, Fraction]]] = {
    "energy": {
        "kW.h": Fraction(3_600_000),
        "W.h": Fraction(3600),
        "GJ": Fraction(10**9),
    },
    "calories": {"Gcal": Fraction(1)},
    "apparent energy": {"kV.A.h": Fraction(1000), "V.A.h": Fraction(1)},
    "power": {"W": Fraction(1), "kW": Fraction(1000)},
    "apparent power": {"V.A": Fraction(1), "kV.A": Fraction(1000)},
    "volume": {"m3": Fraction(1), "L": Fraction(1, 1000)},
    "volume flow": {"m3/h": Fraction(1), "L/h": Fraction(1, 1000)},
    "mass": {"kg": Fraction(1)},
    "mass flow": {"kg/h": Fraction(1)},
    "temperature": {"Cel": Fraction(1)},
    "temperature difference": {"K": Fraction(1)},
    "pressure": {"bar": Fraction(100_000), "hPa": Fraction(100), "Pa": Fraction(1)},
    "time": {
        "h": Fraction(_HOUR),
        "s": Fraction(1),
        "min": Fraction(60),
        "d": Fraction(24 * _HOUR),
    },
    "voltage": {"V": Fraction(1), "mV": Fraction(1, 1000)},
    "current": {"A": Fraction(1), "mA": Fraction(1, 1000)},
    "frequency": {"Hz": Fraction(1)},
    "share": {"%": Fraction(1)},
    "level": {"dB[mW]": Fraction(1)},
    "count": {"{count}": Fraction(1), "1": Fraction(1)},
    "plain": {"1": Fraction(1), "{count}": Fraction(1)},
}
"""By kind of unit: units, each in the base of its kind. The first one is what is proposed."""
_KIND_OF: Final = {
    unit: kind for kind, units in _UNITS.items() for unit in units if kind != "plain"
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that meters tell."""

    form: Form
    kinds: tuple[str, ...] = ("plain",)
    """Kinds of units in which it comes; several where one cannot be turned into the other."""

    @property
    def unit(self) -> str:
        """Return the unit that is taken when none is named."""
        return next(iter(_UNITS[self.kinds[0]]))

    @property
    def units(self) -> tuple[str, ...]:
        """Return all units it may be given in."""
        return tuple(unit for kind in self.kinds for unit in _UNITS[kind])

    @property
    def kind(self) -> Kind:
        """Return what a point of it is when no resolution is named."""
        match self.form:
            case Form.NUMBER:
                return Kind.FLOAT64
            case Form.BITS:
                return Kind.COUNTER
            case Form.DATE | Form.TEXT:
                return Kind.TEXT


def _number(*kinds: str) -> Quantity:
    return Quantity(Form.NUMBER, kinds)


QUANTITIES: Final[dict[str, Quantity]] = {
    "energy": _number("energy", "calories"),
    "reactive_energy": _number("apparent energy"),
    "apparent_energy": _number("apparent energy"),
    "power": _number("power"),
    "reactive_power": _number("apparent power"),
    "apparent_power": _number("apparent power"),
    "max_power_cumulated": _number("power"),
    "volume": _number("volume"),
    "volume_flow": _number("volume flow"),
    "mass": _number("mass"),
    "mass_flow": _number("mass flow"),
    "flow_temperature": _number("temperature"),
    "return_temperature": _number("temperature"),
    "external_temperature": _number("temperature"),
    "temperature_limit": _number("temperature"),
    "temperature_difference": _number("temperature difference"),
    "pressure": _number("pressure"),
    "humidity": _number("share"),
    "voltage": _number("voltage"),
    "current": _number("current"),
    "frequency": _number("frequency"),
    "on_time": _number("time"),
    "operating_time": _number("time"),
    "averaging_duration": _number("time"),
    "actuality_duration": _number("time"),
    "storage_interval": _number("time"),
    "time_since_readout": _number("time"),
    "tariff_duration": _number("time"),
    "tariff_period": _number("time"),
    "time_since_cumulation": _number("time"),
    "battery_operating_time": _number("time"),
    "battery_days_left": _number("time"),
    "limit_exceeded_for": _number("time"),
    "lasts_for": _number("time"),
    "heat_cost_units": _number("plain"),
    "dimensionless": _number("plain"),
    "reset_counter": _number("count"),
    "cumulation_counter": _number("count"),
    "limit_exceeded_times": _number("count"),
    "stopped_times": _number("count"),
    "access_number": _number("count"),
    "first_storage": _number("plain"),
    "last_storage": _number("plain"),
    "storage_size": _number("plain"),
    "baud_rate": _number("plain"),
    "response_delay": _number("plain"),
    "bus_address": _number("plain"),
    "rf_level": _number("level"),
    "error_flags": Quantity(Form.BITS),
    "digital_input": Quantity(Form.BITS),
    "digital_output": Quantity(Form.BITS),
    "date": Quantity(Form.DATE),
    "datetime": Quantity(Form.DATE),
    "tariff_start": Quantity(Form.DATE),
    "battery_change": Quantity(Form.DATE),
    "limit_date": Quantity(Form.DATE),
    "date_of": Quantity(Form.DATE),
    "fabrication_number": Quantity(Form.TEXT),
    "identification": Quantity(Form.TEXT),
    "customer": Quantity(Form.TEXT),
    "customer_location": Quantity(Form.TEXT),
    "model_version": Quantity(Form.TEXT),
    "hardware_version": Quantity(Form.TEXT),
    "firmware_version": Quantity(Form.TEXT),
    "software_version": Quantity(Form.TEXT),
    "parameter_set": Quantity(Form.TEXT),
}
"""By name, as site files and pages say it."""


def quantity_of(name: str) -> Quantity | None:
    """Return the quantity of that name; None when there is none a point may have."""
    if name.startswith(TEXT_PREFIX) and len(name) > len(TEXT_PREFIX):
        return _number("plain")
    return QUANTITIES.get(name)


def factor_between(unit: str, wanted: str) -> Fraction | None:
    """Return what a number in `unit` is multiplied by to be in `wanted`; None: it cannot be."""
    if unit == wanted:
        return Fraction(1)
    kind = _KIND_OF.get(unit)
    if kind is None or _KIND_OF.get(wanted) != kind:
        return None
    return _UNITS[kind][unit] / _UNITS[kind][wanted]
