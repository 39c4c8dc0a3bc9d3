"""Boards and free-place displays keep a driver's promises against their twins."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from drivers.displays import led_board, schema
from drivers.displays.config import LedBoardConfig, PlacesConfig, prepare_board, prepare_places
from drivers.displays.led_board import BRIGHTNESS, TEXT, LedBoard
from drivers.displays.places import PlacesDisplay
from drivers.displays.profile import check
from drivers.profiles.reading import SHIPPED, protocol_of
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import PointId
from gateway.model.options import Options
from simulators.displays.boards import LOGO, BoardTwin, DemoBoardTwin
from simulators.faults import (
    Crc,
    Echo,
    Fault,
    Flood,
    Liar,
    Noise,
    Reboot,
    Refuse,
    Short,
    Silent,
    Slow,
    WrongUnit,
)
from tests.checked_options import checked
from tests.listening_ear import Told, told
from tests.serial_site import SerialSite, serial_site

TIMEOUT_S = 0.15
KINDS = {"demo-board": "demo-board", "amplus-am03127": "am03127", "alpha-sign": "alpha-sign"}
README = Path(led_board.__file__).parent / "README.md"


@dataclass
class Site:
    """A driver, its twin and their line."""

    serial: SerialSite
    driver: LedBoard | PlacesDisplay
    twin: BoardTwin

    async def poll(self) -> Told:
        [group] = self.driver.groups
        return told(group, await self.driver.poll(group))

    async def until_shown(self, text: str) -> Told:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    found = await self.poll()
                    if self.twin.shows == text:
                        return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_site(
    profile: str = "demo-board", *, places: bool = False, echo: bool = False, **options: object
) -> AsyncIterator[Site]:
    twins = f'[[twin]]\nid = "board"\nline = "line"\nkind = "{KINDS[profile]}"\n'
    async with serial_site(twins, echo=echo) as site:
        twin = site.running.twin("board")
        assert isinstance(twin, BoardTwin)
        given = {"profile": profile, "response_timeout_s": TIMEOUT_S, **options}
        device: LedBoard | PlacesDisplay
        if places:
            checked_places = checked(PlacesConfig, given)
            device = PlacesDisplay(prepare_places(checked_places, None), site.line)
        else:
            device = LedBoard(prepare_board(checked(LedBoardConfig, given), None), site.line)
        yield Site(site, device, twin)


async def test_a_board_that_can_be_read_proves_what_it_shows() -> None:
    async with open_site() as site:
        assert await site.driver.write(TEXT, "Свободно|Въезд") == "Свободно|Въезд"
        assert site.twin.shows == "Свободно|Въезд"
        found = await site.poll()
        assert found.values == {
            "text": "Свободно|Въезд",
            "brightness": 100,
            "own_picture": False,
        }
        assert not found.causes
        assert await site.driver.write(BRIGHTNESS, 50) == 50
        assert site.twin.brightness == 50
        assert (await site.poll()).values["brightness"] == 50


async def test_a_sign_that_says_nothing_when_written_is_read() -> None:
    async with open_site("alpha-sign") as site:
        assert await site.driver.write(TEXT, "Free: 12") == "Free: 12"
        assert site.twin.shows == "Free: 12"
        assert not (await site.poll()).causes


async def test_a_board_that_only_acknowledges_leaves_the_outcome_unknown() -> None:
    async with open_site("amplus-am03127") as site:
        with pytest.raises(NoResponseError, match="cannot be read"):
            await site.driver.write(TEXT, "One|Two")
        assert site.twin.shows == "One|Two"
        found = await site.poll()
        assert found.values["text"] == "One|Two"
        assert found.causes == {"text": "ESTIMATED", "brightness": "NO_VALUE"}
        with pytest.raises(NoResponseError):
            await site.driver.write(BRIGHTNESS, 25)
        assert site.twin.brightness == 25


@pytest.mark.parametrize("profile", KINDS)
async def test_a_board_that_forgot_is_told_again(profile: str) -> None:
    async with open_site(profile) as site:
        with suppress(NoResponseError):
            await site.driver.write(TEXT, "Entry")
        site.twin.power_on()
        assert site.twin.shows == LOGO
        await site.poll()
        assert site.twin.shows == "Entry"


@pytest.mark.parametrize("profile", KINDS)
async def test_it_shows_what_the_site_says_until_somebody_says_otherwise(profile: str) -> None:
    async with open_site(profile, idle_text="Welcome") as site:
        await site.poll()
        assert site.twin.shows == "Welcome"


async def test_what_it_shall_show_is_kept_over_a_new_life() -> None:
    async with open_site() as site:
        assert isinstance(site.driver, LedBoard)
        await site.driver.write(TEXT, "Ремонт")
        await site.driver.write(BRIGHTNESS, 25)
        assert site.driver.learned
        memory = site.driver.memory()
        assert not site.driver.learned
        site.twin.power_on()
        config = checked(LedBoardConfig, {"profile": "demo-board", "idle_text": "Мест нет"})
        again = LedBoard(prepare_board(config, None), site.serial.line)
        again.recall(memory)
        [group] = again.groups
        await again.poll(group)
        assert (site.twin.shows, site.twin.brightness) == ("Ремонт", 25)
        again.recall({"text": "☃", "brightness": 33})


async def test_a_board_shows_its_own_picture_when_the_gateway_is_silent() -> None:
    async with open_site(watchdog_s=2, idle_text="Entry") as site:
        assert isinstance(site.twin, DemoBoardTwin)
        await site.poll()
        assert site.twin.watched_s == 2
        site.twin.step(2.5)
        assert site.twin.shows == LOGO
        assert (await site.poll()).values["own_picture"] is True
        assert site.twin.shows == "Entry"
        assert (await site.poll()).values["own_picture"] is False


REFUSED: dict[str, tuple[str, str, object, str]] = {
    "Cyrillic on a board of ASCII": ("amplus-am03127", "text", "Въезд", "code page ascii"),
    "a sign of the protocol": ("amplus-am03127", "text", "a<b", "means something else"),
    "a letter of another script": ("demo-board", "text", "Ω", "code page cp1251"),
    "a control character": ("demo-board", "text", "a\nb", "means something else"),
    "too long": ("demo-board", "text", "x" * 61, "room for 60"),
    "too many pages": ("alpha-sign", "text", "a|b", "the board has 1"),
    "no brightness": ("alpha-sign", "brightness", 50, "none"),
    "another brightness": ("demo-board", "brightness", 60, "25, 50, 75, 100"),
    "no text": ("demo-board", "text", 5, "nothing that this board"),
    "no point": ("demo-board", "colour", "red", "nothing that this board"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_shown_is_refused_and_nothing_sent(name: str) -> None:
    profile, point, value, says = REFUSED[name]
    async with open_site(profile) as site:
        with pytest.raises(CommandRefusedError, match=says):
            await site.driver.write(PointId(point), value)  # type: ignore[arg-type]
        assert site.serial.line.statistics.exchanges == 0


@pytest.mark.parametrize("profile", ["demo-board", "amplus-am03127"])
async def test_a_board_that_says_no_keeps_its_picture(profile: str) -> None:
    async with open_site(profile, idle_text="Old") as site:
        await site.poll()
        site.serial.running.apply("board", Refuse(code=4))
        with pytest.raises(DeviceRejectedError):
            await site.driver.write(TEXT, "New")
        site.serial.running.clear("board")
        await site.poll()
        assert site.twin.shows == "Old"


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, FrameError, SOUND)),
    "another address": (WrongUnit(), (FrameError,)),
    "exception": (Refuse(code=4), (DeviceRejectedError,)),
    "short": (Short(), (FrameError,)),
    "another byte": (Liar(how="count"), (FrameError,)),
    "noise": (Noise(flips=1), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
}
WITHOUT = {
    "demo-board": set[str](),
    "amplus-am03127": {"another address", "flood", "reboot", "noise"},
    "alpha-sign": {"another address", "exception", "flood", "reboot"},
}


@pytest.mark.parametrize(
    ("profile", "name"),
    [(profile, name) for profile in KINDS for name in FAULTS if name not in WITHOUT[profile]],
)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(
    profile: str, name: str
) -> None:
    fault, allowed = FAULTS[name]
    async with open_site(profile, idle_text="Entry") as site:
        await site.until_shown("Entry")
        site.serial.running.apply("board", fault)
        for _ in range(2):
            try:
                await site.poll()
            except DeviceError as error:
                assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
            else:
                assert SOUND in allowed
        site.serial.running.clear("board")
        site.twin.power_on()
        await site.until_shown("Entry")


async def test_cancel_in_mid_request_leaves_the_line_usable() -> None:
    async with open_site(idle_text="Entry") as site:
        await site.poll()
        site.serial.running.apply("board", Slow(delay_s=0.1))
        asked = asyncio.get_running_loop().create_task(site.poll())
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        site.serial.running.clear("board")
        await site.until_shown("Entry")


async def test_an_echo_of_the_adapter_is_taken_off() -> None:
    async with open_site(echo=True, idle_text="Entry") as site:
        site.serial.running.apply("board", Echo())
        assert not (await site.poll()).causes


# How many places are free

DIRECTIONS: dict[str, Any] = {"directions": ["left", "right"], "picture": "L{left} {right}"}


async def test_free_places_are_shown_by_direction_and_proved() -> None:
    async with open_site(places=True, full_text="нет", **DIRECTIONS) as site:
        found = await site.poll()
        assert site.twin.shows == "L --  --"
        assert found.causes == {"free_left": "NO_VALUE", "free_right": "NO_VALUE"}
        assert await site.driver.write(PointId("free_left"), 12) == 12
        assert site.twin.shows == "L 12  --"
        assert await site.driver.write(PointId("free_right"), 0) == 0
        assert site.twin.shows == "L 12 нет"
        assert await site.driver.write(PointId("free_left"), 4567) == 4567
        assert site.twin.shows == "L999 нет"
        assert (await site.poll()).values == {
            "free_left": 4567,
            "free_right": 0,
            "shown": "L999 нет",
        }


async def test_a_number_that_nobody_repeats_is_taken_off() -> None:
    async with open_site(places=True, believe_s=0.05, **DIRECTIONS) as site:
        await site.driver.write(PointId("free_left"), 12)
        await asyncio.sleep(0.06)
        found = await site.poll()
        assert site.twin.shows == "L --  --"
        assert found.causes == {"free_left": "STALE", "free_right": "NO_VALUE"}


@pytest.mark.parametrize(
    ("point", "value"), [("free_left", -1), ("free_left", 1.5), ("free_up", 1), ("shown", 1)]
)
async def test_what_is_no_number_of_places_is_refused(point: str, value: float) -> None:
    async with open_site(places=True, **DIRECTIONS) as site:
        with pytest.raises(CommandRefusedError):
            await site.driver.write(PointId(point), value)
        assert site.serial.line.statistics.exchanges == 0


async def test_places_on_a_board_that_only_acknowledges_are_unknown() -> None:
    async with open_site("amplus-am03127", places=True) as site:
        with pytest.raises(NoResponseError):
            await site.driver.write(PointId("free_ahead"), 7)
        assert site.twin.shows == "  7"
        assert (await site.poll()).causes == {"shown": "ESTIMATED"}


# Options and pages

BOARD = {"profile": "demo-board"}


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        (LedBoardConfig, {**BOARD, "colour": "red"}, "colour"),
        (LedBoardConfig, {"profile": "demo-bord"}, "did you mean demo-board"),
        (LedBoardConfig, {**BOARD, "idle_text": "☃"}, "cannot be shown"),
        (LedBoardConfig, {**BOARD, "brightness": 60}, "25, 50, 75, 100"),
        (LedBoardConfig, {**BOARD, "address": 100}, "1 to 99"),
        (PlacesConfig, {**BOARD, "directions": ["a", "a"]}, "twice"),
        (PlacesConfig, {**BOARD, "directions": ["a"], "picture": "{b}"}, "needs {a}"),
        (PlacesConfig, {**BOARD, "directions": ["a"], "picture": "{a"}, "cannot be read"),
        (PlacesConfig, {"profile": "amplus-am03127", "full_text": "нет"}, "cannot be shown"),
    ],
)
def test_options_that_cannot_be_are_refused(
    model: type[Options], options: dict[str, object], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        checked(model, options)


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED.glob("*.toml") if protocol_of(path) == "display"], ids=str
)
def test_every_profile_of_a_board_passes_its_vectors(path: Path) -> None:
    assert check(path) == []


@pytest.mark.parametrize(
    "model",
    [
        LedBoardConfig,
        PlacesConfig,
        schema.DisplayModel,
        schema.BoardModel,
        schema.SayingModel,
        schema.VectorModel,
    ],
)
def test_the_page_lists_every_option_with_its_description(model: type[BaseModel | Options]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", README.read_text(), re.MULTILINE)
    for name, option in TypeAdapter(model).json_schema()["properties"].items():
        assert any(row == name and option["description"] in text for row, text in rows), name


async def test_the_page_lists_every_point() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", README.read_text(), re.MULTILINE))
    for places in (False, True):
        async with open_site(places=places) as site:
            for point in site.driver.groups[0].table:
                assert (point.name, point.unit, str(point.kind)) in listed
