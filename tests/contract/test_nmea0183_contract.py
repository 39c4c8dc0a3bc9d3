"""The NMEA 0183 driver keeps a driver's promises against its twin in a vehicle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pynmea2
import pytest
from pydantic import ValidationError

from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.position.nmea0183 import driver
from drivers.position.nmea0183.driver import Nmea0183, Nmea0183Config
from drivers.position.nmea0183.track import distance_m
from gateway.model.ids import LineId
from simulators.faults import Crc, Fault, Flood, Liar, Noise, Reboot, Short, Silent, Slow
from simulators.position.nmea0183 import NmeaTwin
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told
from tests.serial_site import SerialSite, serial_site

TWIN = (
    '[[twin]]\nid = "bus"\nline = "line"\nkind = "nmea-receiver"\nseed = 5\ntells_every_s = 0.05\n'
)
README = Path(driver.__file__).parent / "README.md"


@dataclass
class Site:
    """The driver, its ear, its twin and their line."""

    serial: SerialSite
    driver: Nmea0183
    twin: NmeaTwin
    ear: ListeningEar

    async def until(self, group: str, count: int) -> list[Told]:
        """Wait until so many samples of a group have been told."""
        await self.ear.until(lambda ear: len(ear.of(group)) >= count)
        return self.ear.of(group)

    async def more(self, group: str, count: int = 3) -> list[Told]:
        """Return the next samples of a group, the first ones left out: they may be old."""
        before = len(self.ear.of(group))
        return (await self.until(group, before + count))[before + 1 :]


@asynccontextmanager
async def open_site(twin: str = "", **options: object) -> AsyncIterator[Site]:
    async with serial_site(TWIN + twin) as site:
        given = {"corridor_m": 0, **options}
        found = site.running.twin("bus")
        assert isinstance(found, NmeaTwin)
        made, ear = Nmea0183(checked(Nmea0183Config, given), site.line), ListeningEar()
        made.attend(ear)
        await site.line.open()
        yield Site(site, made, found, ear)


async def test_it_agrees_with_its_twin() -> None:
    async with open_site() as site:
        fix = (await site.until("fix", 2))[-1]
        assert fix.values == {
            "fix_quality": 1,
            "fix_mode": 3,
            "satellites_used": 9,
            "satellites_in_view": 10,
            "hdop": 0.9,
            "antenna": 2,
        }
        told = (await site.until("position", 2))[-1]
        latitude, longitude = told.values["latitude"], told.values["longitude"]
        assert isinstance(latitude, float)
        assert isinstance(longitude, float)
        assert distance_m((latitude, longitude), site.twin.place) < 15
        assert told.values["altitude"] == 152.3
        time_s = told.values["receiver_time"]
        assert isinstance(time_s, float)
        assert 1_773_986_400 <= time_s < 1_773_986_400 + 60
        assert set(told.causes) <= {"course"}


async def test_a_round_is_told_with_few_positions_that_keep_its_shape() -> None:
    async with open_site("hurry = 60.0", corridor_m=15, plausible_speed_m_s=400) as site:
        fixes = await site.until("fix", 60)
        told = site.ear.of("position")
        assert 3 <= len(told) < len(fixes) / 1.5
        times = [sample.values["receiver_time"] for sample in told]
        assert times == sorted(times, key=lambda time: float(time or 0))


async def test_in_a_tunnel_it_is_uncertain_and_then_gone() -> None:
    async with open_site("tunnel_every_s = 20\ntunnel_s = 15\nhurry = 20") as site:
        await site.ear.until(
            lambda ear: (
                {"ESTIMATED", "NO_VALUE"}
                <= {sample.causes.get("latitude") for sample in ear.of("position")}
            )
        )
        for sample in site.ear.of("position"):
            assert (sample.values["latitude"] is None) == (
                sample.causes.get("latitude") == "NO_VALUE"
            )


async def test_a_large_dilution_is_uncertain() -> None:
    async with open_site("hdop = 7.5") as site:
        told = (await site.until("position", 1))[0]
        assert told.causes["longitude"] == "ESTIMATED"


async def test_a_falsified_position_is_uncertain_and_told_once() -> None:
    async with open_site() as site:
        await site.until("position", 2)
        site.serial.running.apply("bus", Liar(how="values"))
        for sample in (await site.more("position", 4))[1:]:
            assert sample.causes["latitude"] == "IMPLAUSIBLE"
            assert sample.values["latitude"] is not None
        [jump] = site.ear.happenings
        assert jump.key == "position-jumped"
        assert jump.args["distance_m"] == pytest.approx(30_000, rel=0.02)
        site.serial.running.clear("bus")
        assert "latitude" not in (await site.more("position", 4))[-1].causes


async def test_an_antenna_that_breaks_and_is_mended() -> None:
    async with open_site() as site:
        states: tuple[Literal["SHORT", "OPEN", "OK"], ...] = ("SHORT", "OPEN", "OK")
        for state in states:
            await site.until("fix", len(site.ear.of("fix")) + 2)
            site.twin.say_antenna(state)
        await site.ear.until(lambda ear: len(ear.happenings) == 3)
        keys = [happening.key for happening in site.ear.happenings]
        assert keys == ["antenna-short", "antenna-open", "antenna-back"]


async def test_where_nothing_moves_a_position_is_told_all_the_same() -> None:
    async with open_site(corridor_m=1000, position_every_s=1) as site:
        await site.until("position", 3)
        assert len(site.ear.of("fix")) > 20


FAULTS: dict[str, tuple[Fault, bool]] = {
    "checksum": (Crc(), True),
    "noise": (Noise(flips=1), True),
    "missing fields": (Liar(how="count"), True),
    "endless sentences": (Liar(how="length"), True),
    "short": (Short(missing=5), True),
    "silent": (Silent(), False),
    "reboot": (Reboot(), False),
    "slow": (Slow(delay_s=0.1), False),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_passes_without_trace(name: str) -> None:
    fault, is_misheard = FAULTS[name]
    async with open_site() as site:
        await site.until("fix", 2)
        site.serial.running.apply("bus", fault)
        before, mistakes = len(site.ear.of("fix")), len(site.ear.mistakes)
        if is_misheard:
            await site.ear.until(lambda ear: len(ear.mistakes) > mistakes + 1)
            # at most what was under way when it began
            assert len(site.ear.of("fix")) <= before + 2
        site.serial.running.clear("bus")
        last = (await site.more("fix"))[-1]
        assert last.values["fix_quality"] == 1
        assert site.serial.line.generation == 1


async def test_a_flood_is_misheard_and_passes() -> None:
    async with open_site() as site:
        site.serial.running.apply("bus", Flood(every_s=0.01))
        await site.ear.until(lambda ear: len(ear.mistakes) > 3)
        site.serial.running.clear("bus")
        await site.more("fix")


async def test_pynmea2_reads_all_that_the_twin_says() -> None:
    async with open_site() as site:
        for wire in site.twin.talk(()).decode().splitlines():
            assert pynmea2.parse(wire, check=True) is not None


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="baud_rate"):
        checked(Nmea0183Config, {"baud_rate": 9600})


def test_the_page_lists_every_point_and_option() -> None:
    assert missing_options(README, Nmea0183Config) == []
    line = SerialLine(LineId("line"), SerialLineConfig(port="/dev/null"))
    made = Nmea0183(checked(Nmea0183Config, {}), line)
    assert missing_points(README, made.groups) == []
    with pytest.raises(ValueError, match="talk by themselves"):
        Nmea0183(checked(Nmea0183Config, {}), line)
