"""Devices that a profile describes: frames that they advertise, characteristics one asks for."""

from __future__ import annotations

import asyncio
from typing import Final

from drivers.ble.advert import Advert, by_address
from drivers.ble.air import Air, Peer
from drivers.ble.listening import ListeningDevice
from drivers.ble.profiled.config import (
    FrameConfig,
    FrameDevice,
    GattConfig,
    GattDevice,
    address,
    prepare_frame,
    prepare_gatt,
    profile_schema,
)
from drivers.ble.profiled.fields import Characteristic, GattGroup, Placed
from gateway.model.driver import Ear, Manifest, PollGroup, Priority
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.ids import PointId
from gateway.model.reading import Flag, PointTable, Sample, Value


class Framed(ListeningDevice):
    """A device that advertises a frame of its own. A `ListeningDriver`."""

    def __init__(self, device: FrameDevice, air: Air) -> None:
        """Take the options with their profile, and the radio.

        Raises:
            ValueError: the radio listens too rarely.
        """
        self._profile: Final = device.profile
        self._config: Final = device.options
        self._data: Final = PollGroup(
            "data", device.profile.layout.table(), device.options.lost_after_s, told=True
        )
        super().__init__(device.options, air, [self._data])

    def _listen(self) -> None:
        self._air.hear(by_address, self._config.address, self._hear)

    def _take(self, advert: Advert, ear: Ear) -> bool:
        profile = self._profile
        data = (
            advert.services.get(profile.service)
            if profile.company is None
            else advert.manufacturer.get(profile.company)
        )
        if data is not None and profile.is_this(data):
            ear.heard(self._data, profile.decode(data))
        return True


class Gatt(ListeningDevice):
    """A device one connects to. A `PolledDriver`, a `CommandableDriver`, and a `ListeningDriver`.

    A poll is one connection in which the characteristics of a group are read. A write is read back
    in the same connection.
    """

    def __init__(self, device: GattDevice, air: Air) -> None:
        """Take the options with their profile, and the radio.

        Raises:
            ValueError: the radio listens too rarely.
        """
        self._config: Final = device.options
        self._profile: Final = device.profile
        self._asked: Final = {
            PollGroup(
                group.name,
                PointTable(
                    *(
                        placed.point
                        for item in group.characteristics
                        for placed in item.layout.points
                    )
                ),
                group.period_s,
            ): group
            for group in device.profile.groups
        }
        self._writing: Final = asyncio.Lock()
        super().__init__(device.options, air, list(self._asked))

    def _listen(self) -> None:
        self._air.hear(by_address, self._config.address, self._hear)

    def _take(self, advert: Advert, ear: Ear) -> bool:
        del advert, ear
        return True

    async def poll(self, group: PollGroup) -> Sample:
        """Connect, read one group, disconnect.

        Raises:
            DeviceError: as `Air.converse` says.
        """
        asked = self._asked[group]

        async def talk(peer: Peer) -> Sample:
            return await self._read(peer, asked)

        return await self._air.converse(
            self._config.address,
            talk,
            timeout_s=self._config.response_timeout_s,
            priority=Priority.POLL,
        )

    async def _read(self, peer: Peer, group: GattGroup) -> Sample:
        cells: list[Value | None] = []
        flags: dict[int, Flag] = {}
        for item in group.characteristics:
            if item.notifies:
                data = await peer.notified(item.uuid, self._config.notify_timeout_s)
            else:
                data = await peer.read(item.uuid)
            sample = item.layout.decode(data)
            flags |= {len(cells) + place: flag for place, flag in sample.flags.items()}
            cells += sample.cells
        return Sample(tuple(cells), flags)

    async def write(self, point: PointId, value: Value) -> Value:
        """Set the point ahead of all polls, read it back, and return what was read.

        Raises:
            CommandRefusedError: no such point, not writable, or not a value it can take.
            DeviceError: as `Air.converse` says.
        """
        item, placed = self._place(point)
        _check(placed, value)
        alone = len(item.layout.points) == 1
        placed.field.write(value, bytes(item.layout.length))  # refused before anybody is asked

        async def talk(peer: Peer) -> Value:
            now = bytes(item.layout.length) if alone else await peer.read(item.uuid)
            if len(now) < placed.field.end:
                msg = f"{item.name} has {len(now)} bytes"
                raise FrameError(msg, answer=now)
            await peer.write(item.uuid, placed.field.write(value, now), proven=True)
            back = await peer.read(item.uuid)
            found = placed.field.read(back)
            if found is None:
                msg = f"{item.name} has no value after it was written"
                raise FrameError(msg, answer=back)
            same = placed.field.write(value, back) == back
            return value if same else found

        async with self._writing:
            return await self._air.converse(
                self._config.address,
                talk,
                timeout_s=self._config.response_timeout_s,
                priority=Priority.COMMAND,
            )

    def _place(self, point: PointId) -> tuple[Characteristic, Placed]:
        for group in self._profile.groups:
            for item in group.characteristics:
                for placed in item.layout.points:
                    if placed.point.name == point:
                        if placed.point.writable:
                            return item, placed
                        msg = f"{point}: it cannot be written in profile {self._profile.name}"
                        raise CommandRefusedError(msg)
        msg = f"{point}: there is no such point in profile {self._profile.name}"
        raise CommandRefusedError(msg)


def _check(placed: Placed, value: Value) -> None:
    """Refuse a value that the point cannot be.

    Raises:
        CommandRefusedError: with the reason.
    """
    point = placed.point
    if isinstance(value, str):
        msg = f"{point.name}: {value!r} is no number"
        raise CommandRefusedError(msg)
    if point.states and value not in point.states:
        msg = f"{point.name}: {value} is none of its states"
        raise CommandRefusedError(msg)
    low = point.low if point.low is not None else value
    high = point.high if point.high is not None else value
    if not low <= value <= high:
        msg = f"{point.name}: {value} is not within {point.low} to {point.high}"
        raise CommandRefusedError(msg)


FRAME: Final = Manifest(
    name="ble-manufacturer",
    media=("ble",),
    config=FrameConfig,
    build=Framed,
    address=address,
    prepare=prepare_frame,
    profile_schema=profile_schema,
)
GATT: Final = Manifest(
    name="ble-gatt",
    media=("ble",),
    config=GattConfig,
    build=Gatt,
    address=address,
    prepare=prepare_gatt,
    profile_schema=profile_schema,
)
