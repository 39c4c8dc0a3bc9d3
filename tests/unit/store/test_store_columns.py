"""Packed integers and planes, read back by the platform's own decoder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.columns import differences, pack_ints
from simulators.platform import columns as platform

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(INT64, max_size=50))
def test_packed_integers_are_read_back_by_the_platform(numbers: list[int]) -> None:
    assert platform.unpack(pack_ints(numbers), len(numbers)) == numbers


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
def test_differences_of_unsigned_64_bit_numbers_run_to_the_numbers(numbers: list[int]) -> None:
    read = platform.unpack(pack_ints(differences(numbers)), len(numbers))

    total, running = 0, []
    for difference in read:
        total = (total + difference) % 2**64
        running.append(total)
    assert running == numbers


def test_small_numbers_take_one_byte_each() -> None:
    assert len(pack_ints([-64, 63, 0, 1])) == 1 + 4


def test_zeros_take_no_plane_at_all() -> None:
    assert pack_ints([0] * 1000) == b"\0"
