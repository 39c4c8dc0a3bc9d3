"""Transcripts of M-Bus, written from its documentation, played to the driver over a pty.

`tests/golden/mbus/README.md` says how to read them.
"""

from __future__ import annotations

import asyncio
import os
import tty
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.mbus.config import MbusConfig
from drivers.mbus.driver import Mbus
from drivers.media.serial_line import SerialLine, SerialLineConfig
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId
from gateway.model.reading import Value
from tests.checked_options import checked
from tests.listening_ear import told

GOLDEN = Path(__file__).parents[1] / "golden" / "mbus"
TRANSCRIPTS = {path.stem: path.read_text() for path in sorted(GOLDEN.glob("*.txt"))}
BETWEEN_PIECES_S = 0.01


@dataclass
class Exchange:
    """A request and the pieces of its answer."""

    request: bytes
    answer: list[bytes] = field(default_factory=list)


class Peer:
    """Says what the transcript says to what the transcript asks."""

    def __init__(self, text: str) -> None:
        self.options: dict[str, object] = {"response_timeout_s": 0.2}
        self.points: list[dict[str, object]] = []
        self.wire: list[Exchange] = []
        self.outcome: list[str] = []
        self.error = ""
        self.done = 0
        self.wrong = b""
        for line in text.splitlines():
            head, _, rest = line.partition(" ")
            match head:
                case "device":
                    self.options |= options(rest)
                case "point":
                    self.points.append(options(rest))
                case ">>":
                    self.wire.append(Exchange(bytes.fromhex(rest)))
                case "<<":
                    self.wire[-1].answer.append(bytes.fromhex(rest))
                case "==":
                    self.outcome = rest.split()
                case "!!":
                    self.error = rest
                case _:
                    assert head == "#", line

    def hear(self, master: int) -> None:
        self.wrong += os.read(master, 4096)
        if self.done < len(self.wire) and self.wrong == self.wire[self.done].request:
            loop = asyncio.get_running_loop()
            for count, piece in enumerate(self.wire[self.done].answer):
                loop.call_later(count * BETWEEN_PIECES_S, os.write, master, piece)
            self.done += 1
            self.wrong = b""


def options(text: str) -> dict[str, object]:
    """Return options; `secondary` is digits and no number."""
    words = (word.split("=", 1) for word in text.split())
    return {
        name: int(value) if value.isdecimal() and name != "secondary" else value
        for name, value in words
    }


def as_told(value: Value | None, text: str) -> bool:
    """Say whether a value is as the transcript has it."""
    if text in {"True", "False"}:
        return str(value) == text
    return value == float(text)


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_driver_speaks_as_written(name: str) -> None:
    peer = Peer(TRANSCRIPTS[name])
    master, slave = os.openpty()
    tty.setraw(slave)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, peer.hear, master)
    line = SerialLine(LineId("golden"), SerialLineConfig(port=os.ttyname(slave), baud_rate=115_200))
    device = Mbus(checked(MbusConfig, {**peer.options, "points": peer.points}), line)
    [group] = device.groups
    try:
        found = told(group, await device.poll(group))
    except DeviceError as error:
        assert type(error).__name__ == peer.error, error  # noqa: PT017  the class is the point
    else:
        assert not peer.error
        causes = dict(word.split(":") for word in peer.outcome if ":" in word)
        assert {point: cause.lower() for point, cause in found.causes.items()} == causes
        for point, value in (word.split("=") for word in peer.outcome if "=" in word):
            assert as_told(found.values[point], value), (point, found.values[point])
    finally:
        await line.close()
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
    assert peer.wrong == b""
    assert peer.done == len(peer.wire)
