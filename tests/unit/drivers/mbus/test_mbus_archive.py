"""What a meter kept is handed over once: after an outage, over a restart, and of another meter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.mbus import codec
from drivers.mbus.archive import Archive
from drivers.mbus.config import MbusPoint
from drivers.mbus.telegram import Telegram
from gateway.model.reading import Cause, Sample, Value

HEAT = MbusPoint(name="heat_kept", quantity="energy", unit="kW.h", resolution=1.0)
FLOW = MbusPoint(name="flow_kept", quantity="volume_flow")


def telegram(
    hours: list[int], *, ident: str = "12345678", status: int = 0, dateless: bool = False
) -> Telegram:
    """Return what a meter tells that kept a value of these hours, the newest under storage 1."""
    header = bytes.fromhex(ident)[::-1] + bytes.fromhex("244001070a") + bytes((status, 0, 0))
    data = bytes.fromhex("04 06 ff 00 00 00")
    for storage, hour in enumerate(sorted(hours, reverse=True), 1):
        extension = bytes((storage >> 1,))
        low = (storage & 1) << 6
        data += bytes((0x84 | low,)) + extension + b"\x06" + (1000 + hour).to_bytes(4, "little")
        if not dateless:
            data += bytes((0x84 | low,)) + extension + b"\x6d" + bytes((0, 0x20 | hour, 0x41, 0x33))
    return codec.decode(0x72, header + data)


def rows(samples: list[Sample]) -> list[tuple[Value | None, Value | None]]:
    return [(sample.cells[0], sample.cells[1]) for sample in samples]


def at(*hours: int) -> list[tuple[str, float]]:
    return [(f"2026-03-01T{hour:02d}:00", 1000.0 + hour) for hour in hours]


def restarted(archive: Archive) -> Archive:
    again = Archive((HEAT,), 1)
    again.recall(archive.memory())
    return again


def test_at_first_all_is_handed_over_then_what_is_new() -> None:
    archive = Archive((HEAT,), 1)
    assert rows(archive.fresh(telegram([4, 5, 6]))) == at(4, 5, 6)
    assert rows(archive.fresh(telegram([4, 5, 6]))) == []
    assert rows(archive.fresh(telegram([5, 6, 7]))) == at(7)


def test_after_an_outage_what_was_kept_meanwhile_comes_oldest_first() -> None:
    archive = Archive((HEAT,), 1)
    archive.fresh(telegram([1, 2, 3]))
    assert rows(archive.fresh(telegram([8, 9, 10, 11]))) == at(8, 9, 10, 11)


def test_over_a_restart_nothing_comes_twice_but_what_may_have_been_lost() -> None:
    archive = Archive((HEAT,), 1)
    archive.fresh(telegram([1, 2]))
    assert not archive.learned  # it may not lie on the card yet
    assert rows(restarted(archive).fresh(telegram([1, 2]))) == at(1, 2)
    archive.fresh(telegram([1, 2, 3]))
    assert archive.learned
    again = restarted(archive)
    assert not archive.learned
    assert rows(again.fresh(telegram([1, 2, 3]))) == at(3)


def test_another_meter_is_handed_over_anew() -> None:
    archive = Archive((HEAT,), 1)
    archive.fresh(telegram([1, 2]))
    assert rows(archive.fresh(telegram([1, 2], ident="87654321"))) == at(1, 2)


def test_what_has_no_date_or_no_value_is_left_out() -> None:
    assert Archive((HEAT,), 1).fresh(telegram([1, 2], dateless=True)) == []
    assert Archive((FLOW,), 1).fresh(telegram([1, 2])) == []


def test_a_part_that_is_not_there_is_bad_beside_the_others() -> None:
    [sample] = Archive((HEAT, FLOW), 1).fresh(telegram([1]))
    assert sample.cells == ("2026-03-01T01:00", 1001.0, None)
    assert {place: flag.cause for place, flag in sample.flags.items()} == {2: Cause.REJECTED}


def test_a_meter_in_doubt_doubts_what_it_kept() -> None:
    [sample] = Archive((HEAT,), 1).fresh(telegram([1], status=0x10))
    assert {place: flag.cause for place, flag in sample.flags.items()} == {1: Cause.DEVICE_FAULT}


def test_the_archive_begins_where_it_is_said_to() -> None:
    assert rows(Archive((HEAT,), 2).fresh(telegram([1, 2, 3]))) == at(1, 2)


def test_a_memory_that_is_none_is_let_be() -> None:
    archive = Archive((HEAT,), 1)
    archive.recall({"ident": 7, "archive": "x"})
    assert rows(archive.fresh(telegram([1]))) == at(1)


@given(st.lists(st.sets(st.integers(0, 23), max_size=8), max_size=8))
def test_what_is_there_all_the_time_is_handed_over_exactly_once(steps: list[set[int]]) -> None:
    archive = Archive((HEAT,), 1)
    before: set[int] = set()
    for hours in steps:
        fresh = rows(archive.fresh(telegram(sorted(hours))))
        assert fresh == at(*sorted(hours - before))
        before = hours
