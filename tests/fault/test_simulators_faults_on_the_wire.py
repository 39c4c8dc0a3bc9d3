"""Every fault as a client sees it, through a raw socket or a raw pty; and what the journal says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from simulators.faults import (
    Crc,
    Echo,
    Fault,
    FaultError,
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
from simulators.lines.kinds import RunningSerial
from simulators.modbus import mbap, rtu
from simulators.modbus.kinds import RunningTcp
from simulators.orders import carry_out, read_order
from simulators.running import Running, run_scene
from simulators.scene import parse_scene

SCENE = """
[[line]]
id = "net"
medium = "tcp"

[[line]]
id = "gateway"
medium = "tcp"

[[line]]
id = "bus"
medium = "serial"
baud_rate = 115200

[[twin]]
id = "meter"
line = "net"
kind = "meter-3p"
unit = 5

[[twin]]
id = "bank-1"
line = "gateway"
kind = "bank"
unit = 1
registers = 4

[[twin]]
id = "bank-2"
line = "gateway"
kind = "bank"
unit = 2
registers = 4

[[twin]]
id = "relay"
line = "bus"
kind = "relay-4"
unit = 2

[[twin]]
id = "door"
line = "bus"
kind = "door"
unit = 3
"""
BOUND_S = 5.0
QUIET_S = 0.1
COUNTER = bytes.fromhex("04 0000 0002")
METER_COUNTER = bytes.fromhex("04 001E 0002")


@asynccontextmanager
async def playing() -> AsyncIterator[Running]:
    async with asyncio.timeout(20), run_scene(parse_scene(SCENE, "scene")) as running:
        yield running


def served(running: Running, twin: str) -> list[tuple[int, bool]]:
    return [(it.number, it.certain) for it in running.truth.entries() if it.twin == twin]


class Tcp:
    """A raw Modbus TCP client that looks at bytes only."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, running: Running, line: str = "net") -> Tcp:
        found = running.lines[line]
        assert isinstance(found, RunningTcp)
        return cls(*await asyncio.open_connection(found.address.host, found.address.port))

    async def ask(self, pdu: bytes, *, unit: int = 5, transaction: int = 77) -> bytes:
        """Return the first whole frame that comes."""
        self.writer.write(mbap.wrap(transaction, unit, pdu))
        return await self.frame()

    async def frame(self) -> bytes:
        async with asyncio.timeout(BOUND_S):
            head = await self.reader.readexactly(6)
            return head + await self.reader.readexactly(int.from_bytes(head[4:], "big"))

    async def silent(self, for_s: float = QUIET_S) -> bool:
        try:
            async with asyncio.timeout(for_s):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        return False

    async def ended(self) -> bool:
        async with asyncio.timeout(BOUND_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def close(self) -> None:
        self.writer.transport.abort()


class Serial:
    """A raw program on the pty of the line."""

    def __init__(self, running: Running) -> None:
        line = running.lines["bus"]
        assert isinstance(line, RunningSerial)
        self.line = line
        self.fd = os.open(line.address.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.heard = bytearray()
        asyncio.get_running_loop().add_reader(self.fd, self._read)

    def _read(self) -> None:
        try:
            self.heard += os.read(self.fd, 4096)
        except OSError:
            asyncio.get_running_loop().remove_reader(self.fd)  # pulled out

    async def ask(self, pdu: bytes, length: int, *, unit: int = 2) -> bytes:
        """Ask, and return the first `length` bytes that come."""
        await asyncio.sleep(0.004)  # the silence before a frame
        self.heard.clear()
        os.write(self.fd, rtu.wrap(unit, pdu))
        await self.until(lambda: len(self.heard) >= length)
        return bytes(self.heard)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not condition():  # noqa: ASYNC110 - what happens in a pty sets no event
                await asyncio.sleep(0.001)

    async def silent_to(self, pdu: bytes, *, unit: int = 2) -> bool:
        self.heard.clear()
        os.write(self.fd, rtu.wrap(unit, pdu))
        await asyncio.sleep(QUIET_S)
        return not self.heard

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


@asynccontextmanager
async def serial() -> AsyncIterator[tuple[Running, Serial]]:
    async with playing() as running:
        port = Serial(running)
        try:
            yield running, port
        finally:
            port.close()


@asynccontextmanager
async def tcp(line: str = "net") -> AsyncIterator[tuple[Running, Tcp]]:
    async with playing() as running:
        client = await Tcp.connect(running, line)
        try:
            yield running, client
        finally:
            client.close()


async def test_wire_without_faults_tcp_answers_and_counts() -> None:
    async with tcp() as (running, client):
        for number in (1, 2, 3):
            frame = await client.ask(METER_COUNTER, transaction=number)
            assert frame == mbap.wrap(number, 5, b"\x04\x04" + number.to_bytes(4, "big"))
        assert served(running, "meter") == [(1, True), (2, True), (3, True)]


async def test_wire_without_faults_serial_answers_and_counts() -> None:
    async with serial() as (running, port):
        for number in (1, 2, 3):
            frame = await port.ask(COUNTER, 9)
            assert rtu.unwrap(frame) == (2, b"\x04\x04" + number.to_bytes(4, "big"))
        await port.until(lambda: len(served(running, "relay")) == 3)
        assert served(running, "relay") == [(1, True), (2, True), (3, True)]


@pytest.mark.parametrize("twin", ["meter", "relay"])
async def test_wire_silent_says_nothing_and_its_end_is_the_end(twin: str) -> None:
    async with serial() as (running, port):
        client = await Tcp.connect(running)
        held = running.apply(twin, Silent())
        if twin == "meter":
            client.writer.write(mbap.wrap(1, 5, METER_COUNTER))
            assert await client.silent()
            running.end(twin, held)
            assert (await client.ask(METER_COUNTER))[-1] == 1
        else:
            assert await port.silent_to(COUNTER)
            running.end(twin, held)
            assert (await port.ask(COUNTER, 9))[6] == 1
        client.close()


async def test_wire_crc_is_wrong_by_itself_alone() -> None:
    async with serial() as (running, port):
        running.apply("relay", Crc())
        frame = await port.ask(COUNTER, 9)
        assert rtu.unwrap(frame) is None
        assert frame[:-2] == bytes.fromhex("02 04 04 00000001")
        assert served(running, "relay") == []


async def test_wire_noise_leaves_no_frame() -> None:
    async with serial() as (running, port):
        running.apply("relay", Noise(stray=6, seed=2))
        frame = await port.ask(COUNTER, 9)
        assert all(rtu.unwrap(frame[start:]) is None for start in range(len(frame)))
        assert served(running, "relay") == []


async def test_wire_wrong_unit_answers_for_another() -> None:
    async with serial() as (running, port):
        client = await Tcp.connect(running)
        running.apply("relay", WrongUnit())
        running.apply("meter", WrongUnit(offset=2))
        answer = rtu.unwrap(await port.ask(COUNTER, 9))
        assert answer is not None
        assert answer.unit == 3
        assert (await client.ask(METER_COUNTER))[6] == 7
        assert running.truth.entries() == ()
        client.close()


async def test_wire_exception_refuses() -> None:
    async with serial() as (running, port):
        client = await Tcp.connect(running)
        running.apply("relay", Refuse())
        running.apply("meter", Refuse(code=6))
        assert rtu.unwrap(await port.ask(COUNTER, 5)) == (2, b"\x84\x04")
        assert (await client.ask(METER_COUNTER))[7:] == b"\x84\x06"
        client.close()


async def test_wire_slow_comes_late_and_is_not_certain() -> None:
    async with tcp() as (running, client):
        running.apply("meter", Slow(delay_s=0.3))
        client.writer.write(mbap.wrap(9, 5, METER_COUNTER))
        assert await client.silent(0.15)
        assert (await client.frame())[-1] == 1
        assert served(running, "meter") == [(1, False)]


async def test_wire_slow_is_not_counted_when_the_client_has_gone() -> None:
    async with tcp() as (running, client):
        running.apply("meter", Slow(delay_s=0.1))
        client.writer.write(mbap.wrap(9, 5, METER_COUNTER))
        await client.writer.drain()
        meter = running.twin("meter")
        async with asyncio.timeout(BOUND_S):
            while not meter.counts.requests:  # noqa: ASYNC110 - a counter sets no event
                await asyncio.sleep(0.001)
        client.close()
        await asyncio.sleep(0.2)
        assert meter.answers == 0


async def test_wire_slow_slave_is_deaf_while_it_works() -> None:
    async with serial() as (running, port):
        running.apply("relay", Slow(delay_s=0.3))
        assert await port.silent_to(COUNTER)
        frame = await port.ask(COUNTER, 9)
        await asyncio.sleep(QUIET_S)
        assert len(port.heard) == len(frame) == 9, "one answer to two requests"


async def test_wire_flood_on_a_bus_runs_into_the_others() -> None:
    async with serial() as (running, port):
        held = running.apply("door", Flood(every_s=0.002, size=20))
        await port.until(lambda: len(port.heard) > 100)
        line = running.lines["bus"]
        assert isinstance(line, RunningSerial)
        for _ask in range(10):
            os.write(port.fd, rtu.wrap(2, COUNTER))
            await asyncio.sleep(0.01)
        assert line.hub.collisions > 0
        assert all(not certain for _number, certain in served(running, "relay"))
        running.end("door", held)
        await asyncio.sleep(0.02)
        before = len(served(running, "relay"))
        assert rtu.unwrap(await port.ask(COUNTER, 9)) is not None
        assert [certain for _number, certain in served(running, "relay")[before:]] == [True]


async def test_wire_flood_over_tcp_sends_answers_nobody_asked_for() -> None:
    async with tcp() as (running, client):
        running.apply("meter", Flood(every_s=0.005, size=10))
        frames = [await client.frame() for _frame in range(5)]
        assert all(frame[2:8] == bytes.fromhex("0000 000d 05 03") for frame in frames)
        assert len({frame[:2] for frame in frames}) > 1


async def test_wire_reboot_resets_refuses_and_comes_back_on_the_same_port() -> None:
    async with tcp() as (running, client):
        await client.ask(METER_COUNTER)
        await client.ask(bytes.fromhex("06 0000 0005"))
        port = running.lines["net"].address
        running.apply("meter", Reboot(), 0.2)
        assert await client.ended()
        with pytest.raises(ConnectionRefusedError):
            await Tcp.connect(running)
        again: Tcp | None = None
        while again is None:
            try:
                again = await Tcp.connect(running)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
        assert running.lines["net"].address == port
        assert (await again.ask(bytes.fromhex("03 0000 0001")))[-1] == 80, "settings are reset"
        assert (await again.ask(METER_COUNTER))[-1] == 2, "the counter is not"
        again.close()


async def test_wire_reboot_of_one_unit_leaves_its_neighbour_alone() -> None:
    async with tcp("gateway") as (running, client):
        running.apply("bank-1", Reboot())
        client.writer.write(mbap.wrap(1, 1, bytes.fromhex("03 0004 0002")))
        assert await client.silent()
        assert (await client.ask(bytes.fromhex("03 0004 0002"), unit=2))[-1] == 1


@pytest.mark.parametrize("how", ["count", "length"])
async def test_wire_liar_frames_soundly_what_cannot_be(how: str) -> None:
    fault = Liar(how="count") if how == "count" else Liar(how="length")
    async with serial() as (running, port):
        client = await Tcp.connect(running)
        running.apply("relay", fault)
        running.apply("meter", fault)
        answer = rtu.unwrap(await port.ask(COUNTER, 7))
        assert answer is not None
        assert answer.pdu[1:2] != b"\x04"
        frame = await client.ask(METER_COUNTER)
        assert frame[8] != 4
        assert running.truth.entries() == ()
        client.close()


async def test_wire_liar_about_values_leaves_the_counter() -> None:
    async with tcp() as (running, client):
        running.apply("meter", Liar(how="values"))
        assert (await client.ask(bytes.fromhex("04 0000 0003")))[9:] == b"\xff" * 6
        assert (await client.ask(METER_COUNTER))[9:] == b"\x00\x00\x00\x01"


async def test_wire_echo_comes_before_the_answer() -> None:
    async with serial() as (running, port):
        running.apply("relay", Echo())
        request = rtu.wrap(2, COUNTER)
        heard = await port.ask(COUNTER, 17)
        assert heard[:8] == request
        assert rtu.unwrap(heard[8:]) is not None
        running.clear("relay")
        running.apply("relay", Echo(answers=False))
        assert await port.ask(COUNTER, 8) == request
        assert served(running, "relay") == [(1, False)]


async def test_wire_short_breaks_off() -> None:
    async with serial() as (running, port):
        client = await Tcp.connect(running)
        running.apply("relay", Short(missing=4))
        running.apply("meter", Short(missing=4))
        frame = await port.ask(COUNTER, 5)
        assert frame == bytes.fromhex("02 04 04 00 00")
        client.writer.write(mbap.wrap(3, 5, METER_COUNTER))
        async with asyncio.timeout(BOUND_S):
            assert await client.reader.readexactly(9) == bytes.fromhex("0003 0000 0007 05 04 04")
        assert await client.silent()
        assert running.truth.entries() == ()
        client.close()


async def test_wire_collision_of_two_slaves_with_one_address_counts_nothing() -> None:
    scene = SCENE.replace("unit = 3", "unit = 2")
    async with asyncio.timeout(20), run_scene(parse_scene(scene, "twice")) as running:
        port = Serial(running)
        heard = await port.ask(COUNTER, 18)
        assert rtu.unwrap(heard[:9]) is None
        assert rtu.unwrap(heard[9:]) is None
        assert running.truth.entries() == ()
        port.close()


async def test_wire_a_master_that_keeps_no_silence_is_not_heard_by_the_next_slave() -> None:
    async with serial() as (_running, port):
        os.write(port.fd, rtu.wrap(9, COUNTER))
        os.write(port.fd, rtu.wrap(2, COUNTER))
        await asyncio.sleep(QUIET_S)
        assert not port.heard
        assert rtu.unwrap(await port.ask(COUNTER, 9)) is not None


async def test_wire_broadcast_is_obeyed_and_not_answered() -> None:
    async with serial() as (_running, port):
        assert await port.silent_to(bytes.fromhex("06 0000 0002"), unit=0)
        assert rtu.unwrap(await port.ask(bytes.fromhex("03 0000 0001"), 7, unit=3)) == (
            3,
            bytes.fromhex("03 02 0002"),
        )
        assert (await port.ask(bytes.fromhex("03 0000 0001"), 7))[3:5] == b"\x00\x02"


async def test_wire_request_with_a_wrong_crc_or_for_nobody_is_ignored() -> None:
    async with serial() as (_running, port):
        os.write(port.fd, rtu.wrap(2, COUNTER)[:-1] + b"\x00")
        await asyncio.sleep(QUIET_S)
        assert not port.heard
        assert await port.silent_to(COUNTER, unit=9)


async def test_wire_unknown_unit_behind_a_port_is_exception_11() -> None:
    async with tcp("gateway") as (_running, client):
        assert (await client.ask(COUNTER, unit=9))[7:] == b"\x84\x0b"
        assert (await client.ask(COUNTER, unit=255))[7:] == b"\x84\x0b"


async def test_wire_single_device_answers_to_0_and_255_too() -> None:
    async with tcp() as (_running, client):
        for unit in (0, 255, 5):
            assert (await client.ask(METER_COUNTER, unit=unit))[6:8] == bytes((unit, 4))
        assert (await client.ask(METER_COUNTER, unit=4))[7:] == b"\x84\x0b"


async def test_wire_nonsense_resets_the_connection_only() -> None:
    async with tcp() as (running, client):
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await client.ended()
        again = await Tcp.connect(running)
        assert (await again.ask(METER_COUNTER))[-1] == 1
        again.close()


async def test_wire_requests_split_at_every_byte_and_sent_together_are_answered() -> None:
    async with tcp() as (_running, client):
        for byte in mbap.wrap(1, 5, METER_COUNTER):
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
        assert (await client.frame())[:2] == b"\x00\x01"
        client.writer.write(mbap.wrap(2, 5, METER_COUNTER) + mbap.wrap(3, 5, METER_COUNTER))
        assert [(await client.frame())[1], (await client.frame())[1]] == [2, 3]


async def test_wire_adapter_pulled_out_by_an_order_and_plugged_in() -> None:
    async with serial() as (running, port):
        carry_out(read_order('{"unplug": "bus", "for_s": 0.05}'), running)
        line = running.lines["bus"]
        assert isinstance(line, RunningSerial)
        assert not line.pty.plugged
        await port.until(lambda: line.pty.plugged)
        again = Serial(running)
        assert rtu.unwrap(await again.ask(COUNTER, 9)) is not None
        again.close()


async def test_wire_faults_of_a_scene_begin_and_end_on_time() -> None:
    timed = SCENE + '\n[[fault]]\ntwin = "meter"\nfault = "exception"\nat_s = 0.1\nfor_s = 0.1\n'
    async with asyncio.timeout(20), run_scene(parse_scene(timed, "timed")) as running:
        client = await Tcp.connect(running)
        answers = []
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 0.35:
            answers.append((await client.ask(METER_COUNTER))[7])
            await asyncio.sleep(0.01)
        assert answers[0] == answers[-1] == 0x04
        assert 0x84 in answers
        client.close()


WRONG: dict[str, tuple[str, Fault, str]] = {
    "nobody": ("nobody", Silent(), "no twin 'nobody'; there are: meter,"),
    "medium": ("meter", Crc(), "fault crc of meter: it applies to .*serial lines only"),
}


@pytest.mark.parametrize(("twin", "fault", "says"), WRONG.values(), ids=WRONG)
async def test_wire_fault_that_does_not_fit_is_refused(twin: str, fault: Fault, says: str) -> None:
    async with playing() as running:
        with pytest.raises(FaultError, match=says):
            running.apply(twin, fault)


async def test_wire_scene_leaves_nothing_behind() -> None:
    async with playing() as running:
        line, port = running.lines["bus"], running.lines["gateway"]
        assert isinstance(line, RunningSerial)
        assert isinstance(port, RunningTcp)
        running.apply("meter", Reboot(), 60)
        running.apply("relay", Flood(), 60)
        address, path = port.address, line.address.path
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    with pytest.raises(FileNotFoundError):
        os.open(path, os.O_RDWR | os.O_NOCTTY)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)
