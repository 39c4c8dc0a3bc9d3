"""Reads and checks the profile of a device that speaks telegrams, and tries its vectors.

Loaded where a site or a profile is checked; never in the agent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from drivers.profiles.reading import check_text, find_profile, read_text
from drivers.telegrams.checksums import Checksum
from drivers.telegrams.contradictions import contradictions
from drivers.telegrams.language import Addressing, Language, Order, Reply, Topic
from drivers.telegrams.schema import MessageModel, PointModel, SerialModel
from gateway.model.ids import PointId
from gateway.model.profile import PointSheet, ProfileSheet
from gateway.model.reading import Point

PROTOCOL: Final = "serial"


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile."""

    language: Language
    """All that the driver needs of it."""
    model: SerialModel
    """What stands in the file."""


def load_profile(name: str, site_dir: Path | None) -> Profile:
    """Find a profile by name and check it: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name, or it has mistakes; it lists them all.
    """
    return read_profile(find_profile(name, site_dir, PROTOCOL))


def read_profile(path: Path) -> Profile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    return parse_profile(read_text(path), path)


@lru_cache(maxsize=64)
def parse_profile(text: str, path: Path) -> Profile:
    """Check the text of a profile from the file `path`, whose stem must be the profile's name.

    Raises:
        ProfileError: every mistake with its line.
    """
    model = check_text(text, path, SerialModel, lambda model: list(contradictions(model)))
    return Profile(language_of(model), model)


# The language


def language_of(model: SerialModel) -> Language:
    """Return a checked profile as plain data."""
    frame = model.frame
    checksum = of_answers = None
    if model.checksum:
        end = frame.build(None).end
        checksum = model.checksum.build(end)
        of_answers = model.checksum.build(end, answers=True) if model.checksum.answers else None
    first = model.group[0].name
    writable = {write.point for write in model.write}
    return Language(
        name=model.name,
        topics={
            group.name: Topic(
                group.name, group.period_s, _reply(group, model, of_answers), group.template()
            )
            for group in model.group
        },
        points={
            PointId(point.name): point.build(
                writable=point.name in writable,
                audience=model.audience_of(point.name, point.audience),
            )
            for point in model.point
        },
        topic_of={PointId(point.name): point.group or first for point in model.point},
        orders={
            PointId(write.point): Order(
                template,
                None if write.silent else _reply(write, model, of_answers),
                write.proof,
            )
            for write in model.write
            if (template := write.template()) is not None
        },
        refusals=tuple(refusal.build(frame, of_answers) for refusal in model.refusal),
        checksum=checksum if model.checksum and model.checksum.requests else None,
        address=model.address.build() if model.address else Addressing(),
        gap_s=model.gap_ms / 1000,
        echo=model.echo,
    )


def _reply(message: MessageModel, model: SerialModel, checksum: Checksum | None) -> Reply:
    shape = (message.frame or model.frame).build(checksum if message.checksum else None)
    return Reply(shape, message.answer, message.begins())


# For people


def sheet(path: Path) -> ProfileSheet:
    """Return what a profile says, for people.

    Raises:
        ProfileError: it cannot be used.
    """
    profile = read_profile(path)
    model = profile.model
    return ProfileSheet(
        name=model.name,
        protocol=PROTOCOL,
        title=model.title.model_dump(),
        maker=model.maker,
        models=model.models,
        document=model.source.document,
        edition=model.source.edition,
        where=model.source.where,
        caveats=[caveat.model_dump() for caveat in model.caveats],
        groups={group.name: group.period_s for group in model.group},
        points=[
            _point_sheet(each, profile.language.points[PointId(each.name)][0], model)
            for each in model.point
        ],
        vectors=len(model.vector),
        personal=model.personal,
    )


def _point_sheet(model: PointModel, point: Point, profile: SerialModel) -> PointSheet:
    group = model.group or profile.group[0].name
    where = f"{group} {model.field or model.name}"
    if model.at is not None:
        where = f"{group} byte {model.at} {model.form}"
    notes: list[str] = []
    if model.scale != 1 or model.offset != 0:
        notes.append(
            f"scale {model.scale:g}" + (f", offset {model.offset:g}" if model.offset else "")
        )
    if point.low is not None or point.high is not None:
        notes.append(f"{_shown(point.low)} to {_shown(point.high)}")
    if model.sentinel or model.no_value:
        missing = (*(f"{number:g}" for number in model.sentinel), *model.no_value)
        notes.append(f"no value: {', '.join(missing)}")
    if point.states:
        notes.append(", ".join(f"{number} {name}" for number, name in point.states.items()))
    return PointSheet(model.name, point.unit, str(point.kind), where, point.writable, tuple(notes))


def _shown(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"
