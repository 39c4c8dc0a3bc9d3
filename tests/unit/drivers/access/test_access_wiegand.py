"""Edges to words, words to credentials and keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.access.credential import Credential
from drivers.access.wiegand.codec import STANDARD, W26, W34, W37, Field, Layout, decode, decode_key
from drivers.access.wiegand.pulses import LONGEST_WORD, Pulse, Timing, Torn, words
from gateway.model.errors import FrameError

TIMING = Timing()
BITS = st.text("01", min_size=1, max_size=64)


def edges_of(word: str, *, start_us: int = 0, width: int = 50, interval: int = 2000) -> list[Pulse]:
    edges = []
    for place, bit in enumerate(word):
        at = (start_us + place * interval) * 1000
        edges += [Pulse(at, int(bit), level=False), Pulse(at + width * 1000, int(bit), level=True)]
    return edges


def with_parity(layout: Layout, middle: str) -> str:
    """Return a word whose first and last bits make the parities right."""
    for first in "01":
        for last in "01":
            word = first + middle + last
            odd = [field.of(word).count("1") % 2 for field in layout.odd]
            even = [field.of(word).count("1") % 2 for field in layout.even]
            if all(odd) and not any(even):
                return word
    raise AssertionError


def shuffled(edges: Sequence[Pulse], data: st.DataObject) -> list[Pulse]:
    return data.draw(st.permutations(edges))


# Edges


@given(BITS, st.sampled_from([(50, 2000), (20, 200), (100, 20_000), (100, 1000)]))
def test_pulses_as_readers_send_them_are_a_word(word: str, pulse: tuple[int, int]) -> None:
    width, interval = pulse
    assert words(edges_of(word, width=width, interval=interval), TIMING) == [word]


@given(st.text("01", min_size=1, max_size=12), st.data())
def test_the_order_in_which_edges_are_told_does_not_matter(word: str, data: st.DataObject) -> None:
    assert words(shuffled(edges_of(word), data), TIMING) == [word]


@given(st.lists(st.text("01", min_size=1, max_size=9), min_size=1, max_size=4))
def test_silence_parts_words(sent: list[str]) -> None:
    edges, at = [], 0
    for word in sent:
        edges += edges_of(word, start_us=at)
        at += len(word) * 2000 + 30_000
    assert words(edges, TIMING) == sent


@given(BITS, st.data())
def test_rises_that_were_missed_cost_no_bit(word: str, data: st.DataObject) -> None:
    edges = edges_of(word)
    missed = data.draw(st.sets(st.sampled_from([edge for edge in edges if edge.level])))
    assert words([edge for edge in edges if edge not in missed], TIMING) == [word]


def test_spikes_are_passed_over() -> None:
    spike = [Pulse(1_000_000, 1, level=False), Pulse(1_002_000, 1, level=True)]
    assert words(edges_of("0110") + spike, TIMING) == ["0110"]


def test_both_lines_low_at_once_is_torn() -> None:
    edges = edges_of("0", width=80) + edges_of("1", start_us=40, width=80)
    assert words(edges, TIMING) == [Torn.OVERLAP]


def test_pulses_that_follow_too_closely_are_torn() -> None:
    assert words(edges_of("0101", interval=60, width=20), TIMING) == [Torn.CLOSE]


def test_a_pulse_that_lasts_is_torn() -> None:
    assert words(edges_of("01", width=1500), TIMING) == [Torn.LONG]


def test_pulses_without_end_are_torn() -> None:
    assert words(edges_of("0" * (LONGEST_WORD + 1)), TIMING) == [Torn.FLOOD]


@given(
    st.lists(st.builds(Pulse, st.integers(0, 10**9), st.integers(0, 1), st.booleans()), max_size=60)
)
def test_any_edges_give_words_or_say_why_not(edges: list[Pulse]) -> None:
    for word in words(edges, TIMING):
        assert isinstance(word, Torn) or set(word) <= {"0", "1"}


# Words


def test_a_card_of_26_bits_reads_as_its_print_says() -> None:
    word = with_parity(W26, f"{12:08b}{3456:016b}")
    assert decode(word, [W26]) == Credential.facility("w26", 26, 12, 3456, 16)


def test_the_example_of_a_document_with_34_bits() -> None:
    # Civintec CN56X0B user manual, 6.4.5: 89 D4 1B 81 is sent as 1 (data) 1
    word = f"1{0x89D41B81:032b}1"
    assert decode(word, [W34]) == Credential.facility("w34", 34, 0x89D4, 0x1B81, 16)


def test_the_example_of_a_document_with_26_bits() -> None:
    # the same manual, 6.4.2: D4 1B 81 is sent as 1 (data) 0
    word = f"1{0xD41B81:024b}0"
    assert decode(word, [W26]) == Credential.facility("w26", 26, 0xD4, 0x1B81, 16)


@pytest.mark.parametrize("layout", STANDARD.values(), ids=STANDARD)
@given(data=st.data())
def test_a_flipped_bit_is_refused_and_not_told(layout: Layout, data: st.DataObject) -> None:
    middle = data.draw(st.text("01", min_size=layout.bits - 2, max_size=layout.bits - 2))
    word = with_parity(layout, middle)
    assert decode(word, [layout]).bits == layout.bits
    place = data.draw(st.integers(0, layout.bits - 1))
    if layout is W37 and place == 18:
        return  # the bit in the middle is under both parities: both are wrong, tested below
    wrong = word[:place] + str(1 - int(word[place])) + word[place + 1 :]
    with pytest.raises(FrameError, match="parity") as caught:
        decode(wrong, [layout])
    assert wrong not in str(caught.value)
    assert not caught.value.answer


def test_the_middle_bit_of_37_is_under_both_parities() -> None:
    word = with_parity(W37, "0" * 35)
    with pytest.raises(FrameError, match="parity"):
        decode(word[:18] + "1" + word[19:], [W37])


@given(BITS)
def test_any_word_is_a_credential_or_refused(word: str) -> None:
    with suppress(FrameError):
        assert decode(word, [W26, W34, W37]).bits == len(word)


def test_a_layout_of_the_site_is_a_family_of_its_own() -> None:
    own = Layout("school", 26, Field(6, 25), Field(2, 5), W26.even, W26.odd)
    word = with_parity(W26, f"{12:08b}{3456:016b}")
    shown = decode(word, [own, W26])
    assert shown.canonical == b"layout-school:0:%d" % (12 << 16 | 3456)


@pytest.mark.parametrize("field", [(0, 5), (5, 4), (1, 27)])
def test_a_layout_with_bits_that_are_not_there_is_told(field: tuple[int, int]) -> None:
    assert Layout("odd", 26, Field(*field)).problem() is not None
    assert Layout("odd", 26, Field(2, 5), odd=(Field(*field),)).problem() is not None


# Keys


@pytest.mark.parametrize("key", list("0123456789*#"))
def test_a_key_reads_in_both_lengths(key: str) -> None:
    value = "0123456789*#".index(key)
    assert decode_key(f"{value:04b}") == key
    assert decode_key(f"{value ^ 0xF:04b}{value:04b}") == key


@given(st.text("01", min_size=1, max_size=10))
def test_any_bits_are_a_key_or_refused(word: str) -> None:
    with suppress(FrameError):
        assert decode_key(word) in "0123456789*#"


@given(st.integers(0, 11), st.integers(0, 7))
def test_a_flipped_bit_of_a_key_of_eight_bits_is_refused(value: int, place: int) -> None:
    word = f"{value ^ 0xF:04b}{value:04b}"
    wrong = word[:place] + str(1 - int(word[place])) + word[place + 1 :]
    with pytest.raises(FrameError):
        decode_key(wrong)
