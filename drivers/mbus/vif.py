"""What the value information block says: quantity, unit and scale, and what qualifies them. Pure.

What is not in these tables is opaque: it is never taken for something near it.

Source: EN 13757-3:2018, 6.4 (tables of primary VIFs, of the extensions FBh and FDh, and of
combinable VIFEs) as cited code for code in exmbus (main, FB, FD, VIFE); "The M-Bus: A
Documentation", Rev. 4.8, 8.4, as cited in libmbus. Where both name a code they agree, but for the
mass (10^(nnn-3) kg in libmbus and in its recorded meters) and for codes that were used until 2004.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from drivers.mbus.quantities import OPAQUE, TEXT_PREFIX

MANUFACTURER: Final = 0x7F
PLAIN_TEXT: Final = 0x7C
TABLE_FB: Final = 0xFB
TABLE_FD: Final = 0xFD
MORE: Final = 0x80


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the number of a record is.

    The value is `number * factor` in `unit`. `unit` is "" where a quantity is no number.
    """

    quantity: str
    unit: str = ""
    factor: Fraction = Fraction(1)
    qualifiers: tuple[str, ...] = ()
    error: str = ""
    """The meter says that it has no value here, and why."""
    unsigned: bool = False

    def opaque(self, why: str) -> Meaning:
        """Return that it is not understood."""
        return replace(self, quantity=OPAQUE, unit="", qualifiers=(*self.qualifiers, why))


def _ten(exponent: int) -> Fraction:
    return Fraction(10) ** exponent


def _decades(
    table: dict[int, Meaning],
    first: int,
    bits: int,
    quantity: str,
    unit: str,
    exponent: int,
    *,
    factor: Fraction = Fraction(1),
) -> None:
    """Fill the codes whose last bits are the exponent of ten."""
    for n in range(1 << bits):
        table[first + n] = Meaning(quantity, unit, factor * _ten(n + exponent))


_TIMES: Final = ("s", "min", "h", "d")


def _times(table: dict[int, Meaning], first: int, quantity: str, *, begin: int = 0) -> None:
    for n in range(begin, 4):
        table[first + n] = Meaning(quantity, _TIMES[n])


def _primary() -> dict[int, Meaning]:
    table: dict[int, Meaning] = {}
    _decades(table, 0x00, 3, "energy", "W.h", -3)
    _decades(table, 0x08, 3, "energy", "GJ", -9)  # 10^nnn J
    _decades(table, 0x10, 3, "volume", "m3", -6)
    _decades(table, 0x18, 3, "mass", "kg", -3)
    _times(table, 0x20, "on_time")
    _times(table, 0x24, "operating_time")
    _decades(table, 0x28, 3, "power", "W", -3)
    _decades(table, 0x30, 3, "power", "W", 0, factor=Fraction(1, 3600))  # J/h
    _decades(table, 0x38, 3, "volume_flow", "m3/h", -6)
    _decades(table, 0x40, 3, "volume_flow", "m3/h", -7, factor=Fraction(60))  # m3/min
    _decades(table, 0x48, 3, "volume_flow", "m3/h", -9, factor=Fraction(3600))  # m3/s
    _decades(table, 0x50, 3, "mass_flow", "kg/h", -3)
    _decades(table, 0x58, 2, "flow_temperature", "Cel", -3)
    _decades(table, 0x5C, 2, "return_temperature", "Cel", -3)
    _decades(table, 0x60, 2, "temperature_difference", "K", -3)
    _decades(table, 0x64, 2, "external_temperature", "Cel", -3)
    _decades(table, 0x68, 2, "pressure", "bar", -3)
    table[0x6C] = Meaning("date")
    table[0x6D] = Meaning("datetime")
    table[0x6E] = Meaning("heat_cost_units", "1")
    _times(table, 0x70, "averaging_duration")
    _times(table, 0x74, "actuality_duration")
    table[0x78] = Meaning("fabrication_number", unsigned=True)
    table[0x79] = Meaning("identification", unsigned=True)
    table[0x7A] = Meaning("bus_address", "1", unsigned=True)
    return table


