"""A device by profile: asks it, hears it, sets its points with proof."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any, Final

from drivers.media.framing import ByteLine
from drivers.serial_profile.config import (
    SerialProfileConfig,
    SerialProfileDevice,
    poll_groups,
    prepare,
)
from drivers.telegrams.talk import Talker
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.ids import PointId
from gateway.model.reading import Sample, Value


class SerialProfile:
    """One device. A `PolledDriver`, a `ListeningDriver` and a `CommandableDriver`."""

    def __init__(self, device: SerialProfileDevice, line: ByteLine) -> None:
        """Take the options of the device with its language, and the line it is on.

        Raises:
            ValueError: the model has no such address, or the device talks by itself and has a speed
                of its own.
        """
        self._language: Final = device.language
        self._groups: Final = poll_groups(device)
        if device.options.characters is not None and any(group.told for group in self._groups):
            msg = (
                "baud_rate, parity, stop_bits, byte_size: this device talks by itself, it sets the "
                "speed of its line"
            )
            raise ValueError(msg)
        self._interval_s: Final = device.options.least_interval_s
        self._talker: Final = Talker(
            device.language,
            line,
            device.address,
            timeout_s=device.options.response_timeout_s,
            characters=device.options.characters,
        )

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the poll groups; together they name every point of the profile once."""
        return self._groups

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for one group, once.

        Raises:
            NoResponseError: no answer.
            FrameError: what came is no answer to what was asked.
            DeviceRejectedError: the device says no.
            BusUnavailableError: the line is gone.
        """
        return await self._talker.ask(self._language.topics[group.name], group.table)

    def attend(self, ear: Ear) -> None:
        """Tell the ear what the device tells by itself, if it does."""
        told = {group.name: group for group in self._groups if group.told}
        if not told:
            return
        last = dict.fromkeys(told, float("-inf"))

        def take(name: str, sample: Sample) -> None:
            now = asyncio.get_running_loop().time()
            if now - last[name] >= self._interval_s:
                last[name] = now
                ear.heard(told[name], sample)

        tables = {name: group.table for name, group in told.items()}
        self._talker.listen(tables, take, ear.misheard)

    async def write(self, point: PointId, value: Value) -> Value:
        """Set the point ahead of all polls, and return what it is then.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not one it can take.
            DeviceRejectedError: the device refused it; nothing was moved.
            NoResponseError: nobody knows whether it was done.
            FrameError: likewise: what came back is no answer.
            BusUnavailableError: the line is gone.
        """
        of = self._language.topic_of.get(point)
        table = next((each.table for each in self._groups if each.name == of), None)
        return await self._talker.set(point, value, table)


def _address(config: SerialProfileConfig) -> Hashable:
    return (config.profile, config.address)


def _profile_schema() -> dict[str, Any]:  # Any: a JSON Schema
    from drivers.telegrams.schema import SerialModel  # noqa: PLC0415 - never in the agent

    return SerialModel.model_json_schema()


MANIFEST: Final = Manifest(
    name="serial-profile",
    media=("serial", "tcp"),
    config=SerialProfileConfig,
    build=SerialProfile,
    address=_address,
    prepare=prepare,
    profile_schema=_profile_schema,
)
