"""A search is kept, taken up again, has no doubles, and ends in a part of a site file."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.scan import addresses
from gateway.messages.formatting import Language
from gateway.model.discovery import Found, Looked, Match, Scope, State, Sureness
from gateway.model.errors import BusUnavailableError, GatewayError
from gateway.scanning.proposal import proposal
from gateway.scanning.scan import Progress, Scan, Seen, keep_in, load_progress

SCOPE = Scope(range(1, 5))
LINE = {"id": "bus", "medium": "serial", "port": "/dev/ttyUSB0"}


def found(unit: int, *profiles: str, **more: object) -> Found:
    matches = tuple(Match(name, Sureness.PLAUSIBLE) for name in profiles)
    return Found("modbus", {"unit": unit, **more}, {"maker": "Makers"}, matches)


class Meters:
    """A driver that finds a device at every even address, and whose line may go."""

    def __init__(self, gone_at: int | None = None) -> None:
        self.gone_at = gone_at
        self.asked: list[int] = []

    async def discover(self, _medium: object, scope: Scope, state: State) -> AsyncIterator[Looked]:
        for place, unit in enumerate(scope.addresses):
            if place < state.get("next", 0):
                continue
            if unit == self.gone_at:
                msg = "the line is gone"
                raise BusUnavailableError(msg)
            self.asked.append(unit)
            there = found(unit, "meter") if unit % 2 == 0 else None
            yield Looked(f"unit {unit}", (place + 1) / 4, {"next": place + 1}, there)


async def search(meters: Meters, file: Path) -> tuple[Progress, list[Seen]]:
    seen: list[Seen] = []
    progress = load_progress(file, "bus")
    scan = Scan({"modbus": meters.discover}, {"modbus": SCOPE}, progress, keep_in(file))
    try:
        await scan.run(None, seen.append)
    except BusUnavailableError:
        return progress, seen
    return progress, seen


async def test_a_search_goes_on_where_the_line_was_lost(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    first = Meters(gone_at=3)
    await search(first, file)
    second = Meters()
    progress, seen = await search(second, file)
    assert (first.asked, second.asked) == ([1, 2], [3, 4])
    assert [each.options["unit"] for each in progress.found] == [2, 4]
    assert [each.new for each in seen] == [False, True]
    third = Meters()
    progress, _ = await search(third, file)
    assert third.asked == []
    assert [each.options["unit"] for each in progress.found] == [2, 4]


async def test_another_search_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    await search(Meters(), file)
    assert load_progress(file, "another bus") == Progress("another bus")


@pytest.mark.parametrize("text", ["", "{}", '{"scan": 1, "what": "bus"}', "[]", '{"scan": 1,'])
def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "scan.json"
    file.write_text(text)
    with pytest.raises(GatewayError, match="remove it"):
        load_progress(file, "bus")


def test_a_device_is_found_once() -> None:
    progress = Progress("bus")
    serial = {"serial": "0042"}
    assert progress.add(Found("mbus", {"address": 1, "baud_rate": 2400}, serial))
    assert not progress.add(Found("mbus", {"address": 1, "baud_rate": 2400}, serial))
    assert not progress.add(Found("mbus", {"address": 1, "baud_rate": 300}, serial))
    assert progress.add(Found("mbus", {"address": 2, "baud_rate": 2400}, serial))
    assert progress.add(Found("modbus", {"address": 1, "baud_rate": 2400}, serial))


@pytest.mark.parametrize("lang", ["ru", "en"])
def test_a_proposal_is_a_part_of_a_site_file(lang: Language) -> None:
    devices = [
        found(1, "meter", baud_rate=9600, parity="none"),
        found(2, "meter", baud_rate=9600, parity="none"),
        found(3, "relay", "light", baud_rate=19200, parity="even"),
        found(4, baud_rate=9600, parity="none"),
    ]
    told = tomllib.loads(proposal(LINE, devices, {}, lang))
    assert told["line"] == [{**LINE, "baud_rate": 9600, "parity": "none"}]
    one, two, three, four = told["device"]
    assert one == {
        "id": "meter-1", "line": "bus", "driver": "modbus", "profile": "meter", "unit": 1,
    }  # fmt: skip
    assert two["id"] == "meter-2"
    assert "profile" not in three
    assert (three["baud_rate"], three["parity"]) == (19200, "even")
    assert "profile" not in four
    chosen = tomllib.loads(proposal(LINE, devices, {2: "light"}, lang))["device"][2]
    assert (chosen["id"], chosen["profile"]) == ("light-3", "light")


@given(st.lists(st.integers(1, 247), min_size=1, max_size=20))
def test_addresses_are_read_as_they_are_written(wanted: list[int]) -> None:
    assert addresses(",".join(map(str, wanted))) == list(dict.fromkeys(wanted))


def test_ranges_of_addresses() -> None:
    assert addresses("1-3, 7,2") == [1, 2, 3, 7]


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-300", "1,,2", "-4", "1-"])
def test_addresses_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        addresses(text)
