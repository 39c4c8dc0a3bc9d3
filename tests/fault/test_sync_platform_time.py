"""Boards without a clock: the platform's signed time, who may not tell it, full checks after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest

from gateway.model.clock import EARLIEST_TRUE_MS, LearnedClock, SystemClock, Trust
from gateway.sync.causes import LinkLostError, Step
from gateway.sync.platform_time import INSISTS_S, PlatformTime
from gateway.sync.session import Session
from provisioning.authority import LEAF_LIFE, Authority
from tests.broker import Mosquitto
from tests.clock import HandClock
from tests.linked_site import CITY, GATEWAY
from tests.timeless_site import (
    AHEAD_MS,
    DAY_MS,
    BoardClock,
    Fields,
    Place,
    TimeTeller,
    later,
    true_answer,
    true_ms,
)

Brokers = Callable[..., Mosquitto]
SOON_S = 0.4
ACKS = f"mayak/1/{GATEWAY}/down/ack"


@pytest.fixture
def place(tmp_path: Path, authority: Authority, mosquitto: Brokers) -> Place:
    moved = later(authority, tmp_path / "later")
    return Place(moved, mosquitto(moved))


def city(place: Place) -> Path:
    return place.authority.folder / f"{CITY}-sign.key"


async def connected(time: PlatformTime, clock: LearnedClock) -> Session:
    broker, connection = await time.prepare()
    assert connection is None
    is_set = clock.now().trust is Trust.SYNCED or time.learned
    woken = asyncio.Event()
    return await Session.connect(broker, GATEWAY, [ACKS], woken.set, clock_is_set=is_set)


async def refusal(time: PlatformTime) -> LinkLostError:
    with pytest.raises(LinkLostError) as caught:
        await time.prepare()
    return caught.value


async def test_a_board_of_1970_learns_the_time_and_connects_with_full_checks(place: Place) -> None:
    clock, time = place.asking(BoardClock())
    with TimeTeller(place.broker, city(place), lambda q: [true_answer(q)]) as teller:
        session = await connected(time, clock)
        await session.close()

    now = clock.now()
    assert abs(now.wall_ms - true_ms()) <= (clock.uncertainty_ms() or 0) + 5
    assert now.trust is Trust.HOLDOVER
    assert teller.topics == [f"mayak/1/{GATEWAY}/up/time"]
    (question,) = teller.questions
    assert question.keys() == {1, 2, 3, 4}
    assert (question[2], question[3], len(question[4])) == (GATEWAY, clock.boot, 32)


async def test_each_question_has_a_nonce_of_its_own(place: Place) -> None:
    _, time = place.asking(BoardClock(), within_s=SOON_S)
    with TimeTeller(place.broker, city(place), lambda _: []) as teller:
        assert (await refusal(time)).step is Step.CLOCK
        await refusal(time)

    assert len({question[4] for question in teller.questions}) == 2


LIES: dict[str, Callable[[Fields], Fields | bytes]] = {
    "another gateway's": lambda q: true_answer(q) | {2: "nvr-lenina-13"},
    "of another boot": lambda q: true_answer(q) | {3: bytes(16)},
    "an old one": lambda q: true_answer(q) | {4: bytes(32)},
    "another consumer's": lambda q: true_answer(q) | {5: "desk"},
    "of another version": lambda q: true_answer(q) | {1: 2},
    "without a time": lambda q: q | {5: CITY},
    "no whole number": lambda q: true_answer(q) | {6: float(true_ms())},
    "before 1970": lambda q: true_answer(q) | {6: -1},
    "beyond all calendars": lambda q: true_answer(q) | {6: 1 << 60},
    "not signed": lambda q: cbor2.dumps(true_answer(q)),
    "no CBOR": lambda _: b"\xff\x00",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_an_answer_to_another_question_is_none(
    place: Place, lie: Callable[[Fields], Fields | bytes]
) -> None:
    clock, time = place.asking(BoardClock(), within_s=SOON_S)
    with TimeTeller(place.broker, city(place), lambda q: [lie(q)]) as teller:
        lost = await refusal(time)

    assert (lost.step, len(teller.questions)) == (Step.CLOCK, 1)
    assert clock.now().trust is Trust.UNSET


async def test_an_answer_is_found_among_lies(place: Place) -> None:
    clock, time = place.asking(BoardClock())

    def answers(question: Fields) -> list[Fields | bytes]:
        return [*(lie(question) for lie in LIES.values()), true_answer(question)]

    with TimeTeller(place.broker, city(place), answers):
        await time.prepare()

    assert clock.now().trust is Trust.HOLDOVER


async def test_an_answer_that_was_heard_before_is_none(place: Place) -> None:
    """Whoever listens on the broker may keep an answer of the platform and play it later."""
    heard: list[bytes] = []
    clock, time = place.asking(BoardClock(), within_s=SOON_S)
    with TimeTeller(place.broker, city(place), lambda _: []) as teller:

        def answer(question: Fields) -> list[Fields | bytes]:
            heard.append(teller.signed(true_answer(question)))
            return []

        teller.answers = answer
        await refusal(time)
        teller.answers = lambda _: list(heard)
        assert (await refusal(time)).step is Step.CLOCK

    assert clock.now().trust is Trust.UNSET


async def test_an_answer_under_another_key_is_none(place: Place) -> None:
    clock, time = place.asking(BoardClock(), within_s=SOON_S)
    device = place.authority.folder / "gateways" / GATEWAY / "device.key"
    with TimeTeller(place.broker, device, lambda q: [true_answer(q)]):
        assert (await refusal(time)).step is Step.CLOCK

    assert clock.now().trust is Trust.UNSET


async def test_who_sits_between_with_a_certificate_of_another_host_is_asked_nothing(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    elsewhere = later(authority, tmp_path / "elsewhere", host="127.0.0.2")
    place = Place(elsewhere, mosquitto(elsewhere))
    clock, time = place.asking(BoardClock())
    with TimeTeller(place.broker, city(place), lambda q: [true_answer(q)]) as teller:
        lost = await refusal(time)

    assert (lost.step, teller.questions) == (Step.SERVER_CERTIFICATE, [])
    assert clock.now().trust is Trust.UNSET


async def test_who_sits_between_with_a_certificate_of_another_authority_is_asked_nothing(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    stranger = Authority.create(tmp_path / "s", SystemClock(), gateways=[GATEWAY])
    ours = Place(authority, mosquitto(stranger))
    _, time = ours.asking(BoardClock())
    with TimeTeller(ours.broker, city(ours), lambda q: [true_answer(q)]) as teller:
        lost = await refusal(time)

    assert (lost.step, teller.questions) == (Step.SERVER_CERTIFICATE, [])


TOO_EARLY = {
    "before our release": EARLIEST_TRUE_MS - DAY_MS,
    "before the broker's certificate": EARLIEST_TRUE_MS + DAY_MS,
}


@pytest.mark.parametrize("wall_ms", TOO_EARLY.values(), ids=TOO_EARLY.keys())
async def test_a_time_that_cannot_be_is_not_learned(place: Place, wall_ms: int) -> None:
    clock, time = place.asking(BoardClock())
    with TimeTeller(place.broker, city(place), lambda q: [true_answer(q, wall_ms)]):
        assert (await refusal(time)).step is Step.CLOCK

    assert clock.now().trust is Trust.UNSET


async def test_time_does_not_go_back_behind_what_is_in_the_store_unless_the_platform_insists(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    board = HandClock(mono_ms=5000, wall_ms=0, trust=Trust.UNSET)
    clock, time = place.asking(board, floor_ms=true_ms() + 2 * DAY_MS)
    with TimeTeller(place.broker, city(place), lambda q: [true_answer(q)]):
        assert "here it was" in str(await refusal(time))
        board.advance(INSISTS_S - 1)
        assert (await refusal(time)).step is Step.CLOCK
        assert clock.now().trust is Trust.UNSET
        board.advance(1)
        with caplog.at_level(logging.WARNING):
            await time.prepare()

    assert "time-went-back" in caplog.messages
    assert [event.key for event in place.events] == ["time-went-back", "time-learned"]
    assert abs(clock.now().wall_ms - true_ms()) < 10_000


async def test_a_certificate_that_ended_by_the_time_that_was_learned_is_refused(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    today = later(authority, tmp_path / "today", after_ms=0)
    place = Place(today, mosquitto(today))
    clock, time = place.asking(BoardClock())
    end_ms = true_ms() - AHEAD_MS + round(LEAF_LIFE.total_seconds() * 1000)
    teller = TimeTeller(place.broker, city(place), lambda q: [true_answer(q, end_ms + DAY_MS)])
    with teller, pytest.raises(LinkLostError, match="ended on") as caught:
        await connected(time, clock)

    assert caught.value.step is Step.SERVER_CERTIFICATE


async def test_a_clock_that_was_kept_over_a_long_sleep_is_put_right(place: Place) -> None:
    """Boards keep the time of their last hour; then a new certificate is not valid yet."""
    clock, time = place.asking(BoardClock(true_ms() - AHEAD_MS, Trust.HOLDOVER))
    with TimeTeller(place.broker, city(place), lambda q: [true_answer(q)]) as teller:
        with pytest.raises(LinkLostError) as caught:
            await connected(time, clock)
        assert (caught.value.step, teller.questions) == (Step.CLOCK, [])
        time.refused(caught.value)
        session = await connected(time, clock)
        await session.close()

    assert clock.overrides
    assert abs(clock.now().wall_ms - true_ms()) < 10_000


@pytest.fixture
def ended(tmp_path: Path, mosquitto: Brokers) -> Place:
    """A broker whose certificate ended, by this machine's clock, 70 days ago; others' did not."""
    past = HandClock(wall_ms=SystemClock().now().wall_ms - 800 * DAY_MS)
    Authority.create(tmp_path / "keys", past, gateways=[GATEWAY]).renew(SystemClock())
    old = later(Authority.load(tmp_path / "keys"), tmp_path / "old", after_ms=-800 * DAY_MS)
    return Place(old, mosquitto(old))


async def test_a_clock_that_runs_ahead_of_a_certificate_is_put_right(ended: Place) -> None:
    right_ms = SystemClock().now().wall_ms - 100 * DAY_MS
    clock, time = ended.asking(BoardClock(right_ms + 100 * DAY_MS, Trust.HOLDOVER))
    with TimeTeller(ended.broker, city(ended), lambda q: [true_answer(q, right_ms)]):
        with pytest.raises(LinkLostError) as caught:
            await connected(time, clock)
        time.refused(caught.value)
        session = await connected(time, clock)
        await session.close()

    assert abs(clock.now().wall_ms - right_ms) < 10_000


async def test_a_certificate_that_did_end_is_told_as_such_once_the_clock_was_confirmed(
    ended: Place,
) -> None:
    now_ms = SystemClock().now().wall_ms
    clock, time = ended.asking(BoardClock(now_ms, Trust.HOLDOVER))
    steps = []
    with TimeTeller(ended.broker, city(ended), lambda q: [true_answer(q, now_ms)]) as teller:
        for _ in range(3):
            with pytest.raises(LinkLostError) as caught:
                await connected(time, clock)
            time.refused(caught.value)
            steps.append(caught.value.step)

    assert steps == [Step.CLOCK, Step.SERVER_CERTIFICATE, Step.SERVER_CERTIFICATE]
    assert (len(teller.questions), clock.overrides) == (1, False)


async def test_a_board_with_a_clock_asks_nobody(authority: Authority, mosquitto: Brokers) -> None:
    place = Place(authority, mosquitto(authority))
    clock, time = place.asking(BoardClock(true_ms() - AHEAD_MS, Trust.SYNCED))
    with TimeTeller(place.broker, city(place), lambda q: [true_answer(q)]) as teller:
        session = await connected(time, clock)
        await session.close()

    assert teller.questions == []
    assert not clock.overrides
