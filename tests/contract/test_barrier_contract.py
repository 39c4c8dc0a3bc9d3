"""The barrier driver keeps its promises against a barrier with a motor, over TCP and RS-485."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from drivers.barriers import driver
from drivers.barriers.config import BarrierConfig
from drivers.barriers.driver import ORDER, BarrierDriver
from drivers.barriers.machine import Order, State
from drivers.barriers.modbus_contacts import ModbusContacts
from drivers.media.line import Line
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.media.tcp_line import TcpLine, TcpLineConfig
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.event import Severity
from gateway.model.ids import LineId, PointId
from simulators.barriers.barrier import BarrierTwin
from simulators.faults import (
    Crc,
    Echo,
    Fault,
    Flood,
    Forced,
    Jammed,
    Liar,
    Noise,
    Reboot,
    Refuse,
    Short,
    Silent,
    Slow,
    WrongUnit,
)
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import checked
from tests.listening_ear import ListeningEar, Told, told

TIMEOUT_S = 0.15
TWIN = '[[twin]]\nid = "boom"\nline = "line"\nkind = "barrier"\nunit = 7\ntravel_s = 0.2\n'
LINES = {
    "tcp": '[[line]]\nid = "line"\nmedium = "tcp"\n',
    "serial": '[[line]]\nid = "line"\nmedium = "serial"\nbaud_rate = 115200\n',
}
OPTIONS = {
    "unit": 7,
    "open_output": 0,
    "close_output": 1,
    "stop_output": 2,
    "opened_input": 0,
    "closed_input": 1,
    "loop_input": 2,
    "photo_input": 3,
    "inverted": ["photo"],
    "pulse_s": 0.03,
    "look_s": 0.02,
    "travel_timeout_s": 1.0,
    "response_timeout_s": TIMEOUT_S,
}
README = Path(driver.__file__).parent / "README.md"


@dataclass
class Site:
    """The driver, its twin and their line."""

    running: Running
    line: Line
    driver: BarrierDriver
    ear: ListeningEar

    @property
    def twin(self) -> BarrierTwin:
        twin = self.running.twin("boom")
        assert isinstance(twin, BarrierTwin)
        return twin

    async def poll(self) -> Told:
        [group] = self.driver.groups
        return told(group, await self.driver.poll(group))

    async def order(self, name: str) -> object:
        return await self.driver.write(ORDER, name)

    async def until(self, state: State) -> Told:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    found = await self.poll()
                    if found.values["state"] == state:
                        return found
                await asyncio.sleep(0.02)

    @property
    def happened(self) -> list[str]:
        return [happening.key for happening in self.ear.happenings]


@asynccontextmanager
async def open_site(
    medium: str = "serial", twin: str = TWIN, *, echo: bool = False, **options: object
) -> AsyncIterator[Site]:
    async with run_scene(parse_scene(LINES[medium] + twin, "test")) as running:
        address = running.lines["line"].address
        name = LineId("line")
        line: Line
        if medium == "tcp":
            line = TcpLine(name, TcpLineConfig(host=address.host, port=address.port))
        else:
            line = SerialLine(
                name, SerialLineConfig(port=address.path, baud_rate=115_200, echo=echo)
            )
        config = checked(BarrierConfig, {**OPTIONS, **options})
        ear = ListeningEar()
        barrier = BarrierDriver(config, ModbusContacts(config, line))
        barrier.attend(ear)
        try:
            yield Site(running, line, barrier, ear)
        finally:
            await line.close()


@pytest.mark.parametrize("medium", LINES)
async def test_it_agrees_with_its_twin_and_moves_by_order_with_proof(medium: str) -> None:
    async with open_site(medium) as site:
        found = await site.poll()
        assert found.values == {
            "state": State.CLOSED,
            "order": Order.NONE,
            "opened": False,
            "closed": True,
            "loop": False,
            "photo": False,
            "travel_time": None,
        }
        assert await site.order("open") == Order.OPEN
        assert site.twin.barrier.boom.opened
        found = await site.poll()
        assert found.values["state"] == State.OPEN
        travel_s = found.values["travel_time"]
        assert isinstance(travel_s, float)
        assert 0.15 < travel_s < 1.0
        assert await site.order("close") == Order.CLOSE
        assert site.twin.barrier.boom.closed
        assert not any(site.twin.barrier.memory.coils.image)
        assert site.happened == []


async def test_an_output_that_holds_is_off_when_it_has_arrived() -> None:
    async with open_site(drive="hold") as site:
        await site.order("open")
        await site.poll()
        assert not any(site.twin.barrier.memory.coils.image)


async def test_a_car_on_the_loop_keeps_it_open() -> None:
    async with open_site(twin=TWIN + "opened = true\n") as site:
        await site.poll()
        site.twin.barrier.car_comes()
        with pytest.raises(CommandRefusedError, match="loop"):
            await site.order("close")
        assert (await site.poll()).values["loop"] is True
        assert (await site.poll()).values["photo"] is True
        assert site.twin.barrier.boom.opened


async def test_it_opens_again_when_a_car_comes_while_it_closes() -> None:
    slow = TWIN.replace("travel_s = 0.2", "travel_s = 0.5") + "opened = true\nreverses = false\n"
    async with open_site(twin=slow, travel_timeout_s=3.0) as site:
        await site.poll()
        async with asyncio.TaskGroup() as tasks:
            closing = tasks.create_task(_failed(site.order("close")))
            await site.until(State.CLOSING)
            site.twin.barrier.car_comes()
        assert isinstance(closing.result(), DeviceFaultError)
        await site.until(State.OPEN)
        assert site.happened == ["barrier-obstacle"]


async def _failed(asked: object) -> BaseException | None:
    try:
        await asked  # type: ignore[misc]
    except DeviceError as error:
        return error
    return None


async def test_a_jammed_boom_is_blocked_and_an_alarm() -> None:
    async with open_site() as site:
        await site.poll()
        site.running.apply("boom", Jammed())
        with pytest.raises(DeviceFaultError, match="not there after 1 s"):
            await site.order("open")
        assert (await site.poll()).values["state"] in {State.BLOCKED, State.CLOSED}
        assert site.happened == ["barrier-blocked"]
        assert site.ear.happenings[0].severity is Severity.ALARM
        site.running.clear("boom")
        assert await site.order("open") == Order.OPEN


async def test_a_boom_lifted_by_hand_is_forced_and_an_alarm_until_it_is_shut() -> None:
    async with open_site() as site:
        await site.until(State.CLOSED)
        site.running.apply("boom", Forced())
        await site.until(State.FORCED)
        assert site.happened == ["barrier-forced"]
        assert site.ear.happenings[0].severity is Severity.ALARM
        await site.poll()
        assert site.happened == ["barrier-forced"]
        site.running.clear("boom")
        assert await site.order("close") == Order.CLOSE
        assert (await site.poll()).values["state"] == State.CLOSED


async def test_a_later_order_goes_before_one_under_way() -> None:
    async with open_site(twin=TWIN.replace("0.2", "0.6"), travel_timeout_s=3.0) as site:
        await site.poll()
        async with asyncio.TaskGroup() as tasks:
            opening = tasks.create_task(_failed(site.order("open")))
            await site.until(State.OPENING)
            assert await site.order("stop") == Order.STOP
        assert isinstance(opening.result(), NoResponseError)
        assert (await site.poll()).values["state"] == State.UNKNOWN
        assert 0 < site.twin.barrier.boom.way < 1


async def test_an_impulse_ends_when_the_command_is_cancelled() -> None:
    async with open_site(pulse_s=0.5) as site:
        await site.poll()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await site.order("open")
        assert not any(site.twin.barrier.memory.coils.image)


@pytest.mark.parametrize(("point", "value"), [("order", "jump"), ("order", 0), ("state", 1)])
async def test_what_it_cannot_be_told_is_refused(point: str, value: float) -> None:
    async with open_site() as site:
        with pytest.raises(CommandRefusedError):
            await site.driver.write(PointId(point), value)
        assert site.line.statistics.exchanges == 0


async def test_without_an_output_it_cannot_be_stopped() -> None:
    async with open_site(stop_output=None) as site:
        with pytest.raises(CommandRefusedError, match="stop_output"):
            await site.order("stop")


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, SOUND)),
    "wrong unit": (WrongUnit(), (FrameError,)),
    "short": (Short(), (FrameError,)),
    "a byte too many": (Liar(how="count"), (FrameError,)),
    "a length that lies": (Liar(how="length"), (FrameError, NoResponseError)),
    "impossible values": (Liar(how="values"), (SOUND,)),
    "exception 2": (Refuse(code=2), (DeviceRejectedError,)),
    "exception 4": (Refuse(code=4), (DeviceFaultError,)),
    "exception 6": (Refuse(code=6), (NoResponseError,)),
    "noise": (Noise(), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
    "jammed": (Jammed(), (SOUND,)),
}


@pytest.mark.parametrize(
    ("medium", "name"),
    [
        (medium, name)
        for name, (fault, _) in FAULTS.items()
        for medium in LINES
        if fault.media is None or medium in fault.media
    ],
)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(
    medium: str, name: str
) -> None:
    fault, allowed = FAULTS[name]
    async with open_site(medium) as site:
        await site.until(State.CLOSED)
        site.running.apply("boom", fault)
        for _ in range(3):
            try:
                await site.poll()
            except DeviceError as error:
                assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
            else:
                assert SOUND in allowed
        site.running.clear("boom")
        await site.until(State.CLOSED)
        assert site.happened == []


async def test_an_order_that_is_not_answered_is_unknown_even_if_it_was_given() -> None:
    async with open_site() as site:
        await site.poll()
        site.running.apply("boom", Silent(obeys=True))
        with pytest.raises(NoResponseError):
            await site.order("open")


async def test_an_output_that_may_be_on_is_switched_off_when_the_module_is_back() -> None:
    async with open_site() as site:
        await site.poll()

        async def fall_silent() -> None:
            async with asyncio.timeout(5):
                while not site.twin.barrier.memory.coils.image[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
            site.running.apply("boom", Silent())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fall_silent())
            assert isinstance(await _failed(site.order("open")), NoResponseError)
        assert site.twin.barrier.memory.coils.image[0]
        site.running.clear("boom")
        await site.until(State.OPEN)
        assert not any(site.twin.barrier.memory.coils.image)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colour": "red"}, "colour"),
        ({"close_output": 0}, "same output"),
        ({"closed_input": 0}, "same input"),
        ({"loop_input": None, "inverted": ["loop"]}, "no loop_input"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        checked(BarrierConfig, {**OPTIONS, **options})


async def test_options_that_do_not_go_with_the_line_are_refused() -> None:
    async with open_site() as site:
        for options, says in (
            ({"framing": "mbap"}, "rtu or auto"),
            ({"photo_input": 9999}, "apart"),
        ):
            config = checked(BarrierConfig, {**OPTIONS, **options})
            with pytest.raises(ValueError, match=says):
                ModbusContacts(config, site.line)


def test_the_page_lists_every_option_and_point() -> None:
    page = README.read_text()
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", page, re.MULTILINE)
    for name, option in TypeAdapter(BarrierConfig).json_schema()["properties"].items():
        assert any(row == name and option["description"] in text for row, text in rows), name
    listed = set(re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", page, re.MULTILINE))
    config = checked(BarrierConfig, OPTIONS)
    [group] = BarrierDriver(config, None).groups  # type: ignore[arg-type]
    for point in group.table:
        assert (point.name, point.unit, str(point.kind)) in listed
