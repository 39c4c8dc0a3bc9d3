"""Faults as data: read, refused, described."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import FAULTS, FaultError, Liar, Slow, catalogue, read_fault

CYRILLIC = re.compile("[а-яё]")


def test_faults_are_those_of_the_design() -> None:
    assert set(FAULTS) == {
        "silent",
        "noise",
        "crc",
        "wrong_unit",
        "exception",
        "slow",
        "flood",
        "reboot",
        "liar",
        "echo",
        "short",
        "stuck",
        "weak",
        "replay",
        "impostor",
        "redirect",
        "new_address",
        "stuck_adapter",
        "drop",
        "jammed",
        "forced",
    }


@pytest.mark.parametrize("name", FAULTS)
def test_faults_say_in_two_languages_what_they_do(name: str) -> None:
    kind = FAULTS[name]
    assert CYRILLIC.search(kind.ru)
    assert not CYRILLIC.search(kind.en)
    assert kind.ru.endswith(".")
    assert kind.en.endswith(".")
    assert kind.media is None or kind.media
    assert read_fault(name, {}) == kind()


@pytest.mark.parametrize("name", FAULTS)
def test_faults_stand_on_the_page_of_the_room(name: str) -> None:
    page = Path(__file__).parents[3].joinpath("simulators", "README.md").read_text("utf-8")
    assert f"| `{name}` |" in page


def test_faults_take_their_options() -> None:
    assert read_fault("slow", {"delay_s": 2, "seed": 5}) == Slow(delay_s=2.0, seed=5)
    assert read_fault("liar", {"how": "length"}) == Liar(how="length")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("tired", {}, "no fault 'tired'; there are: crc,"),
        ("slow", {"delay": 2}, "fault slow: delay: no such option"),
        ("slow", {"delay_s": 0}, "delay_s: should be greater than 0, found 0"),
        ("noise", {"flips": 4}, "flips: should be less than or equal to 3, found 4"),
        ("silent", {"probability": 1.5}, "probability: should be less than or equal to 1"),
        ("liar", {"how": "kindly"}, "how: should be"),
    ],
)
def test_faults_refuse(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(FaultError, match=re.escape(says)):
        read_fault(name, options)


@given(
    st.sampled_from(sorted(FAULTS)),
    st.dictionaries(
        st.sampled_from(["probability", "seed", "delay_s", "size", "x", "how"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    ),
)
def test_faults_any_options_give_a_fault_or_a_fault_error(
    name: str, options: dict[str, object]
) -> None:
    with suppress(FaultError):
        assert 0 <= read_fault(name, options).probability <= 1


def test_faults_catalogue_is_plain_values() -> None:
    told = {item["fault"]: item for item in catalogue()}
    assert told["echo"]["media"] == ["serial"]
    assert told["slow"]["options"] == {
        "probability": 1.0,
        "seed": 1,
        "delay_s": 1.5,
        "jitter_s": 0.0,
    }
