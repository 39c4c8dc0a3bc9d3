"""Our driver against a server on Debian's libmodbus: TCP, RTU, and RTU over TCP.

Our own twin could share a mistake with our driver; libmodbus cannot.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from drivers.media.line import Line
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.media.tcp_line import TcpLine, TcpLineConfig
from drivers.modbus.driver import Modbus
from gateway.model.errors import DeviceRejectedError, FrameError, NoResponseError
from gateway.model.ids import LineId, PointId
from gateway.model.reading import Value
from tests.checked_options import modbus_device
from tests.null_modem import network_adapter, null_modem

SOURCE = Path(__file__).parents[1] / "peers" / "libmodbus_server.c"
HEAD = """\
name = "peer"
title = { ru = "Сервер", en = "Server" }

[source]
document = "tests/peers/libmodbus_server.c"
edition = "1"
"""
LINE = LineId("peer")
TIMEOUT_S = 1.0


def point(name: str, table: str, address: int, more: str = "") -> str:
    return f'\n[[point]]\nname = "{name}"\ntable = "{table}"\naddress = {address}\n{more}\n'


PROFILE = (
    HEAD
    + "".join(point(f"coil_{n}", "coil", n, "writable = true") for n in range(20))
    + "".join(point(f"discrete_{n}", "discrete", n) for n in range(20))
    + "".join(point(f"input_{n}", "input", n, 'type = "u16"') for n in range(100))
    + point("long", "holding", 0, 'type = "u32"\nwritable = true')
    + point("swapped", "holding", 2, 'type = "float32"\norder = "CDAB"\nwritable = true')
    + point("single", "holding", 4, 'type = "i16"\nscale = 0.1\nwritable = true')
    + point("several", "holding", 5, 'type = "u16"\nwritable = true\nwrite_function = "multiple"')
    + point("bits", "holding", 6, 'type="u16"\nmask=0xF0\nwritable=true\nread_modify_write=true')
    + point("text", "holding", 90, 'type = "string"\nlength = 8\nwritable = true')
    + point("beyond", "holding", 100, 'type = "u16"\nwritable = true')
)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server, compiled."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    built = tmp_path_factory.mktemp("peer") / "libmodbus_server"
    ran = subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-o", built, SOURCE, "-lmodbus"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "modbus/modbus.h" in ran.stderr and "No such file" in ran.stderr:
        pytest.skip("libmodbus-dev is not installed")
    assert ran.returncode == 0, ran.stderr
    return built


@asynccontextmanager
async def served(program: Path, *arguments: str) -> AsyncIterator[str]:
    """Run the server for as long as the block runs; give its first line."""
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10):
            yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        async with asyncio.timeout(10):
            await process.wait()


@pytest.fixture(params=["tcp", "rtu", "rtu over tcp"])
async def driver(
    request: pytest.FixtureRequest, program: Path, tmp_path: Path
) -> AsyncIterator[Modbus]:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "peer.toml").write_text(PROFILE)
    options = {"profile": "peer", "response_timeout_s": TIMEOUT_S}
    line: Line
    async with AsyncExitStack() as stack:
        if request.param == "tcp":
            port = int(await stack.enter_async_context(served(program, "tcp")))
            line = TcpLine(LINE, TcpLineConfig(host="127.0.0.1", port=port))
        elif request.param == "rtu":
            modem = await stack.enter_async_context(null_modem())
            await stack.enter_async_context(served(program, "rtu", modem.other))
            line = SerialLine(LINE, SerialLineConfig(port=modem.one, baud_rate=115_200))
        else:
            port, path = await stack.enter_async_context(network_adapter())
            await stack.enter_async_context(served(program, "rtu", path))
            line = TcpLine(LINE, TcpLineConfig(host="127.0.0.1", port=port))
            options["framing"] = "rtu"
        stack.push_async_callback(line.close)
        yield Modbus(modbus_device(tmp_path, **options), line)


async def poll(driver: Modbus) -> dict[str, Value | None]:
    [group] = driver.groups
    sample = await driver.poll(group)
    return {point.name: cell for point, cell in zip(group.table, sample.cells, strict=True)}


async def test_all_four_tables_are_read_as_the_server_has_them(driver: Modbus) -> None:
    told = await poll(driver)
    assert [told[f"coil_{n}"] for n in range(20)] == [n % 2 == 1 for n in range(20)]
    assert [told[f"discrete_{n}"] for n in range(20)] == [n % 3 == 0 for n in range(20)]
    assert [told[f"input_{n}"] for n in range(100)] == [n * 257 for n in range(100)]
    assert told["long"] == 0xFFFFFFFE
    assert told["beyond"] is None, "the server refuses it, and the rest is read all the same"


WRITES: dict[str, Value] = {
    "coil_2": True,
    "coil_3": False,
    "long": 123_456_789,
    "swapped": -2.5,
    "single": -12.3,
    "several": 4711,
    "bits": 5,
    "text": "cabinet",
}


async def test_writes_arrive_and_are_proved(driver: Modbus) -> None:
    for name, value in WRITES.items():
        assert await driver.write(PointId(name), value) == value
    told = await poll(driver)
    assert {name: told[name] for name in WRITES} == WRITES


async def test_a_refused_write_is_told(driver: Modbus) -> None:
    with pytest.raises(DeviceRejectedError, match="exception 2"):
        await driver.write(PointId("beyond"), 1)


async def test_many_polls_in_a_row_give_the_same(driver: Modbus) -> None:
    first = await poll(driver)
    for _ in range(20):
        assert await poll(driver) == first


async def test_the_wrong_framing_is_noticed(program: Path) -> None:
    async with served(program, "tcp") as port:
        line = TcpLine(LINE, TcpLineConfig(host="127.0.0.1", port=int(port)))
        device = modbus_device(profile="demo-light", framing="rtu", response_timeout_s=0.3)
        driver = Modbus(device, line)
        with pytest.raises((NoResponseError, FrameError)):
            await driver.poll(driver.groups[0])
        await line.close()
