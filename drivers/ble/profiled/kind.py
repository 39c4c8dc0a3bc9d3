"""Bluetooth profiles as `mayak profile` knows them: described and checked. Not in the agent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from drivers.ble.profiled.profile import PROTOCOL, ProfileError, check_vectors, read_profile
from drivers.ble.profiled.schema import BleProfileModel, PointModel
from drivers.profiles.header import Texts
from gateway.model.ids import OPERATIONS
from gateway.model.profile import PointSheet, ProfileKind, ProfileSheet


def sheet(path: Path) -> ProfileSheet:
    """Return what a profile says, for people.

    Raises:
        ProfileError: every mistake with its line.
    """
    model = read_profile(path).model
    return ProfileSheet(
        name=model.name,
        protocol=PROTOCOL,
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
        groups=model.groups,
        points=[_row(point) for point in model.point],
        vectors=len(model.vector),
        personal=model.personal,
    )


def _texts(texts: Texts) -> dict[str, str]:
    return {"ru": texts.ru, "en": texts.en}


def _row(point: PointModel) -> PointSheet:
    place = "frame" if point.characteristic is None else point.characteristic
    notes = [
        note
        for note, said in (
            (f"scale {point.scale:g}", point.scale != 1),
            (f"offset {point.offset:g}", point.offset != 0),
            (f"bits {point.mask or 0:#x}", point.mask is not None),
            (f"no value: {', '.join(map(hex, point.sentinel))}", bool(point.sentinel)),
            (
                ", ".join(f"{number} {name}" for number, name in point.states.items()),
                bool(point.states),
            ),
            (f"{point.low} to {point.high}", point.low is not None or point.high is not None),
        )
        if said
    ]
    built = point.build(OPERATIONS)
    return PointSheet(
        name=point.name,
        unit=point.unit,
        kind=str(built.point.kind),
        where=f"{place} byte {point.at} {point.type} {point.order}",
        writable=point.writable,
        notes=notes,
    )


def check(path: Path) -> Sequence[str]:
    """Return a sentence for each thing wrong with a file."""
    try:
        profile = read_profile(path)
    except ProfileError as error:
        return [str(mistake) for mistake in error.mistakes] or [str(error)]
    if not profile.model.vector:
        return [f"{path}: there is no test vector: nothing shows that it is read as it is meant"]
    return check_vectors(profile)


def schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return what a profile may hold, for editors."""
    return BleProfileModel.model_json_schema()


KIND: Final = ProfileKind(PROTOCOL, schema, sheet, check)
