"""The fixed data structure of old meters: two counters. Pure.

Source: "The M-Bus: A Documentation", Rev. 4.8, 6.3.1 and its table of units, as cited in libmbus.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from drivers.mbus import values
from drivers.mbus.quantities import OPAQUE
from drivers.mbus.telegram import Function, Header, Record, Telegram
from drivers.mbus.vif import Meaning
from gateway.model.errors import FrameError

SIZE: Final = 16
_BINARY: Final = 0x80
_STORED: Final = 0x40
_UNIT: Final = 0x3F
_SAME_BUT_STORED: Final = 0x3E
_HEAT_COST: Final = 0x39

_STEPS: Final = (
    (0x02, 9, "energy", "W.h", Fraction(1)),
    (0x0B, 9, "energy", "GJ", Fraction(1, 10**6)),  # from kJ
    (0x14, 9, "power", "W", Fraction(1)),
    (0x1D, 9, "power", "W", Fraction(1000, 3600)),  # from kJ/h
    (0x26, 9, "volume", "m3", Fraction(1, 10**6)),  # from ml
    (0x2F, 9, "volume_flow", "m3/h", Fraction(1, 10**6)),  # from ml/h
)
"""First code, how many follow in decades, quantity, unit and factor of the first."""


def meaning_of(code: int) -> Meaning:
    """Return what a unit of six bits is."""
    for first, count, quantity, unit, factor in _STEPS:
        if first <= code < first + count:
            return Meaning(quantity, unit, factor * 10 ** (code - first))
    if code == _HEAT_COST:
        return Meaning("heat_cost_units", "1")
    return Meaning(OPAQUE, qualifiers=(f"unit-{code:02x}",))


def decode(data: bytes) -> Telegram:
    """Return what a telegram of this structure tells.

    Its status byte is shown as it is: no document read here says which of its bits are errors.

    Raises:
        FrameError: it is not as long as this structure is.
    """
    if len(data) != SIZE:
        msg = f"{len(data)} bytes are no fixed data structure"
        raise FrameError(msg, answer=data)
    status, first, second = data[5], data[6], data[7]
    device_type = first >> 6 | second >> 6 << 2
    header = Header(bytes(data[:4]) + bytes((0, 0, 0, device_type)), data[4], status, errors=False)
    coding = values.Coding.BINARY if status & _BINARY else values.Coding.BCD
    stored = int(bool(status & _STORED))
    records = []
    for place, unit in enumerate((first & _UNIT, second & _UNIT)):
        same = unit == _SAME_BUT_STORED
        meaning = meaning_of(first & _UNIT if same else unit)
        raw = values.Raw(coding, data[8 + 4 * place : 12 + 4 * place])
        told, value, fault = values.tell(raw, meaning)
        storage = 1 if same else stored
        records.append(Record(Function.INSTANT, storage, 0, place, told, value, fault))
    return Telegram(header, tuple(records), more=False)
