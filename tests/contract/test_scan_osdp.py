"""`mayak scan` of an OSDP line: each reader once, with its speed, whatever its key."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.access.osdp.bus import OsdpBus
from drivers.access.osdp.discover import Answer, discover, identity, question
from drivers.access.osdp.driver import MANIFEST
from drivers.access.osdp.wire import OsdpLineConfig
from gateway.model.discovery import Looked, Scope
from gateway.model.errors import FrameError
from gateway.model.ids import LineId
from simulators.access.osdp.frames import read
from simulators.access.osdp.reader import Reader
from simulators.faults import Crc
from simulators.lines.kinds import serial
from simulators.running import run_scene
from simulators.scene import parse_scene

SCENE = """\
[[line]]
id = "line"
medium = "serial"
baud_rate = 115200
[[twin]]
id = "in"
line = "line"
kind = "osdp-reader"
address = 1
[[twin]]
id = "out"
line = "line"
kind = "osdp-reader"
address = 3
fresh = true
baud_rate = 9600
"""


async def test_readers_are_found_once_each_at_its_speed_and_a_search_goes_on() -> None:
    async with run_scene(parse_scene(SCENE, "test")) as running:
        path = serial(running.lines["line"]).address.path
        bus = OsdpBus(LineId("line"), OsdpLineConfig(port=path))
        scope = Scope(addresses=(0, 1, 2, 3, 127, 200), timeout_s=0.05)
        looked: list[Looked] = []
        try:
            await bus.open()
            search = MANIFEST.discover
            assert search is not None
            async for step in search(bus, scope, {}):
                looked.append(step)
                if len(looked) == 5:
                    break
            looked += [step async for step in search(bus, scope, looked[-1].state)]
        finally:
            await bus.close()
    assert len(looked) == 4 * 6
    assert looked[-1].share == 1.0
    found = [step.found for step in looked if step.found is not None]
    assert [each.options for each in found] == [
        {"address": 3, "baud_rate": 9600},
        {"address": 1, "baud_rate": 115_200},
    ]
    assert found[1].identity == {
        "maker": "4ae7d4",
        "model": "1",
        "version": "1",
        "serial_number": "00000001",
        "firmware": "1.0.0",
    }


async def test_a_broken_reply_is_told_as_such() -> None:
    async with run_scene(parse_scene(SCENE, "test")) as running:
        running.apply("in", Crc())
        path = serial(running.lines["line"]).address.path
        bus = OsdpBus(LineId("line"), OsdpLineConfig(port=path))
        try:
            await bus.open()
            looked = [step async for step in discover(bus, Scope((1,), timeout_s=0.05), {})]
        finally:
            await bus.close()
    troubles = {step.words: step.trouble for step in looked}
    assert troubles["115200 8N1, address 1"] == "scan-garbled"
    assert not any(step.found for step in looked)


@given(st.integers(0, 126))
def test_a_question_is_understood_and_its_answer_found(address: int) -> None:
    command = read(question(address))
    assert command is not None
    reply = Reader(address, None, outputs=0, seed=1).answer(command)
    assert reply is not None
    assert Answer(address).measure(b"\xff" + reply) == len(reply) + 1
    assert [Answer(address).measure(reply[:size]) for size in range(1, len(reply))] == [0] * (
        len(reply) - 1
    )
    assert identity(reply)["serial_number"] == f"{address:08x}"
    with pytest.raises(FrameError):
        Answer((address + 1) % 127).measure(reply)


@given(st.binary(min_size=1, max_size=40))
def test_any_bytes_are_an_answer_or_none(data: bytes) -> None:
    with suppress(FrameError):
        size = Answer(1).measure(data)
        if size > 0:
            identity(data[:size])
