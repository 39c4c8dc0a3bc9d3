"""From a document to the values of points, and from a value to what an order says. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from drivers.localnet.documents import MISSING, SHOWN, Json, at, read_json
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.reading import NO_FLAGS, Cause, Flag, Kind, Point, Quality, Sample, Value

NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
OUT_OF_RANGE: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)
UNKNOWN_STATE: Final = Flag(Quality.UNCERTAIN, Cause.UNKNOWN_STATE)
NO_STATE: Final = Flag(Quality.BAD, Cause.UNKNOWN_STATE)
STALE: Final = Flag(Quality.UNCERTAIN, Cause.STALE)

LONGEST_TEXT: Final = 256
"""Characters of a point that is a text."""
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_LONGEST_NUMBER: Final = 32
_CLOSE: Final = 1e-9

Scalar = str | bool | int | float


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stands in a document, and how it is to be read."""

    steps: tuple[str, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    sentinels: frozenset[float] = frozenset()
    no_value: frozenset[str] = frozenset()
    codes: Mapping[str, int] = field(default_factory=dict)
    """Texts that stand for states, or for true (1) and false (0)."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What must stand in a document for it to be one of this group."""

    steps: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Points that come in one document."""

    name: str
    points: tuple[tuple[Point, Source], ...]
    period_s: float
    plain: bool = False
    """The document is one plain text, not JSON."""
    partial: bool = False
    """What is missing stays as it was; a document without any of the points is passed over."""
    signs: tuple[Sign, ...] = ()
    identity: tuple[str, ...] | None = None
    """Where the device says who it is."""


def read_document(group: Group, raw: bytes) -> Json:
    """Return what came of a group.

    Raises:
        FrameError: it is none.
    """
    if not group.plain:
        return read_json(raw)
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        msg = "a text that is no UTF-8"
        raise FrameError(msg, answer=raw[:SHOWN]) from error


def sample_of(group: Group, raw: bytes, device: str, *, retained: bool = False) -> Sample | None:
    """Return the values of a group; None: this document is none of its own.

    Args:
        group: whose points.
        raw: as it came.
        device: what it calls itself, where it says so.
        retained: of an unknown time: nothing in it is GOOD.

    Raises:
        FrameError: it makes no sense, or another device says that it is its own.
    """
    document = read_document(group, raw)
    if any(_said(at(document, sign.steps)) != sign.text for sign in group.signs):
        return None
    if group.identity is not None and _said(at(document, group.identity)) != device:
        msg = "another device says that this is its own"
        raise FrameError(msg, answer=raw[:SHOWN])
    found = [at(document, source.steps) for _, source in group.points]
    if all(each is MISSING for each in found):
        if group.partial:
            return None
        msg = f"none of the points of {group.name} stands in it"
        raise FrameError(msg, answer=raw[:SHOWN])
    cells: list[Value | None] = []
    flags: dict[int, Flag] = {}
    for place, ((point, source), each) in enumerate(zip(group.points, found, strict=True)):
        if each is MISSING and group.partial:
            cells.append(None)
            continue
        value, flag = _value(point, source, each)
        bad = flag is not None and flag.quality is Quality.BAD
        cells.append(None if bad else value)
        if flag is None and retained:
            flag = STALE
        if flag is not None:
            flags[place] = flag
    return Sample(tuple(cells), flags or NO_FLAGS)


def _said(found: Json) -> str | None:
    """Return a scalar as the text by which a profile names it."""
    if isinstance(found, str):
        return found
    if found is None or isinstance(found, bool | int | float):
        return json.dumps(found)
    return None


_Read = tuple[Value | None, Flag | None]


def _value(point: Point, source: Source, found: Json) -> _Read:
    if found is MISSING or found is None:
        return None, NO_VALUE
    said = _said(found)
    if said is None:  # an object or an array where a value was meant
        return None, OUT_OF_RANGE
    if said in source.no_value:
        return None, NO_VALUE
    if source.codes:
        return _coded(point, source, said)
    return _READ.get(point.kind, _measured)(point, source, found)


def _coded(point: Point, source: Source, said: str) -> _Read:
    code = source.codes.get(said)
    if code is None:
        return None, NO_STATE
    return (bool(code), None) if point.kind is Kind.BOOL else (code, None)


def _text(_point: Point, _source: Source, found: Json) -> _Read:
    fits = isinstance(found, str) and len(found) <= LONGEST_TEXT
    return (found, None) if fits else (None, OUT_OF_RANGE)


def _truth(_point: Point, _source: Source, found: Json) -> _Read:
    said = _said(found)
    return (said == "true", None) if said in {"true", "false"} else (None, OUT_OF_RANGE)


def _state(point: Point, source: Source, found: Json) -> _Read:
    number = _number(found)
    if number is None or not number.is_integer():
        return None, NO_STATE
    if number in source.sentinels:
        return None, NO_VALUE
    return int(number), None if int(number) in point.states else UNKNOWN_STATE


def _measured(point: Point, source: Source, found: Json) -> _Read:
    number = _number(found)
    if number is None:
        return None, OUT_OF_RANGE
    if number in source.sentinels:
        return None, NO_VALUE
    value = number * source.scale + source.offset
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    if not math.isfinite(value) or not low <= value <= high:
        return None, OUT_OF_RANGE
    return value, None


_READ: Final[Mapping[Kind, Callable[[Point, Source, Json], _Read]]] = {
    Kind.TEXT: _text,
    Kind.BOOL: _truth,
    Kind.STATE: _state,
}


def _number(found: Json) -> float | None:
    """Return a number, also one that came as a text; None: it is none."""
    if isinstance(found, bool):
        return None
    if isinstance(found, str):
        if len(found) > _LONGEST_NUMBER or not _NUMBER.fullmatch(found):
            return None
        return float(found)
    try:
        return float(found)
    except OverflowError:  # a whole number of more than 308 digits
        return None


# What is set


def wire_value(point: Point, source: Source, value: Value) -> Scalar:
    """Return a value as the device is told it.

    Raises:
        CommandRefusedError: the point cannot be that.
    """
    why = _unfit(point, value)
    if why is not None:
        msg = f"{point.name}: {why}"
        raise CommandRefusedError(msg)
    if isinstance(value, str):
        return value
    if source.codes:
        texts = [text for text, code in source.codes.items() if code == value]
        if not texts:
            msg = f"{point.name}: {value} has no text"
            raise CommandRefusedError(msg)
        return texts[0]
    if point.kind is Kind.BOOL:
        return bool(value)
    return int(value) if point.kind is Kind.STATE else (value - source.offset) / source.scale


def _unfit(point: Point, value: Value) -> str | None:
    """Say why a point cannot be that, or None."""
    if point.kind is Kind.TEXT or isinstance(value, str):
        fits = isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()
        if point.kind is Kind.TEXT and fits:
            return None
        return "it cannot be this text" if point.kind is Kind.TEXT else "a number is needed"
    if not math.isfinite(value):
        return "a number is needed"
    low = value if point.low is None else point.low
    high = value if point.high is None else point.high
    checks = {
        f"{value} is neither true nor false": point.kind is Kind.BOOL and value not in {0, 1},
        f"{value} is none of its states": point.kind is Kind.STATE and value not in point.states,
        f"{value} is not within {point.low} to {point.high}": not low <= value <= high,
    }
    return next((why for why, wrong in checks.items() if wrong), None)


def same(got: object, expected: object) -> bool:
    """Say whether two values of a point are one."""
    if isinstance(got, bool | str) or isinstance(expected, bool | str):
        return got == expected
    if not isinstance(got, int | float) or not isinstance(expected, int | float):
        return False
    return abs(got - expected) <= _CLOSE * max(1.0, abs(expected))


def cell_of(group: Group, sample: Sample, name: str) -> Value | None:
    """Return the value of one point, if it is told and not BAD."""
    names = [str(point.name) for point, _ in group.points]
    return sample.cells[names.index(name)]


def points_of(groups: Sequence[Group]) -> Mapping[str, tuple[Group, Point, Source]]:
    """Return every point by its name, with its group."""
    return {
        str(point.name): (group, point, source)
        for group in groups
        for point, source in group.points
    }
