"""Checks the test vectors of a profile: does an answer decode to what is said of it? Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from drivers.modbus.codec import compile_decoder
from drivers.modbus.fields import READ_FUNCTION, Span
from drivers.modbus.profile import Profile
from drivers.modbus.schema import VectorModel
from gateway.model.ids import PointId
from gateway.model.reading import Value

_TABLES: Final = {function: table for table, function in READ_FUNCTION.items()}
_REQUEST: Final = 5
_CLOSE: Final = 1e-9


def check_vectors(profile: Profile) -> list[str]:
    """Return one sentence for everything in which the vectors and the points disagree."""
    return [
        f"{profile.map.name}, vector {number}: {problem}"
        for number, vector in enumerate(profile.vectors, start=1)
        for problem in _check(profile, vector)
    ]


def _check(profile: Profile, vector: VectorModel) -> list[str]:
    request, answer = bytes.fromhex(vector.request), bytes.fromhex(vector.answer)
    if len(request) != _REQUEST or request[0] not in _TABLES:
        return [f"{vector.request} is no read request"]
    function, address, count = struct.unpack(">BHH", request)
    span = Span(_TABLES[function], address, count)
    size = (count + 7) // 8 if span.table.bits else count * 2
    if answer[:2] != bytes((function, size)) or len(answer) != size + 2:
        return [f"{vector.answer} is no answer to {vector.request}"]
    inside = [mapped for mapped in profile.map.points.values() if _covers(span, mapped.field.span)]
    cells, flags = compile_decoder(span, inside).decode(answer, 2)
    names = [mapped.point.name for mapped in inside]
    problems = _outside(vector, names)
    for place, name in enumerate(names):
        cause = flags[place].cause.name.lower() if place in flags else None
        if cause != vector.flags.get(name):
            problems.append(f"{name} has the flag {cause}, not {vector.flags.get(name)}")
        if name in vector.values and not same(cells[place], vector.values[name]):
            problems.append(f"{name} is {cells[place]!r}, not {vector.values[name]!r}")
    return problems


def _outside(vector: VectorModel, inside: list[PointId]) -> list[str]:
    named: Mapping[str, object] = {**vector.values, **vector.flags}
    return [f"{name} does not lie in this answer" for name in named if name not in inside]


def _covers(outer: Span, inner: Span) -> bool:
    return outer.table is inner.table and outer.address <= inner.address and inner.end <= outer.end


def points_in(profile: Profile, vector: VectorModel) -> list[PointId]:
    """Return the points that lie whole in the answer of a vector that was checked."""
    function, address, count = struct.unpack(">BHH", bytes.fromhex(vector.request))
    span = Span(_TABLES[function], address, count)
    return [name for name, mapped in profile.map.points.items() if _covers(span, mapped.field.span)]


def same(got: Value | None, expected: Value) -> bool:
    """Say whether a value is the one that was expected, as far as a float can tell."""
    if isinstance(got, (bool, str)) or isinstance(expected, (bool, str)) or got is None:
        return got == expected and type(got) is type(expected)
    return abs(got - expected) <= _CLOSE * max(1.0, abs(expected))
