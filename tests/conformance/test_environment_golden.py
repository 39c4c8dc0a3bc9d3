"""Transcripts from documents and captures, played to drivers of air, weather and position.

`tests/golden/sds011/README.md` says how to read them.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers.environment.mh_z19 import driver as mh_z19
from drivers.environment.pms5003 import driver as pms5003
from drivers.environment.sdi12 import driver as sdi12
from drivers.environment.sds011 import driver as sds011
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.position.nmea0183 import driver as nmea0183
from gateway.model.driver import CommandableDriver, Driver, ListeningDriver, PolledDriver
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId, PointId
from tests.checked_options import checked
from tests.listening_ear import ListeningEar, told

GOLDEN = Path(__file__).parents[1] / "golden"
MANIFESTS = {
    each.MANIFEST.name: each.MANIFEST for each in (sds011, pms5003, mh_z19, sdi12, nmea0183)
}
TRANSCRIPTS = {
    f"{name}/{path.stem}": path.read_text()
    for name in MANIFESTS
    for path in sorted((GOLDEN / name).glob("*.txt"))
}
BETWEEN_PIECES_S = 0.01


@dataclass
class Exchange:
    """One request and the pieces of its answer; without a request it is said by itself."""

    request: bytes = b""
    answer: list[bytes] = field(default_factory=list)


@dataclass
class Step:
    """What the driver is asked for, what then goes over the wire, and what comes of it."""

    order: list[str]
    wire: list[Exchange] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)  # Any: JSON values
    causes: dict[str, str] | None = None
    heard: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""

    def add(self, piece: bytes) -> None:
        """Take a piece of what the device says."""
        if not self.wire:
            self.wire.append(Exchange())
        self.wire[-1].answer.append(piece)


def as_bytes(text: str) -> bytes:
    if text.startswith("'"):
        return str(ast.literal_eval(text)).encode("ascii")
    return bytes.fromhex(text)


def read(text: str) -> tuple[str, dict[str, Any], list[Step]]:
    """Return the name of the driver, its options, and the steps."""
    name, options, steps = "", {}, []
    for line in text.splitlines():
        head, _, rest = line.partition(" ")
        match head:
            case "device":
                name, _, given = rest.partition(" ")
                options = json.loads(given)
            case "poll" | "write" | "hear":
                steps.append(Step([head, rest]))
            case ">>":
                steps[-1].wire.append(Exchange(as_bytes(rest)))
            case "<<":
                steps[-1].add(as_bytes(rest))
            case "==":
                steps[-1].values = json.loads(rest)
            case "~~":
                steps[-1].causes = json.loads(rest)
            case "..":
                group, _, values = rest.partition(" ")
                steps[-1].heard[group] = json.loads(values)
            case "!!":
                steps[-1].error = rest
            case _:
                assert head == "#", line
    return name, options, steps


class Peer:
    """The far end of a pty: hears the requests of a transcript and gives its answers."""

    def __init__(self, steps: list[Step], master: int) -> None:
        wire = [exchange for step in steps for exchange in step.wire if exchange.request]
        self._exchanges = iter(wire)
        self._master = master
        self.wrong: list[str] = []
        self.left = len(wire)

    def hear(self) -> None:
        request = os.read(self._master, 4096)
        exchange = next(self._exchanges, None)
        if exchange is None or request != exchange.request:
            expected = "nothing" if exchange is None else exchange.request.hex(" ")
            self.wrong.append(f"{request.hex(' ')} instead of {expected}")
            return
        self.left -= 1
        self.say(exchange.answer)

    def say(self, pieces: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        for count, piece in enumerate(pieces):
            loop.call_later(count * BETWEEN_PIECES_S, os.write, self._master, piece)


@asynccontextmanager
async def over_pty(steps: list[Step]) -> AsyncIterator[tuple[SerialLine, Peer]]:
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)
    peer = Peer(steps, master)
    loop.add_reader(master, peer.hear)
    line = SerialLine(LineId("golden"), SerialLineConfig(port=os.ttyname(slave), baud_rate=115_200))
    try:
        yield line, peer
    finally:
        await line.close()
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


def agree(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Say whether the expected values are there; the others do not matter."""
    return {name: found.get(name, "missing") for name in expected} == pytest.approx(expected)


async def carry_out(driver: Driver, step: Step, ear: ListeningEar, peer: Peer) -> None:
    """Do what a step asks for, and look at what came of it."""
    match step.order:
        case ["poll", name]:
            assert isinstance(driver, PolledDriver)
            [group] = [group for group in driver.groups if group.name == name]
            found = told(group, await driver.poll(group))
            assert agree(found.values, step.values), found.values
            assert step.causes is None or found.causes == step.causes
        case ["write", written]:
            point, _, value = written.partition(" ")
            assert isinstance(driver, CommandableDriver)
            result = await driver.write(PointId(point), json.loads(value))
            assert {point: result} == step.values
        case _:
            peer.say(step.wire[0].answer)
    for group_name, values in step.heard.items():
        await ear.until(
            lambda ear, name=group_name, values=values: (  # type: ignore[misc]
                bool(ear.of(name)) and agree(ear.of(name)[-1].values, values)
            )
        )


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_driver_speaks_as_written(name: str) -> None:
    driver_name, options, steps = read(TRANSCRIPTS[name])
    manifest = MANIFESTS[driver_name]
    ear = ListeningEar()
    async with over_pty(steps) as (line, peer):
        driver = manifest.build(checked(manifest.config, options), line)
        if isinstance(driver, ListeningDriver):
            driver.attend(ear)
        await line.open()
        for step in steps:
            try:
                await carry_out(driver, step, ear, peer)
            except DeviceError as error:
                classes = {base.__name__ for base in type(error).__mro__}
                assert step.error in classes, error  # noqa: PT017 - the class is the point
            else:
                assert not step.error, f"{step.order} succeeded"
    assert peer.wrong == []
    assert peer.left == 0


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_driver_has_transcripts(name: str) -> None:
    assert [each for each in TRANSCRIPTS if each.startswith(name)]
