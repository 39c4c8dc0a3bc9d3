"""A line that lives in memory, the devices on it, and a small driver that speaks with them.

The protocol is text: `<device>?<group>` is answered by numbers with blanks between them,
`<device>!<point>=<number>` by the number that holds now. The line is the edge that tests script;
times are those of the running loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.model.driver import Ear, PollGroup
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceFaultError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from gateway.model.reading import Point, PointTable, Sample, Value

ANSWER_S = 0.02
TIMEOUT_S = 0.5


@dataclass
class Counts:
    exchanges: int = 0
    errors: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_s: float = 0.0


@dataclass
class Twin:
    """A device: what it holds, and what is wrong with it."""

    values: dict[str, float] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    silent: bool = False
    mute_groups: set[str] = field(default_factory=set)
    noisy: bool = False
    refuses: bool = False
    faulty: bool = False
    stuck: bool = False
    answer_s: float = ANSWER_S

    def answer(self, request: str) -> str | None:
        if self.silent or request.removeprefix("?") in self.mute_groups:
            return None
        if self.noisy:
            return "\x00#"
        if self.refuses:
            return "no 2"
        if self.faulty:
            return "broken 4"
        if request.startswith("?"):
            return " ".join(str(self.values[name]) for name in self.groups[request[1:]])
        name, _, number = request[1:].partition("=")
        if not self.stuck:
            self.values[name] = float(number)
        return str(self.values[name])


class ScriptedLine:
    """A `gateway.model.driver.Medium`: one exchange at a time."""

    def __init__(self, twins: Mapping[str, Twin], name: str = "cabinet-485") -> None:
        self.twins = twins
        self.id = LineId(name)
        self.statistics = Counts()
        self.plugged_in = True
        self.is_open = False
        self.open_takes_s = 0.0
        self.asked: list[tuple[float, str]] = []
        self.connects: list[float] = []
        self._opening = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._tell_lost: Callable[[BusUnavailableError], None] | None = None

    async def open(self) -> None:
        async with self._opening:
            if self.is_open:
                return
            self.connects.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self.open_takes_s)
            if not self.plugged_in:
                msg = f"line {self.id}: no such port"
                raise BusUnavailableError(msg)
            self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        self._tell_lost = tell

    def pull_out(self) -> None:
        """Unplug the adapter: whoever listens to its loss is told at once."""
        self.plugged_in = self.is_open = False
        if self._tell_lost is not None:
            self._tell_lost(BusUnavailableError(f"line {self.id} is gone"))

    async def exchange(self, device: str, request: str) -> str:
        """Send `request` to `device` and return its answer; raise as a medium does."""
        async with self._turn:
            self.asked.append((asyncio.get_running_loop().time(), device + request))
            self.statistics.exchanges += 1
            self.statistics.bytes_sent += len(device + request)
            if not (self.plugged_in and self.is_open):
                msg = f"line {self.id} is gone"
                raise BusUnavailableError(msg)
            twin = self.twins[device]
            answer = twin.answer(request)
            await asyncio.sleep(TIMEOUT_S if answer is None else twin.answer_s)
            if answer is None:
                self.statistics.errors += 1
                msg = f"{device}: nothing came"
                raise NoResponseError(msg)
            return answer

    def times(self, request: str) -> list[float]:
        """Return when `request` was on the line."""
        return [at for at, asked in self.asked if asked == request]


class TextMeter:
    """A driver for `Twin`: polled and commandable."""

    def __init__(self, line: ScriptedLine, device: str, groups: Sequence[PollGroup]) -> None:
        self._line = line
        self._device = device
        self._groups = groups

    @property
    def groups(self) -> Sequence[PollGroup]:
        return self._groups

    async def poll(self, group: PollGroup) -> Sample:
        answer = self._checked(await self._line.exchange(self._device, f"?{group.name}"))
        return Sample(tuple(float(word) for word in answer.split()))

    async def write(self, point: PointId, value: Value) -> Value:
        if isinstance(value, str):
            msg = f"{point} takes a number"
            raise CommandRefusedError(msg)
        return float(self._checked(await self._line.exchange(self._device, f"!{point}={value}")))

    @staticmethod
    def _checked(answer: str) -> str:
        word, _, code = answer.partition(" ")
        if word == "no":
            msg = "the device refuses"
            raise DeviceRejectedError(msg, code=int(code))
        if word == "broken":
            msg = "the device says that it is broken"
            raise DeviceFaultError(msg, code=int(code))
        if "\x00" in answer:
            msg = "no answer"
            raise FrameError(msg, answer=answer.encode())
        return answer


class Talker:
    """A driver of a device that tells by itself: what it says is put into its mouth."""

    ear: Ear

    def __init__(self, _line: ScriptedLine, _device: str, groups: Sequence[PollGroup]) -> None:
        self.groups: Sequence[PollGroup] = groups

    def attend(self, ear: Ear) -> None:
        self.ear = ear

    def say(self, value: float, group: int = 0) -> None:
        self.ear.heard(self.groups[group], Sample((value,)))


class TalkingMeter(TextMeter):
    """A driver of a device that is asked for one group and tells the other by itself."""

    ear: Ear

    def attend(self, ear: Ear) -> None:
        self.ear = ear

    def say(self, value: float, group: int) -> None:
        self.ear.heard(self.groups[group], Sample((value,)))


class ReadOnlyMeter:
    """A driver without `write` over the same devices."""

    def __init__(self, line: ScriptedLine, device: str, groups: Sequence[PollGroup]) -> None:
        self._meter = TextMeter(line, device, groups)

    @property
    def groups(self) -> Sequence[PollGroup]:
        return self._meter.groups

    async def poll(self, group: PollGroup) -> Sample:
        return await self._meter.poll(group)


class LearningMeter(TextMeter):
    """A driver that notes how many values each group has."""

    def __init__(self, line: ScriptedLine, device: str, groups: Sequence[PollGroup]) -> None:
        super().__init__(line, device, groups)
        self.known: dict[str, int] = {}
        self._told: dict[str, int] = {}

    async def poll(self, group: PollGroup) -> Sample:
        sample = await super().poll(group)
        self.known[group.name] = len(sample.cells)
        return sample

    def recall(self, memory: Mapping[str, int]) -> None:
        self.known = dict(memory)
        self._told = dict(memory)

    def memory(self) -> Mapping[str, int]:
        self._told = dict(self.known)
        return self._told

    @property
    def learned(self) -> bool:
        return self.known != self._told


class BrokenMeter(TextMeter):
    """A driver with a mistake in it."""

    async def poll(self, group: PollGroup) -> Sample:
        await super().poll(group)
        msg = f"mistake in {group.name}"
        raise ValueError(msg)


def group_of(
    name: str, points: Sequence[Point | str], period_s: float = 1.0, *, told: bool = False
) -> PollGroup:
    """Return a poll group; a point given by name is a plain number."""
    made = (Point(PointId(point)) if isinstance(point, str) else point for point in points)
    return PollGroup(name, PointTable(*made), period_s, told)
