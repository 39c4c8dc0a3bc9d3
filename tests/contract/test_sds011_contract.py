"""The SDS011 driver keeps a driver's promises against its twin, asked and listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.environment.sds011 import driver
from drivers.environment.sds011.driver import Sds011, Sds011Config
from drivers.media.serial_line import SerialLine, SerialLineConfig
from gateway.model.driver import PollGroup
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from simulators.environment.sds011 import Sds011Twin
from simulators.faults import (
    Crc,
    Echo,
    Fault,
    Flood,
    Liar,
    Noise,
    Reboot,
    Short,
    Silent,
    Slow,
    WrongUnit,
)
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told
from tests.serial_site import SerialSite, serial_site

TWIN = '[[twin]]\nid = "dust"\nline = "line"\nkind = "sds011"\nseed = 7\ntells_every_s = 0.1\n'
TWO = TWIN + TWIN.replace('"dust"', '"other"') + 'sensor = "B000"\n'
TIMEOUT_S = 0.15
PATIENT_S = 3.0
"""What answers at all answers sooner, on a busy machine too."""
README = Path(driver.__file__).parent / "README.md"
WORKING = PointId("working")
PERIOD = PointId("working_period")


@dataclass
class Site:
    """The driver, its twin and their line."""

    serial: SerialSite
    driver: Sds011
    twin: Sds011Twin

    @property
    def dust(self) -> PollGroup:
        return self.driver.groups[0]

    @property
    def device(self) -> PollGroup:
        return self.driver.groups[1]

    async def poll(self) -> Told:
        return told(self.dust, await self.driver.poll(self.dust))

    async def status(self) -> Told:
        return told(self.device, await self.driver.poll(self.device))

    async def until_good(self) -> Told:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    found = await self.poll()
                    if not found.causes:
                        return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_site(
    twins: str = TWIN, *, echo: bool = False, **options: object
) -> AsyncIterator[Site]:
    async with serial_site(twins, echo=echo) as site:
        config = checked(Sds011Config, {"response_timeout_s": PATIENT_S, **options})
        twin = site.running.twin("dust")
        assert isinstance(twin, Sds011Twin)
        yield Site(site, Sds011(config, site.line), twin)


async def test_it_agrees_with_its_twin_on_every_point() -> None:
    async with open_site(working_period_min=0) as site:
        found = await site.poll()
        assert found.values == pytest.approx(
            {"pm2_5": site.twin.raw[0] / 10, "pm10": site.twin.raw[1] / 10}
        )
        assert (await site.status()).values == {
            "firmware": "15-07-10",
            "sensor": "A160",
            "reporting": 1,
            "working": True,
            "working_period": 0,
        }
        assert site.twin.active is False


async def test_an_active_sensor_is_heard_and_still_answers() -> None:
    async with open_site(mode="active", period_s=0.01) as site:
        ear = ListeningEar()
        site.driver.attend(ear)
        await site.serial.line.open()
        await ear.until(lambda ear: len(ear.samples) >= 2)
        assert ear.samples[0].group == "dust"
        assert ear.samples[0].values["pm2_5"] == pytest.approx(site.twin.raw[0] / 10, abs=5)
        for _ in range(3):
            assert (await site.status()).values["reporting"] == 0
        count = len(ear.samples)
        await ear.until(lambda ear: len(ear.samples) > count)


async def test_of_what_it_tells_one_in_a_period_is_told_on() -> None:
    async with open_site(mode="active", period_s=0.5) as site:
        ear = ListeningEar()
        site.driver.attend(ear)
        await site.serial.line.open()
        await ear.until(lambda _: site.twin.counts.answered >= 12)
        assert 1 <= len(ear.samples) < 12


async def test_settings_are_written_once_and_only_when_they_differ() -> None:
    async with open_site(working_period_min=2) as site:
        for _ in range(3):
            await site.poll()
        assert site.twin.period_min == 2
        # two questions, two settings, three polls
        assert site.serial.line.statistics.exchanges == 7


async def test_only_the_sensor_that_is_meant_answers() -> None:
    async with open_site(TWO, sensor="a160") as site:
        assert (await site.status()).values["sensor"] == "A160"


async def test_it_sleeps_and_works_by_order() -> None:
    async with open_site() as site:
        await site.poll()
        assert await site.driver.write(WORKING, value=False) is False
        assert site.twin.asleep
        resting = await site.poll()
        assert resting.values == {"pm2_5": None, "pm10": None}
        assert resting.causes == {"pm2_5": "NO_VALUE", "pm10": "NO_VALUE"}
        assert (await site.status()).values["working"] is False
        assert await site.driver.write(WORKING, value=True) is True
        assert not site.twin.asleep
        fresh = await site.poll()
        assert fresh.causes == {"pm2_5": "ESTIMATED", "pm10": "ESTIMATED"}
        assert fresh.values["pm10"] is not None


async def test_its_period_is_written_and_proved() -> None:
    async with open_site() as site:
        assert await site.driver.write(PERIOD, 5) == 5
        assert site.twin.period_min == 5


@pytest.mark.parametrize(
    ("point", "value"),
    [("working", 1), ("working_period", 31), ("working_period", 0.5), ("pm10", 3.0)],
)
async def test_what_it_cannot_take_is_refused(point: str, value: float) -> None:
    async with open_site() as site:
        with pytest.raises(CommandRefusedError):
            await site.driver.write(PointId(point), value)
        assert site.serial.line.statistics.exchanges == 0


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, SOUND)),
    "another sensor": (WrongUnit(), (FrameError,)),
    "short": (Short(), (FrameError,)),
    "a byte too few": (Liar(how="count"), (FrameError, NoResponseError)),
    "a byte too many": (Liar(how="length"), (FrameError,)),
    "impossible values": (Liar(how="values"), (SOUND,)),
    # an 8-bit sum does not find every pair of flipped bits
    "noise": (Noise(flips=1), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(name: str) -> None:
    fault, allowed = FAULTS[name]
    timeout_s = TIMEOUT_S if NoResponseError in allowed else PATIENT_S
    async with open_site(sensor="A160", response_timeout_s=timeout_s) as site:
        await site.until_good()
        site.serial.running.apply("dust", fault)
        for _ in range(3):
            try:
                found = await site.poll()
            except DeviceError as error:
                assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
            else:
                assert SOUND in allowed
                assert name != "impossible values" or found.causes["pm2_5"] == "OUT_OF_RANGE"
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
        assert not (await site.poll()).causes


def test_unknown_options_and_a_speed_of_a_talker_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        checked(Sds011Config, {"colour": "red"})
    with pytest.raises(ValidationError, match="more often"):
        checked(Sds011Config, {"period_s": 2})
    with pytest.raises(ValidationError, match="speed of its line"):
        checked(Sds011Config, {"mode": "active", "baud_rate": 1200})


def test_the_page_lists_every_point_and_option() -> None:
    assert missing_options(README, Sds011Config) == []
    line = SerialLine(LineId("line"), SerialLineConfig(port="/dev/null"))
    for options in ({}, {"mode": "active"}):
        groups = Sds011(checked(Sds011Config, options), line).groups
        assert missing_points(README, groups) == []
