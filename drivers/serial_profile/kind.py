"""What `mayak profile` knows of profiles of telegrams: described, checked, tried by the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from drivers.media.tcp_line import TcpLine, TcpLineConfig
from drivers.serial_profile.config import SerialProfileConfig, SerialProfileDevice
from drivers.serial_profile.driver import SerialProfile
from drivers.serial_profile.skeleton import skeleton
from drivers.telegrams.profile import PROTOCOL, Profile, read_profile, sheet
from drivers.telegrams.schema import SerialModel, VectorModel
from drivers.telegrams.vectors import check_vectors, same
from gateway.model.driver import PollGroup
from gateway.model.errors import DeviceError, DeviceRejectedError, GatewayError
from gateway.model.ids import LineId, PointId
from gateway.model.profile import ProfileKind
from gateway.model.reading import Sample

TIMEOUT_S: Final = 2.0
"""For a twin in another task of a busy machine."""


def check(path: Path) -> Sequence[str]:
    """Return a sentence for each thing wrong with a file, its vectors included."""
    try:
        profile = read_profile(path)
    except ValueError as error:
        return str(error).splitlines()
    if not profile.model.vector:
        return [f"{path}: there is no test vector: nothing shows that it is read as it is meant"]
    return check_vectors(profile)


async def ask(path: Path, vector: int, host: str, port: int) -> Sequence[str]:
    """Read or set with the driver what one vector is about, from a twin that says it.

    Args:
        path: of a profile that `check` finds nothing wrong with.
        vector: its place, from 0.
        host: where the twin listens.
        port: likewise.

    Returns:
        A sentence for each difference.
    """
    profile = read_profile(path)
    said, name = profile.model.vector[vector], profile.language.name
    line = TcpLine(LineId("loopback"), TcpLineConfig(host=host, port=port))
    options = SerialProfileConfig(
        profile=name, address=said.address, response_timeout_s=TIMEOUT_S, least_interval_s=0.0
    )
    device = SerialProfile(SerialProfileDevice(options, profile.language), line)
    try:
        found = await _try(device, line, profile, said)
    except (GatewayError, TimeoutError) as error:
        found = [f"{type(error).__name__}: {error}"]
    finally:
        await line.close()
    return [f"{name}, vector {vector + 1}: {each}" for each in found]


async def _try(
    device: SerialProfile, line: TcpLine, profile: Profile, said: VectorModel
) -> list[str]:
    groups = {group.name: group for group in device.groups}
    if said.group and groups[said.group].told:
        ear = _Ear(groups[said.group], asyncio.get_running_loop().create_future())
        device.attend(ear)
        await line.open()
        async with asyncio.timeout(TIMEOUT_S):
            return _differences(groups[said.group], said, await ear.first)
    await line.open()
    try:
        if said.group:
            return _differences(groups[said.group], said, await device.poll(groups[said.group]))
        return await _set(device, profile, said)
    except DeviceRejectedError:
        if said.refused is not None:
            return []
        raise


async def _set(device: SerialProfile, profile: Profile, said: VectorModel) -> list[str]:
    name = PointId(said.write)
    if said.value is None:
        return ["a write needs a value"]
    after = await device.write(name, said.value)
    point = profile.language.points[name][0]
    wanted = next((n for n, state in point.states.items() if state == said.value), said.value)
    return [] if same(after, wanted) else [f"{name} was set to {wanted!r} and is {after!r}"]


def _differences(group: PollGroup, said: VectorModel, sample: Sample) -> list[str]:
    if said.refused is not None:
        return ["it was read, though the device refuses it"]
    found = []
    for place, point in enumerate(group.table):
        cause = sample.flags[place].cause.name.lower() if place in sample.flags else None
        if cause != said.flags.get(point.name):
            found.append(f"{point.name} was read with the flag {cause}")
        elif point.name in said.values and not same(sample.cells[place], said.values[point.name]):
            found.append(
                f"{point.name} was read as {sample.cells[place]!r}, not {said.values[point.name]!r}"
            )
    return found


@dataclass(frozen=True, slots=True)
class _Ear:
    """Waits for the first that is told of one group, or for what makes no sense."""

    group: PollGroup
    first: asyncio.Future[Sample]

    def heard(self, group: PollGroup, sample: Sample) -> None:
        if group is self.group and not self.first.done():
            self.first.set_result(sample)

    def misheard(self, error: DeviceError) -> None:
        if not self.first.done():
            self.first.set_exception(error)

    def happened(self, happening: object) -> None:
        """Nothing happens that a vector could say."""


def schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return what a profile may hold, for editors."""
    return SerialModel.model_json_schema()


KIND: Final = ProfileKind(PROTOCOL, schema, sheet, check, ask, skeleton)
