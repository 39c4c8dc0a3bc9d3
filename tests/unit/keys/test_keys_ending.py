"""Certificates that run out are told of in time, and not with each swing of the clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.ending import (
    DAY_MS,
    ENDS_MS,
    WELL_MS,
    CertificateWatch,
    Stage,
    Watched,
    stage_after,
)
from gateway.messages.catalogue import describe
from gateway.model.clock import Trust
from gateway.model.errors import ConfigError
from gateway.model.event import Event, Severity
from provisioning.authority import LEAF_LIFE, Authority
from tests.clock import HandClock
from tests.conftest import GATEWAYS

DAY_S = 86_400.0


def watch(clock: HandClock, left_days: float) -> tuple[CertificateWatch, list[Event]]:
    told: list[Event] = []
    one = Watched("device.pem", clock.wall_ms + round(left_days * DAY_MS))
    return CertificateWatch(clock, told.append, [one]), told


def test_the_life_of_a_certificate_is_told_in_three_sentences(clock: HandClock) -> None:
    watching, told = watch(clock, 60)
    for _ in range(80):
        watching.look()
        clock.advance(DAY_S)

    assert [(event.key, event.severity) for event in told] == [
        ("certificate-ends", Severity.WARNING),
        ("certificate-ended", Severity.ALARM),
    ]
    assert told[0].args == {"certificate": "device.pem", "left_s": 30 * 86_400}
    assert describe(told[0], "en").text == (
        "The certificate device.pem of the gateway ends in 30 days."
    )


def test_a_clock_that_jumps_a_year_and_back_is_told_once_each_way(clock: HandClock) -> None:
    watching, told = watch(clock, 200)
    right = clock.wall_ms
    for jump in (366, 0, 366, 0):
        clock.set_wall(right + jump * DAY_MS, Trust.HOLDOVER)
        watching.look()

    assert [event.key for event in told] == ["certificate-ended", "certificate-valid"] * 2


def test_a_clock_that_was_never_set_says_nothing(clock: HandClock) -> None:
    watching, told = watch(clock, -1)
    clock.set_wall(0, Trust.UNSET)
    watching.look()

    assert told == []


@given(
    start=st.integers(-WELL_MS, 2 * WELL_MS),
    swings=st.lists(st.integers(-DAY_MS // 2, DAY_MS // 2)),
)
def test_small_swings_of_the_clock_tell_nothing_twice(start: int, swings: list[int]) -> None:
    stage, stages = stage_after(Stage.WELL, start), []
    for swing in swings:
        if (after := stage_after(stage, start + swing)) is not stage:
            stages.append(after)
        stage = after

    assert stages == sorted(set(stages))


@pytest.mark.parametrize("left_ms", [-1, 0, 1, ENDS_MS, ENDS_MS + 1, WELL_MS - 1, WELL_MS])
def test_what_is_well_needs_a_month_and_what_was_not_a_week_more(left_ms: int) -> None:
    expected = Stage.ENDED if left_ms <= 0 else Stage.ENDS if left_ms <= ENDS_MS else Stage.WELL
    assert stage_after(Stage.WELL, left_ms) is expected
    again = stage_after(Stage.ENDS, left_ms)
    assert again is (expected if left_ms <= ENDS_MS or left_ms >= WELL_MS else Stage.ENDS)


def test_files_are_watched_once_each(authority: Authority) -> None:
    clock = HandClock()
    gateway = authority.folder / "gateways" / GATEWAYS[0] / "device.pem"
    told: list[Event] = []
    watching = CertificateWatch.over([gateway, gateway], clock, told.append)

    assert [each.name for each in watching.watched] == ["device.pem"]
    clock.set_wall(watching.watched[0].ends_ms - round(LEAF_LIFE.total_seconds() * 1000))
    watching.look()
    assert told == []


def test_a_file_that_is_no_certificate_is_a_mistake_of_the_site(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        CertificateWatch.over([tmp_path / "device.pem"], HandClock(), lambda _: None)
