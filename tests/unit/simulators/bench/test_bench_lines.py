"""What a line allows, who hangs on it, what a search found: pure parts of measurements."""

from __future__ import annotations

import pytest

from simulators.bench import ble, line, raw_serial, scan
from simulators.modbus.rtu import unwrap
from simulators.scene import parse_scene


def test_an_exchange_takes_its_bytes_and_the_quiet_time_of_either_side() -> None:
    allowed = line.exchange(12)
    assert allowed.wire_s == pytest.approx((8 + 29) * 10 / 9600)
    assert allowed.gaps_s == pytest.approx(7 * 10 / 9600)
    assert allowed.all_s == pytest.approx(0.0458333, abs=1e-6)


def test_the_hand_written_loop_asks_as_the_twins_understand() -> None:
    asked = unwrap(raw_serial.request(7, 12))
    assert asked == (7, bytes((3, 0, 0, 0, 12)))


@pytest.mark.parametrize(
    ("text", "twins"),
    {
        "line": (line.scene(10)[0], 9),
        "scan": (scan.scene(scan.DEVICES), len(scan.DEVICES)),
        "ble": (ble.scene(200, 5), 200),
    }.values(),
)
def test_the_scenes_can_be_played(text: str, twins: int) -> None:
    assert len(parse_scene(text, "test").twin) == twins


def test_advertisers_have_addresses_of_their_own() -> None:
    assert len({ble.address(number) for number in range(1, 1601)}) == 1600


def found(unit: int, speed: int) -> dict[str, dict[str, int]]:
    return {"options": {"unit": unit, "baud_rate": speed}}


@pytest.mark.parametrize(
    ("places", "counts"),
    {
        "all": ([(each.unit, each.speed) for each in scan.DEVICES], (7, 0, 0)),
        "none": ([], (0, 0, 0)),
        "one twice": ([(3, 9600), (3, 9600)], (1, 1, 0)),
        "at another speed": ([(3, 19_200)], (0, 0, 1)),
        "not there, twice": ([(5, 9600), (5, 9600)], (0, 0, 2)),
    }.values(),
)
def test_what_was_found_is_counted_once(
    places: list[tuple[int, int]], counts: tuple[int, int, int]
) -> None:
    assert scan.counted([found(*place) for place in places], scan.DEVICES) == counts
