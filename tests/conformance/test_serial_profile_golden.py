"""The examples of makers' documents, played to the driver by profile over a pty.

`tests/golden/serial_profile/README.md` says how to read them.
"""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path

import pytest

from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.serial_profile.config import SerialProfileConfig, prepare
from drivers.serial_profile.driver import SerialProfile
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId
from tests.checked_options import checked
from tests.listening_ear import told

GOLDEN = Path(__file__).parents[1] / "golden" / "serial_profile"
TRANSCRIPTS = {path.stem: path.read_text() for path in sorted(GOLDEN.glob("*.txt"))}
BETWEEN_PIECES_S = 0.01


class Peer:
    """Hears one request and says what the transcript says."""

    def __init__(self, text: str) -> None:
        self.device = self.group = self.error = ""
        self.wanted = b""
        self.pieces: list[bytes] = []
        self.outcome: list[str] = []
        self.heard = b""
        for line in text.splitlines():
            head, _, rest = line.partition(" ")
            match head:
                case "device":
                    self.device = rest
                case "poll":
                    self.group = rest
                case ">>":
                    self.wanted = bytes.fromhex(rest)
                case "<<":
                    self.pieces.append(bytes.fromhex(rest))
                case "==":
                    self.outcome = rest.split()
                case "!!":
                    self.error = rest
                case _:
                    assert head == "#", line

    def hear(self, master: int) -> None:
        self.heard += os.read(master, 4096)
        if self.heard == self.wanted:
            loop = asyncio.get_running_loop()
            for count, piece in enumerate(self.pieces):
                loop.call_later(count * BETWEEN_PIECES_S, os.write, master, piece)


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_driver_speaks_as_written(name: str) -> None:
    peer = Peer(TRANSCRIPTS[name])
    master, slave = os.openpty()
    tty.setraw(slave)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, peer.hear, master)
    line = SerialLine(LineId("golden"), SerialLineConfig(port=os.ttyname(slave), baud_rate=115_200))
    options = checked(SerialProfileConfig, {"profile": peer.device, "response_timeout_s": 0.3})
    device = SerialProfile(prepare(options, None), line)
    [group] = [group for group in device.groups if group.name == peer.group]
    try:
        found = told(group, await device.poll(group))
    except DeviceError as error:
        assert type(error).__name__ == peer.error, error  # noqa: PT017  the class is the point
    else:
        assert not peer.error
        causes = dict(word.split(":") for word in peer.outcome if ":" in word)
        assert {point: cause.lower() for point, cause in found.causes.items()} == causes
        for point, value in (word.split("=") for word in peer.outcome if "=" in word):
            assert found.values[point] == pytest.approx(float(value))
    finally:
        await line.close()
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
    assert peer.heard == peer.wanted
