"""What a recording holds, and how it is served back."""

from __future__ import annotations

import asyncio
import json
import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import mbap, rtu
from simulators.programs.site_file import tables, toml
from simulators.recording.replay import ReplayTwin, Speech
from simulators.recording.tape import (
    Answer,
    Head,
    Piece,
    TapeError,
    exchanges,
    monologue,
    read_tape,
)
from simulators.truth import TruthJournal
from tests import virtual_time
from tests.virtual_time import VirtualClock

HEAD = Head({"bus": {"medium": "serial"}}, [{"id": "meter", "line": "bus"}], {"p": "name = 1"})
LINE = "bus"


def piece(at_us: int, way: str, data: bytes) -> Piece:
    return Piece(LINE, at_us, way, data)


def written(*pieces: Piece) -> list[str]:
    told = [
        {"line": each.line, "at_us": each.at_us, "way": each.way, "bytes": each.data.hex()}
        for each in pieces
    ]
    return [HEAD.dump(), *map(json.dumps, told)]


def test_a_tape_is_read_as_it_was_written() -> None:
    pieces = [piece(1, ">", b"ask"), piece(2, "<", b"answer")]
    tape = read_tape(written(*pieces), "t")
    assert (tape.head, list(tape.pieces), tape.of("other")) == (HEAD, pieces, [])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        '{"line": "other", "at_us": 1, "way": ">", "bytes": ""}',
        '{"line": "bus", "at_us": 1, "way": "?", "bytes": ""}',
        '{"line": "bus", "at_us": "1", "way": ">", "bytes": ""}',
        '{"line": "bus", "at_us": 1, "way": ">", "bytes": "0"}',
    ],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(TapeError, match="t:2: "):
        read_tape([HEAD.dump(), line], "t")


@pytest.mark.parametrize("text", [[], [""], ["7"], ['{"recording": 2}']])
def test_a_file_that_is_no_recording_is_refused(text: list[str]) -> None:
    with pytest.raises(TapeError):
        read_tape(text, "t")


@given(st.lists(st.text(max_size=60), max_size=4), st.booleans())
def test_any_text_is_a_tape_or_refused(lines: list[str], headed: bool) -> None:
    with suppress(TapeError):
        read_tape([HEAD.dump(), *lines] if headed else lines, "t")


def test_exchanges_are_requests_with_all_that_followed() -> None:
    pieces = [
        piece(0, "<", b"noise"),
        piece(1000, ">", b"as"),
        piece(1500, ">", b"k1"),
        piece(9000, "<", b"one"),
        piece(9500, "<", b"!"),
        piece(20_000, ">", b"ask2"),
        piece(600_000, ">", b"ask2"),
        piece(604_000, "<", b"two"),
    ]
    assert list(exchanges(pieces)) == [
        (b"ask1", Answer(((7500, b"one"), (8000, b"!")))),
        (b"ask2", Answer()),
        (b"ask2", Answer(((4000, b"two"),))),
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 50_000), st.sampled_from("<>"), st.binary(min_size=1, max_size=4))
    )
)
def test_exchanges_lose_no_request_and_no_answer(steps: list[tuple[int, str, bytes]]) -> None:
    pieces, now = [], 0
    for wait, way, data in steps:
        now += wait
        pieces.append(piece(now, way, data))
    first = next((n for n, each in enumerate(pieces) if each.way == ">"), len(pieces))
    told = list(exchanges(pieces))
    for way, joined in (
        (">", b"".join(request for request, _ in told)),
        ("<", b"".join(answer.data for _, answer in told)),
    ):
        assert joined == b"".join(each.data for each in pieces[first:] if each.way == way)


def test_a_monologue_keeps_its_pauses() -> None:
    pieces = [piece(500, "<", b"$GP"), piece(800, "<", b"GGA"), piece(1_000_500, "<", b"$GP")]
    assert monologue(pieces) == [(0, b"$GP"), (300, b"GGA"), (999_700, b"$GP")]


def replayed(speech: Speech, pieces: list[Piece], *asked: bytes) -> list[bytes]:
    """Return what is said when this is heard, a second apart."""

    async def main(clock: VirtualClock) -> list[bytes]:
        said: list[bytes] = []
        twin = ReplayTwin("tape", pieces, TruthJournal(clock, None), speech=speech)
        for request in asked:
            twin.hear(request, said.append)
            await asyncio.sleep(1.0)
        return said

    return virtual_time.run(main)


def test_the_answers_come_in_their_order_and_begin_again() -> None:
    pieces = [
        piece(at, way, data)
        for n in (1, 2)
        for at, way, data in ((n * 10**6, ">", b"ask"), (n * 10**6 + 9, "<", b"a%d" % n))
    ]
    asked = [b"ask", b"as", b"k", b"ask"]
    assert replayed(Speech.BYTES, pieces, *asked) == [b"a1", b"a2", b"a1"]


def test_what_was_never_asked_is_passed_over() -> None:
    pieces = [piece(0, ">", b"ask"), piece(9, "<", b"a")]
    assert replayed(Speech.BYTES, pieces, b"xyask", b"zz") == [b"a"]


def test_silence_is_silence_again() -> None:
    pieces = [piece(0, ">", b"ask"), piece(10**6, ">", b"ask"), piece(10**6 + 9, "<", b"a")]
    assert replayed(Speech.BYTES, pieces, b"ask", b"ask") == [b"a"]


def test_modbus_tcp_answers_carry_the_number_that_was_asked() -> None:
    asked, answered = mbap.wrap(7, 1, b"\x04\x00\x00\x00\x01"), mbap.wrap(7, 1, b"\x04\x02\x00\x2a")
    pieces = [piece(0, ">", asked), piece(9, "<", answered)]
    other = mbap.wrap(300, 1, b"\x03\x00\x00\x00\x01")
    assert replayed(Speech.MODBUS_TCP, pieces, b"\x01\x02" + asked[2:], other) == [
        b"\x01\x02" + answered[2:],
        mbap.wrap(300, 1, b"\x83\x02"),
    ]


def test_modbus_rtu_refuses_what_a_known_unit_was_never_asked() -> None:
    asked, answered = rtu.wrap(1, b"\x04\x00\x00\x00\x01"), rtu.wrap(1, b"\x04\x02\x00\x2a")
    pieces = [piece(0, ">", asked), piece(9, "<", answered)]
    ours, others = rtu.wrap(1, b"\x04\x00\x09\x00\x01"), rtu.wrap(9, b"\x04\x00\x00\x00\x01")
    told = replayed(Speech.MODBUS_RTU, pieces, ours, others, asked)
    assert told == [rtu.wrap(1, b"\x84\x02"), answered]


@given(st.binary(max_size=300), st.sampled_from(Speech))
def test_after_any_bytes_and_a_pause_a_known_request_is_answered(
    noise: bytes, speech: Speech
) -> None:
    pieces = [piece(0, ">", b"\x00\x01ask."), piece(9, "<", b"\x00\x01a.")]
    said = replayed(speech, pieces, noise, bytes(600), b"\x00\x01ask.")
    assert said[-1:] == [b"\x00\x01a."]


def test_tables_of_a_site_file_are_toml() -> None:
    rows = [{"id": 'a "b"', "n": 1, "on": True, "x": [1.5, "ü"], "t": {"a b": 2, "c": {"d": 3}}}]
    assert toml(rows[0]["t"]) == '{ "a b" = 2, c = { d = 3 } }'
    assert tomllib.loads(tables("device", rows)) == {"device": rows}
