"""Modbus profiles as `mayak profile` knows them: described, checked, tried. Not in the agent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from drivers.media.tcp_line import TcpLine, TcpLineConfig
from drivers.modbus.config import ModbusConfig, ModbusDevice
from drivers.modbus.driver import Modbus
from drivers.modbus.fields import MappedPoint, Order, Span
from drivers.modbus.identify import Confidence, named, signed
from drivers.modbus.naming import Naming, names
from drivers.modbus.point_schema import PointModel, StateModel
from drivers.modbus.profile import PROTOCOL, Profile, ProfileError, read_profile
from drivers.modbus.schema import ProfileModel
from drivers.modbus.skeleton import skeleton
from drivers.modbus.vectors import check_vectors, points_in, same
from drivers.profiles.header import Texts
from drivers.telegrams.modbus import Speech
from gateway.model.errors import GatewayError
from gateway.model.ids import LineId, PointId
from gateway.model.profile import PointSheet, ProfileKind, ProfileSheet
from gateway.model.reading import Flag, Value

UNIT: Final = 1
"""Of the twin; it is alone on its port."""
TIMEOUT_S: Final = 2.0
"""For a twin in another task of a busy machine."""


def sheet(path: Path) -> ProfileSheet:
    """Return what a profile says, for people.

    Raises:
        ProfileError: every mistake with its line.
    """
    profile = read_profile(path)
    model = profile.model
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
            *(_about(point) for point in model.point if point.caveat is not None),
        ],
        groups=profile.map.periods,
        points=[
            _row(point, profile.map.points[PointId(point.name)], profile) for point in model.point
        ],
        vectors=len(model.vector),
        personal=model.personal,
    )


def check(path: Path) -> Sequence[str]:
    """Return a sentence for each thing wrong with a file."""
    try:
        profile = read_profile(path)
    except ProfileError as error:
        return [str(mistake) for mistake in error.mistakes] or [str(error)]
    if not profile.vectors:
        return [f"{path}: there is no test vector: nothing shows that it is read as it is meant"]
    return check_vectors(profile)


async def ask(path: Path, vector: int, host: str, port: int) -> Sequence[str]:
    """Read one vector with the driver from a twin, write back what was read, recognise the twin.

    Args:
        path: of a profile that `check` finds nothing wrong with.
        vector: its place, from 0.
        host: where the twin listens.
        port: likewise.

    Returns:
        A sentence for each difference.
    """
    profile = read_profile(path)
    line = TcpLine(LineId("loopback"), TcpLineConfig(host=host, port=port))
    options = ModbusConfig(profile=profile.map.name, response_timeout_s=TIMEOUT_S)
    device = Modbus(ModbusDevice(options, profile.map), line)
    try:
        await line.open()
        values, flags = await _read(device)
        found = _differences(profile, vector, values, flags)
        found = found or await _write_back(device, profile, values, flags)
        return found or await _recognised(line, profile)
    except GatewayError as error:
        return [f"{profile.map.name}, vector {vector + 1}: {error}"]
    finally:
        await line.close()


async def _read(device: Modbus) -> tuple[dict[PointId, Value | None], dict[PointId, Flag]]:
    values: dict[PointId, Value | None] = {}
    flags: dict[PointId, Flag] = {}
    for group in device.groups:
        sample = await device.poll(group)
        names = [point.name for point in group.table]
        values |= dict(zip(names, sample.cells, strict=True))
        flags |= {names[place]: flag for place, flag in sample.flags.items()}
    return values, flags


def _differences(
    profile: Profile,
    vector: int,
    values: dict[PointId, Value | None],
    flags: dict[PointId, Flag],
) -> list[str]:
    """Compare what was read with what the vector says; all other points must be good."""
    said, found = profile.vectors[vector], []
    asked = set(points_in(profile, said))
    for name, value in values.items():
        cause = flags[name].cause.name.lower() if name in flags else None
        if cause != said.flags.get(name):
            place = "" if name in asked else " (held by the twin, in no vector)"
            found.append(f"{name}{place} was read with the flag {cause}")
        elif name in said.values and not same(value, said.values[name]):
            found.append(f"{name} was read as {value!r}, not {said.values[name]!r}")
    return [f"{profile.map.name}, vector {vector + 1}: {each}" for each in found]


async def _write_back(
    device: Modbus,
    profile: Profile,
    values: dict[PointId, Value | None],
    flags: dict[PointId, Flag],
) -> list[str]:
    """Write what was read, so that nothing changes, and see that it is taken."""
    found = []
    for name, (point, _) in profile.map.points.items():
        value = values[name]
        if point.writable and value is not None and name not in flags:
            after = await device.write(name, value)
            if not same(after, value):
                found.append(
                    f"{profile.map.name}: {name} was written as {value!r}, reads {after!r}"
                )
    return found


async def _recognised(line: TcpLine, profile: Profile) -> list[str]:
    """See that the device is known for what it is, where the profile says by what."""
    known, speech = profile.identification, Speech(UNIT, mbap=True)
    answers: dict[Span, bytes | None] = {}
    for signature in known.signatures:
        question = speech.read(signature.span)
        request, answer = question.ask()
        frame = await line.exchange(request, answer, timeout_s=TIMEOUT_S)
        refused = question.refusal(frame) is not None
        answers[signature.span] = None if refused else frame[question.data_at :]
    found = []
    if known.signatures and signed(known, answers) is not Confidence.SIGNATURE:
        found.append("its signature registers hold something else in the twin")
    if known.objects:
        naming = Naming(UNIT, mbap=True)
        told = names(
            await line.exchange(naming.request, naming.answer, timeout_s=TIMEOUT_S), mbap=True
        )
        if told is None or named(known, told.objects) is not Confidence.NAMED:
            found.append("it does not name itself as the profile says")
    return [f"{profile.map.name}: {each}" for each in found]


# For people


def _row(point: PointModel, mapped: MappedPoint, profile: Profile) -> PointSheet:
    field = mapped.field
    last = f"-{field.span.end - 1}" if field.span.length > 1 else ""
    raw = "" if field.span.table.bits else f" {field.type}"
    group = profile.map.groups[mapped.point.name]
    notes = [
        f"bits {field.mask:#0{6}x}" if field.mask is not None else "",
        f"{field.order}" if field.order is not Order.ABCD else "",
        f"scale {field.scale:g}" if field.scale != 1 else "",
        f"offset {field.offset:g}" if field.offset else "",
        _limits(point),
        f"no value: {', '.join(f'{raw:#x}' for raw in point.sentinel)}" if point.sentinel else "",
        ", ".join(f"{number} {_state(state)}" for number, state in point.states.items()),
        f"safe: {_plain(point.safe)}" if point.safe is not None else "",
        f"group {group}" if group != next(iter(profile.map.periods)) else "",
        f"audience {mapped.point.audience}" if mapped.point.audience != "operations" else "",
    ]
    return PointSheet(
        point.name,
        mapped.point.unit,
        str(mapped.point.kind),
        f"{field.span.table} {field.span.address}{last}{raw}",
        point.writable,
        [note for note in notes if note],
    )


def _limits(point: PointModel) -> str:
    if point.low is not None and point.high is not None:
        return f"{point.low:g} to {point.high:g}"
    if point.low is not None:
        return f"from {point.low:g}"
    return "" if point.high is None else f"to {point.high:g}"


def _plain(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _state(state: str | StateModel) -> str:
    return state if isinstance(state, str) else f"{state.name} ({state.en})"


def _texts(texts: Texts) -> dict[str, str]:
    return {"ru": texts.ru, "en": texts.en}


def _about(point: PointModel) -> dict[str, str]:
    caveat = point.caveat
    return {} if caveat is None else {key: f"{point.name}: {text}" for key, text in caveat}


def schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return what a Modbus profile may hold."""
    return ProfileModel.model_json_schema()


KIND: Final = ProfileKind(PROTOCOL, schema, sheet, check, ask, skeleton)
