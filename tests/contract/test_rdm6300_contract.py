"""The RDM6300 driver keeps a driver's promises against its twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.access.rdm6300 import driver
from drivers.access.rdm6300.driver import Rdm6300, Rdm6300Config
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import PERSONAL
from simulators.access.rdm6300 import Rdm6300Twin
from simulators.faults import Crc, Fault, Flood, Liar, Noise, Reboot, Short, Silent, Slow
from tests.access_keys import credential_key, digest
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told
from tests.serial_site import SerialSite, serial_site

TWIN = '[[twin]]\nid = "reader"\nline = "line"\nkind = "rdm6300"\nrepeats_every_s = 0.05\n'
README = Path(driver.__file__).parent / "README.md"


@dataclass
class Site:
    serial: SerialSite
    driver: Rdm6300
    twin: Rdm6300Twin
    ear: ListeningEar

    async def poll(self) -> Told:
        (group,) = self.driver.groups
        return told(group, await self.driver.poll(group))

    @property
    def digests(self) -> list[object]:
        return [each.args["digest"] for each in self.ear.happenings]


@asynccontextmanager
async def open_site(folder: Path, twin: str = TWIN, **options: object) -> AsyncIterator[Site]:
    async with serial_site(twin, baud_rate=9600) as site:
        settings = {"credential_key": str(credential_key(folder)), "gone_after_s": 0.3} | options
        made = Rdm6300(checked(Rdm6300Config, settings), site.line)
        ear = ListeningEar()
        made.attend(ear)
        await site.line.open()
        reader = site.running.twin("reader")
        assert isinstance(reader, Rdm6300Twin)
        yield Site(site, made, reader, ear)


async def test_a_card_that_lies_there_is_one_event(tmp_path: Path) -> None:
    async with open_site(tmp_path, TWIN + "stays_s = 0.5\n", reader="staff", carrier="fob") as site:
        number = site.twin.card(12, 3456)
        await site.ear.until(lambda _: site.twin.counts.answered >= 4)
        (event,) = site.ear.happenings
        assert (event.key, event.audience) == ("credential", PERSONAL)
        assert event.args == {
            "digest": digest(b"em4100:" + number),
            "format": "em4100",
            "bits": 40,
            "reader": "staff",
            "medium": "fob",
        }
        assert (await site.poll()).values == {"credentials": 1, "refused": 0}


async def test_the_next_card_and_the_same_one_again_are_events(tmp_path: Path) -> None:
    async with open_site(tmp_path, TWIN + "stays_s = 0.4\n", form="w26") as site:
        site.twin.card(1, 1)
        await site.ear.until(lambda ear: len(ear.happenings) == 1)
        site.twin.card(1, 2)
        await site.ear.until(lambda ear: len(ear.happenings) == 2)
        await asyncio.sleep(0.9)  # the card was taken away: a real silence, as on the wire
        site.twin.card(1, 2)
        await site.ear.until(lambda ear: len(ear.happenings) == 3)
        first, second = digest(b"facility-16:1:1"), digest(b"facility-16:1:2")
        assert site.digests == [first, second, second]


TORN: dict[str, Fault] = {
    "checksum": Crc(),
    "short": Short(),
    "noise": Noise(stray=4, flips=3),
    "digits too few": Liar(how="count"),
    "digits too many": Liar(how="length"),
}


@pytest.mark.parametrize("name", TORN)
async def test_a_torn_frame_is_refused_without_its_bytes_and_passes_without_trace(
    tmp_path: Path, name: str
) -> None:
    async with open_site(tmp_path, TWIN + "stays_s = 60\n") as site:
        site.serial.running.apply("reader", TORN[name])
        number = site.twin.card(12, 3456)
        await site.ear.until(lambda ear: len(ear.mistakes) >= 2)
        assert site.ear.happenings == []
        said = " ".join(str(each) for each in site.ear.mistakes)
        assert not any(each.answer for each in site.ear.mistakes)
        assert number.hex() not in said.lower()
        site.serial.running.clear("reader")
        await site.ear.until(lambda ear: bool(ear.happenings))
        assert site.digests == [digest(b"em4100:" + number)]
        assert (await site.poll()).values["refused"] == len(site.ear.mistakes)


QUIET: dict[str, Fault] = {
    "silent": Silent(),
    "reboot": Reboot(),
    "slow": Slow(delay_s=0.2),
    "flood": Flood(every_s=0.02),
    "a number of all ones": Liar(how="values"),
}


@pytest.mark.parametrize("name", QUIET)
async def test_the_true_card_is_told_once_whatever_was_before(tmp_path: Path, name: str) -> None:
    async with open_site(tmp_path) as site:
        site.serial.running.apply("reader", QUIET[name])
        await asyncio.sleep(0.1)
        site.serial.running.clear("reader")
        await asyncio.sleep(0.05)  # what was on the wire has passed
        number = site.twin.card(12, 3456)
        wanted = digest(b"em4100:" + number)
        await site.ear.until(lambda _: wanted in site.digests)
        assert site.digests == [wanted]


async def test_an_adapter_unplugged_is_told_and_cards_come_again_when_it_is_plugged(
    tmp_path: Path,
) -> None:
    async with open_site(tmp_path) as site:
        lost: list[BusUnavailableError] = []
        site.serial.line.when_lost(lost.append)
        site.serial.running.unplug("line")
        await site.ear.until(lambda _: bool(lost))
        site.serial.running.plug("line")
        await site.serial.line.open()
        site.twin.card(12, 3456)
        await site.ear.until(lambda ear: bool(ear.happenings))


def test_unknown_options_and_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    path = credential_key(tmp_path)
    with pytest.raises(ValidationError, match="colour"):
        checked(Rdm6300Config, {"credential_key": str(path), "colour": "red"})
    path.chmod(0o644)
    with pytest.raises(ValidationError, match="chmod 600"):
        checked(Rdm6300Config, {"credential_key": str(path)})


async def test_the_page_lists_every_point_and_option(tmp_path: Path) -> None:
    assert missing_options(README, Rdm6300Config) == []
    async with open_site(tmp_path) as site:
        assert missing_points(README, site.driver.groups) == []
