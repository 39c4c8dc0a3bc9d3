"""The Wiegand driver keeps a driver's promises against a reader on pins of a simulated board."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.access.wiegand import driver
from drivers.access.wiegand.driver import LayoutConfig, Wiegand, WiegandConfig
from drivers.gpio import chip
from drivers.media.edges import Edge, EdgeSource, Pull
from gateway.model.event import Severity
from gateway.model.ids import PERSONAL, LineId
from simulators.access.cards import wiegand_26
from simulators.access.wiegand import WiegandTwin
from simulators.faults import Flood, Reboot, Silent, Stuck
from simulators.gpio.kinds import pins
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.access_keys import credential_key, digest
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told

SCENE = (
    '[[line]]\nid = "line"\nmedium = "gpio"\n'
    '[[twin]]\nid = "gate"\nline = "line"\nkind = "wiegand-reader"\npin = 17\nd1 = 27\n'
)
CONTACT = '[[twin]]\nid = "case"\nline = "line"\nkind = "gpio-contact"\npin = 22\nbounces = 0\n'
README = Path(driver.__file__).parent / "README.md"


@dataclass
class Site:
    running: Running
    pins: EdgeSource
    driver: Wiegand
    twin: WiegandTwin
    ear: ListeningEar

    async def poll(self) -> Told:
        (group,) = self.driver.groups
        return told(group, await self.driver.poll(group))

    @property
    def digests(self) -> list[object]:
        return [each.args["digest"] for each in self.ear.happenings if each.key == "credential"]


@asynccontextmanager
async def open_site(folder: Path, scene: str = SCENE, **options: object) -> AsyncIterator[Site]:
    async with run_scene(parse_scene(scene, "test")) as running:
        address = pins(running.lines["line"]).address
        manifest = chip.MANIFEST
        config = checked(
            manifest.config, {"factory": "pigpio", "host": address.host, "port": address.port}
        )
        source = manifest.build(LineId("line"), config)
        assert isinstance(source, EdgeSource)
        settings = {"credential_key": str(credential_key(folder)), "d0": 17, "d1": 27} | options
        made = Wiegand(checked(WiegandConfig, settings), source)
        ear = ListeningEar()
        made.attend(ear)
        twin = running.twin("gate")
        assert isinstance(twin, WiegandTwin)
        try:
            await source.open()
            yield Site(running, source, made, twin, ear)
        finally:
            await source.close()


async def test_a_card_is_told_as_any_other_reader_tells_it(tmp_path: Path) -> None:
    async with open_site(tmp_path, reader="gate", carrier="card") as site:
        site.twin.card(12, 3456)
        await site.ear.until(lambda ear: bool(ear.happenings))
        (event,) = site.ear.happenings
        assert (event.key, event.audience) == ("credential", PERSONAL)
        assert event.args == {
            "digest": digest(b"facility-16:12:3456"),
            "format": "w26",
            "bits": 26,
            "reader": "gate",
            "medium": "card",
        }
        found = (await site.poll()).values
        assert found == {"credentials": 1, "refused": 0, "cable_fault": False}


async def test_cards_in_a_row_are_all_told(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        for number in range(4):
            site.twin.card(1, number)
        await site.ear.until(lambda ear: len(ear.happenings) == 4)
        assert site.digests == [digest(b"facility-16:1:%d" % number) for number in range(4)]


@pytest.mark.parametrize("bits", [4, 8])
async def test_keys_become_a_pin(tmp_path: Path, bits: int) -> None:
    scene = f"{SCENE}key_bits = {bits}\n"
    async with open_site(tmp_path, scene, keypad_bits=bits) as site:
        site.twin.press("9*4711#")
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert site.digests == [digest(b"pin:4711")]
        assert (await site.poll()).values["refused"] == 0


async def test_a_torn_word_is_refused_without_its_bits_and_the_next_one_told(
    tmp_path: Path,
) -> None:
    word = wiegand_26(12, 3456)
    async with open_site(tmp_path) as site:
        site.twin.send(word[:-1])
        await site.ear.until(lambda ear: len(ear.mistakes) == 1)
        site.twin.send(word[:-1] + str(1 - int(word[-1])))
        await site.ear.until(lambda ear: len(ear.mistakes) == 2)
        assert [str(each) for each in site.ear.mistakes] == [
            "reader reader: a word of 25 bits; this reader sends 26, 34, 37",
            "reader reader: a word of 26 bits with wrong parity (w26)",
        ]
        site.twin.card(12, 3456)
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert (await site.poll()).values == {"credentials": 1, "refused": 2, "cable_fault": False}


async def test_a_layout_of_the_site_goes_before_the_standard_one(tmp_path: Path) -> None:
    layout = {"name": "school", "bits": 26, "number": [6, 25], "facility": [2, 5]}
    parities = {"even": [[1, 13]], "odd": [[14, 26]]}
    async with open_site(tmp_path, layout=layout | parities) as site:
        site.twin.card(12, 3456)
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert site.digests == [digest(b"layout-school:0:%d" % (12 << 16 | 3456))]


async def test_a_shorted_cable_is_told_and_when_it_is_well(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        site.running.apply("gate", Stuck())
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert (await site.poll()).values["cable_fault"] is True
        site.running.clear("gate")
        await site.ear.until(lambda ear: len(ear.happenings) == 2)
        assert (await site.poll()).values["cable_fault"] is False
        assert [(each.key, each.severity, each.args) for each in site.ear.happenings] == [
            ("reader-cable", Severity.WARNING, {"reader": "reader", "lines": "D0 D1"}),
            ("reader-cable-well", Severity.INFO, {"reader": "reader"}),
        ]
        site.twin.card(12, 3456)
        await site.ear.until(lambda _: bool(site.digests))


async def test_a_line_that_flutters_tells_nothing_and_passes_without_trace(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        site.running.apply("gate", Flood(every_s=0.001))
        await site.ear.until(lambda ear: bool(ear.mistakes))
        site.running.clear("gate")
        await asyncio.sleep(0.1)  # the last levels pass in real time
        assert site.digests == []
        site.twin.card(12, 3456)
        await site.ear.until(lambda _: bool(site.digests))
        assert site.digests == [digest(b"facility-16:12:3456")]


@pytest.mark.parametrize("fault", [Silent(), Reboot()], ids=["silent", "reboot"])
async def test_a_reader_that_was_away_is_heard_again(
    tmp_path: Path, fault: Silent | Reboot
) -> None:
    async with open_site(tmp_path) as site:
        site.running.apply("gate", fault)
        site.twin.card(1, 1)
        await asyncio.sleep(0.1)  # its pulses pass in real time
        assert (await site.poll()).values["credentials"] == 0
        site.running.clear("gate")
        site.twin.card(12, 3456)
        wanted = digest(b"facility-16:12:3456")
        await site.ear.until(lambda _: wanted in site.digests)
        assert site.digests == [wanted]


async def test_the_tamper_switch_is_told_at_once(tmp_path: Path) -> None:
    async with open_site(tmp_path, SCENE + CONTACT, tamper=22) as site:
        assert (await site.poll()).values["tamper"] is False
        case = site.running.twin("case")
        case.move(closed=False)  # type: ignore[attr-defined]
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert (await site.poll()).values["tamper"] is True
        case.move(closed=True)  # type: ignore[attr-defined]
        await site.ear.until(lambda ear: len(ear.happenings) == 2)
        assert [each.key for each in site.ear.happenings] == ["reader-tamper", "reader-tamper-over"]


async def test_pins_opened_anew_tell_no_half_of_a_word(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.pins.close()
        await site.pins.open()
        site.twin.card(12, 3456)
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert site.ear.mistakes == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, "colour"),
        ({"d1": 17}, "different pins"),
        ({"layout": [{"name": "w26", "bits": 26, "number": [1, 5]}]}, "standard format"),
        ({"layout": [{"name": "own", "bits": 26, "number": [1, 27]}]}, "not within 1 to 26"),
    ],
)
def test_options_that_cannot_be_are_refused(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    options = {"credential_key": str(credential_key(tmp_path)), "d0": 17, "d1": 27}
    with pytest.raises(ValidationError, match=says):
        checked(WiegandConfig, options | change)


class Pins:
    """A source of edges that is told what to tell, with the edges of a word in any order."""

    id = LineId("pins")

    def __init__(self) -> None:
        self.tell: dict[int, Edge] = {}

    def watch(self, pin: int, tell: Edge, *, pull: Pull = Pull.NONE) -> None:
        del pull
        self.tell[pin] = tell


async def test_edges_told_out_of_order_are_a_word_all_the_same(tmp_path: Path) -> None:
    source = Pins()
    options = {"credential_key": str(credential_key(tmp_path)), "d0": 1, "d1": 2}
    made = Wiegand(checked(WiegandConfig, options), source)  # type: ignore[arg-type]
    ear = ListeningEar()
    made.attend(ear)
    edges = [
        (place * 2_000_000 + rise * 50_000, 1 + int(bit), bool(rise))
        for place, bit in enumerate(wiegand_26(12, 3456))
        for rise in (0, 1)
    ]
    for tick_ns, pin, level in sorted(edges, key=lambda edge: edge[1]):  # all of one line first
        source.tell[pin](tick_ns, level, first=False)
    await ear.until(lambda ear: bool(ear.happenings))
    assert ear.happenings[0].args["digest"] == digest(b"facility-16:12:3456")


async def test_edges_without_end_are_refused_and_do_not_pile_up(tmp_path: Path) -> None:
    source = Pins()
    options = {"credential_key": str(credential_key(tmp_path)), "d0": 1, "d1": 2}
    made = Wiegand(checked(WiegandConfig, options), source)  # type: ignore[arg-type]
    ear = ListeningEar()
    made.attend(ear)
    for tick in range(10_000):
        source.tell[1](tick * 1000, bool(tick % 2), first=False)
    assert ear.mistakes
    await ear.until(lambda ear: ear.happenings == [])


async def test_the_page_lists_every_point_and_option(tmp_path: Path) -> None:
    assert missing_options(README, WiegandConfig) == []
    assert missing_options(README, LayoutConfig) == []
    async with open_site(tmp_path, tamper=22) as site:
        assert missing_points(README, site.driver.groups) == []
