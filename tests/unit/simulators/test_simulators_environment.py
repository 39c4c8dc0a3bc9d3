"""Twins of air, weather and position: their physics stay within what can be, pages name options."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

import simulators.environment
import simulators.position
from simulators.environment.kinds import KINDS as ENVIRONMENT
from simulators.environment.physics import Dust, Room, Weather, blow, breathe, change
from simulators.options import SerialTwinOptions
from simulators.position.kinds import KINDS as POSITION
from simulators.position.road import CRUISE_M_S, ROUND, Vehicle, drive, leg_m, place_m

PAGES = {
    kind.name: (kind, Path(str(package.__file__)).parent / "README.md")
    for package, kinds in (
        (simulators.environment, ENVIRONMENT),
        (simulators.position, POSITION),
    )
    for kind in kinds
}


def test_a_street_is_dustier_in_the_rush_hour_than_at_night() -> None:
    rng, air, by_hour = Random(1), Dust(0.0), dict[int, list[float]]()
    for _ in range(24 * 60):
        air = blow(air, 60.0, 86_400.0, rng)
        assert 0 < air.pm1 < air.pm2_5 < air.pm10 < 1000
        counts = air.counts()
        assert list(counts) == sorted(counts, reverse=True)
        by_hour.setdefault(int(air.hour), []).append(air.pm10)
    means = {hour: sum(values) / len(values) for hour, values in by_hour.items()}
    assert means[8] > 1.5 * means[3]
    assert means[18] > 1.5 * means[13]


def test_a_class_room_fills_in_a_lesson_and_empties_at_night() -> None:
    room, by_hour = Room(0.0), dict[int, float]()
    for _ in range(2 * 24 * 60):
        room = breathe(room, 60.0, people=26, volume_m3=190.0, changes_per_hour=1.5, day_s=86_400.0)
        assert 400 <= room.ppm < 3000
        by_hour[int(room.hour)] = room.ppm
    assert by_hour[12] > 1200
    assert by_hour[5] < 450


def test_weather_stays_weather() -> None:
    rng, now = Random(2), Weather(0.0)
    for _ in range(3 * 24 * 60):
        before = now
        now = change(now, 60.0, 86_400.0, rng)
        assert -40 < now.air < 50
        assert 15 <= now.humidity <= 100
        assert 950 < now.pressure < 1060
        assert 0 <= now.wind < 40
        assert 0 <= now.direction < 360
        assert before.rain <= now.rain < 1000


def test_a_vehicle_stops_at_its_stops_and_never_jumps() -> None:
    rng, car, legs, stood = Random(3), Vehicle(), set[int](), 0
    for _ in range(900):
        before = place_m(car)
        car = drive(car, 1.0, rng)
        after = place_m(car)
        moved_m = ((after[0] - before[0]) ** 2 + (after[1] - before[1]) ** 2) ** 0.5
        assert moved_m <= CRUISE_M_S * 1.01
        assert 0 <= car.gone_m <= leg_m(car.leg)
        legs.add(car.leg)
        stood += car.speed == 0
    assert legs == set(range(len(ROUND)))
    assert stood >= 3 * 15


@pytest.mark.parametrize("name", PAGES)
def test_the_page_lists_the_kind_and_every_option(name: str) -> None:
    kind, page = PAGES[name]
    text = page.read_text()
    assert f"| `{name}` |" in text
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    shared = SerialTwinOptions.model_fields
    for option, field in kind.options.model_fields.items():
        if option not in shared:
            assert any(
                row == option and (field.description or "?") in about for row, about in rows
            ), option
