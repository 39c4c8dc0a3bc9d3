"""Profiles of MQTT and HTTP devices: found, checked, built. Loaded where a site is checked only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Generic, TypeVar

from drivers.localnet.documents import parse_pointer
from drivers.localnet.language import (
    Availability,
    HttpLanguage,
    HttpOrder,
    MqttLanguage,
    MqttOrder,
)
from drivers.localnet.points import Group
from drivers.localnet.schema import (
    GroupModel,
    HttpProfileModel,
    LocalProfileModel,
    MqttProfileModel,
)
from drivers.localnet.templates import fill_path, fill_topic, names_in
from drivers.profiles.reading import Loc, check_text, find_profile, read_text

MQTT: Final = "mqtt"
HTTP: Final = "http"

LanguageT = TypeVar("LanguageT", MqttLanguage, HttpLanguage)
ModelT = TypeVar("ModelT", MqttProfileModel, HttpProfileModel)


@dataclass(frozen=True, slots=True)
class Profile(Generic[LanguageT, ModelT]):
    """A checked profile."""

    language: LanguageT
    """All that the driver needs of it."""
    model: ModelT
    """What stands in the file."""


MqttProfile = Profile[MqttLanguage, MqttProfileModel]
HttpProfile = Profile[HttpLanguage, HttpProfileModel]


def load_mqtt(name: str, site_dir: Path | None) -> MqttLanguage:
    """Find a profile by name and check it: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name, or it has mistakes.
    """
    path = find_profile(name, site_dir, MQTT)
    return parse_mqtt(read_text(path), path).language


def load_http(name: str, site_dir: Path | None) -> HttpLanguage:
    """Find a profile by name and check it, likewise.

    Raises:
        ProfileError: there is none of that name, or it has mistakes.
    """
    path = find_profile(name, site_dir, HTTP)
    return parse_http(read_text(path), path).language


@lru_cache(maxsize=64)  # a site has many devices of few models
def parse_mqtt(text: str, path: Path) -> MqttProfile:
    """Check the text of a profile from the file `path`, whose stem must be the profile's name.

    Raises:
        ProfileError: every mistake with its line.
    """
    model = check_text(text, path, MqttProfileModel, _odd_mqtt)
    return Profile(_mqtt(model), model)


@lru_cache(maxsize=64)
def parse_http(text: str, path: Path) -> HttpProfile:
    """Check the text of a profile of an HTTP device, likewise.

    Raises:
        ProfileError: every mistake with its line.
    """
    model = check_text(text, path, HttpProfileModel, _odd_http)
    return Profile(_http(model), model)


# Building


def _group(model: LocalProfileModel, group: GroupModel, writable: frozenset[str]) -> Group:
    first = _groups_of(model)[0].name
    return Group(
        name=group.name,
        points=tuple(
            point.build(
                model.audience_of(point.name, point.audience), writable=point.name in writable
            )
            for point in model.point
            if (point.group or first) == group.name
        ),
        period_s=0.0,
        partial=group.partial,
        signs=tuple(sign.build() for sign in group.match),
        identity=None if group.identity is None else parse_pointer(group.identity),
    )


def _groups_of(model: LocalProfileModel) -> Sequence[GroupModel]:
    if isinstance(model, MqttProfileModel | HttpProfileModel):
        return model.group
    raise TypeError(model)


def _mqtt(model: MqttProfileModel) -> MqttLanguage:
    writable = frozenset(write.point for write in model.write)
    told = model.availability
    groups = []
    for each in model.group:
        made = _group(model, each, writable)
        groups.append(_timed(made, each.longest_silence_s, plain=each.format == "plain"))
    return MqttLanguage(
        name=model.name,
        parameters=dict(model.parameters),
        groups=tuple(groups),
        topics={group.name: group.topics for group in model.group},
        orders={
            write.point: MqttOrder(
                write.topic,
                write.payload,
                write.format == "plain",
                write.ask_topic or "",
                write.ask_payload,
            )
            for write in model.write
        },
        availability=None
        if told is None
        else Availability(
            told.topic,
            frozenset(told.online),
            frozenset(told.offline),
            None if told.pointer is None else parse_pointer(told.pointer),
        ),
    )


def _http(model: HttpProfileModel) -> HttpLanguage:
    writable = frozenset(write.point for write in model.write)
    return HttpLanguage(
        name=model.name,
        parameters=dict(model.parameters),
        groups=tuple(
            _timed(_group(model, each, writable), each.period_s, plain=False)
            for each in model.group
        ),
        paths={group.name: group.path for group in model.group if group.path is not None},
        orders={
            write.point: HttpOrder(write.method, write.path, write.payload) for write in model.write
        },
    )


def _timed(group: Group, period_s: float, *, plain: bool) -> Group:
    return Group(
        group.name,
        group.points,
        period_s,
        plain=plain,
        partial=group.partial,
        signs=group.signs,
        identity=group.identity,
    )


# What is wrong between parts that are right by themselves


def _odd(model: LocalProfileModel, writes: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    groups = [group.name for group in _groups_of(model)]
    points = [point.name for point in model.point]
    for place, name in enumerate(groups):
        if name in groups[:place]:
            yield ("group", place, "name"), f"{name!r} stands twice"
        if all((point.group or groups[0]) != name for point in model.point):
            yield ("group", place), "no point is in it"
    yield from _odd_points(model, groups, points)
    for place, name in enumerate(writes):
        if name not in points or name in writes[:place]:
            yield ("write", place, "point"), f"{name!r} is no point, or stands twice"
    reserved = sorted({"id", "value"} & model.parameters.keys())
    if reserved:
        yield ("parameters",), f"{', '.join(reserved)} is a placeholder already"
    unknown = model.unknown_personal(frozenset(points))
    if unknown:
        yield ("personal",), unknown
    yield from _odd_vectors(model, groups, writes)


def _odd_points(
    model: LocalProfileModel, groups: Sequence[str], points: Sequence[str]
) -> Iterator[tuple[Loc, str]]:
    for place, point in enumerate(model.point):
        if point.name in points[:place]:
            yield ("point", place, "name"), f"{point.name!r} stands twice"
        if point.group is not None and point.group not in groups:
            yield ("point", place, "group"), f"{point.group!r} is not one of the groups"


def _odd_vectors(
    model: LocalProfileModel, groups: Sequence[str], writes: Sequence[str]
) -> Iterator[tuple[Loc, str]]:
    for place, vector in enumerate(model.vector):
        known = {point.name for point in model.point if (point.group or groups[0]) == vector.group}
        strange = sorted({*vector.values, *vector.flags, *vector.untold} - known)
        if vector.group is not None and vector.group not in groups:
            yield ("vector", place, "group"), f"{vector.group!r} is not one of the groups"
        elif vector.group is not None and strange:
            yield ("vector", place), f"not in this group: {', '.join(strange)}"
        if vector.write is not None and vector.write not in writes:
            yield ("vector", place, "write"), f"{vector.write!r} cannot be set"


Fill = Callable[[str, Mapping[str, str]], str]


def _template(
    model: LocalProfileModel, loc: Loc, template: str, fill: Fill | None, *, value: bool
) -> Iterator[tuple[Loc, str]]:
    """Tell what is wrong with one template; `fill` tries it, if it is a topic or a path."""
    known = {"id", *model.parameters, *({"value"} if value else set())}
    unknown = sorted(names_in(template) - known)
    if unknown:
        yield loc, f"{{{unknown[0]}}} is none of: {', '.join(sorted(known))}"
    elif fill is not None:
        try:
            fill(template, {**model.parameters, "id": "device", "value": "1"})
        except ValueError as error:
            yield loc, str(error)


def _odd_mqtt(model: MqttProfileModel) -> Iterator[tuple[Loc, str]]:
    yield from _odd(model, [write.point for write in model.write])
    check = partial(_template, model)
    for place, group in enumerate(model.group):
        here: Loc = ("group", place, "topics")
        for topic in group.topics:
            yield from check(here, topic, fill_topic, value=False)
        if group.format == "plain" and (group.match or group.identity is not None):
            yield ("group", place), "match and identity go with JSON"
        first = model.group[0].name
        pointed = any(
            point.pointer and (point.group or first) == group.name for point in model.point
        )
        if group.format == "plain" and pointed:
            yield ("group", place), "a plain text has no pointers"
    if model.availability is not None:
        yield from check(
            ("availability", "topic"), model.availability.topic, fill_topic, value=False
        )
        both = set(model.availability.online) & set(model.availability.offline)
        if both:
            yield ("availability",), f"{both.pop()!r} means both"
    for place, write in enumerate(model.write):
        here = ("write", place)
        yield from check((*here, "topic"), write.topic, fill_topic, value=False)
        yield from check((*here, "payload"), write.payload, None, value=True)
        if write.ask_topic is not None:
            yield from check((*here, "ask_topic"), write.ask_topic, fill_topic, value=False)
        yield from check((*here, "ask_payload"), write.ask_payload, None, value=False)


def _odd_http(model: HttpProfileModel) -> Iterator[tuple[Loc, str]]:
    yield from _odd(model, [write.point for write in model.write])
    check = partial(_template, model)
    asked = {group.name for group in model.group if group.path is not None}
    first = model.group[0].name
    group_of = {point.name: point.group or first for point in model.point}
    for place, group in enumerate(model.group):
        if group.path is not None:
            yield from check(("group", place, "path"), group.path, fill_path, value=False)
    for place, write in enumerate(model.write):
        here: Loc = ("write", place)
        yield from check((*here, "path"), write.path, fill_path, value=True)
        yield from check((*here, "payload"), write.payload, None, value=True)
        if group_of.get(write.point) not in asked:
            yield (*here, "point"), "its group is not asked: nothing would prove it"
        if write.method == "GET" and write.payload:
            yield (*here, "payload"), "a GET has none"
