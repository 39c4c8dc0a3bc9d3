"""The RS-485 line: who hears what, when, and what is left of bursts that overlap.

Timing among ends inside the program is tested in virtual time; ptys need the real thing.
"""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.lines.hub import UNREAD_LIMIT, Fate, Hub, garble
from tests import virtual_time

FAST = 115_200
BOUND_S = 5.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is the case, at most BOUND_S."""
    async with asyncio.timeout(BOUND_S):
        while not condition():  # noqa: ASYNC110 - what happens in a pty sets no event
            await asyncio.sleep(0.002)


class Port:
    """A program that has a pty open and reads all that comes."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.heard = b""
        self.broken = False
        asyncio.get_running_loop().add_reader(self.fd, self._read)

    def _read(self) -> None:
        try:
            piece = os.read(self.fd, 4096)
        except OSError:
            piece = b""
        self.heard += piece
        if not piece:
            self.broken = True
            asyncio.get_running_loop().remove_reader(self.fd)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


def test_hub_knows_when_the_last_bit_was_there_however_late_it_is_told() -> None:
    async def scenario(clock: virtual_time.VirtualClock) -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began, told = loop.time(), asyncio.Event()

        def do_something_else() -> None:
            clock.seconds += 0.5

        with Hub(9600) as hub:
            one = hub.add_end(lambda _wire: None)
            hub.add_end(lambda _wire: told.set())
            one.say(bytes(12))
            loop.call_later(0.001, do_something_else)
            await told.wait()
            return hub.said_at - began, loop.time() - began

    said_s, heard_s = virtual_time.run(scenario)
    assert said_s == pytest.approx(12 * 10 / 9600)
    assert heard_s > 0.5


def test_hub_brings_a_burst_to_all_others_when_its_last_bit_is_through() -> None:
    async def scenario(_clock: virtual_time.VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), []
        fates: list[Fate] = []
        with Hub(9600) as hub:
            one = hub.add_end(lambda wire: heard.append(("one", wire, 0.0)))
            for name in ("two", "three"):
                hub.add_end(
                    lambda wire, name=name: heard.append((name, wire, loop.time() - began))  # type: ignore[misc]  # a default argument binds the name
                )
            one.say(bytes(8), fates.append)
            await asyncio.sleep(1)
        assert [(name, wire) for name, wire, _at in heard] == [
            ("two", bytes(8)),
            ("three", bytes(8)),
        ]
        assert all(abs(at - 80 / 9600) < 1e-6 for _name, _wire, at in heard)
        assert fates == [Fate.WHOLE]

    virtual_time.run(scenario)


def test_hub_sends_two_bursts_of_one_end_one_after_the_other() -> None:
    async def scenario(_clock: virtual_time.VirtualClock) -> None:
        heard: list[bytes] = []
        with Hub(1200) as hub:
            one = hub.add_end(lambda _wire: None)
            hub.add_end(heard.append)
            one.say(b"first")
            one.say(b"second")
            await asyncio.sleep(1)
            assert hub.collisions == 0
        assert heard == [b"first", b"second"]

    virtual_time.run(scenario)


def test_hub_damages_only_the_bytes_that_overlap() -> None:
    async def scenario(_clock: virtual_time.VirtualClock) -> None:
        heard: list[bytes] = []
        fates: list[Fate] = []
        byte_s = 10 / 9600
        with Hub(9600) as hub:
            one, two = (hub.add_end(lambda _wire: None) for _end in range(2))
            hub.add_end(heard.append)
            one.say(bytes(10), fates.append)
            await asyncio.sleep(7.5 * byte_s)
            two.say(bytes(10), fates.append)
            await asyncio.sleep(1)
            assert hub.collisions == 1
        assert fates == [Fate.COLLIDED, Fate.COLLIDED]
        first, second = heard
        assert first[:7] == bytes(7)
        assert 0 not in first[7:]
        assert 0 not in second[:2]
        assert second[3:] == bytes(7)

    virtual_time.run(scenario)


def test_hub_lets_bursts_pass_that_only_touch() -> None:
    async def scenario(_clock: virtual_time.VirtualClock) -> None:
        heard: list[bytes] = []
        with Hub(9600) as hub:
            one, two = (hub.add_end(lambda _wire: None) for _end in range(2))
            hub.add_end(heard.append)
            one.say(b"ab")
            await asyncio.sleep(2 * 10 / 9600)
            two.say(b"cd")
            await asyncio.sleep(1)
        assert heard == [b"ab", b"cd"]

    virtual_time.run(scenario)


