"""Transcripts written from the pages of pigpio, played to the simulated board."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from simulators.gpio.kinds import RunningGpio
from simulators.running import run_scene
from simulators.scene import parse_scene

GOLDEN = Path(__file__).parents[1] / "golden" / "gpio"
TRANSCRIPTS = {path.stem: path.read_text() for path in sorted(GOLDEN.glob("*.txt"))}
SCENE = """
[[line]]
id = "pins"
medium = "gpio"
[[twin]]
id = "lamp"
line = "pins"
kind = "gpio-lamp"
pin = 31
"""
LEVELS = {"high": True, "low": False, "free": None}
WITHIN_S = 5.0


def fits(came: bytes, expected: list[str]) -> bool:
    words = came.hex(" ").split()
    return all(word in {other, ".."} for word, other in zip(expected, words, strict=True))


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_board_speaks_as_written(name: str) -> None:
    async with run_scene(parse_scene(SCENE, "test")) as running, asyncio.timeout(WITHIN_S):
        line = running.lines["pins"]
        assert isinstance(line, RunningGpio)
        where = (line.address.host, line.address.port)
        streams = {"": await asyncio.open_connection(*where)}
        streams["n"] = await asyncio.open_connection(*where)
        for text in TRANSCRIPTS[name].splitlines():
            head, *words = text.split()
            reader, writer = streams["n" if head.startswith("n") else ""]
            match head.removeprefix("n"):
                case "#":
                    pass
                case "pin":
                    line.chip.drive(int(words[0]), LEVELS[words[1]])
                case ">>":
                    writer.write(bytes.fromhex("".join(words)))
                case "<<":
                    came = await reader.readexactly(len(words))
                    assert fits(came, words), f"{came.hex(' ')} instead of {text}"
                case _:
                    pytest.fail(text)
        for _, writer in streams.values():
            writer.close()
