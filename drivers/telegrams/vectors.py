"""Tries the test vectors of a profile with what the driver itself uses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drivers.telegrams.language import Reply
from drivers.telegrams.profile import Profile
from drivers.telegrams.reader import Reader, Refuser
from drivers.telegrams.schema import VectorModel
from drivers.telegrams.values import raw_of, sample_of
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.ids import PointId
from gateway.model.reading import Value

_CLOSE = 1e-9


def check_vectors(profile: Profile) -> list[str]:
    """Return one sentence for everything in which the vectors and the profile disagree."""
    return [
        f"{profile.language.name}, vector {number}: {problem}"
        for number, vector in enumerate(profile.model.vector, start=1)
        for problem in _check(profile, vector)
    ]


def _check(profile: Profile, vector: VectorModel) -> Iterator[str]:
    language = profile.language
    try:
        address = language.address.check(
            language.address.default if vector.address is None else vector.address
        )
        made = _request(profile, vector, address)
    except ValueError as error:
        yield str(error)
        return
    if made != vector.bytes_out():
        yield f"the request is {_shown(made)}, not {_shown(vector.bytes_out())}"
    if vector.write:
        reply = language.orders[PointId(vector.write)].reply
    else:
        reply = language.topics[vector.group].reply
    if reply is not None:
        yield from _answer(profile, vector, reply, address)
    elif vector.bytes_in():
        yield "the device says nothing to it"


def _answer(
    profile: Profile, vector: VectorModel, reply: Reply, address: int | str
) -> Iterator[str]:
    language = profile.language
    answer = vector.bytes_in()
    reader = Reader(reply, address)
    codes = [Refuser(refusal, address).code(answer) for refusal in language.refusals]
    code = next((each for each in codes if each is not None), None)
    try:
        good = reply.shape.measure(answer) == len(answer) and reader.fits(answer)
    except FrameError as error:
        good = False
        if vector.refused is None:
            yield str(error)
            return
    if vector.refused is not None:
        if good or code != vector.refused:
            yield f"the answer is a refusal with the code {code}, not {vector.refused}"
        return
    if not good:
        yield f"{_shown(answer)} is no answer to it"
        return
    if vector.group:
        yield from _values(profile, vector, reader, answer)


def _request(profile: Profile, vector: VectorModel, address: int | str) -> bytes:
    language = profile.language
    values: dict[str, float | str | bytes] = {"address": address}
    if vector.group:
        template = language.topics[vector.group].request
        return template.fill(values, language.checksum) if template else b""
    name = PointId(vector.write)
    point, source = language.points[name]
    if vector.value is None:
        msg = "a write needs a value"
        raise ValueError(msg)
    try:
        _, values["value"] = raw_of(point, source, vector.value)
    except CommandRefusedError as error:
        raise ValueError(str(error)) from error
    return language.orders[name].request.fill(values, language.checksum)


def _values(profile: Profile, vector: VectorModel, reader: Reader, answer: bytes) -> Iterator[str]:
    language = profile.language
    names = [name for name, group in language.topic_of.items() if group == vector.group]
    points = [language.points[name] for name in names]
    try:
        sample = sample_of(points, answer, reader.parts(answer) or {})
    except FrameError as error:
        yield str(error)
        return
    named: Mapping[str, object] = {**vector.values, **vector.flags}
    yield from (f"{name} does not stand in this answer" for name in named if name not in names)
    for place, name in enumerate(names):
        flag = sample.flags.get(place)
        cause = flag.cause.name.lower() if flag is not None else None
        if cause != vector.flags.get(name):
            yield f"{name} has the flag {cause}, not {vector.flags.get(name)}"
        if name in vector.values and not same(sample.cells[place], vector.values[name]):
            yield f"{name} is {sample.cells[place]!r}, not {vector.values[name]!r}"


def same(got: Value | None, expected: Value) -> bool:
    """Say whether a value is the one that was expected, as far as a float can tell."""
    if isinstance(got, bool | str) or isinstance(expected, bool | str) or got is None:
        return got == expected and type(got) is type(expected)
    return abs(got - expected) <= _CLOSE * max(1.0, abs(expected))


def _shown(data: bytes) -> str:
    return ascii(data)[2:-1] if data.isascii() else data.hex(" ")
