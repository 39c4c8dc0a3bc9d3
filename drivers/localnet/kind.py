"""MQTT and HTTP profiles as `mayak profile` knows them: described and checked. Not in the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from drivers.localnet.language import MqttLanguage
from drivers.localnet.points import points_of, same, sample_of, wire_value
from drivers.localnet.profile import HTTP, MQTT, HttpProfile, MqttProfile, parse_http, parse_mqtt
from drivers.localnet.schema import HttpProfileModel, MqttProfileModel, PointModel, VectorModel
from drivers.localnet.templates import Plain, fill_json, fill_path, fill_plain, fill_topic
from drivers.profiles.header import Texts
from drivers.profiles.reading import ProfileError, read_text
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.profile import PointSheet, ProfileKind, ProfileSheet

Either = MqttProfile | HttpProfile


def read_mqtt(path: Path) -> MqttProfile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    return parse_mqtt(read_text(path), path)


def read_http(path: Path) -> HttpProfile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    return parse_http(read_text(path), path)


# For people


def _sheet(profile: Either, protocol: str) -> ProfileSheet:
    model, language = profile.model, profile.language
    points = points_of(language.groups)
    return ProfileSheet(
        name=model.name,
        protocol=protocol,
        title=_texts(model.title),
        maker=model.maker,
        models=model.models,
        document=model.source.document,
        edition=model.source.edition,
        where=model.source.where,
        caveats=[
            *map(_texts, model.caveats),
            *(_texts(point.caveat) for point in model.point if point.caveat is not None),
        ],
        groups={group.name: group.period_s for group in language.groups},
        points=[
            PointSheet(
                name=each.name,
                unit=each.unit,
                kind=str(points[each.name][1].kind),
                where=f"{points[each.name][0].name} {each.pointer}".strip(),
                writable=points[each.name][1].writable,
                notes=_notes(each),
            )
            for each in model.point
        ],
        vectors=len(model.vector),
        personal=model.personal,
    )


def _texts(texts: Texts) -> dict[str, str]:
    return {"ru": texts.ru, "en": texts.en}


def _notes(point: PointModel) -> Sequence[str]:
    missing = (*(f"{number:g}" for number in point.sentinel), *point.no_value)
    notes = {
        f"scale {point.scale:g}": point.scale != 1,
        f"offset {point.offset:g}": point.offset != 0,
        f"no value: {', '.join(missing)}": bool(missing),
        ", ".join(f"{number} {name}" for number, name in point.states.items()): bool(point.states),
        ", ".join(f"{text} = {code}" for text, code in point.codes.items()): bool(point.codes),
        f"{point.low} to {point.high}": point.low is not None or point.high is not None,
    }
    return [note for note, said in notes.items() if said]


# Vectors


def check_vectors(profile: Either) -> list[str]:
    """Return a sentence for everything in which the vectors and the profile disagree."""
    name = profile.model.name
    if not profile.model.vector:
        return [f"{name}: there is no test vector: nothing shows that it is read as it is meant"]
    return [
        f"{name}, vector {number}: {problem}"
        for number, vector in enumerate(profile.model.vector, start=1)
        for problem in _check(profile, vector)
    ]


def _check(profile: Either, vector: VectorModel) -> Iterator[str]:
    if vector.write is not None:
        yield from _written(profile, vector)
        return
    group = next(each for each in profile.language.groups if each.name == vector.group)
    raw = (vector.document or "").encode()
    try:
        sample = sample_of(group, raw, vector.id, retained=vector.retained)
    except FrameError as error:
        yield str(error)
        return
    if sample is None:
        yield "this document is passed over"
        return
    for place, (point, _) in enumerate(group.points):
        name, cell = str(point.name), sample.cells[place]
        flag = sample.flags.get(place)
        cause = None if flag is None else flag.cause.name.lower()
        if cause != vector.flags.get(name):
            yield f"{name} has the flag {cause}, not {vector.flags.get(name)}"
        if (cell is None and flag is None) is not (name in vector.untold):
            yield f"{name} is {'not ' if cell is None else ''}told"
        if name in vector.values and not same(cell, vector.values[name]):
            yield f"{name} is {cell!r}, not {vector.values[name]!r}"


def _written(profile: Either, vector: VectorModel) -> Iterator[str]:
    language = profile.language
    name, value = vector.write or "", vector.value
    _, point, source = points_of(language.groups)[name]
    try:
        wire = wire_value(point, source, value if value is not None else "")
    except CommandRefusedError as error:
        yield str(error)
        return
    values: dict[str, Plain] = {**language.parameters, "id": vector.id, "value": wire}
    if isinstance(language, MqttLanguage):
        order = language.orders[name]
        fill = fill_plain if order.plain else fill_json
        sent, payload = fill_topic(order.topic, values), fill(order.payload, values)
    else:
        asked = language.orders[name]
        sent = f"{asked.method} {fill_path(asked.path, values)}"
        payload = fill_json(asked.payload, values)
    if sent != vector.sent:
        yield f"it is told to {sent}, not {vector.sent}"
    if payload != vector.payload.encode():
        yield f"what is told is {payload.decode()}, not {vector.payload}"


def _problems(path: Path, protocol: str) -> Sequence[str]:
    try:
        profile: Either = read_mqtt(path) if protocol == MQTT else read_http(path)
    except ProfileError as error:
        return [str(mistake) for mistake in error.mistakes] or [str(error)]
    return check_vectors(profile)


KIND_MQTT: Final = ProfileKind(
    protocol=MQTT,
    schema=MqttProfileModel.model_json_schema,
    sheet=lambda path: _sheet(read_mqtt(path), MQTT),
    check=lambda path: _problems(path, MQTT),
)
KIND_HTTP: Final = ProfileKind(
    protocol=HTTP,
    schema=HttpProfileModel.model_json_schema,
    sheet=lambda path: _sheet(read_http(path), HTTP),
    check=lambda path: _problems(path, HTTP),
)
