"""The sentences of one moment make one fix, whatever a receiver sends and in which order."""

from __future__ import annotations

import itertools

import pytest

from drivers.position.nmea0183 import codec
from drivers.position.nmea0183.codec import Antenna, Quality
from drivers.position.nmea0183.epochs import Epochs, Fix

PLACE = "5545.348,N,03737.038,E"


def sentences(second: int, kinds: tuple[str, ...], quality: int = 1, mode: str = "A") -> list[str]:
    clock = f"0600{second:02}"
    valid = "V" if mode == "N" else "A"
    bodies = {
        "GGA": f"GNGGA,{clock},{PLACE},{quality},09,0.9,{100 + second},M,14,M,,",
        "RMC": f"GNRMC,{clock},{valid},{PLACE},36.0,{second},200326,,,{mode}",
        "VTG": f"GNVTG,{second + 1},T,,M,,N,72.0,K,A",
        "GSA": "GNGSA,A,3,1,2,3,,,,,,,,,,1.5,1.1,1.2",
        "GSV": "GPGSV,1,1,07",
        "GLV": "GLGSV,1,1,04",
        "TXT": "GNTXT,01,01,02,ANTSTATUS=OPEN",
    }
    return [bodies[kind] for kind in kinds]


def fixes(bodies: list[str]) -> list[Fix]:
    epochs, found = Epochs(), list[Fix]()
    for body in bodies:
        fields = body.split(",")
        said = codec.Sentence(fields[0][:2], fields[0][2:], tuple(fields[1:]))
        told = codec.read(said)
        assert told is not None
        found += epochs.take(said, told)
    return found


@pytest.mark.parametrize(
    "kinds", [kinds for size in (1, 2) for kinds in itertools.permutations(("GGA", "RMC"), size)]
)
def test_each_moment_is_one_fix(kinds: tuple[str, ...]) -> None:
    found = fixes([body for second in range(6) for body in sentences(second, kinds)])
    assert len(found) == 6
    if "GGA" in kinds:
        heights = [fix.altitude for fix in found]
        assert heights == [100 + second for second in range(len(found))]
    if "RMC" in kinds:
        times = [fix.time_s for fix in found]
        assert times == [1_773_986_400 + second for second in range(len(found))]
        assert [fix.speed for fix in found] == pytest.approx([18.52] * 6)


def test_after_the_first_moment_a_fix_is_whole_with_its_last_sentence() -> None:
    kinds = ("RMC", "GGA")
    first = sentences(0, kinds) + sentences(1, kinds)
    assert len(fixes(first)) == 2
    assert len(fixes(first + sentences(2, kinds)[:1])) == 2
    assert len(fixes(first + sentences(2, kinds))) == 3


def test_a_receiver_that_leaves_one_kind_out_from_now_on() -> None:
    bodies = sentences(0, ("RMC", "GGA")) + sentences(1, ("RMC", "GGA"))
    for second in range(2, 6):
        bodies += sentences(second, ("GGA",))
    found = fixes(bodies)
    assert [fix.altitude for fix in found] == [100, 101, 102, 103, 104, 105]
    assert found[-1].time_s is None


def test_what_has_no_moment_goes_with_the_next_fix() -> None:
    kinds = ("VTG", "GSA", "GSV", "GLV", "TXT", "GGA")
    fix = fixes([body for second in range(3) for body in sentences(second, kinds)])[-1]
    assert fix.dimensions == 3
    assert fix.satellites_in_view == 11
    assert fix.antenna is Antenna.OPEN
    assert fix.speed == pytest.approx(20.0)
    assert fix.course is not None


@pytest.mark.parametrize(
    ("quality", "mode", "expected"),
    [
        (1, "A", Quality.SATELLITES),
        (4, "R", Quality.RTK),
        (6, "E", Quality.ESTIMATED),
        (1, "E", Quality.ESTIMATED),  # before NMEA 2.3 a fix that is reckoned had quality 1
        (6, "A", Quality.ESTIMATED),
        (0, "A", Quality.NONE),
        (1, "N", Quality.NONE),
        (8, "S", Quality.SIMULATED),
    ],
)
def test_of_two_that_differ_the_one_that_promises_less_holds(
    quality: int, mode: str, expected: Quality
) -> None:
    kinds = ("GGA", "RMC")
    bodies = sentences(0, kinds, quality, mode) + sentences(1, kinds, quality, mode)
    assert {fix.quality for fix in fixes(bodies)} == {expected}


def test_without_a_fix_and_without_a_time_the_fixes_go_on() -> None:
    bodies = ["GPRMC,,V,,,,,,,,,,N", "GPGGA,,,,,,0,00,99.99,,,,,,"] * 4
    found = fixes(bodies)
    assert len(found) == 4
    assert {fix.quality for fix in found} == {Quality.NONE}
    assert found[0].latitude is None
