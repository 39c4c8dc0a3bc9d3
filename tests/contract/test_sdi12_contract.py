"""The SDI-12 driver keeps a driver's promises against its twin, with others on the same line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.environment.sdi12 import config, driver
from drivers.environment.sdi12.config import Sdi12Config, Sdi12Point
from drivers.environment.sdi12.driver import Sdi12, who_is_there
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.modbus.driver import Modbus
from gateway.model.errors import BusUnavailableError, DeviceError, FrameError, NoResponseError
from gateway.model.ids import LineId
from simulators.environment.sdi12 import Sdi12Twin
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
from tests.checked_options import checked, modbus_device
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar
from tests.serial_site import SerialSite, serial_site

TWIN = (
    '[[twin]]\nid = "roof"\nline = "line"\nkind = "sdi12-weather"\naddress = "3"\nmeasure_s = {}\n'
)
DOOR = '[[twin]]\nid = "door"\nline = "line"\nkind = "door"\nunit = 4\n'
TIMEOUT_S = 0.15
PATIENT_S = 3.0
"""What answers at all answers sooner, on a busy machine too."""
README = Path(driver.__file__).parent / "README.md"
NAMES = {
    "air_temperature": "Cel",
    "humidity": "%",
    "pressure": "hPa",
    "wind_speed": "m/s",
    "wind_direction": "deg",
    "rain": "mm",
}


def points(command: str) -> dict[str, object]:
    return {
        name: {"index": index, "unit": unit, "command": command}
        for index, (name, unit) in enumerate(NAMES.items(), 1)
    }


@dataclass
class Site:
    """The driver, its ear, its twin and their line."""

    serial: SerialSite
    driver: Sdi12
    twin: Sdi12Twin
    ear: ListeningEar

    async def step(self) -> bool:
        """Poll once; say whether it is at a measurement."""
        [measuring] = (await self.driver.poll(self.driver.groups[0])).cells
        return bool(measuring)

    async def until_told(self, group: str, more: int = 1) -> None:
        """Poll until the ear has heard so much more of a group."""
        wanted = len(self.ear.of(group)) + more
        async with asyncio.timeout(10):
            while len(self.ear.of(group)) < wanted:
                with suppress(DeviceError):
                    await self.step()
                await asyncio.sleep(0.02)

    def truth(self) -> list[float]:
        return [float(value) for value in self.twin.values]


@asynccontextmanager
async def open_site(
    command: str, measure_s: int = 0, *, more: str = "", echo: bool = False, **options: object
) -> AsyncIterator[Site]:
    async with serial_site(TWIN.format(measure_s) + more, echo=echo) as site:
        given = {
            "address": "3",
            "response_timeout_s": PATIENT_S,
            "period_s": 1,
            "points": points(command),
            **options,
        }
        twin = site.running.twin("roof")
        assert isinstance(twin, Sdi12Twin)
        made, ear = Sdi12(checked(Sdi12Config, given), site.line), ListeningEar()
        made.attend(ear)
        yield Site(site, made, twin, ear)


@pytest.mark.parametrize("command", ["C", "CC", "M", "MC", "R0", "RC0"])
async def test_every_way_of_measuring_agrees_with_the_twin(command: str) -> None:
    async with open_site(command) as site:
        assert await site.step() is False
        [identity] = site.ear.of("identity")
        assert identity.values == {
            "sdi12_version": "1.4",
            "vendor": "MAYAK",
            "model": "WTHR-6",
            "sensor_version": "1.0",
            "serial": "SN0001",
        }
        [weather] = site.ear.of(command)
        assert list(weather.values) == list(NAMES)
        assert list(weather.values.values()) == pytest.approx(site.truth(), abs=3)
        assert weather.causes == {}


async def test_the_line_is_everybodys_while_a_sensor_measures() -> None:
    async with open_site("CC", measure_s=1, more=DOOR) as site:
        door = Modbus(
            modbus_device(profile="demo-door", unit=4, response_timeout_s=PATIENT_S),
            site.serial.line,
        )
        assert await site.step() is True
        polls = 0
        async with asyncio.timeout(5):
            while await site.step():
                await door.poll(door.groups[0])
                polls += 1
        assert polls >= 5
        assert len(site.ear.of("CC")) == 1


async def test_it_has_its_own_speed_on_the_line_of_others() -> None:
    twin = "baud_rate = 1200\n"
    async with open_site("CC", more=twin + DOOR, baud_rate=1200, response_timeout_s=1.0) as site:
        door = Modbus(
            modbus_device(profile="demo-door", unit=4, response_timeout_s=PATIENT_S),
            site.serial.line,
        )
        for _ in range(2):
            assert await site.step() is False
            assert (await door.poll(door.groups[0])).cells
            site.driver._due = dict.fromkeys(site.driver._due, 0.0)
        assert len(site.ear.of("CC")) == 2


async def test_a_measurement_with_m_holds_the_line_until_the_service_request() -> None:
    async with open_site("MC", measure_s=1, more=DOOR) as site:
        door = Modbus(
            modbus_device(profile="demo-door", unit=4, response_timeout_s=PATIENT_S),
            site.serial.line,
        )
        async with asyncio.TaskGroup() as tasks:
            measuring = tasks.create_task(site.step())
            await asyncio.sleep(0.2)
            asked = tasks.create_task(door.poll(door.groups[0]))
        assert measuring.result() is False
        assert asked.result().cells
        assert site.twin.interrupted == 0
        assert len(site.ear.of("MC")) == 1


async def test_a_sensor_without_service_request_is_asked_when_its_time_is_over() -> None:
    async with open_site("M", measure_s=1, more="") as site:
        site.twin._options = site.twin._options.model_copy(update={"service": False})  # type: ignore[misc]
        assert await site.step() is False
        assert site.ear.of("M")[0].causes == {}


async def test_a_measurement_that_was_interrupted_has_no_values() -> None:
    async with open_site("M", measure_s=1, longest_hold_s=0) as site:
        assert await site.step() is True
        assert await who_is_there(site.serial.line, timeout_s=PATIENT_S) == "3"
        assert site.twin.interrupted == 1
        await site.until_told("M")
        assert set(site.ear.of("M")[0].causes.values()) == {"NO_VALUE"}


async def test_a_measurement_that_the_sensor_does_not_know_is_rejected() -> None:
    async with open_site("C2") as site:
        await site.step()
        assert set(site.ear.of("C2")[0].causes.values()) == {"REJECTED"}


async def test_points_beyond_what_it_has_and_beyond_their_limits() -> None:
    wanted = {
        "air": {"index": 1, "command": "C1", "low": 90.0},
        "kelvin": {"index": 2, "command": "C1", "scale": 2.0, "offset": 1.0},
        "nothing": {"index": 3, "command": "C1"},
    }
    async with open_site("C", points=wanted) as site:
        await site.step()
        [found] = site.ear.of("C1")
        assert found.causes == {"air": "OUT_OF_RANGE", "nothing": "NO_VALUE"}
        assert found.values["kelvin"] == pytest.approx(2 * site.truth()[1] + 1, abs=2)


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, FrameError, SOUND)),
    "another sensor": (WrongUnit(), (FrameError,)),
    "short": (Short(), (FrameError,)),
    "a value too many": (Liar(how="count"), (FrameError, SOUND)),
    "a value too long": (Liar(how="length"), (FrameError,)),
    "impossible values": (Liar(how="values"), (SOUND,)),
    "noise": (Noise(flips=1), (FrameError, NoResponseError, SOUND)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(name: str) -> None:
    fault, allowed = FAULTS[name]
    wanted = points("CC") | {"more": {"index": 7, "command": "CC"}}
    timeout_s = PATIENT_S if allowed == (SOUND,) else TIMEOUT_S
    async with open_site("CC", points=wanted, response_timeout_s=timeout_s) as site:
        await site.step()
        site.driver._due = dict.fromkeys(site.driver._due, 0.0)
        before = len(site.ear.samples)
        site.serial.running.apply("roof", fault)
        for _ in range(4):
            try:
                await site.step()
            except DeviceError as error:
                assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
            else:
                assert SOUND in allowed
        if name in {"silent", "short", "checksum", "another sensor", "reboot"}:
            assert len(site.ear.samples) == before
        site.serial.running.clear("roof")
        await site.until_told("CC")
        assert site.ear.of("CC")[-1].causes == {"more": "NO_VALUE"}


async def test_cancel_in_mid_request_leaves_the_line_usable() -> None:
    async with open_site("CC") as site:
        site.serial.running.apply("roof", Slow(delay_s=0.1))
        asked = asyncio.get_running_loop().create_task(site.step())
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        site.serial.running.clear("roof")
        await site.until_told("CC")


async def test_an_echo_is_taken_off() -> None:
    async with open_site("C", echo=True) as site:
        site.serial.running.apply("roof", Echo())
        assert await site.step() is False


async def test_an_adapter_that_was_away_finds_the_sensor_asked_anew() -> None:
    async with open_site("C") as site:
        await site.step()
        site.serial.running.unplug("line")
        site.driver._due = dict.fromkeys(site.driver._due, 0.0)
        with pytest.raises(BusUnavailableError):
            await site.step()
        site.serial.running.plug("line")
        await site.until_told("identity")
        await site.until_told("C")


@pytest.mark.parametrize(
    ("options", "why"),
    {
        "colour": ({"points": points("C"), "colour": "red"}, "colour"),
        "no points": ({"points": {}}, "at least 1"),
        "no command": ({"points": {"a": {"index": 1, "command": "X"}}}, "pattern"),
        "twice": ({"points": {"a": {"index": 1}, "b": {"index": 1}}}, "same command"),
        "reserved": ({"points": {"vendor": {"index": 1}}}, "anyhow"),
        "unit": ({"points": {"a": {"index": 1, "unit": "parsec"}}}, "UCUM"),
        "limits": ({"points": {"a": {"index": 1, "low": 2.0, "high": 1.0}}}, "above"),
        "scale": ({"points": {"a": {"index": 1, "scale": 0.0}}}, "scale"),
        "period": ({"points": points("C"), "periods": {"M": 5}}, "no point"),
        "address": ({"points": points("C"), "address": "!"}, "pattern"),
    }.values(),
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        checked(Sdi12Config, options)


def test_the_page_lists_every_point_and_option() -> None:
    assert missing_options(README, Sdi12Config) == []
    assert missing_options(README, Sdi12Point) == []
    line = SerialLine(LineId("line"), SerialLineConfig(port="/dev/null"))
    made = Sdi12(checked(Sdi12Config, {"points": points("C")}), line)
    assert missing_points(README, made.groups[:2]) == []
    assert config.IDENTITY_POINTS
