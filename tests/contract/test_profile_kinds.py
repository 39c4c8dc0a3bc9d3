"""Profiles of telegrams through their twins and the driver: what differs is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.profiles.reading import SHIPPED
from drivers.serial_profile import kind
from gateway.model.profile import HeadWords
from simulators.profiles.trying import kinds, try_profile
from simulators.profiles.twins import serial

ASCII = SHIPPED / "demo-ascii.toml"
TOLD = SHIPPED / "benewake-tfmini-s.toml"


@pytest.mark.parametrize("path", [ASCII, TOLD], ids=lambda path: path.stem)
async def test_every_vector_is_read_with_the_driver(path: Path) -> None:
    verdict = await try_profile(path, kinds(), lambda: None)
    assert (verdict.problems, verdict.twin) == ([], True)
    assert verdict.vectors > 1


OTHERS = {
    "another value": (ASCII, 0, 1, "level was read with the flag no_value"),
    "another state": (ASCII, 2, 3, "mode was read as 2"),
    "told by itself": (TOLD, 0, 1, "was read"),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
async def test_a_twin_that_says_another_vector_is_noticed(case: tuple[Path, int, int, str]) -> None:
    path, asked, served, says = case
    async with serial(path, served) as (host, port):
        problems = await kind.ask(path, asked, host, port)
    assert any(says in each for each in problems), problems


async def test_a_twin_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    async with serial(ASCII, 0) as place:
        pass  # gone again
    for vector in (0, 4):
        [problem] = await kind.ask(ASCII, vector, *place)
        assert problem.startswith(f"demo-ascii, vector {vector + 1}: BusUnavailableError")
    without = tmp_path / "demo-ascii.toml"
    text = ASCII.read_text(encoding="utf-8")
    without.write_text(text[: text.index("[[vector]]")], encoding="utf-8")
    [problem] = kind.check(without)
    assert "no test vector" in problem
    without.write_text(text.replace("protocol", "portocol"), encoding="utf-8")
    assert len(kind.check(without)) > 1


@pytest.mark.parametrize("protocol", sorted(key for key, each in kinds().items() if each.skeleton))
async def test_a_new_profile_of_any_kind_passes_as_it_is(protocol: str, tmp_path: Path) -> None:
    make = kinds()[protocol].skeleton
    assert make is not None
    path = tmp_path / "thing.toml"
    path.write_text(make(HeadWords("thing", "Вещь", "Thing", "a test", "1")), encoding="utf-8")
    verdict = await try_profile(path, kinds(), lambda: None)
    assert verdict.problems == []
    assert verdict.vectors > 1


async def test_a_point_that_cannot_be_set_so_is_told(tmp_path: Path) -> None:
    make = kinds()["serial"].skeleton
    assert make is not None
    text = make(HeadWords("thing", "Вещь", "Thing", "a test", "1"))
    path = tmp_path / "thing.toml"
    assert "values = { level = 123.4, mode = 1 }" in text
    path.write_text(
        text.replace("$VAL,123.4,ON", "$VAL,123.4,OFF").replace("4, mode = 1", "4, mode = 0"),
        encoding="utf-8",
    )
    verdict = await try_profile(path, kinds(), lambda: None)
    [problem] = verdict.problems
    assert "mode was set to 1 and is 0" in problem
