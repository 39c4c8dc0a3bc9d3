"""A device that is asked over HTTP, or tells by web hook, by profile; and is set, with proof."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from drivers.localnet.hook import BAD, NO_CONTENT, TOO_MANY
from drivers.localnet.http_client import Login, Server
from drivers.localnet.http_config import (
    HttpConfig,
    HttpDevice,
    address,
    prepare,
    profile_schema,
)
from drivers.localnet.http_line import LocalHttp
from drivers.localnet.points import Group, cell_of, points_of, sample_of, wire_value
from drivers.localnet.rate import Allowance
from drivers.localnet.secrets import read_secret
from drivers.localnet.templates import Plain, fill_json, fill_path
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.errors import CommandRefusedError, FrameError, NoResponseError
from gateway.model.ids import PointId
from gateway.model.reading import PointTable, Sample, Value


class HttpSensor:
    """One device. A `PolledDriver`, a `ListeningDriver` and a `CommandableDriver`."""

    def __init__(self, device: HttpDevice, line: LocalHttp) -> None:
        """Take the options with their profile, and the medium.

        Raises:
            ValueError: it tells by itself, and the medium does not listen.
        """
        own, language = device.options, device.language
        self._options: Final = own
        self._language: Final = language
        self._values: Final = device.values
        self._line: Final = line
        self._server: Final = _server(own)
        self._points: Final = points_of(language.groups)
        self._by_poll: Final[dict[PollGroup, Group]] = {
            PollGroup(
                group.name,
                PointTable(*(point for point, _ in group.points)),
                own.periods.get(group.name, group.period_s),
                told=group.name not in language.paths,
            ): group
            for group in language.groups
        }
        self._allowance: Final = Allowance(own.most_per_s, own.burst)
        self._setting: asyncio.Lock | None = None
        self._ear: Ear | None = None
        if own.hook is not None and own.token_file is not None:
            line.hear(own.hook, own.token_file, self._came)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the groups; together they name every point of the profile once."""
        return tuple(self._by_poll)

    # Asked

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for one group, once.

        Raises:
            DeviceError: as `LocalHttp.ask`; a FrameError when what came makes no sense.
        """
        known = self._by_poll[group]
        raw = await self._ask("GET", fill_path(self._language.paths[known.name], self._values))
        return self._read(known, raw)

    def _read(self, group: Group, raw: bytes) -> Sample:
        sample = sample_of(group, raw, self._options.device_id)
        if sample is None:
            msg = f"this is no document of {group.name}"
            raise FrameError(msg, answer=raw[:64])
        return sample

    async def _ask(self, method: str, target: str, body: bytes = b"") -> bytes:
        own, server = self._options, self._server
        if server is None:
            msg = "it is not asked, it tells by itself"
            raise NoResponseError(msg)
        login = None
        if own.username is not None and own.password_file is not None:
            login = Login(own.login, own.username, read_secret(own.password_file))
        return await self._line.ask(
            server, method, target, body, login=login, timeout_s=own.response_timeout_s
        )

    # Told

    def attend(self, ear: Ear) -> None:
        """Tell the ear what the device tells by itself, from now on."""
        self._ear = ear

    def _came(self, raw: bytes) -> int:
        """Take one message by web hook; return the status of the answer."""
        ear = self._ear
        now_s = asyncio.get_running_loop().time()
        if ear is None or not self._allowance.take(now_s):
            self._line.hooks.refuse("too many")
            return TOO_MANY
        found = 0
        error: FrameError | None = None
        for group, known in self._by_poll.items():
            if not group.told:
                continue
            try:
                sample = sample_of(known, raw, self._options.device_id)
            except FrameError as caught:
                error = caught
                continue
            if sample is not None:
                found += 1
                ear.heard(group, sample)
        if error is not None and not found:
            self._line.hooks.refuse("makes no sense")
            ear.misheard(error)
            return BAD
        return NO_CONTENT

    # Set

    async def write(self, point: PointId, value: Value) -> Value:
        """Tell the device, ask for the group of the point, and return what it is then.

        Raises:
            CommandRefusedError: no such point, not writable, or not a value it can take.
            DeviceError: as in `poll`; after a NoResponseError nobody knows whether it was done.
        """
        order = self._language.orders.get(point)
        if order is None:
            known = "it cannot be set" if point in self._points else "there is no such point"
            msg = f"{point}: {known} in profile {self._language.name}"
            raise CommandRefusedError(msg)
        group, described, source = self._points[point]
        wire = wire_value(described, source, value)
        values: dict[str, Plain] = {**self._values, "value": wire}
        if self._setting is None:
            self._setting = asyncio.Lock()
        async with self._setting:
            body = fill_json(order.payload, values)
            await self._ask(order.method, fill_path(order.path, values), body)
            raw = await self._ask("GET", fill_path(self._language.paths[group.name], self._values))
        found = cell_of(group, self._read(group, raw), point)
        if found is None:
            msg = f"{point} has no value after it was set"
            raise FrameError(msg)
        return found


def _server(options: HttpConfig) -> Server | None:
    if options.url is None:
        return None
    parts = urlsplit(options.url)
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    return Server(parts.hostname or "", port, tls, options.ca_file, options.fingerprint)


MANIFEST: Final = Manifest(
    name="http-sensor",
    media=("http-local",),
    config=HttpConfig,
    build=HttpSensor,
    address=address,
    prepare=prepare,
    profile_schema=profile_schema,
)