def _table_fb() -> dict[int, Meaning]:
    table: dict[int, Meaning] = {}
    _decades(table, 0x00, 1, "energy", "kW.h", 2)  # 10^(n-1) MWh
    _decades(table, 0x02, 1, "reactive_energy", "kV.A.h", 0)
    _decades(table, 0x04, 1, "apparent_energy", "kV.A.h", 0)
    _decades(table, 0x08, 1, "energy", "GJ", -1)
    _decades(table, 0x0C, 2, "energy", "Gcal", -4)  # 10^(nn-1) Mcal
    _decades(table, 0x10, 1, "volume", "m3", 2)
    _decades(table, 0x14, 2, "reactive_power", "kV.A", -3)
    _decades(table, 0x18, 1, "mass", "kg", 5)  # 10^(n+2) t
    _decades(table, 0x1A, 1, "humidity", "%", -1)
    _decades(table, 0x28, 1, "power", "W", 5)  # 10^(n-1) MW
    _decades(table, 0x2C, 2, "frequency", "Hz", -3)
    _decades(table, 0x30, 1, "power", "W", 8, factor=Fraction(1, 3600))  # 10^(n-1) GJ/h
    _decades(table, 0x34, 2, "apparent_power", "kV.A", -3)
    _decades(table, 0x74, 2, "temperature_limit", "Cel", -3)
    _decades(table, 0x78, 3, "max_power_cumulated", "W", -3)
    return table


def _table_fd() -> dict[int, Meaning]:
    table: dict[int, Meaning] = {
        0x08: Meaning("access_number", "{count}", unsigned=True),
        0x0B: Meaning("parameter_set", unsigned=True),
        0x0C: Meaning("model_version", unsigned=True),
        0x0D: Meaning("hardware_version", unsigned=True),
        0x0E: Meaning("firmware_version", unsigned=True),
        0x0F: Meaning("software_version", unsigned=True),
        0x10: Meaning("customer_location", unsigned=True),
        0x11: Meaning("customer", unsigned=True),
        0x17: Meaning("error_flags", "1", unsigned=True),
        0x1A: Meaning("digital_output", "1", unsigned=True),
        0x1B: Meaning("digital_input", "1", unsigned=True),
        0x1C: Meaning("baud_rate", "1", unsigned=True),
        0x1D: Meaning("response_delay", "1", unsigned=True),
        0x20: Meaning("first_storage", "1", unsigned=True),
        0x21: Meaning("last_storage", "1", unsigned=True),
        0x22: Meaning("storage_size", "1", unsigned=True),
        0x30: Meaning("tariff_start"),
        0x3A: Meaning("dimensionless", "1"),
        0x60: Meaning("reset_counter", "{count}"),
        0x61: Meaning("cumulation_counter", "{count}"),
        0x68: Meaning("time_since_cumulation", "h"),
        0x69: Meaning("time_since_cumulation", "d"),
        0x6C: Meaning("battery_operating_time", "h"),
        0x6D: Meaning("battery_operating_time", "d"),
        0x70: Meaning("battery_change"),
        0x71: Meaning("rf_level", "dB[mW]"),
        0x74: Meaning("battery_days_left", "d", unsigned=True),
        0x75: Meaning("stopped_times", "{count}", unsigned=True),
    }
    _times(table, 0x24, "storage_interval")
    _times(table, 0x2C, "time_since_readout")
    _times(table, 0x30, "tariff_duration", begin=1)
    _times(table, 0x34, "tariff_period")
    _decades(table, 0x40, 4, "voltage", "V", -9)
    _decades(table, 0x50, 4, "current", "A", -12)
    return table


PRIMARY: Final = _primary()
FB: Final = _table_fb()
FD: Final = _table_fd()

_SAYS_MORE: Final = {
    0x12: "average",
    0x1D: "standard",
    0x3A: "uncorrected",
    0x3B: "forward",
    0x3C: "backward",
    0x3E: "base_condition",
    0x40: "limit_lower",
    0x48: "limit_upper",
    0x68: "while_below_limit",
    0x6C: "while_above_limit",
    0x69: "leakage",
    0x6D: "overflow",
    0x7E: "future",
}
"""What leaves quantity and unit as they are. All else of the table changes them, or is opaque."""

