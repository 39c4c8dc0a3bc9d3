"""A line keeps its promises, whatever comes over it; times are virtual and exact."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.media.line import FLOOD, LONGEST_ANSWER, NEVER_SILENT_S
from gateway.model.driver import Priority
from gateway.model.errors import BusUnavailableError, DeviceError, FrameError, NoResponseError
from tests import virtual_time
from tests.line_peer import DroppingLine, Letters, PairLine

A, B = Letters("A"), Letters("B")
TIMEOUT_S = 0.5


T = TypeVar("T")


def play(line: PairLine, scene: Callable[[PairLine], Awaitable[T]]) -> T:
    async def main(_: object) -> T:
        try:
            return await scene(line)
        finally:
            await line.end()

    return virtual_time.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


async def ask(
    line: PairLine, request: bytes, answer: Letters = A, priority: Priority = Priority.POLL
) -> bytes:
    return await line.exchange(request, answer, timeout_s=TIMEOUT_S, priority=priority)


async def loses(line: PairLine) -> None:
    """Ask in vain: the port goes away."""
    with pytest.raises(BusUnavailableError):
        await ask(line, b"a")


async def replies(line: PairLine, *answers: bytes) -> None:
    """Answer so many requests at once, one after the other."""
    await line.open()
    for answer in answers:
        await line.hear()
        line.say(answer)


def test_line_opens_when_it_is_first_needed_and_returns_the_answer() -> None:
    async def scene(line: PairLine) -> tuple[bytes, int]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A1."))
            return await ask(line, b"a1"), line.generation

    assert play(PairLine(), scene) == (b"A1.", 1)


@given(st.lists(st.integers(0, 8), max_size=4))
def test_line_finds_the_answer_wherever_it_is_cut(cuts: list[int]) -> None:
    whole = b"A1234567."

    async def device(line: PairLine) -> None:
        await line.open()
        await line.hear()
        start = 0
        for cut in [*sorted(cuts), len(whole)]:
            if cut > start:
                line.say(whole[start:cut])
                start = cut
                await asyncio.sleep(0.01)

    async def scene(line: PairLine) -> bytes:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device(line))
            return await ask(line, b"a")

    assert play(PairLine(), scene) == whole


def test_silence_is_no_response_after_exactly_the_time_out() -> None:
    async def scene(line: PairLine) -> float:
        began = now()
        with pytest.raises(NoResponseError):
            await ask(line, b"a")
        return now() - began

    assert play(PairLine(), scene) == pytest.approx(TIMEOUT_S)


def test_time_out_counts_from_the_last_character_of_a_slow_line() -> None:
    async def scene(line: PairLine) -> float:
        began = now()
        with pytest.raises(NoResponseError):
            await ask(line, b"a" * 10)
        return now() - began

    assert play(PairLine(char_s=0.01), scene) == pytest.approx(TIMEOUT_S + 0.1)


def test_a_short_answer_is_a_frame_error_with_its_bytes() -> None:
    async def scene(line: PairLine) -> bytes:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A12"))
            with pytest.raises(FrameError) as error:
                await ask(line, b"a")
        return error.value.answer

    assert play(PairLine(), scene) == b"A12"


def test_noise_is_a_frame_error_at_once_and_the_next_request_waits_for_silence() -> None:
    async def scene(line: PairLine) -> tuple[float, bytes]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"#?%", b"B1."))
            began = now()
            with pytest.raises(FrameError):
                await ask(line, b"a")
            failed = now() - began
            assert failed < TIMEOUT_S / 10
            answer = await ask(line, b"b", B)
            return now() - began, answer

    waited, answer = play(PairLine(silence_s=0.05), scene)
    assert answer == b"B1."
    assert waited == pytest.approx(0.05)


def test_what_came_unasked_is_thrown_away_before_a_request() -> None:
    async def scene(line: PairLine) -> bytes:
        await line.open()
        line.say(b"A-old.")
        await asyncio.sleep(0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A-new."))
            return await ask(line, b"a")

    assert play(PairLine(), scene) == b"A-new."


def test_a_line_that_is_never_silent_is_given_up_in_bounded_time() -> None:
    async def babble(line: PairLine) -> None:
        while True:
            line.say(b"#")
            await asyncio.sleep(0.01)

    async def scene(line: PairLine) -> float:
        await line.open()
        async with asyncio.TaskGroup() as tasks:
            babbler = tasks.create_task(babble(line))
            await asyncio.sleep(0.1)
            began = now()
            with pytest.raises(FrameError, match="never silent"):
                await ask(line, b"a")
            babbler.cancel()
            return now() - began

    assert play(PairLine(), scene) == pytest.approx(NEVER_SILENT_S)


def test_an_answer_without_end_is_given_up_by_bytes() -> None:
    async def scene(line: PairLine) -> int:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A" * (LONGEST_ANSWER + 1)))
            with pytest.raises(FrameError) as error:
                await ask(line, b"a")
        return len(error.value.answer)

    assert play(PairLine(), scene) == 64


def test_an_answer_without_end_is_given_up_by_time() -> None:
    async def drip(line: PairLine) -> None:
        await line.open()
        await line.hear()
        while True:
            line.say(b"A")
            await asyncio.sleep(TIMEOUT_S / 2)

    async def scene(line: PairLine) -> float:
        async with asyncio.TaskGroup() as tasks:
            dripping = tasks.create_task(drip(line))
            began = now()
            with pytest.raises(FrameError):
                await ask(line, b"a")
            dripping.cancel()
            return now() - began

    assert play(PairLine(), scene) == pytest.approx(2 * TIMEOUT_S)


def test_a_flood_closes_the_port_until_the_next_request() -> None:
    async def scene(line: PairLine) -> tuple[bytes, int]:
        await line.open()
        for _ in range(FLOOD // 4096 + 1):
            line.say(b"#" * 4096)
            await asyncio.sleep(0.001)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A1."))
            return await ask(line, b"a"), line.generation

    assert play(PairLine(), scene) == (b"A1.", 2)


def test_a_request_keeps_the_quiet_time_from_the_last_byte_either_way() -> None:
    async def scene(line: PairLine) -> list[float]:
        heard: list[float] = []

        async def device() -> None:
            await line.open()
            for answer in (b"A1.", b"A2."):
                await line.hear()
                heard.append(now())
                await asyncio.sleep(0.1)
                line.say(answer)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device())
            await ask(line, b"a")
            await ask(line, b"a")
        return heard

    first, second = play(PairLine(gap_s=0.004), scene)
    assert second - first == pytest.approx(0.104)


def test_a_command_waits_for_one_exchange_only() -> None:
    async def scene(line: PairLine) -> list[bytes]:
        heard: list[bytes] = []

        async def device() -> None:
            await line.open()
            for _ in range(4):
                request = await line.hear()
                heard.append(request)
                await asyncio.sleep(0.1)
                line.say(request[:1].upper() + b".")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device())
            for request in (b"a1", b"a2", b"a3"):
                tasks.create_task(ask(line, request))
            await asyncio.sleep(0.05)
            await ask(line, b"b", B, Priority.COMMAND)
        return heard

    assert play(PairLine(), scene) == [b"a1", b"b", b"a2", b"a3"]


def test_a_command_that_comes_in_the_quiet_time_goes_before_the_poll_that_leaves_it() -> None:
    async def scene(line: PairLine) -> tuple[list[bytes], float]:
        heard: list[bytes] = []

        async def device() -> None:
            await line.open()
            for _ in range(3):
                request = await line.hear()
                heard.append(request)
                line.say(request[:1].upper() + b".")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device())
            await ask(line, b"a1")
            polled = tasks.create_task(ask(line, b"a2"))
            await asyncio.sleep(0.02)
            began = now()
            await ask(line, b"b", B, Priority.COMMAND)
            waited = now() - began
            await polled
        return heard, waited

    heard, waited = play(PairLine(gap_s=0.1), scene)
    assert heard == [b"a1", b"b", b"a2"]
    assert waited == pytest.approx(0.08), "what is left of the quiet time, and no more"


def test_cancel_in_mid_request_leaves_the_line_usable() -> None:
    async def scene(line: PairLine) -> tuple[bytes, float]:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a"))
            await asyncio.sleep(0.1)
            asking.cancel()
            began = now()
            tasks.create_task(replies(line, b"B1.", b"B1."))
            return await ask(line, b"b", B), now() - began

    answer, waited = play(PairLine(), scene)
    assert answer == b"B1."
    assert waited <= TIMEOUT_S, "nobody talks over the answer to a cancelled request, but no longer"


def test_the_answer_to_a_cancelled_request_is_not_taken_for_another() -> None:
    async def scene(line: PairLine) -> bytes:
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a-old"))
            await asyncio.sleep(0.1)
            asking.cancel()
            await line.hear()
            again = tasks.create_task(ask(line, b"a-new"))
            await asyncio.sleep(0.1)
            line.say(b"A-old.")
            await line.hear()
            line.say(b"A-new.")
            return await again

    assert play(PairLine(), scene) == b"A-new."


def test_a_late_answer_is_not_taken_for_that_of_another_request() -> None:
    async def scene(line: PairLine) -> tuple[bytes, float]:
        with pytest.raises(NoResponseError):
            await ask(line, b"a-old")
        await line.hear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a-new"))
            await asyncio.sleep(0.3)
            line.say(b"A-old.")
            began = now()
            await line.hear()
            waited = now() - began
            line.say(b"A-new.")
            return await asking, waited

    answer, waited = play(PairLine(), scene)
    assert answer == b"A-new."
    assert waited < 0.1, "once the late answer is there, nothing is waited for"


def test_a_request_that_could_be_mistaken_goes_out_when_the_late_answer_is_too_late() -> None:
    async def scene(line: PairLine) -> float:
        began = now()
        with pytest.raises(NoResponseError):
            await ask(line, b"a-old")
        await line.hear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a-new"))
            await line.hear()
            sent = now()
            line.say(b"A-new.")
            await asking
        return sent - began

    assert play(PairLine(), scene) == pytest.approx(TIMEOUT_S + 2.0)


def test_the_same_poll_is_repeated_at_once_and_the_second_answer_taken_off() -> None:
    async def scene(line: PairLine) -> tuple[bytes, float, bytes]:
        with pytest.raises(NoResponseError):
            await ask(line, b"a")
        await line.hear()
        began = now()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a"))
            await line.hear()
            repeated = now() - began
            line.say(b"A1.")
            first = await asking
            asking = tasks.create_task(ask(line, b"b", B))
            await line.hear()
            line.say(b"A2.B1.")
            return first, repeated, await asking

    assert play(PairLine(), scene) == (b"A1.", 0, b"B1.")


def test_a_command_waits_for_a_late_answer_even_to_the_same_request() -> None:
    async def scene(line: PairLine) -> bytes:
        with pytest.raises(NoResponseError):
            await ask(line, b"a")
        await line.hear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a", A, Priority.COMMAND))
            await asyncio.sleep(0.1)
            line.say(b"A-before.")
            await line.hear()
            line.say(b"A-after.")
            return await asking

    assert play(PairLine(), scene) == b"A-after."


def test_polls_do_not_keep_a_command_waiting_for_a_late_answer_for_ever() -> None:
    async def scene(line: PairLine) -> float:
        with pytest.raises(NoResponseError):
            await ask(line, b"a")
        await line.hear()

        async def poll() -> None:
            while True:
                await ask(line, b"a")

        async def device() -> None:
            while True:
                await line.hear()
                await asyncio.sleep(0.01)
                line.say(b"A1.")

        began = now()
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(poll()), tasks.create_task(device())]
            await asyncio.sleep(0.1)
            await ask(line, b"a", A, Priority.COMMAND)
            for other in others:
                other.cancel()
        return now() - began

    waited = play(PairLine(), scene)
    assert waited < 3.0


def test_numbered_answers_are_passed_over_without_waiting() -> None:
    numbered = Letters("A", alike=False)

    async def scene(line: PairLine) -> tuple[bytes, float]:
        with pytest.raises(NoResponseError):
            await ask(line, b"z", Letters("Z", alike=False))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"Z-late.A1."))
            began = now()
            return await ask(line, b"a", numbered), now() - began

    assert play(PairLine(), scene) == (b"A1.", 0)


def test_echo_is_taken_off_also_in_pieces() -> None:
    async def device(line: PairLine) -> None:
        await line.open()
        heard = await line.hear()
        line.say(heard[:2])
        await asyncio.sleep(0.01)
        line.say(heard[2:] + b"A")
        await asyncio.sleep(0.01)
        line.say(b"1.")

    async def scene(line: PairLine) -> bytes:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device(line))
            return await ask(line, b"a1234")

    assert play(PairLine(echo=True), scene) == b"A1."


def test_a_missing_echo_is_said() -> None:
    async def scene(line: PairLine) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A1."))
            with pytest.raises(FrameError, match="echo = true"):
                await ask(line, b"a1234")

    play(PairLine(echo=True), scene)


def test_an_unexpected_echo_is_called_by_its_name() -> None:
    async def scene(line: PairLine) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"a1234"))
            with pytest.raises(FrameError, match="hears its own request"):
                await ask(line, b"a1234")

    play(PairLine(), scene)


def test_a_port_lost_in_mid_request_is_said_at_once_and_opened_again_when_needed() -> None:
    async def scene(line: PairLine) -> tuple[float, bytes, int]:
        async with asyncio.TaskGroup() as tasks:
            await line.open()
            began = now()
            asking = tasks.create_task(loses(line))
            await line.hear()
            line.far.close()
            await asking
            took = now() - began
            tasks.create_task(replies(line, b"A1."))
            return took, await ask(line, b"a"), line.generation

    assert play(PairLine(), scene) == (0, b"A1.", 2)


def test_a_port_lost_between_requests_is_opened_again_before_anything_is_sent() -> None:
    async def scene(line: PairLine) -> tuple[bytes, int]:
        await line.open()
        line.far.close()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a"))
            await asyncio.sleep(0.01)
            await line.hear()
            line.say(b"A1.")
            return await asking, line.generation

    assert play(PairLine(), scene) == (b"A1.", 2)


def test_a_port_that_is_not_there_is_told_with_what_to_do() -> None:
    async def scene(line: PairLine) -> None:
        with pytest.raises(BusUnavailableError, match="plug the adapter in"):
            await ask(line, b"a")
        line.there = True
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A1."))
            assert await ask(line, b"a") == b"A1."

    line = PairLine()
    line.there = False
    play(line, scene)


def test_close_tells_whoever_waits() -> None:
    async def scene(line: PairLine) -> None:
        async with asyncio.TaskGroup() as tasks:
            await line.open()
            tasks.create_task(loses(line))
            await line.hear()
            await line.close()
        await line.close()

    play(PairLine(), scene)


def test_a_connection_that_answers_nothing_is_made_anew() -> None:
    async def scene(line: PairLine) -> list[int]:
        generations = []
        for _ in range(4):
            with pytest.raises(NoResponseError):
                await ask(line, b"a")
            generations.append(line.generation)
        return generations

    assert play(DroppingLine(), scene) == [1, 1, 1, 2]


def test_a_request_that_does_not_fit_at_once_is_sent_whole() -> None:
    request = b"a" * 300_000

    async def scene(line: PairLine) -> tuple[int, bytes]:
        heard = 0

        async def device() -> None:
            nonlocal heard
            await line.open()
            while heard < len(request):
                heard += len(await line.hear())
            line.say(b"A1.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device())
            answer = await ask(line, request)
        return heard, answer

    assert play(PairLine(room=4096), scene) == (len(request), b"A1.")


def test_a_cancelled_request_is_not_sent_on() -> None:
    async def scene(line: PairLine) -> int:
        await line.open()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(ask(line, b"a" * 300_000))
            await asyncio.sleep(0.01)
            asking.cancel()
        heard = 0
        with suppress(BlockingIOError):
            while piece := line.far.recv(1 << 16):
                heard += len(piece)
                await asyncio.sleep(0.01)
        return heard

    heard = play(PairLine(room=4096), scene)
    assert 0 < heard < 300_000


def test_statistics_count_what_went_over_the_line() -> None:
    async def scene(line: PairLine) -> None:
        async def device() -> None:
            await line.open()
            await line.hear()
            await asyncio.sleep(0.1)
            line.say(b"A1.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(device())
            await ask(line, b"a1")
        with pytest.raises(NoResponseError):
            await ask(line, b"a1")

    line = PairLine()
    play(line, scene)
    told = line.statistics
    assert (told.exchanges, told.errors, told.bytes_sent, told.bytes_received) == (2, 1, 4, 3)
    assert told.busy_s == pytest.approx(0.1 + TIMEOUT_S)


@given(st.lists(st.binary(min_size=1, max_size=12), max_size=8))
def test_after_any_bytes_the_line_gives_the_next_answer(noise: list[bytes]) -> None:
    async def device(line: PairLine) -> None:
        await line.open()
        await line.hear()
        for piece in noise:
            line.say(piece)
            await asyncio.sleep(0.2)

    async def scene(line: PairLine) -> bytes:
        async with asyncio.TaskGroup() as tasks:
            disturbing = tasks.create_task(device(line))
            try:
                await ask(line, b"a")
            except DeviceError as error:
                assert isinstance(error, (FrameError, NoResponseError))  # noqa: PT017
            await disturbing
            await asyncio.sleep(5)
            tasks.create_task(replies(line, b"B1."))
            return await ask(line, b"b", B)

    assert play(PairLine(), scene) == b"B1."


# Devices that talk by themselves


def test_what_a_talker_says_is_handed_over_also_around_an_exchange() -> None:
    async def scene(line: PairLine) -> tuple[bytes, bytes]:
        told = bytearray()
        line.listen(told.extend)
        await line.open()
        line.say(b"one,")
        await asyncio.sleep(0.01)
        line.say(b"two,")  # lies in the port when the request is made
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A1."))
            answer = await ask(line, b"a")
        line.say(b"three,")
        await asyncio.sleep(0.01)
        return answer, bytes(told)

    assert play(PairLine(), scene) == (b"A1.", b"one,two,three,")


def test_a_talker_is_no_flood_and_keeps_nobody_from_asking() -> None:
    async def scene(line: PairLine) -> tuple[bytes, int, int]:
        told = bytearray()
        line.listen(told.extend)
        await line.open()
        for _ in range(FLOOD // 4096 + 1):
            line.say(b"#" * 4096)
            await asyncio.sleep(0.001)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replies(line, b"A1."))
            return await ask(line, b"a"), line.generation, len(told)

    assert play(PairLine(), scene) == (b"A1.", 1, FLOOD + 4096)


def test_a_line_has_one_talker() -> None:
    line = PairLine()
    line.listen(bytearray().extend)
    with pytest.raises(ValueError, match="talk by themselves"):
        line.listen(bytearray().extend)


def test_a_port_that_is_lost_while_nobody_asks_is_told_once() -> None:
    async def scene(line: PairLine) -> list[str]:
        told: list[str] = []
        line.when_lost(lambda error: told.append(str(error)))
        await line.open()
        line.far.close()
        await asyncio.sleep(0.01)
        return told

    (told,) = play(PairLine(), scene)
    assert "look at the pair" in told


def test_a_port_that_is_closed_on_purpose_is_not_told() -> None:
    async def scene(line: PairLine) -> list[BusUnavailableError]:
        told: list[BusUnavailableError] = []
        line.when_lost(told.append)
        await line.open()
        await line.close()
        await asyncio.sleep(0.01)
        return told

    assert play(PairLine(), scene) == []
