"""What is wrong in a profile between parts that are right by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.profiles.reading import Loc
from drivers.telegrams.language import Proof
from drivers.telegrams.pattern import addressed, compiled
from drivers.telegrams.schema import GroupModel, PointModel, SerialModel

Found = Iterator[tuple[Loc, str]]


def contradictions(model: SerialModel) -> Found:
    """Yield the place and a sentence for each."""
    yield from _twice(model)
    yield from _points(model)
    yield from _writes(model)
    yield from _unplaced(model)
    yield from _vectors(model)
    unknown = model.unknown_personal(frozenset(point.name for point in model.point))
    if unknown:
        yield ("personal",), unknown


def _groups(model: SerialModel) -> dict[str, GroupModel]:
    return {group.name: group for group in model.group}


def _group_of(point: PointModel, model: SerialModel) -> str:
    return point.group or model.group[0].name


def _twice(model: SerialModel) -> Found:
    for what, names in (
        ("group", [group.name for group in model.group]),
        ("point", [point.name for point in model.point]),
        ("write", [write.point for write in model.write]),
    ):
        for place, name in enumerate(names):
            if name in names[:place]:
                yield (what, place), f"{name!r} stands twice"


def _points(model: SerialModel) -> Found:
    groups = _groups(model)
    for place, point in enumerate(model.point):
        group = groups.get(_group_of(point, model))
        if group is None:
            yield ("point", place, "group"), f"{point.group!r} is not one of: {', '.join(groups)}"
        else:
            yield from ((("point", place), text) for text in _misplaced(point, group, model))
    used = {_group_of(point, model) for point in model.point}
    for place, each in enumerate(model.group):
        if each.name not in used:
            yield ("group", place), f"{each.name!r} has no points"


def _misplaced(point: PointModel, group: GroupModel, model: SerialModel) -> Iterator[str]:
    if point.at is not None:
        frame = group.frame or model.frame
        end = point.at + point.build(writable=False, audience=model.audience_of(""))[1].size
        if end > (frame.length or frame.longest):
            yield f"it ends at byte {end}, beyond the telegram"
        return
    known = compiled(group.answer).groupindex if group.answer else {}
    for name in filter(None, (point.field or point.name, point.unit_field)):
        if name not in known:
            yield f"the answer has no group (?P<{name}>...)"


def _writes(model: SerialModel) -> Found:
    groups = _groups(model)
    points = {point.name: point for point in model.point}
    for place, write in enumerate(model.write):
        point = points.get(write.point)
        if point is None:
            yield ("write", place, "point"), f"there is no point {write.point!r}"
            continue
        group = groups.get(_group_of(point, model))
        if write.proof is Proof.POLL and group is not None and group.told:
            message = 'its group is told, not asked: proof is "none" or "answer"'
            yield ("write", place, "proof"), message


def _unplaced(model: SerialModel) -> Found:
    """Find places in requests that nothing goes into."""
    messages = [
        *((("group", place), each) for place, each in enumerate(model.group)),
        *((("write", place), each) for place, each in enumerate(model.write)),
    ]
    for loc, message in messages:
        template = message.template()
        places = (template.places if template else frozenset()) | message.begins_places()
        if model.address is None and ("address" in places or addressed(message.answer)):
            yield loc, "{address} needs a table [address]"
        if "checksum" in places and (model.checksum is None or not model.checksum.requests):
            yield loc, "{checksum} needs a table [checksum] with requests = true"


def _vectors(model: SerialModel) -> Found:
    groups = _groups(model)
    writes = {write.point for write in model.write}
    for place, vector in enumerate(model.vector):
        if vector.group and vector.group not in groups:
            yield ("vector", place, "group"), f"{vector.group!r} is not one of: {', '.join(groups)}"
        if vector.write and vector.write not in writes:
            yield ("vector", place, "write"), f"{vector.write!r} cannot be set"
