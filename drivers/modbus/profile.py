"""A profile: the register map of one model of device, as data.

`load_profile` finds and checks one. Whatever is wrong in the file is told at once, each mistake
with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from drivers.modbus.encode import as_bool, encode_value
from drivers.modbus.fields import Field, MappedPoint, Span
from drivers.modbus.identify import Identification
from drivers.modbus.plan import overlap
from drivers.modbus.point_schema import PointModel
from drivers.modbus.register_map import RegisterMap
from drivers.modbus.schema import ProfileModel, VectorModel
from drivers.profiles.header import Texts
from drivers.profiles.reading import (
    SHIPPED,
    Loc,
    ProfileError,
    check_text,
    find_profile,
    read_text,
)
from gateway.model.errors import CommandRefusedError
from gateway.model.ids import OPERATIONS, PERSONAL, PointId

PROTOCOL: Final = "modbus"

__all__ = ["SHIPPED", "Profile", "ProfileError", "load_profile", "parse_profile", "read_profile"]


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile."""

    map: RegisterMap
    """All that the driver needs of it."""
    identification: Identification
    """All that who looks for devices needs of it."""
    model: ProfileModel
    """What stands in the file."""

    @property
    def title(self) -> Texts:
        """Return what a person calls the model."""
        return self.model.title

    @property
    def vectors(self) -> Sequence[VectorModel]:
        """Return the test vectors."""
        return self.model.vector


def load_profile(name: str, site_dir: Path | None) -> Profile:
    """Find a profile by name and check it: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name (it lists near ones), or it has mistakes (it lists
        them all).
    """
    return read_profile(find_profile(name, site_dir, PROTOCOL))


def read_profile(path: Path) -> Profile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    return parse_profile(read_text(path), path)


@lru_cache(maxsize=128)  # a site has many devices of few models
def parse_profile(text: str, path: Path) -> Profile:
    """Check the text of a profile from the file `path`, whose stem must be the profile's name.

    Raises:
        ProfileError: every mistake with its line.
    """
    return _build(check_text(text, path, ProfileModel, _contradictions))


def _build(model: ProfileModel) -> Profile:
    default = next(iter(model.groups))
    periods = dict(model.groups)
    groups: dict[PointId, str] = {}
    for point in model.point:
        group = point.group or default
        if point.period_s is not None:
            group = f"every_{point.period_s:g}s"
            periods[group] = point.period_s
        groups[PointId(point.name)] = group
    register_map = RegisterMap(
        name=model.name,
        limits=model.limits.build(),
        periods=periods,
        points={PointId(point.name): _point(model, point) for point in model.point},
        groups=groups,
        safe={PointId(each.name): each.safe for each in model.point if each.safe is not None},
    )
    return Profile(register_map, model.identify.build(), model)


def _point(model: ProfileModel, point: PointModel) -> MappedPoint:
    built = point.build()
    audience = model.audience_of(point.name, point.audience)
    return MappedPoint(replace(built.point, audience=audience), built.field)


def _contradictions(model: ProfileModel) -> list[tuple[Loc, str]]:
    """Find what is wrong between parts that are right by themselves."""
    found: list[tuple[Loc, str]] = []
    first: dict[str, int] = {}
    for place, point in enumerate(model.point):
        if first.setdefault(point.name, place) != place:
            found.append((("point", place, "name"), f"{point.name!r} stands twice"))
        if point.group is not None and point.group not in model.groups:
            allowed = ", ".join(model.groups)
            found.append(
                (("point", place, "group"), f"{point.group!r} is not one of the groups: {allowed}")
            )
    if unknown := model.unknown_personal(frozenset(first)):
        found.append((("personal",), unknown))
    for place, point in enumerate(model.point):
        found += [(("point", place, option), says) for option, says in _odd(model, point)]
    found += _overlaps(model.point, model.limits.never_spans())
    found += _odd_identification(model, frozenset(first))
    for place, vector in enumerate(model.vector):
        strange = sorted({*vector.values, *vector.flags} - set(first))
        if strange:
            found.append((("vector", place), f"no such points: {', '.join(strange)}"))
    return found


def _odd(model: ProfileModel, point: PointModel) -> list[tuple[str, str]]:
    """Find options of a point that do not go with the rest: the option, and a sentence."""
    found: list[tuple[str, str]] = []
    if point.name in model.personal and point.audience not in {OPERATIONS, PERSONAL}:
        found.append(("audience", f"{point.name} is personal: it belongs to {PERSONAL}"))
    if point.safe is not None:
        mapped = point.build()
        try:
            if mapped.field.span.table.bits:
                as_bool(mapped.point, point.safe)
            else:
                encode_value(mapped, point.safe)
        except CommandRefusedError as error:
            found.append(("safe", str(error)))
    return found


def _odd_identification(model: ProfileModel, names: frozenset[str]) -> list[tuple[Loc, str]]:
    """Find what identification asks of points and registers that are not there for it."""
    found: list[tuple[Loc, str]] = [
        (("identify", "plausible", place, "point"), f"no such point: {each.point}")
        for place, each in enumerate(model.identify.plausible)
        if each.point not in names
    ]
    found += [
        (("identify", "signature", place), f"lies in {span}, which is never to be read")
        for place, each in enumerate(model.identify.signature)
        for span in model.limits.never_spans()
        if overlap(each.span, span)
    ]
    return found


def clash(one: Field, other: Field) -> bool:
    """Say whether two points lie in each other's registers and may not.

    They may as bit fields of the same registers, or as two names for one value.
    """
    if not overlap(one.span, other.span):
        return False
    same = one.span == other.span
    both_fields = one.mask is not None and other.mask is not None
    alike = (one.type, one.order, one.mask) == (other.type, other.order, other.mask)
    return not (same and (both_fields or alike))


def _overlaps(points: Sequence[PointModel], never: Sequence[Span]) -> list[tuple[Loc, str]]:
    """Find points that share registers, other than bit fields and names for the very same value."""
    found: list[tuple[Loc, str]] = []
    built = [point.build() for point in points]
    for place, (point, one) in enumerate(built):
        found += [
            (("point", place, "address"), f"lies in {span}, which is never to be read")
            for span in never
            if overlap(one.span, span)
        ]
        for other_point, other in built[:place]:
            if not clash(one, other):
                continue
            message = (
                f"{point.name} ({one.span}) overlaps {other_point.name} ({other.span}); only bit "
                "fields (mask) of the same registers, or two names for one value, may share them"
            )
            found.append((("point", place, "address"), message))
    return found