def test_hub_forgets_what_an_end_says_while_it_leaves() -> None:
    async def scenario(_clock: virtual_time.VirtualClock) -> None:
        fates: list[Fate] = []
        heard: list[bytes] = []
        with Hub(9600) as hub:
            one = hub.add_end(lambda _wire: None)
            hub.add_end(heard.append)
            one.say(b"goodbye", fates.append)
            one.close()
            await asyncio.sleep(1)
        assert fates == [Fate.COLLIDED]
        assert heard != [b"goodbye"]

    virtual_time.run(scenario)


async def test_hub_carries_between_two_ptys_and_an_ear_unchanged() -> None:
    every_byte = bytes(range(256))
    heard = bytearray()
    with Hub(FAST) as hub:
        hub.add_end(heard.extend)
        one, two = Port(hub.add_pty().path), Port(hub.add_pty().path)
        os.write(one.fd, every_byte)
        await until(lambda: len(two.heard) == 256 and len(heard) == 256)
        os.write(two.fd, b"\x03\x04\x11\x13\n\r")
        await until(lambda: len(one.heard) == 6)
        assert two.heard == bytes(heard[:256]) == every_byte
        assert one.heard == b"\x03\x04\x11\x13\n\r", "no echo, no control characters"
        one.close()
        two.close()


async def test_hub_survives_programs_that_come_and_go() -> None:
    heard = bytearray()
    with Hub(FAST) as hub:
        hub.add_end(heard.extend)
        path = hub.add_pty().path
        for turn in range(3):
            port = Port(path)
            os.write(port.fd, bytes((turn,)))
            await until(lambda turn=turn: len(heard) == turn + 1)  # type: ignore[misc]  # a default argument binds the number
            port.close()
        assert heard == b"\x00\x01\x02"


async def test_hub_goes_on_when_nobody_reads_a_pty() -> None:
    fates: list[Fate] = []
    with Hub(1_000_000) as hub:
        one = hub.add_end(lambda _wire: None)
        pty = hub.add_pty()
        for _burst in range(30):
            one.say(bytes(200), fates.append)
        await until(lambda: len(fates) == 30)
        assert pty.overruns >= 30 * 200 // UNREAD_LIMIT - 1
        port = Port(pty.path)
        await until(lambda: len(port.heard) > 0)
        assert len(port.heard) <= UNREAD_LIMIT
        port.close()


async def test_hub_gives_garbage_to_a_program_with_another_speed() -> None:
    with Hub(9600) as hub:
        heard = bytearray()
        ear = hub.add_end(heard.extend)
        port = Port(hub.add_pty().path)
        tty.setraw(port.fd)
        modes = termios.tcgetattr(port.fd)
        modes[4] = modes[5] = termios.B2400
        termios.tcsetattr(port.fd, termios.TCSANOW, modes)
        os.write(port.fd, b"12345678")
        await until(lambda: len(heard) > 0)
        ear.say(b"12345678")
        await until(lambda: len(port.heard) > 0)
        assert bytes(heard) == port.heard == garble(b"12345678")
        modes[4] = modes[5] = termios.B9600
        termios.tcsetattr(port.fd, termios.TCSANOW, modes)
        heard.clear()
        os.write(port.fd, b"12345678")
        await until(lambda: bytes(heard) == b"12345678")
        port.close()


async def test_hub_adapter_pulled_out_is_an_error_and_comes_back_under_its_name(
    tmp_path: Path,
) -> None:
    link = tmp_path / "line"
    fates: list[Fate] = []
    with Hub(FAST) as hub:
        ear = hub.add_end(lambda _wire: None)
        pty = hub.add_pty(link)
        port = Port(str(link))
        pty.unplug()
        await until(lambda: port.broken)
        assert not link.exists()
        ear.say(b"nobody", fates.append)
        await until(lambda: fates == [Fate.UNHEARD])
        os.close(port.fd)
        pty.plug()
        again = Port(str(link))
        ear.say(b"back", fates.append)
        await until(lambda: again.heard == b"back")
        assert fates[-1] is Fate.WHOLE
        again.close()
    assert not link.is_symlink(), "the line takes its link down"
