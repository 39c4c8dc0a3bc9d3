"""The PMS5003 driver keeps a driver's promises against its twin, asked and listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.environment.pms5003 import driver
from drivers.environment.pms5003.driver import Pms5003, Pms5003Config
from drivers.media.serial_line import SerialLine, SerialLineConfig
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from simulators.environment.pms5003 import Pms5003Twin
from simulators.faults import Crc, Echo, Fault, Flood, Liar, Noise, Reboot, Short, Silent, Slow
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told
from tests.serial_site import SerialSite, serial_site

TWIN = '[[twin]]\nid = "dust"\nline = "line"\nkind = "pms5003"\nseed = 7\ntells_every_s = 0.1\n'
TIMEOUT_S = 0.15
PATIENT_S = 3.0
"""What answers at all answers sooner, on a busy machine too."""
README = Path(driver.__file__).parent / "README.md"
WORKING = PointId("working")


@dataclass
class Site:
    """The driver, its twin and their line."""

    serial: SerialSite
    driver: Pms5003
    twin: Pms5003Twin

    async def poll(self) -> Told:
        [group] = self.driver.groups
        return told(group, await self.driver.poll(group))

    async def until_good(self) -> Told:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    found = await self.poll()
                    if not found.causes:
                        return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_site(*, echo: bool = False, **options: object) -> AsyncIterator[Site]:
    async with serial_site(TWIN, echo=echo) as site:
        given = {"response_timeout_s": PATIENT_S, "wake_timeout_s": PATIENT_S, **options}
        twin = site.running.twin("dust")
        assert isinstance(twin, Pms5003Twin)
        yield Site(site, Pms5003(checked(Pms5003Config, given), site.line), twin)


async def test_it_agrees_with_its_twin_on_every_point() -> None:
    async with open_site() as site:
        found = await site.poll()
        assert tuple(found.values.values()) == (*site.twin.raw, True)
        assert not site.twin.active
        counts = [found.values[name] for name in found.values if name.startswith("particles")]
        assert counts == sorted(counts, key=lambda count: -float(count or 0))


async def test_an_active_sensor_is_heard() -> None:
    async with open_site(mode="active", period_s=0.01) as site:
        ear = ListeningEar()
        site.driver.attend(ear)
        await site.serial.line.open()
        await ear.until(lambda ear: len(ear.samples) >= 2)
        assert ear.samples[0].values["working"] is True
        assert ear.samples[0].values["pm10"] == pytest.approx(site.twin.raw[5], abs=3)
        with pytest.raises(CommandRefusedError):
            await site.driver.write(WORKING, value=False)


async def test_a_sensor_that_lost_its_power_is_told_to_be_quiet_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "ASSERTS_EVERY", 4)
    async with open_site() as site:
        await site.poll()
        site.twin.power_on()
        assert site.twin.active
        for _ in range(4):
            await site.until_good()
        assert not site.twin.active


async def test_it_sleeps_and_wakes_by_order() -> None:
    async with open_site() as site:
        await site.poll()
        assert await site.driver.write(WORKING, value=False) is False
        assert site.twin.asleep
        resting = await site.poll()
        assert resting.values.pop("working") is False
        assert set(resting.values.values()) == {None}
        assert set(resting.causes.values()) == {"NO_VALUE"}
        assert await site.driver.write(WORKING, value=True) is True
        assert not site.twin.asleep
        assert not site.twin.active
        fresh = await site.poll()
        assert fresh.causes["pm2_5"] == "ESTIMATED"
        assert fresh.values["pm2_5"] is not None


@pytest.mark.parametrize(("point", "value"), [("working", 1), ("pm2_5", 3.0)])
async def test_what_it_cannot_take_is_refused(point: str, value: float) -> None:
    async with open_site() as site:
        with pytest.raises(CommandRefusedError):
            await site.driver.write(PointId(point), value)
        assert site.serial.line.statistics.exchanges == 0


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, SOUND)),
    "short": (Short(), (FrameError,)),
    "a word too few": (Liar(how="count"), (FrameError,)),
    "a length that lies": (Liar(how="length"), (FrameError,)),
    "impossible values": (Liar(how="values"), (SOUND,)),
    "noise": (Noise(flips=1), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError, NoResponseError)),
    "echo": (Echo(), (FrameError, NoResponseError)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(name: str) -> None:
    fault, allowed = FAULTS[name]
    timeout_s = PATIENT_S if allowed == (SOUND,) else TIMEOUT_S
    async with open_site(response_timeout_s=timeout_s) as site:
        await site.until_good()
        site.serial.running.apply("dust", fault)
        for _ in range(3):
            try:
                found = await site.poll()
            except DeviceError as error:
                # after a failure it is told to be quiet first: a short answer may be in the way
                assert isinstance(error, (*allowed, NoResponseError)), error  # noqa: PT017
            else:
                assert SOUND in allowed
                assert name != "impossible values" or found.causes["pm10"] == "OUT_OF_RANGE"
        site.serial.running.clear("dust")
        await site.until_good()


@pytest.mark.parametrize("fault", [Crc(), Short(), Noise(flips=1), Liar(how="count")])
async def test_a_listener_mishears_and_hears_again(fault: Fault) -> None:
    async with open_site(mode="active", period_s=0.01) as site:
        ear = ListeningEar()
        site.driver.attend(ear)
        await site.serial.line.open()
        site.serial.running.apply("dust", fault)
        await ear.until(lambda _: site.twin.counts.answered >= 2)
        assert not ear.samples
        site.serial.running.clear("dust")
        await ear.until(lambda ear: bool(ear.samples))
        assert ear.mistakes


async def test_silence_is_no_response() -> None:
    async with open_site(response_timeout_s=TIMEOUT_S) as site:
        await site.poll()
        site.serial.running.apply("dust", Silent())
        with pytest.raises(NoResponseError):
            await site.poll()


async def test_cancel_in_mid_request_leaves_the_line_usable() -> None:
    async with open_site() as site:
        await site.poll()
        site.serial.running.apply("dust", Slow(delay_s=0.1))
        asked = asyncio.get_running_loop().create_task(site.poll())
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        site.serial.running.clear("dust")
        await site.until_good()


async def test_an_echo_is_taken_off() -> None:
    async with open_site(echo=True) as site:
        site.serial.running.apply("dust", Echo())
        assert not (await site.until_good()).causes


def test_unknown_options_and_a_speed_of_a_talker_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        checked(Pms5003Config, {"colour": "red"})
    with pytest.raises(ValidationError, match="speed of its line"):
        checked(Pms5003Config, {"mode": "active", "parity": "even"})


def test_the_page_lists_every_point_and_option() -> None:
    assert missing_options(README, Pms5003Config) == []
    line = SerialLine(LineId("line"), SerialLineConfig(port="/dev/null"))
    assert missing_points(README, Pms5003(checked(Pms5003Config, {}), line).groups) == []
