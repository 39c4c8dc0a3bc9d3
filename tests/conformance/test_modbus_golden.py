"""Transcripts of what goes over the wire, written from the specifications, played to the driver.

`tests/golden/modbus/README.md` says how to read them. Modbus TCP is played over a socket, RTU over
a pty.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.media.line import Line
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.media.tcp_line import TcpLine, TcpLineConfig
from drivers.modbus.driver import Modbus
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId, PointId
from gateway.model.reading import Value
from tests.checked_options import modbus_device

GOLDEN = Path(__file__).parents[1] / "golden" / "modbus"
TRANSCRIPTS = {path.stem: path.read_text() for path in sorted(GOLDEN.glob("*.txt"))}
LINE = LineId("golden")
TIMEOUT_S = 0.3
BETWEEN_PIECES_S = 0.01


@dataclass
class Exchange:
    """One request and the pieces of its answer."""

    request: list[str]
    answer: list[list[str]] = field(default_factory=list)


@dataclass
class Step:
    """What the driver is asked for, what then goes over the wire, and what comes of it."""

    order: list[str]
    wire: list[Exchange] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    error: str = ""


def read(text: str) -> tuple[list[str], list[Step]]:
    """Return the words of the device line, and the steps."""
    device: list[str] = []
    steps: list[Step] = []
    for line in text.splitlines():
        head, _, rest = line.partition(" ")
        words = rest.split()
        match head:
            case "device":
                device = words
            case "poll" | "write":
                steps.append(Step([head, *words]))
            case ">>":
                steps[-1].wire.append(Exchange(words))
            case "<<":
                steps[-1].wire[-1].answer.append(words)
            case "==":
                steps[-1].values = dict(word.split("=") for word in words if "=" in word)
                steps[-1].causes = dict(word.split(":") for word in words if ":" in word)
            case "!!":
                steps[-1].error = words[0]
            case _:
                assert head == "#", line
    return device, steps


class Peer:
    """Hears the requests of a transcript and gives its answers."""

    def __init__(self, steps: list[Step]) -> None:
        self._exchanges: Iterator[Exchange] = iter([x for step in steps for x in step.wire])
        self.wrong: list[str] = []
        self.left = sum(len(step.wire) for step in steps)

    def hear(self, request: bytes, say: Callable[[bytes], object]) -> None:
        exchange = next(self._exchanges, None)
        if exchange is None:
            self.wrong.append(f"one more request: {request.hex(' ')}")
            return
        self.left -= 1
        number = request[:2].hex(" ").split()
        place = iter(number)
        expected = [next(place) if word == "tt" else word for word in exchange.request]
        if request.hex(" ").split() != expected:
            self.wrong.append(f"{request.hex(' ')} instead of {' '.join(expected)}")
        loop = asyncio.get_running_loop()
        for count, piece in enumerate(exchange.answer):
            place = iter(number)
            words = [next(place) if word == "tt" else word for word in piece]
            loop.call_later(count * BETWEEN_PIECES_S, say, bytes.fromhex("".join(words)))


@asynccontextmanager
async def over_tcp(peer: Peer) -> AsyncIterator[Line]:
    class Connection(asyncio.Protocol):
        transport: asyncio.Transport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            peer.hear(data, self.transport.write)

    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = TcpLine(LINE, TcpLineConfig(host="127.0.0.1", port=port))
    try:
        yield line
    finally:
        await line.close()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def over_pty(peer: Peer) -> AsyncIterator[Line]:
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)

    def say(data: bytes) -> None:
        os.write(master, data)

    loop.add_reader(master, lambda: peer.hear(os.read(master, 4096), say))
    config = SerialLineConfig(port=os.ttyname(slave), baud_rate=115_200)
    line = SerialLine(LINE, config)
    try:
        yield line
    finally:
        await line.close()
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


def as_value(text: str) -> Value:
    """Return true and false as bool, figures as numbers, and the rest as it is."""
    if text in {"true", "false"}:
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


async def carry_out(driver: Modbus, order: list[str]) -> tuple[dict[str, Value], dict[str, str]]:
    if order[0] == "write":
        return {order[1]: await driver.write(PointId(order[1]), as_value(order[2]))}, {}
    [group] = [group for group in driver.groups if group.name == order[1]]
    sample = await driver.poll(group)
    names = [point.name for point in group.table]
    values = {
        str(name): cell for name, cell in zip(names, sample.cells, strict=True) if cell is not None
    }
    return values, {
        str(names[place]): flag.cause.name.lower() for place, flag in sample.flags.items()
    }


@pytest.mark.parametrize("name", TRANSCRIPTS)
async def test_driver_speaks_as_written(name: str) -> None:
    (profile, unit, framing), steps = read(TRANSCRIPTS[name])
    peer = Peer(steps)
    async with over_tcp(peer) if framing == "mbap" else over_pty(peer) as line:
        device = modbus_device(profile=profile, unit=int(unit), response_timeout_s=TIMEOUT_S)
        driver = Modbus(device, line)
        for step in steps:
            try:
                values, causes = await carry_out(driver, step.order)
            except DeviceError as error:
                assert type(error).__name__ == step.error or step.error in {  # noqa: PT017
                    base.__name__ for base in type(error).__mro__
                }, error
                continue
            assert not step.error, f"{step.order} succeeded"
            assert causes == step.causes
            expected = {name: as_value(text) for name, text in step.values.items()}
            assert {name: values[name] for name in expected} == pytest.approx(expected)
    assert peer.wrong == []
    assert peer.left == 0
