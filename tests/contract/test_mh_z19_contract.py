"""The MH-Z19 driver keeps a driver's promises against its twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.environment.mh_z19 import driver
from drivers.environment.mh_z19.driver import MhZ19, MhZ19Config
from drivers.media.serial_line import SerialLine, SerialLineConfig
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from simulators.environment.mh_z19 import MhZ19Twin
from simulators.faults import Crc, Echo, Fault, Flood, Liar, Noise, Reboot, Short, Silent, Slow
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told
from tests.serial_site import SerialSite, serial_site

TWIN = '[[twin]]\nid = "air"\nline = "line"\nkind = "mh-z19"\nday_s = 600\nstart_hour = 9\n'
TIMEOUT_S = 0.15
PATIENT_S = 3.0
"""What answers at all answers sooner, on a busy machine too."""
README = Path(driver.__file__).parent / "README.md"
SELF = PointId("self_calibration")
ZERO = PointId("zero_calibration")


@dataclass
class Site:
    """The driver, its twin and their line."""

    serial: SerialSite
    driver: MhZ19
    twin: MhZ19Twin
    ear: ListeningEar

    async def poll(self) -> Told:
        group = self.driver.groups[0]
        return told(group, await self.driver.poll(group))

    async def settings(self) -> Told:
        """Return what is told of the settings with the next answer."""
        await self.poll()
        return self.ear.of("settings")[-1]

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
    twin: str = "", *, echo: bool = False, **options: object
) -> AsyncIterator[Site]:
    async with serial_site(TWIN + twin, echo=echo) as site:
        given = {"response_timeout_s": PATIENT_S, "warm_up_s": 0.0, **options}
        found = site.running.twin("air")
        assert isinstance(found, MhZ19Twin)
        made, ear = MhZ19(checked(MhZ19Config, given), site.line), ListeningEar()
        made.attend(ear)
        yield Site(site, made, found, ear)


async def test_it_agrees_with_its_twin() -> None:
    async with open_site() as site:
        found = await site.poll()
        assert found.values == {"co2": pytest.approx(site.twin.ppm, abs=20)}
        assert found.causes == {}


async def test_what_may_have_been_switched_on_is_uncertain_while_it_warms_up() -> None:
    async with open_site(warm_up_s=0.3, response_timeout_s=TIMEOUT_S) as site:
        assert (await site.poll()).causes == {"co2": "ESTIMATED"}
        await site.until_good()
        site.serial.running.apply("air", Silent())
        for _ in range(2):
            with pytest.raises(NoResponseError):
                await site.poll()
        site.serial.running.clear("air")
        for _ in range(3):  # the answer may still be owed
            with suppress(NoResponseError):
                assert (await site.poll()).causes == {"co2": "ESTIMATED"}
                break
        await site.until_good()


async def test_the_end_of_the_range_is_uncertain() -> None:
    async with open_site("range_ppm = 2000\npeople = 400\nvolume_m3 = 20", range_ppm=2000) as site:
        async with asyncio.timeout(5):
            while site.twin.ppm < 2000:  # noqa: ASYNC110 - physics runs by itself
                await asyncio.sleep(0.02)
        found = await site.poll()
        assert found.values == {"co2": 2000}
        assert found.causes == {"co2": "OUT_OF_RANGE"}


async def test_the_self_calibration_is_switched_and_confirmed_where_the_sensor_does() -> None:
    async with open_site("confirms = true") as site:
        assert (await site.settings()).causes == {"self_calibration": "NO_VALUE"}
        assert await site.driver.write(SELF, value=False) is False
        assert site.twin.self_calibration is False
        settings = await site.settings()
        assert settings.values == {"self_calibration": False, "zero_calibration": False}
        assert settings.causes == {}


async def test_a_sensor_that_confirms_nothing_leaves_it_unknown() -> None:
    async with open_site(response_timeout_s=TIMEOUT_S) as site:
        with pytest.raises(NoResponseError, match="confirms nothing"):
            await site.driver.write(SELF, value=False)
        assert site.twin.self_calibration is False
        settings = await site.settings()
        assert settings.values["self_calibration"] is False
        assert settings.causes == {"self_calibration": "NO_RESPONSE"}


async def test_zero_is_calibrated_by_an_explicit_command_only() -> None:
    async with open_site("confirms = true") as site:
        with pytest.raises(CommandRefusedError, match="allow_zero_calibration"):
            await site.driver.write(ZERO, value=True)
        assert site.twin.calibrations == 0
    async with open_site("confirms = true", allow_zero_calibration=True) as site:
        with pytest.raises(CommandRefusedError):
            await site.driver.write(ZERO, value=False)
        assert await site.driver.write(ZERO, value=True) is True
        assert site.twin.calibrations == 1
        assert (await site.poll()).values["co2"] == pytest.approx(400, abs=20)


@pytest.mark.parametrize(("point", "value"), [("self_calibration", 1), ("co2", 400)])
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
    "a byte too few": (Liar(how="count"), (FrameError,)),
    "a byte too many": (Liar(how="length"), (FrameError,)),
    "impossible values": (Liar(how="values"), (SOUND,)),
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
    async with open_site(response_timeout_s=timeout_s) as site:
        await site.until_good()
        site.serial.running.apply("air", fault)
        for _ in range(3):
            try:
                found = await site.poll()
            except DeviceError as error:
                assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
            else:
                assert SOUND in allowed
                assert name != "impossible values" or found.causes == {"co2": "OUT_OF_RANGE"}
        site.serial.running.clear("air")
        await site.until_good()


async def test_cancel_in_mid_request_leaves_the_line_usable() -> None:
    async with open_site() as site:
        await site.poll()
        site.serial.running.apply("air", Slow(delay_s=0.1))
        asked = asyncio.get_running_loop().create_task(site.poll())
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        site.serial.running.clear("air")
        await site.until_good()


async def test_an_echo_is_taken_off() -> None:
    async with open_site(echo=True) as site:
        site.serial.running.apply("air", Echo())
        assert not (await site.poll()).causes


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        checked(MhZ19Config, {"colour": "red"})


def test_the_page_lists_every_point_and_option() -> None:
    assert missing_options(README, MhZ19Config) == []
    line = SerialLine(LineId("line"), SerialLineConfig(port="/dev/null"))
    assert missing_points(README, MhZ19(checked(MhZ19Config, {}), line).groups) == []
