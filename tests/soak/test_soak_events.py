"""The truth of events, from logs and rows: pure."""

from __future__ import annotations

import json

from simulators.programs.told import ToldEvent
from tests.soak.events import Said, compare, said

AT_MS = 1_800_000_000_000
KILL_MS = AT_MS + 60_000


def told(key: str, wall_ms: int, device: str | None = None, **args: object) -> ToldEvent:
    return ToldEvent(key, device, args, wall_ms, wall_ms - AT_MS, 1, 1, wall_ms + 5)


def test_the_log_is_read_by_its_event_and_a_line_that_a_kill_cut_is_none() -> None:
    entry = {"at": "2027-01-15T08:00:00.250Z", "event": "device-lost", "device": "bank-1"}
    lines = [json.dumps(entry), '{"at": "2027-01-1{"event": "link-lost"}', "[]", '{"event": "x"}']

    assert said(lines) == [Said("device-lost", "bank-1", AT_MS + 250)]


def test_what_was_said_and_is_there_once_is_as_it_should_be() -> None:
    log = [Said("link-lost", None, AT_MS), Said("device-fault", "bank-1", AT_MS + 100)]
    rows = [told("device-fault", AT_MS + 101, "bank-1"), told("link-lost", AT_MS - 2)]
    agreed = compare(log, [*rows, told("agent-started", AT_MS)], [KILL_MS])

    assert (agreed.matched, agreed.findings) == (2, [])


def test_what_is_missing_is_told_but_for_the_instant_before_a_kill() -> None:
    log = [Said("link-lost", None, AT_MS), Said("link-lost", None, KILL_MS - 100)]

    assert compare(log, [], [KILL_MS]).missing == (log[0],)


def test_what_is_there_twice_is_told() -> None:
    log = [Said("link-lost", None, AT_MS)]
    twice = compare(log, [told("link-lost", AT_MS, step="dns")] * 2, [])

    assert (twice.matched, twice.doubled) == (1, tuple(log))


def test_another_event_of_the_same_key_does_not_stand_for_a_missing_one() -> None:
    log = [Said("device-fault", "bank-1", AT_MS), Said("device-fault", "bank-1", AT_MS + 50)]
    one = compare(log, [told("device-fault", AT_MS, "bank-1")], [])
    other = compare(log[:1], [told("device-fault", AT_MS, "bank-2")], [])

    assert (one.matched, len(one.missing)) == (1, 1)
    assert (other.missing, len(other.unsaid)) == (tuple(log[:1]), 1)


def test_what_nobody_said_is_told_but_for_a_line_that_a_kill_may_have_cut() -> None:
    rows = [told("link-lost", AT_MS), told("link-back", KILL_MS - 10)]

    assert [each.key for each in compare([], rows, [KILL_MS]).unsaid] == ["link-lost"]