_RECORD_ERRORS: Final = {
    0x15: "no data",
    0x16: "overflow",
    0x17: "underflow",
    0x18: "data error",
    0x1C: "premature end",
}
_LAST_ACTION: Final = 0x0F
_FACTOR: Final = 0x70
_FACTOR_MASK: Final = 0x78
"""E111 0nnn: times 10^(nnn-6)."""
_THOUSAND: Final = 0x7D


def qualify(meaning: Meaning, vife: int) -> Meaning:
    """Return what a combinable VIFE makes of a meaning.

    Args:
        meaning: as the VIF and the VIFEs before it have it.
        vife: seven bits; neither FCh (`phase`) nor FFh (`of_maker`).
    """
    error = _error(vife)
    if error is not None:
        return replace(meaning, error=error or meaning.error)
    if vife in _SAYS_MORE:
        return replace(meaning, qualifiers=(*meaning.qualifiers, _SAYS_MORE[vife]))
    if meaning.quantity == OPAQUE:
        return meaning.opaque(f"vife-{vife:02x}")
    if vife & _FACTOR_MASK == _FACTOR:
        return replace(meaning, factor=meaning.factor * _ten((vife & 7) - 6))
    if vife == _THOUSAND:
        return replace(meaning, factor=meaning.factor * 1000)
    return _changed(meaning, vife)


def _error(vife: int) -> str | None:
    """Return what a meter says is wrong with a record; "" for nothing, None: it says no such."""
    if vife <= _LAST_ACTION:  # in requests these are actions, in answers errors of the record
        return f"record error {vife}" if vife else ""
    return _RECORD_ERRORS.get(vife)


def _changed(meaning: Meaning, vife: int) -> Meaning:
    """Return what a VIFE makes of it that tells of something else than the quantity itself."""
    of = meaning.quantity
    upper, last = bool(vife & 0x08), bool(vife & 0x04)
    which = ("upper" if upper else "lower", "last" if last else "first")
    match vife & 0x70:
        case 0x40 if vife & 0x07 == 1:  # E100 u001
            return _about(meaning, "limit_exceeded_times", "{count}", of, which[0])
        case 0x40 if vife & 0x02:  # E100 uf1b
            end = "end" if vife & 1 else "begin"
            return _about(meaning, "limit_date", "", of, *which, end)
        case 0x50:  # E101 ufnn
            return _about(meaning, "limit_exceeded_for", _TIMES[vife & 3], of, *which)
        case 0x60 if not upper:  # E110 0fnn
            return _about(meaning, "lasts_for", _TIMES[vife & 3], of, which[1])
        case 0x60 if vife & 0x02:  # E110 1f1b
            end = "end" if vife & 1 else "begin"
            return _about(meaning, "date_of", "", of, which[1], end)
        case _:
            return meaning.opaque(f"vife-{vife:02x}")


def _about(meaning: Meaning, quantity: str, unit: str, *words: str) -> Meaning:
    qualifiers = (*meaning.qualifiers, *words)
    return Meaning(quantity, unit, qualifiers=qualifiers, error=meaning.error)


def phase(meaning: Meaning, vife: int) -> Meaning:
    """Return what a VIFE of the table behind FCh adds: said by its number."""
    return replace(meaning, qualifiers=(*meaning.qualifiers, f"fc-{vife:02x}"))


def of_maker(meaning: Meaning, vifes: tuple[int, ...]) -> Meaning:
    """Return what VIFEs of the manufacturer add: said by their numbers, known to no table."""
    words = tuple(f"maker-{vife:02x}" for vife in vifes) or ("maker",)
    return replace(meaning, qualifiers=(*meaning.qualifiers, *words))


def plain_text(text: str) -> Meaning:
    """Return what a unit is that the meter writes out."""
    return Meaning(TEXT_PREFIX + text, "1")


def meaning_of(vif: int, *, table: dict[int, Meaning]) -> Meaning:
    """Return the meaning of a code of seven bits in one of the tables."""
    return table.get(vif) or Meaning(OPAQUE, qualifiers=(f"vif-{vif:02x}",))
