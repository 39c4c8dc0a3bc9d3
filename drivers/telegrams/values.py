"""From a telegram to values, and from a value to what goes into a request. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.telegrams.template import size_of, unpacked
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.reading import NO_FLAGS, Cause, Flag, Kind, Point, Quality, Sample, Value

NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
OUT_OF_RANGE: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)
UNKNOWN_STATE: Final = Flag(Quality.UNCERTAIN, Cause.UNKNOWN_STATE)
NO_STATE: Final = Flag(Quality.BAD, Cause.UNKNOWN_STATE)

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_DIGITS: Final = {
    "integer": (re.compile(r"[+-]?\d+"), 10),
    "hex": (re.compile(r"[0-9A-Fa-f]+"), 16),
}
_LONGEST_NUMBER: Final = 32
_GRID: Final = 1e-6

Parts = Mapping[str, str | None]
"""Named groups of a pattern, as they matched."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands in a telegram, and how it is to be read."""

    form: str
    """Of a text: number, integer, hex, text. Of bytes: u8, i16le, float32be, bcd, ascii..."""
    group: str = ""
    """Named group of the pattern."""
    at: int = 0
    """Offset in the telegram, in bytes."""
    size: int = 0
    mask: int | None = None
    scale: float = 1.0
    offset: float = 0.0
    sentinels: frozenset[float] = frozenset()
    no_value: frozenset[str] = frozenset()
    codes: Mapping[str, int] = field(default_factory=dict)
    """Texts that stand for states."""
    unit_group: str = ""
    units: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By its text: scale and offset into the unit of the point. Another text: no value."""


def sample_of(points: Sequence[tuple[Point, Source]], telegram: bytes, parts: Parts) -> Sample:
    """Return the values of some points.

    Args:
        points: in the order of their table.
        telegram: whole and checked.
        parts: what the pattern of the answer found; empty for bytes.

    Raises:
        FrameError: the telegram ends before a value does.
    """
    cells: list[Value | None] = []
    flags: dict[int, Flag] = {}
    for place, (point, source) in enumerate(points):
        value, flag = _value(point, source, telegram, parts)
        cells.append(None if flag is not None and flag.quality is Quality.BAD else value)
        if flag is not None:
            flags[place] = flag
    return Sample(tuple(cells), flags or NO_FLAGS)


def _value(
    point: Point, source: Source, telegram: bytes, parts: Parts
) -> tuple[Value | None, Flag | None]:
    if source.group:
        raw, flag = _from_text(source, parts)
    else:
        raw, flag = _from_bytes(source, telegram)
    if flag is not None or raw is None:
        return None, flag or NO_VALUE
    if isinstance(raw, str):
        return raw, None
    if source.mask is not None:
        raw = (int(raw) & source.mask) >> ((source.mask & -source.mask).bit_length() - 1)
    if raw in source.sentinels or math.isnan(raw):
        return None, NO_VALUE
    if point.kind is Kind.BOOL:
        return bool(raw), None
    if point.kind is Kind.STATE:
        return int(raw), None if int(raw) in point.states else UNKNOWN_STATE
    return _scaled(point, source, raw, parts)


def _scaled(
    point: Point, source: Source, raw: float, parts: Parts
) -> tuple[Value | None, Flag | None]:
    value = raw
    if source.scale != 1 or source.offset != 0:
        value = raw * source.scale + source.offset
    if source.unit_group:
        unit = source.units.get(parts.get(source.unit_group) or "")
        if unit is None:
            return None, NO_VALUE
        if unit != (1.0, 0.0):
            value = value * unit[0] + unit[1]
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    if not math.isfinite(value) or not low <= value <= high:
        return None, OUT_OF_RANGE
    return value, None


def _from_text(source: Source, parts: Parts) -> tuple[float | str | None, Flag | None]:
    found = parts.get(source.group)
    if found is None or found.strip() in source.no_value:
        return None, NO_VALUE
    text = found.strip()
    if source.codes:
        number = source.codes.get(text)
        return number, None if number is not None else NO_STATE
    if source.form == "text":
        return (text, None) if text.isprintable() else (None, OUT_OF_RANGE)
    if len(text) > _LONGEST_NUMBER:
        return None, OUT_OF_RANGE
    if source.form in _DIGITS:
        known, base = _DIGITS[source.form]
        return (int(text, base), None) if known.fullmatch(text) else (None, OUT_OF_RANGE)
    return (float(text), None) if _NUMBER.fullmatch(text) else (None, OUT_OF_RANGE)


def _from_bytes(source: Source, telegram: bytes) -> tuple[float | str | None, Flag | None]:
    data = telegram[source.at : source.at + source.size]
    if len(data) < source.size:
        msg = f"no byte {source.at + source.size - 1} in it"
        raise FrameError(msg, answer=telegram)
    if source.form == "ascii":
        text = data.partition(b"\0")[0]
        shown = text.decode("ascii").strip() if text.isascii() else ""
        if shown in source.no_value:
            return None, NO_VALUE
        return (shown, None) if shown.isprintable() and text.isascii() else (None, OUT_OF_RANGE)
    if source.form == "bcd":
        digits = data.hex()
        return (int(digits), None) if digits.isdecimal() else (None, OUT_OF_RANGE)
    return unpacked(source.form, data), None


def bytes_of(form: str, size: int | None) -> int:
    """Return how many bytes a form takes; `size` is said for `ascii` and `bcd`.

    Raises:
        ValueError: no such form, or a size too much or missing.
    """
    if form in {"ascii", "bcd"}:
        if not size:
            msg = f"{form} needs a size"
            raise ValueError(msg)
        return size
    try:
        known = size_of(form)
    except ValueError as error:
        msg = f"{form!r} is no form of bytes: u8, i16le, u32be, float32le, bcd, ascii"
        raise ValueError(msg) from error
    if size not in {None, known}:
        msg = f"{form} has {known} bytes"
        raise ValueError(msg)
    return known


# The other way


def raw_of(point: Point, source: Source, value: Value) -> tuple[Value, float | str]:
    """Return what a point will be, and what stands for it in a request.

    Raises:
        CommandRefusedError: the point cannot take this value; the message says which it can.
    """
    names = {name: number for number, name in point.states.items()}
    if point.kind is Kind.STATE:
        number = names.get(value) if isinstance(value, str) else value
        if not isinstance(number, int) or isinstance(number, bool) or number not in point.states:
            allowed = ", ".join(f"{name} ({number})" for name, number in names.items())
            msg = f"{point.name}: {value!r} is not one of {allowed}"
            raise CommandRefusedError(msg)
        return number, _coded(source, number)
    if point.kind is Kind.BOOL:
        if isinstance(value, str) or value not in {0, 1}:
            msg = f"{point.name}: true or false expected, not {value!r}"
            raise CommandRefusedError(msg)
        return bool(value), _coded(source, int(value))
    if point.kind is Kind.TEXT:
        return _text(point, value)
    return _number(point, source, value)


def _coded(source: Source, number: int) -> float | str:
    texts = (text for text, code in source.codes.items() if code == number)
    return next(texts, number)


def _text(point: Point, value: Value) -> tuple[Value, str]:
    if not isinstance(value, str) or not value.isprintable() or not value.isascii():
        msg = f"{point.name}: a text of ASCII characters expected, not {value!r}"
        raise CommandRefusedError(msg)
    return value, value


def _number(point: Point, source: Source, value: Value) -> tuple[Value, float]:
    if isinstance(value, bool | str) or not math.isfinite(value):
        msg = f"{point.name}: a number in {point.unit} expected, not {value!r}"
        raise CommandRefusedError(msg)
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    if not low <= value <= high:
        msg = f"{point.name}: {value} is not between {low} and {high} {point.unit}"
        raise CommandRefusedError(msg)
    raw = (value - source.offset) / source.scale
    whole = point.kind in {Kind.NUMBER, Kind.COUNTER} and source.form != "number"
    if whole:
        step = round(raw)
        if abs(raw - step) > _GRID:
            msg = f"{point.name}: {value} is not a step of {source.scale:g} {point.unit}"
            raise CommandRefusedError(msg)
        raw = step
    return value, raw
