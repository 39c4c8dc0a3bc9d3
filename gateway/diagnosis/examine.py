"""Looks at a line: listens, asks each device several times, and tries other settings.

Reads only. The line must be free: a running agent lends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, cast

from gateway.diagnosis.evidence import Ask, End, Evidence, Examined
from gateway.model.discovery import Found, Scope
from gateway.model.driver import Direction, Medium, PolledDriver, PollGroup, TappedMedium
from gateway.model.errors import (
    BusUnavailableError,
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
    NoResponseError,
)
from gateway.model.reading import Cause
from gateway.plugins.assembly import DeviceSpec, LineSpec

LISTENS_S: Final = 1.0
ASKS: Final = 5
"""Questions of each device."""
ENOUGH_SILENCE: Final = 3
"""A device that let so many questions pass is asked no more."""
LATE_S: Final = 2.0
"""An answer that comes so long after its time-out is a late one."""
PAUSE_S: Final = 0.05
SPEEDS: Final = (9600, 19_200, 38_400, 115_200, 57_600, 4800, 2400)
USUAL: Final = SPEEDS[:2]
"""Speeds with which an unexpected parity is met."""
REST_S: Final = 0.25
"""After something that is no answer: what else comes belongs to it."""
_DOUBTS: Final = frozenset({Cause.OUT_OF_RANGE, Cause.UNKNOWN_STATE, Cause.NO_VALUE})

Say = Callable[[str, float], None]
"""Takes what is being done, and how much of all is done (0 to 1)."""


@dataclass(slots=True)
class _Ear:
    """What went over the line since `begin`."""

    sent: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)
    sent_s: float = 0.0
    heard_s: float | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def late(self) -> None:
        """Wait a while for what did not come in time."""
        if not self.heard:
            self._came.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LATE_S):
                    await self._came.wait()
            await asyncio.sleep(PAUSE_S)  # the rest of it

    def begin(self) -> None:
        self.sent.clear()
        self.heard.clear()
        self.heard_s = None

    def passed(self, direction: Direction, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if direction is Direction.SENT:
            if not self.heard:
                self.sent[:] = data  # only the last question counts
            self.sent_s = now
        else:
            if self.heard_s is None:
                self.heard_s = now
            self.heard += data
            self._came.set()


async def examine(line: LineSpec, devices: Sequence[DeviceSpec], say: Say) -> Evidence:
    """Look at a line with its devices.

    Args:
        line: from the assembled site.
        devices: those on it.
        say: shows how far it is.
    """
    medium: Medium = line.manifest.build(line.id, line.config)
    settings: dict[str, Any] = asdict(cast("Any", line.config))  # Any: values of options
    port = str(settings.get("port", settings.get("host", "")))
    evidence = Evidence(line.id, line.manifest.name, port, settings=settings)
    ear = _Ear()
    if isinstance(medium, TappedMedium):
        medium.tap(ear.passed)
    try:
        await medium.open()
    except BusUnavailableError as error:
        return replace(evidence, unavailable=str(error))
    try:
        say("listening", 0.0)
        await asyncio.sleep(LISTENS_S)
        idle = bytes(ear.heard)
        examined = []
        for place, device in enumerate(devices):
            say(str(device.id), place / max(1, len(devices)))
            examined.append(await _ask_device(device, medium, ear))
        well = any(each.there for each in examined)
        looked = []
        for spec, each in zip(devices, examined, strict=True):
            say(f"{spec.id}: settings", 0.9)
            looked.append(await _look_further(spec, each, medium, settings, line_well=well))
        return replace(evidence, idle=idle, devices=tuple(looked))
    except BusUnavailableError as error:
        return replace(evidence, unavailable=str(error))
    finally:
        await medium.close()


async def _ask_device(device: DeviceSpec, medium: Medium, ear: _Ear) -> Examined:
    driver = device.manifest.build(device.prepared, medium)
    options = asdict(cast("Any", device.config))
    examined = Examined(device.id, (), options.get("response_timeout_s"), options.get("profile"))
    if not isinstance(driver, PolledDriver):
        return examined
    groups = [group for group in driver.groups if not group.told]
    if not groups:
        return examined
    asks: list[Ask] = []
    for _ in range(ASKS):
        ear.begin()
        asks.append(await _ask(driver, groups[0], ear, first=not asks))
        await asyncio.sleep(PAUSE_S)
        if len(asks) == ENOUGH_SILENCE and not any(ask.heard for ask in asks):
            break
    examined = replace(examined, asks=tuple(asks))
    if examined.late:
        await asyncio.sleep(LATE_S)  # what is still to come must not meet the next device
    return examined


async def _ask(driver: PolledDriver, group: PollGroup, ear: _Ear, *, first: bool) -> Ask:
    end, words, doubtful, values = End.ANSWERED, "", 0, 0
    try:
        sample = await driver.poll(group)
    except BusUnavailableError:
        raise
    except DeviceError as error:
        words = str(error)
        match error:
            case DeviceRejectedError():
                end = End.REFUSED
            case DeviceFaultError():
                end = End.FAULT
            case NoResponseError():
                end = End.SILENT
                if first:
                    await ear.late()
            case _:
                end = End.GARBLED
                await asyncio.sleep(REST_S)
    else:
        values = len(group.table)
        doubtful = sum(flag.cause in _DOUBTS for flag in sample.flags.values())
    delay_s = None if ear.heard_s is None else max(0.0, ear.heard_s - ear.sent_s)
    return Ask(end, bytes(ear.sent), bytes(ear.heard), delay_s, words, doubtful, values)


async def _look_further(
    spec: DeviceSpec,
    examined: Examined,
    medium: Medium,
    settings: Mapping[str, Any],  # Any: values of options
    *,
    line_well: bool,
) -> Examined:
    """Look whether the device is another model, or answers with other settings."""
    discover, address = spec.manifest.discover, spec.manifest.address(spec.config)
    if discover is None or not isinstance(address, int):
        return examined
    if examined.there:
        own = {name: getattr(spec.config, name, None) for name in ("baud_rate", "parity")}
        scope = Scope((address,), ({k: v for k, v in own.items() if v is not None},))
        found = await _first(spec, medium, scope)
        return replace(examined, identified=found)
    if medium_of(settings) and (not line_well or examined.count(End.SILENT, End.GARBLED)):
        others = tuple(_others(settings))
        found = await _first(spec, medium, Scope((address,), others, timeout_s=0.2))
        return replace(examined, elsewhere=found)
    return examined


def _others(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:  # Any: values of options
    """Yield settings that a line may have instead of its own, the likeliest first."""
    now = {name: settings.get(name) for name in ("baud_rate", "parity", "stop_bits")}
    tried = [(speed, "none") for speed in SPEEDS]
    near = dict.fromkeys((int(settings["baud_rate"]), *USUAL))
    tried[1:1] = [(speed, parity) for parity in ("even", "odd") for speed in near]
    for speed, parity in tried:
        other = {"baud_rate": speed, "parity": parity, "stop_bits": 1}
        if other != now:
            yield other


def medium_of(settings: Mapping[str, Any]) -> bool:  # Any: values of options
    """Say whether a line has settings that a device may have otherwise."""
    return "baud_rate" in settings


async def _first(spec: DeviceSpec, medium: Medium, scope: Scope) -> Found | None:
    if spec.manifest.discover is None:
        return None
    async for looked in spec.manifest.discover(medium, scope, {}):
        if looked.found is not None:
            return looked.found
    return None
