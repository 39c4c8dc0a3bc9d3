from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.authority import Authority
from simulators.platform.intake import Message
from simulators.platform.ledger import LedgerError
from tests.conftest import GATEWAYS
from tests.postgres import Postgres
from tests.unit.simulators.platform.conftest import Desk, desk_at
from tests.unit.simulators.platform.platform_sender import WALL, Row, Sender, open_ack

POINTS = [["answers", "1", 1, 1, 0, None], ["u", "V", 2, 1, 0, None]]
DATA = 3
FreshDesk = Callable[[], AbstractContextManager[Desk]]


@pytest.fixture
def sender(authority: Authority) -> Sender:
    return Sender.of(authority, GATEWAYS[0])


def rows(number: int) -> list[Row]:
    return [(0, 0, [number, 230.5], {}), (0, 500, [None, None], {None: (2, 1)})]


def test_a_batch_after_its_epoch_is_stored_and_acknowledged(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    [ack] = desk.take((sender.topic("epoch"), record))
    assert (ack[2], ack[3], ack[4], ack[7]) == (GATEWAYS[0], b"incarn-1", "city", [epoch.id])
    [ack] = desk.take((sender.topic("data"), sender.batch(epoch, rows(7))))
    assert ack[6] == [[DATA, "operations", 1, []]]
    assert desk.rows(
        "SELECT device, point, wall_ms - ?, mono_ms, value, quality, cause FROM history"
        " ORDER BY point, mono_ms",
        WALL,
    ) == [
        ("meter-1", "answers", 1000, 6000, 7, 0, 0),
        ("meter-1", "answers", 1500, 6500, None, 2, 1),
        ("meter-1", "u", 1000, 6000, 230.5, 0, 0),
        ("meter-1", "u", 1500, 6500, None, 2, 1),
    ]


def test_a_batch_before_its_epoch_record_is_not_stored_and_the_record_is_asked_for(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    batch = sender.topic("data"), sender.batch(epoch, rows(7))
    assert desk.take(batch) == []  # no hello yet: nobody can be asked
    [ack] = desk.take((sender.topic("hello"), sender.hello()))
    assert ack[8] == [epoch.id]
    [ack] = desk.take(batch)
    assert (ack[6], ack[8]) == ([], [epoch.id])
    assert desk.rows("SELECT count(*) FROM batch") == [(0,)]
    [ack] = desk.take((sender.topic("epoch"), record), batch)
    assert (ack[6], ack[7], ack[8]) == ([[DATA, "operations", 1, []]], [epoch.id], [])
    assert desk.report().counters["unknown_epoch"] == 2


def test_an_epoch_record_is_taken_first_when_it_comes_in_one_group(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    batch = sender.batch(epoch, rows(7))
    [ack] = desk.take((sender.topic("data"), batch), (sender.topic("epoch"), record))
    assert ack[6] == [[DATA, "operations", 1, []]]


def test_a_repeat_is_counted_once_each_and_acknowledged_again(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    batch = sender.topic("data"), sender.batch(epoch, rows(7))
    desk.take((sender.topic("epoch"), record), batch, batch)
    [ack] = desk.take(batch)
    assert ack[6] == [[DATA, "operations", 1, []]]
    report = desk.report()
    assert (report.account.stored, report.counters["repeats"], report.duplicated) == (4, 2, 0)


def test_a_hello_is_answered_with_every_channel_and_epoch(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    alarm = sender.batch(epoch, rows(1), stream="alarm")
    desk.take(
        (sender.topic("epoch"), record),
        (sender.topic("alarm"), alarm),
        (sender.topic("data"), sender.batch(epoch, rows(2))),
    )
    [ack] = desk.take((sender.topic("hello"), sender.hello()))
    assert ack[6] == [[0, "operations", 1, []], [DATA, "operations", 1, []]]
    assert ack[7] == [epoch.id]


def test_missing_sequences_are_named_until_they_come(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    sealed = {n: (sender.topic("data"), sender.batch(epoch, rows(n))) for n in range(1, 10)}
    desk.take((sender.topic("epoch"), record))
    [ack] = desk.take(*(sealed[n] for n in (1, 2, 5, 9)))
    assert ack[6] == [[DATA, "operations", 2, [[3, 4], [6, 8]]]]
    [ack] = desk.take(*(sealed[n] for n in (7, 3, 4)))
    assert ack[6] == [[DATA, "operations", 5, [[6, 6], [8, 8]]]]
    [ack] = desk.take(*(sealed[n] for n in (6, 8)))
    assert ack[6] == [[DATA, "operations", 9, []]]


def test_a_gap_settles_its_sequences_in_its_own_channel(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    third = sender.batch(epoch, rows(1), sequence=3)
    desk.take((sender.topic("epoch"), record), (sender.topic("data"), third))
    gap = {3: [[DATA, "operations", 1, 2, WALL, WALL + 9, 40, 1]]}
    [ack] = desk.take((sender.topic("event"), sender.contents(epoch, gap, 0, stream="event")))
    assert ack[6] == [[1, "operations", 1, []], [DATA, "operations", 3, []]]
    account = desk.report().account
    assert (account.stored, account.lost, account.lost_by_reason) == (4, 40, {"no_room": 40})


def test_what_the_gateway_no_longer_keeps_does_not_hold_up_the_acknowledgement(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    batches = [sender.batch(epoch, rows(n)) for n in range(5)]
    desk.take((sender.topic("epoch"), record), (sender.topic("data"), batches[4]))
    [ack] = desk.take((sender.topic("hello"), sender.hello(oldest=5, kept=4)))
    assert ack[6] == [[DATA, "operations", 5, []]]
    report = desk.report()
    assert (report.account.lost, report.account.missing_batches, report.clean) == (16, 4, False)


def test_a_batch_that_stands_for_several_sequences_settles_them_all(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    whole = sender.batch(epoch, rows(1), span=5)
    part = sender.batch(epoch, rows(1), sequence=3)
    beyond = sender.batch(epoch, rows(1), span=2, sequence=6)
    [ack] = desk.take((sender.topic("epoch"), record), (sender.topic("data"), whole))
    assert ack[6] == [[DATA, "operations", 5, []]]
    [ack] = desk.take((sender.topic("data"), part), (sender.topic("data"), beyond))
    assert ack[6] == [[DATA, "operations", 5, []]]
    counters = desk.report().counters
    assert (counters["repeats"], counters["overlaps"]) == (2, 1)


def test_a_batch_that_does_not_open_is_refused_by_name(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    forged = bytearray(sender.batch(epoch, rows(1)))
    forged[-1] ^= 1
    desk.take((sender.topic("epoch"), record))
    [ack] = desk.take((sender.topic("data"), bytes(forged)))
    assert (ack[6], ack[9]) == ([], [[DATA, "operations", 1, 2]])
    assert desk.report().counters["refused_sealed"] == 1


def test_a_batch_that_is_malformed_inside_is_refused_by_name(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record))
    [ack] = desk.take((sender.topic("data"), sender.contents(epoch, {1: [[]]}, 0)))
    assert ack[9] == [[DATA, "operations", 1, 3]]
    assert desk.rows("SELECT count(*) FROM batch") == [(0,)]


def test_a_forgery_of_a_committed_batch_is_not_refused_to_the_gateway(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    good = sender.batch(epoch, rows(1))
    desk.take((sender.topic("epoch"), record), (sender.topic("data"), good))
    assert desk.take((sender.topic("data"), good[:-1] + bytes([good[-1] ^ 1]))) == []
    assert desk.report().account.stored == 4


def test_a_batch_of_another_audience_under_the_same_key_is_refused(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record))
    [ack] = desk.take((sender.topic("data"), sender.batch(epoch, rows(1), audience="personal")))
    assert ack[9] == [[DATA, "personal", 1, 2]]


def test_an_epoch_not_wrapped_for_us_is_kept_and_its_batches_are_not_refused(
    desk: Desk, sender: Sender
) -> None:
    sender.wraps = []
    epoch, record = sender.epoch(POINTS)
    [ack] = desk.take((sender.topic("epoch"), record))
    assert ack[7] == [epoch.id]
    assert desk.take((sender.topic("data"), sender.batch(epoch, rows(1)))) == []
    assert desk.report().counters["no_key"] == 2


def test_one_name_used_by_two_gateways_is_told(desk: Desk, sender: Sender) -> None:
    first, first_record = sender.epoch(POINTS)
    second, second_record = sender.epoch(POINTS)
    desk.take(
        (sender.topic("epoch"), first_record),
        (sender.topic("epoch"), second_record),
        (sender.topic("data"), sender.batch(first, rows(1), sequence=1)),
        (sender.topic("data"), sender.batch(second, rows(1), sequence=1)),
    )
    assert desk.report().counters["conflicts"] == 1


def test_an_epoch_id_used_again_for_something_else_is_refused(desk: Desk, sender: Sender) -> None:
    _, record = sender.epoch(POINTS)
    sender.made -= 1
    sender.boot = b"another-boot-id!"
    _, other = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record), (sender.topic("epoch"), other))
    assert desk.report().counters["refused_form"] == 1


def other_gateway(sender: Sender) -> list[tuple[str, bytes]]:
    epoch, record = sender.epoch(POINTS)
    foreign = f"mayak/1/{GATEWAYS[1]}/up/"
    return [
        (foreign + "hello", sender.hello()),
        (foreign + "epoch", record),
        (foreign + "data", sender.batch(epoch, rows(1))),
        (sender.topic("alarm"), sender.batch(epoch, rows(1))),
    ]


def thief(sender: Sender) -> list[tuple[str, bytes]]:
    sender.key = ec.generate_private_key(ec.SECP256R1())
    return [
        (sender.topic("hello"), sender.hello()),
        (sender.topic("epoch"), sender.epoch(POINTS)[1]),
    ]


def noise(sender: Sender) -> list[tuple[str, bytes]]:
    return [
        (sender.topic("hello"), b""),
        (sender.topic("epoch"), b"\xd2"),
        (sender.topic("data"), bytes(2**20 + 1)),
        (sender.topic("nothing"), b""),
        ("x", b""),
        (sender.topic("data"), cbor2.dumps(cbor2.CBORTag(16, [b"", {}, b""]))),
    ]


BAD = {"misplaced": other_gateway, "signed by a stranger": thief, "noise": noise}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_bad_input_is_counted_and_changes_nothing(
    make: Callable[[Sender], Sequence[tuple[str, bytes]]], desk: Desk, sender: Sender
) -> None:
    messages = make(sender)
    assert desk.take(*messages) == []
    counts = desk.rows("SELECT gateway, sum(count) FROM counter GROUP BY gateway")
    assert counts == [("", len(messages))]
    for table in ("gateway", "epoch", "batch", "hello", "reading"):
        assert desk.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - fixed names


def test_an_epoch_is_opened_again_from_its_record_after_a_restart(
    desk: Desk, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record))
    desk.intake._open.clear()
    [ack] = desk.take((sender.topic("data"), sender.batch(epoch, rows(1))))
    assert ack[6] == [[DATA, "operations", 1, []]]
    if isinstance(desk.where, Path):
        assert epoch.key not in desk.where.read_bytes()


def test_a_group_that_fails_leaves_nothing_and_comes_again(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    batch = sender.topic("data"), sender.batch(epoch, rows(1))
    desk.change("DROP TABLE counter")
    with pytest.raises(LedgerError):
        desk.take((sender.topic("epoch"), record), batch, ("x", b""))
    for table in ("gateway", "epoch", "batch", "reading", "series"):
        assert desk.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - fixed names
    desk.change(
        "CREATE TABLE counter (gateway TEXT, name TEXT, count INTEGER, PRIMARY KEY (gateway, name))"
    )
    [ack] = desk.take((sender.topic("epoch"), record), batch, ("x", b""))
    assert ack[6] == [[DATA, "operations", 1, []]]


STATE = (
    """SELECT device, point, wall_ms, mono_ms, value, quality, cause FROM history
    ORDER BY 1, 2, 4""",
    """SELECT stream, sequence, span, count FROM batch JOIN channel ON channel.id = channel
    ORDER BY 1, 2""",
    """SELECT stream, audience, first, last FROM settled JOIN channel ON id = channel
    ORDER BY 1, 2, 3""",
    "SELECT wall_ms, key FROM event ORDER BY mono_ms, key",
    "SELECT stream, oldest, newest, produced, kept FROM channel ORDER BY stream",
)


def contents_of(desk: Desk) -> list[Any]:
    return [desk.rows(query) for query in STATE]


def medley(sender: Sender) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return an epoch record and one of everything that may come after it, in any order."""
    epoch, record = sender.epoch(POINTS, trust=0, wall=5)
    unset = {"trust": 0, "wall": 1000}
    pair = {4: [[sender.boot, 20_000, WALL, 1]], 2: [[0, "clock.set", 0, None, {}]]}
    better = {4: [[sender.boot, 30_000, WALL + 10_500, 2]]}
    gap = {3: [[DATA, "operations", 9, 10, WALL, WALL, 8, 1]]}
    messages = [(sender.topic("data"), sender.batch(epoch, rows(n), **unset)) for n in range(4)]
    messages += [
        (sender.topic("hello"), sender.hello(mono=7000)),
        (sender.topic("data"), sender.batch(epoch, rows(5), span=4, **unset)),
        (sender.topic("event"), sender.contents(epoch, pair, 1, stream="event", trust=1)),
        (sender.topic("event"), sender.contents(epoch, better, 0, stream="event")),
        (sender.topic("event"), sender.contents(epoch, gap, 0, stream="event")),
        (sender.topic("data"), sender.batch(epoch, rows(6), sequence=11)),
        (sender.topic("hello"), sender.hello(oldest=3, kept=9)),
    ]
    return record, messages


@settings(max_examples=25)
@given(order=st.randoms(use_true_random=False), sizes=st.lists(st.integers(1, 4), min_size=8))
def test_the_order_and_grouping_of_arrival_do_not_matter(
    fresh_desk: FreshDesk, authority: Authority, order: Any, sizes: list[int]
) -> None:
    sender = Sender.of(authority, GATEWAYS[0])
    record, messages = medley(sender)
    shuffled = [*messages, *messages[:3]]
    order.shuffle(shuffled)
    with fresh_desk() as straight, fresh_desk() as mixed:
        for desk in (straight, mixed):
            desk.take((sender.topic("epoch"), record))
        straight.take(*messages)
        while shuffled:
            size = sizes[len(shuffled) % len(sizes)]
            mixed.take(*shuffled[:size])
            shuffled = shuffled[size:]
        assert contents_of(mixed) == contents_of(straight)
        placed = WALL + 10_500 - 30_000
        assert straight.rows("SELECT min(wall_ms) FROM reading WHERE mono_ms = 6000") == [
            (placed + 6000,)
        ]
        assert straight.report().counters.get("repeats", 0) == 0
        assert mixed.report().counters["repeats"] <= 3


@settings(max_examples=8)
@given(order=st.randoms(use_true_random=False))
def test_neither_the_database_nor_which_receiver_takes_what_matters(
    fresh_desk: FreshDesk, postgres_server: Postgres, authority: Authority, order: Any
) -> None:
    sender = Sender.of(authority, GATEWAYS[0])
    record, messages = medley(sender)
    shuffled = [*messages, *messages[:3]]
    order.shuffle(shuffled)
    db = postgres_server.database()
    with (
        fresh_desk() as alone,
        desk_at(db, authority.folder) as first,
        desk_at(db, authority.folder) as second,
    ):
        for desk in (alone, first):
            desk.take((sender.topic("epoch"), record))
        alone.take(*messages)
        while shuffled:
            size = order.randint(1, 4)
            order.choice((first, second)).take(*shuffled[:size])
            shuffled = shuffled[size:]
        assert contents_of(second) == contents_of(alone)
        placed = "SELECT min(wall_ms), max(wall_ms), count(*) FROM reading"
        assert second.rows(placed) == alone.rows(placed)


@pytest.mark.parametrize(
    ("wall", "trust"), [(9000, 0), (WALL + 90 * 86_400_000, 2)], ids=["unset", "ahead"]
)
def test_a_boot_without_a_clock_to_believe_is_placed_by_when_its_hello_came(
    desk: Desk, sender: Sender, wall: int, trust: int
) -> None:
    def offsets() -> list[int]:
        return [n for (n,) in desk.rows("SELECT DISTINCT wall_ms - mono_ms FROM reading")]

    epoch, record = sender.epoch(POINTS, trust=0, wall=5)
    told = {"mono": 5000, "wall": wall - 4000, "trust": trust}
    desk.take(
        (sender.topic("epoch"), record),
        (sender.topic("data"), sender.batch(epoch, rows(1), **told)),
    )
    assert offsets() == [wall - 9000]

    desk.take((sender.topic("hello"), sender.hello(wall=wall, trust=trust)))
    assert offsets() == [desk.now_ms - 9000]
    desk.now_ms += 10_000
    desk.take((sender.topic("hello"), sender.hello(mono=18_000, wall=wall + 9000, trust=trust)))
    assert offsets() == [desk.now_ms - 10_000 - 9000]  # it was longer under way
    desk.now_ms += 10_000
    desk.take((sender.topic("hello"), sender.hello(mono=30_000, wall=wall + 21_000, trust=trust)))
    assert offsets() == [desk.now_ms - 30_000]

    pair = {4: [[sender.boot, 20_000, WALL, 1, 700]]}
    desk.take((sender.topic("event"), sender.contents(epoch, pair, 0, stream="event")))
    assert offsets() == [WALL - 20_000]


def test_a_pair_of_the_future_places_nothing_and_is_counted(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS, trust=0, wall=5)
    unset = sender.batch(epoch, rows(1), wall=1000, trust=0)
    pair = {4: [[sender.boot, 20_000, desk.now_ms + 61_000, 2, 3]]}
    ahead = sender.contents(epoch, pair, 0, stream="event")
    desk.take((sender.topic("epoch"), record), (sender.topic("data"), unset))
    desk.take((sender.topic("event"), ahead))

    assert desk.rows("SELECT min(wall_ms) FROM reading") == [(1000,)]
    assert desk.report().counters["pairs_from_the_future"] == 1


@pytest.mark.parametrize("more", [[], [None], [12]])
def test_a_pair_may_leave_its_uncertainty_out(desk: Desk, sender: Sender, more: list[Any]) -> None:
    epoch, record = sender.epoch(POINTS)
    pair = {4: [[sender.boot, 20_000, WALL, 2, *more]]}
    event = sender.contents(epoch, pair, 0, stream="event")
    desk.take((sender.topic("epoch"), record), (sender.topic("event"), event))

    told = more[0] if more else None
    assert desk.rows("SELECT pair_wall_ms, pair_uncertainty_ms FROM boot") == [(WALL, told)]


@pytest.mark.parametrize("pair", [[b"", 1, 1, 1, 1], [b"b" * 16, 1, 1, 1, -1], [b"b" * 16] * 6])
def test_a_pair_of_another_form_is_refused(desk: Desk, sender: Sender, pair: list[Any]) -> None:
    epoch, record = sender.epoch(POINTS)
    event = sender.contents(epoch, {4: [pair]}, 0, stream="event")
    (ack,) = desk.take((sender.topic("epoch"), record), (sender.topic("event"), event))

    assert [reason for *_, reason in ack[9]] == [3]


QUESTION = {1: 1, 2: GATEWAYS[0], 3: bytes(16), 4: bytes(range(32))}


def answers(desk: Desk, *questions: Any) -> list[tuple[str, dict[int, Any]]]:
    """Ask, and return topics and what the answers say, their signatures checked."""
    topic = f"mayak/1/{GATEWAYS[0]}/up/time"
    replies = desk.intake.take(Message(topic, cbor2.dumps(each)) for each in questions)
    context = b"mayak/1/time"
    return [(r.topic, open_ack(r.payload, desk.platform_key, context)) for r in replies]


def test_who_asks_is_told_the_time(desk: Desk) -> None:
    told = QUESTION | {5: "city", 6: desk.now_ms}
    assert answers(desk, QUESTION) == [(f"mayak/1/{GATEWAYS[0]}/down/time", told)]


def test_of_several_questions_the_last_one_is_answered(desk: Desk) -> None:
    ((_, told),) = answers(desk, QUESTION, QUESTION | {4: bytes(32)})
    assert told[4] == bytes(32)


@pytest.mark.parametrize(
    ("question", "counter"),
    [
        (QUESTION | {1: 2}, "refused_version"),
        (QUESTION | {2: GATEWAYS[1]}, "refused_misplaced"),
        (QUESTION | {3: bytes(15)}, "refused_form"),
        (QUESTION | {4: bytes(33)}, "refused_form"),
        ({**QUESTION, 4: None}, "refused_form"),
        ([], "refused_form"),
        (list(range(100)), "refused_cbor"),
    ],
)
def test_a_question_of_another_form_is_counted(desk: Desk, question: Any, counter: str) -> None:
    assert answers(desk, question) == []
    assert desk.report().counters == {counter: 1}
