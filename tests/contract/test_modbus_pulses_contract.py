"""Totals of pulse counters outlive what happens to the counters of their module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.modbus.pulses import driver
from drivers.modbus.pulses.config import CounterOptions, PulsesConfig, prepare
from drivers.modbus.pulses.driver import ModbusPulses
from gateway.model.errors import CommandRefusedError, NoResponseError
from gateway.model.ids import PointId
from simulators.faults import Liar, Reboot, Refuse, Silent
from simulators.modbus.pulse_4 import Pulse4
from tests.checked_options import checked
from tests.driver_page import missing_options
from tests.listening_ear import Told, told
from tests.serial_site import SerialSite, serial_site

TOP = 65_536
TWIN = (
    '[[twin]]\nid = "module"\nline = "line"\nkind = "pulse-4"\nunit = 5\n'
    "per_hour = [0, 0, 0, 0]\nstart = [1000, 4294967290, 65530, 40000]\n"
)
FAST = 20_000.0
"""Pulses a second: in a test they come in a moment."""
_METERS: tuple[dict[str, object], ...] = (
    {
        "name": "cold",
        "point": "counter_1",
        "unit": "m3",
        "pulses_per_unit": 100,
        "initial": 123.45,
        "max_per_s": FAST,
    },
    {"name": "warm", "point": "counter_2", "unit": "L", "pulses_per_unit": 0.1, "max_per_s": FAST},
    {
        "name": "garden",
        "point": "counter_3",
        "unit": "m3",
        "pulses_per_unit": 100,
        "max_per_s": FAST,
    },
    {
        "name": "power",
        "point": "counter_4",
        "unit": "kW.h",
        "pulses_per_unit": 1000,
        "max_per_s": FAST,
    },
)
COUNTERS = tuple({**meter, "max_per_s": FAST} for meter in _METERS)
README = Path(driver.__file__).parent / "README.md"


@dataclass
class Site:
    """The module and its driver."""

    serial: SerialSite
    driver: ModbusPulses

    @property
    def module(self) -> Pulse4:
        device = self.serial.running.modbus("module").device
        assert isinstance(device, Pulse4)
        return device

    async def poll(self) -> Told:
        [group] = [group for group in self.driver.groups if group.name == "fast"]
        return told(group, await self.driver.poll(group))


def options(**more: object) -> PulsesConfig:
    given = {
        "profile": "demo-pulse-4",
        "unit": 5,
        "response_timeout_s": 0.15,
        "counter": COUNTERS,
        **more,
    }
    return checked(PulsesConfig, given)


@asynccontextmanager
async def open_site(twin: str = TWIN, **more: object) -> AsyncIterator[Site]:
    async with serial_site(twin) as serial:
        yield Site(serial, ModbusPulses(prepare(options(**more), None), serial.line))


def totals(found: Told) -> list[object]:
    return [found.values[str(counter["name"])] for counter in COUNTERS]


def restarted(site: Site) -> None:
    """Let the agent start anew with what was kept."""
    memory = site.driver.memory()
    site.driver = ModbusPulses(prepare(options(), None), site.serial.line)
    site.driver.recall(memory)


async def test_totals_grow_by_pulses_over_the_end_of_every_register() -> None:
    async with open_site() as site:
        first = await site.poll()
        assert totals(first) == [123.45, 0.0, 0.0, 0.0]
        assert first.values["counter_2"] == 4_294_967_290
        for place in range(4):
            site.module.count(place, 12)
        second = await site.poll()
        assert totals(second) == pytest.approx([123.57, 120.0, 0.12, 0.012])
        assert second.values["counter_3"] == (65_530 + 12) % TOP
        assert second.causes == {}
        assert [second.values[f"{counter['name']}_resets"] for counter in COUNTERS] == [0] * 4


async def test_a_module_that_forgets_is_a_reset_and_no_roll_over() -> None:
    async with open_site(f"{TWIN}retains = false\n", keep_every_s=0) as site:
        await site.poll()
        site.driver.memory()
        site.serial.running.apply("module", Reboot())
        with pytest.raises(NoResponseError):
            await site.poll()
        site.module.count(3, 5)
        site.serial.running.clear("module")
        found = await site.poll()
        assert found.values["power"] == pytest.approx(0.005)
        assert found.values["power_resets"] == 1
        assert found.causes["power"] == "IMPLAUSIBLE"
        assert site.driver.learned
        assert (await site.poll()).causes == {}


async def test_one_impossible_look_moves_nothing() -> None:
    async with open_site(TWIN.replace("4294967290, 65530", "1000, 1000")) as site:
        await site.poll()
        site.serial.running.apply("module", Liar(how="values"))
        found = await site.poll()
        assert totals(found) == [123.45, 0.0, 0.0, 0.0]
        assert found.causes["cold"] == "IMPLAUSIBLE"
        site.serial.running.clear("module")
        site.module.count(0, 3)
        after = await site.poll()
        assert after.values["cold"] == pytest.approx(123.48)
        assert after.causes == {}


async def test_another_module_goes_on_where_the_total_is() -> None:
    async with open_site() as site:
        await site.poll()
        site.module.count(3, 20_000)  # a jump: nobody sends that many in a moment
        assert (await site.poll()).causes["power"] == "IMPLAUSIBLE"
        site.module.count(3, 2)
        found = await site.poll()
        assert found.values["power"] == pytest.approx(0.002)
        assert found.values["power_resets"] == 1


async def test_after_a_restart_of_the_agent_nothing_is_missing() -> None:
    async with open_site() as site:
        await site.poll()
        site.module.count(0, 10)
        await site.poll()
        restarted(site)
        for place in range(4):
            site.module.count(place, 40)
        found = await site.poll()
        assert totals(found) == pytest.approx([123.95, 400.0, 0.4, 0.04])
        assert found.causes == {}


async def test_old_memory_costs_nothing_as_long_as_the_module_counts() -> None:
    async with open_site() as site:
        await site.poll()
        old = site.driver.memory()
        for _ in range(3):
            site.module.count(2, 15)
            await site.poll()
        assert not site.driver.learned  # the card is spared
        site.driver = ModbusPulses(prepare(options(), None), site.serial.line)
        site.driver.recall(old)
        assert (await site.poll()).values["garden"] == pytest.approx(0.45)


async def test_a_memory_of_another_counter_is_let_be() -> None:
    async with open_site() as site:
        site.driver.recall({"totals": {"cold": {"raw": 2**40, "total": 1, "resets": 0}, "warm": 3}})
        assert totals(await site.poll()) == [123.45, 0.0, 0.0, 0.0]
        site.driver.recall({"totals": 7, "modbus": 7})


async def test_what_the_module_refuses_is_bad_and_silence_is_no_response() -> None:
    async with open_site() as site:
        await site.poll()
        site.serial.running.apply("module", Silent())
        with pytest.raises(NoResponseError):
            await site.poll()
        site.serial.running.clear("module")
        site.serial.running.apply("module", Refuse(code=6))
        with pytest.raises(NoResponseError):
            await site.poll()
        site.serial.running.clear("module")
        assert (await site.poll()).causes == {}


async def test_the_module_takes_its_debounce_time_and_no_total() -> None:
    async with open_site() as site:
        assert await site.driver.write(PointId("debounce_ms"), 50) == 50
        with pytest.raises(CommandRefusedError):
            await site.driver.write(PointId("cold"), 5.0)


async def test_no_answer_of_a_healthy_module_is_lost_or_doubled() -> None:
    async with open_site() as site:
        assert [(await site.poll()).values["answers"] for _ in range(5)] == [1, 2, 3, 4, 5]


WRONG: dict[str, dict[str, object]] = {
    "no counter": {"counter": []},
    "no such point": {"counter": [{"name": "a", "point": "counter_9"}]},
    "a name of the profile": {"counter": [{"name": "answers", "point": "counter_1"}]},
    "a name twice": {"counter": [COUNTERS[0], COUNTERS[0]]},
    "no such unit": {"counter": [{"name": "a", "point": "counter_1", "unit": "cbm"}]},
    "an end beyond its register": {
        "counter": [{"name": "a", "point": "counter_3", "ends_at": TOP}]
    },
    "an unknown option": {"counter": [{"name": "a", "point": "counter_3", "width": 16}]},
    "no such profile": {"profile": "nothing"},
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_refused(case: str) -> None:
    with pytest.raises(ValidationError):
        options(**WRONG[case])


async def test_a_counter_may_end_before_its_register() -> None:
    counter = {"name": "garden", "point": "counter_3", "ends_at": 65_533, "max_per_s": FAST}
    async with open_site(counter=[counter]) as site:
        site.module.count(2, 0)
        await site.poll()
        site.module.count(2, 6)  # 65530 to 0 of the register: four numbers to its own end
        found = await site.poll()
        assert found.values["garden"] == 4.0


def test_a_counter_may_stand_alone_and_the_page_lists_every_option() -> None:
    assert len(options(counter=COUNTERS[0]).counter) == 1
    assert missing_options(README, PulsesConfig) == []
    assert missing_options(README, CounterOptions) == []
