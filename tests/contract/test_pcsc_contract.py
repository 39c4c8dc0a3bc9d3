"""The PC/SC driver against Debian's pcscd with its virtual reader and a virtual card.

pcscd owns one socket of the machine and wants root: everything here is one test, so that no two
run at once, and it skips with its reason where the programs are not there or may not run.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.access.pcsc import driver, medium, winscard
from drivers.access.pcsc.driver import PcscReader, PcscReaderConfig
from drivers.access.pcsc.medium import PcscConfig, PcscLine
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import LineId
from simulators.access.pcsc.card import Card
from tests.access_keys import credential_key, digest
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, told

README = Path(driver.__file__).parent / "README.md"
VPCD = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
SOCKET = Path("/run/pcscd/pcscd.comm")
SLOT = "00 00"
"""The first of the two slots of the virtual reader."""


@pytest.fixture
def pcscd() -> Iterator[subprocess.Popen[bytes]]:
    program = shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None or not VPCD.exists():
        pytest.skip("pcscd and vsmartcard-vpcd are not installed")
    if os.geteuid() != 0:
        pytest.skip("pcscd wants root for its socket in /run/pcscd")
    if SOCKET.exists() and medium.probe(PcscConfig(reader=SLOT)) is None:
        pytest.skip("a pcscd that is not ours runs on this machine")
    process = subprocess.Popen([program, "--foreground"], stdout=subprocess.DEVNULL, stderr=-3)
    try:
        end = time.monotonic() + 10
        while medium.probe(PcscConfig(reader=SLOT)) is not None:
            if process.poll() is not None or time.monotonic() > end:
                pytest.skip("pcscd does not come up here with its virtual reader")
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


async def test_cards_are_told_one_by_one_and_a_lost_service_is_said(
    tmp_path: Path, pcscd: subprocess.Popen[bytes]
) -> None:
    line = PcscLine(LineId("usb"), PcscConfig(reader=SLOT))
    lost: list[BusUnavailableError] = []
    line.when_lost(lost.append)
    options = {"credential_key": str(credential_key(tmp_path)), "reader": "desk"}
    reader = PcscReader(checked(PcscReaderConfig, options), line)
    ear = ListeningEar()
    reader.attend(ear)
    uid = bytes.fromhex("04a1b2c3d4e5f6")
    await line.open()
    await line.open()  # does nothing
    try:
        async with asyncio.TaskGroup() as tasks:
            card = Card(uid)
            await card.lay_on(tasks)
            await ear.until(lambda ear: bool(ear.happenings))
            await card.take_away()
            (event,) = ear.happenings
            assert event.args == {
                "digest": digest(b"uid:" + uid),
                "format": "uid",
                "bits": 56,
                "reader": "desk",
                "medium": "any",
            }
            mute = Card(None)
            await mute.lay_on(tasks)
            await ear.until(lambda ear: bool(ear.mistakes))
            await mute.take_away()
            assert str(ear.mistakes[0]) == "reader desk: the reader tells no UID of this card: 6A81"
            again = Card(uid)
            await again.lay_on(tasks)
            await ear.until(lambda ear: len(ear.happenings) == 2)
            await again.take_away()
        (group,) = reader.groups
        found = told(group, await reader.poll(group))
        assert found.values == {"credentials": 2, "refused": 1}
        assert line.statistics.exchanges == 3
        await line.close()
        await line.close()  # does nothing
        assert lost == []
        await line.open()
        pcscd.send_signal(signal.SIGTERM)
        await ear.until(lambda _: bool(lost))
        with pytest.raises(BusUnavailableError):
            await line.open()
    finally:
        await line.close()


async def test_a_reader_that_is_not_there_is_told_with_what_to_do() -> None:
    if winscard.load() is None:
        pytest.skip("there is no libpcsclite on this machine")
    line = PcscLine(LineId("usb"), PcscConfig(reader="no such reader"))
    with pytest.raises(BusUnavailableError, match=r"usb: (pcscd does not run|0 readers)"):
        await line.open()
    assert medium.probe(PcscConfig(reader="no such reader")) is not None


@pytest.mark.parametrize(
    ("change", "canonical"),
    [
        ({}, b"uid:\x00\x0c\x0d\x80"),
        ({"form": "w34"}, b"facility-16:12:3456"),
        ({"form": "w26", "reversed": True}, b"facility-16:13:3072"),
    ],
    ids=["whole", "as 34 bits", "turned round, as 26 bits"],
)
def test_a_uid_is_told_as_the_site_wants(
    tmp_path: Path, change: dict[str, object], canonical: bytes
) -> None:
    options = {"credential_key": str(credential_key(tmp_path))} | change
    line = PcscLine(LineId("usb"), PcscConfig())
    ear = ListeningEar()
    PcscReader(checked(PcscReaderConfig, options), line).attend(ear)
    line._heard(bytes.fromhex("000c0d809000"))
    assert [event.args["digest"] for event in ear.happenings] == [digest(canonical)]


def test_a_card_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    line = PcscLine(LineId("usb"), PcscConfig())
    ear = ListeningEar()
    options = {"credential_key": str(credential_key(tmp_path))}
    PcscReader(checked(PcscReaderConfig, options), line).attend(ear)
    line._heard(None)
    assert str(ear.mistakes[0]) == "reader reader: a card that does not answer"
    with pytest.raises(ValueError, match="one device"):
        line.listen(lambda _: None)


def test_unknown_options_are_refused_and_the_page_lists_the_others(tmp_path: Path) -> None:
    options = {"credential_key": str(credential_key(tmp_path))}
    with pytest.raises(ValidationError, match="colour"):
        checked(PcscReaderConfig, options | {"colour": "red"})
    assert missing_options(README, PcscReaderConfig) == []
    assert missing_options(README, PcscConfig) == []
    reader = PcscReader(checked(PcscReaderConfig, options), PcscLine(LineId("usb"), PcscConfig()))
    assert missing_points(README, reader.groups) == []
