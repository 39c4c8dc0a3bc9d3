"""Profiles of Bluetooth devices: found, checked, built. Loaded where a site is checked only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from drivers.ble.profiled.fields import (
    Characteristic,
    FrameProfile,
    GattGroup,
    GattProfile,
    Layout,
    Placed,
)
from drivers.ble.profiled.schema import BleProfileModel, PointModel, VectorModel, long_uuid
from drivers.profiles.reading import Loc, ProfileError, check_text, find_profile, read_text
from gateway.model.errors import FrameError
from gateway.model.reading import Cause, Sample

PROTOCOL: Final = "ble"


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile."""

    built: FrameProfile | GattProfile
    """All that the driver needs of it."""
    model: BleProfileModel
    """What stands in the file."""


def load_profile(name: str, site_dir: Path | None) -> Profile:
    """Find a profile by name and check it: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name, or it has mistakes.
    """
    return read_profile(find_profile(name, site_dir, PROTOCOL))


def read_profile(path: Path) -> Profile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    return parse_profile(read_text(path), path)


@lru_cache(maxsize=64)  # a site has many devices of few models
def parse_profile(text: str, path: Path) -> Profile:
    """Check the text of a profile from the file `path`, whose stem must be the profile's name.

    Raises:
        ProfileError: every mistake with its line.
    """
    model = check_text(text, path, BleProfileModel, _contradictions)
    return Profile(_build(model), model)


def _build(model: BleProfileModel) -> FrameProfile | GattProfile:
    frame = model.frame
    if frame is not None:
        return FrameProfile(
            name=model.name,
            company=frame.company,
            service="" if frame.service is None else long_uuid(frame.service),
            length=frame.length,
            match=tuple((sign.at, bytes.fromhex(sign.bytes)) for sign in frame.match),
            layout=Layout(tuple(_placed(model, point) for point in model.point)),
        )
    default = next(iter(model.groups))
    groups: dict[str, list[Characteristic]] = {name: [] for name in model.groups}
    for item in model.characteristic:
        points = [point for point in model.point if point.characteristic == item.name]
        groups[item.group or default].append(
            Characteristic(
                item.name,
                long_uuid(item.uuid),
                item.how == "notify",
                Layout(tuple(_placed(model, point) for point in points)),
            )
        )
    return GattProfile(
        model.name,
        tuple(
            GattGroup(name, model.groups[name], tuple(items))
            for name, items in groups.items()
            if items
        ),
    )


def _placed(model: BleProfileModel, point: PointModel) -> Placed:
    return point.build(model.audience_of(point.name, point.audience))


def _contradictions(model: BleProfileModel) -> Iterator[tuple[Loc, str]]:
    """Find what is wrong between parts that are right by themselves."""
    names = frozenset(point.name for point in model.point)
    known = {item.name: place for place, item in enumerate(model.characteristic)}
    yield from _odd_points(model, known)
    yield from _odd_characteristics(model, known)
    if unknown := model.unknown_personal(names):
        yield ("personal",), unknown
    yield from _odd_vectors(model, names, known)


def _odd_points(model: BleProfileModel, known: Mapping[str, int]) -> Iterator[tuple[Loc, str]]:
    first: dict[str, int] = {}
    length = None if model.frame is None else model.frame.length
    for place, point in enumerate(model.point):
        here: Loc = ("point", place)
        if first.setdefault(point.name, place) != place:
            yield (*here, "name"), f"{point.name!r} stands twice"
        if model.frame is not None and point.characteristic is not None:
            yield (*here, "characteristic"), "a frame has none"
        if model.frame is None and point.characteristic not in known:
            allowed = ", ".join(known)
            yield (*here, "characteristic"), f"is not one of the characteristics: {allowed}"
        end = _placed(model, point).field.end
        if length is not None and end > length:
            yield (*here, "at"), f"it ends at byte {end}, and the frame has {length}"


def _odd_characteristics(
    model: BleProfileModel, known: Mapping[str, int]
) -> Iterator[tuple[Loc, str]]:
    for place, item in enumerate(model.characteristic):
        here: Loc = ("characteristic", place)
        if known[item.name] != place:
            yield (*here, "name"), f"{item.name!r} stands twice"
        if item.group is not None and item.group not in model.groups:
            yield (*here, "group"), f"{item.group!r} is not one of the groups"
        if all(point.characteristic != item.name for point in model.point):
            yield here, "no point is in it"


def _odd_vectors(
    model: BleProfileModel, names: frozenset[str], known: Mapping[str, int]
) -> Iterator[tuple[Loc, str]]:
    for place, vector in enumerate(model.vector):
        strange = sorted({*vector.values, *vector.flags} - names)
        if strange:
            yield ("vector", place), f"no such points: {', '.join(strange)}"
        if vector.characteristic is not None and vector.characteristic not in known:
            yield ("vector", place), f"no such characteristic: {vector.characteristic}"
        if (vector.frame is None) != (model.frame is None):
            yield ("vector", place), "a profile of a frame has frames, another one values"


# Test vectors


def check_vectors(profile: Profile) -> Sequence[str]:
    """Return a sentence for each test vector that does not decode to what it says."""
    found: list[str] = []
    for place, vector in enumerate(profile.model.vector):
        name = f"{profile.model.name}, vector {place + 1}"
        try:
            names, sample = _decode(profile.built, vector)
        except FrameError as error:
            found.append(f"{name}: {error}")
            continue
        cells = dict(zip(names, sample.cells, strict=True))
        causes = {names[at]: flag.cause for at, flag in sample.flags.items()}
        found += [
            f"{name}: {point} is {cells.get(point)!r}, not {value!r}"
            for point, value in vector.values.items()
            if not _same(cells.get(point), value)
        ]
        found += [
            f"{name}: {point} is not flagged {cause}"
            for point, cause in vector.flags.items()
            if causes.get(point) is not Cause[cause.upper()]
        ]
    return found


def _decode(built: FrameProfile | GattProfile, vector: VectorModel) -> tuple[list[str], Sample]:
    if isinstance(built, FrameProfile):
        data = bytes.fromhex(vector.frame or "")
        if not built.is_this(data):
            msg = "what the profile matches does not stand in the frame"
            raise FrameError(msg, answer=data)
        layout, sample = built.layout, built.decode(data)
    else:
        items = [item for group in built.groups for item in group.characteristics]
        layout = next(item.layout for item in items if item.name == vector.characteristic)
        sample = layout.decode(bytes.fromhex(vector.value or ""))
    return [str(placed.point.name) for placed in layout.points], sample


def _same(found: object, said: object) -> bool:
    if isinstance(found, float) or isinstance(said, float):
        return (
            isinstance(found, float | int)
            and isinstance(said, float | int)
            and abs(found - said) <= 1e-9 * max(1.0, abs(said))
        )
    return type(found) is type(said) and found == said


__all__ = ["Profile", "ProfileError", "check_vectors", "load_profile", "parse_profile"]
