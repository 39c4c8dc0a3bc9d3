"""What each kind of port knows: its timing, why it cannot be opened, and whose it is."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import termios
from pathlib import Path

import pytest

from drivers.media import serial_line, tcp_line
from drivers.media.serial_line import SerialLineConfig, character_s, quiet_s
from drivers.media.tcp_line import TcpLineConfig
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import LineId
from tests.checked_options import checked
from tests.line_peer import Letters

LINE = LineId("line")


@pytest.mark.parametrize(
    ("options", "bits"),
    [
        ({}, 10),
        ({"parity": "even"}, 11),
        ({"stop_bits": 2}, 11),
        ({"parity": "odd", "byte_size": 7}, 10),
    ],
)
def test_a_character_is_as_long_as_its_bits(options: dict[str, object], bits: int) -> None:
    config = checked(SerialLineConfig, {"port": "/dev/x", "baud_rate": 1200, **options})
    assert character_s(config) == pytest.approx(bits / 1200)


@pytest.mark.parametrize(
    ("baud_rate", "quiet"),
    [(1200, 3.5 * 11 / 1200), (19_200, 3.5 * 11 / 19_200), (38_400, 0.00175)],
)
def test_quiet_time_is_3_5_characters_and_fixed_above_19200(baud_rate: int, quiet: float) -> None:
    assert quiet_s(baud_rate, 11 / baud_rate) == pytest.approx(quiet)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FileNotFoundError(errno.ENOENT, "none"), "plug the adapter in"),
        (PermissionError(errno.EACCES, "no"), "dialout"),
        (OSError(errno.EBUSY, "busy"), "another program"),
        (OSError(errno.EAGAIN, "locked"), "another program"),
        (OSError(errno.ENOTTY, "no tty"), "no serial port"),
        (termios.error(errno.EINVAL, "Invalid argument"), "9600 8E1"),
        (ValueError("Invalid baud rate"), "9600 8E1"),
        (OSError(errno.EIO, "I/O error"), "I/O error"),
    ],
)
def test_a_serial_port_says_why_it_cannot_be_opened(error: Exception, says: str) -> None:
    config = SerialLineConfig(port="/dev/x", parity="even")
    assert says in serial_line.advice(config, error)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "check the port"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "spelling"),
        (TimeoutError(), "check its power"),
        (OSError(errno.EHOSTUNREACH, "no route"), "cable"),
        (OSError(errno.EMFILE, "too many"), "too many"),
    ],
)
def test_a_connection_says_why_it_cannot_be_made(error: OSError, says: str) -> None:
    assert says in tcp_line.advice(TcpLineConfig(host="meter"), error)


def test_a_port_is_the_same_by_any_name(tmp_path: Path) -> None:
    port, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    link.symlink_to(port)
    one, other = (SerialLineConfig(port=str(path)) for path in (port, link))
    assert serial_line.resource(one) == serial_line.resource(other)
    assert tcp_line.resource(TcpLineConfig(host="Meter")) == tcp_line.resource(
        TcpLineConfig(host="meter", port=502)
    )


def test_probe_of_a_serial_port_looks_without_opening(tmp_path: Path) -> None:
    master, slave = os.openpty()
    try:
        assert serial_line.probe(SerialLineConfig(port=os.ttyname(slave))) is None
    finally:
        os.close(master)
        os.close(slave)
    file = tmp_path / "file"
    file.touch()
    assert "no serial port" in str(serial_line.probe(SerialLineConfig(port=str(file))))
    gone = SerialLineConfig(port=str(tmp_path / "gone"))
    assert "plug the adapter in" in str(serial_line.probe(gone))


def test_probe_of_a_connection_says_nothing_when_it_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = TcpLineConfig(host="127.0.0.1", port=server.getsockname()[1])
        assert tcp_line.probe(there) is None
    assert "refuses" in str(tcp_line.probe(there))


async def test_what_is_no_serial_port_cannot_be_opened(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    line = serial_line.SerialLine(LINE, SerialLineConfig(port=str(file)))
    with pytest.raises(BusUnavailableError, match="no serial port"):
        await line.open()


async def test_a_serial_port_has_one_owner() -> None:
    master, slave = os.openpty()
    config = SerialLineConfig(port=os.ttyname(slave))
    first, second = (serial_line.SerialLine(LINE, config) for _ in range(2))
    await first.open()
    try:
        with pytest.raises(BusUnavailableError, match="another program"):
            await second.open()
    finally:
        await first.close()
        os.close(master)
        os.close(slave)


async def test_a_refused_connection_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = TcpLineConfig(host="127.0.0.1", port=server.getsockname()[1])
    line = tcp_line.TcpLine(LINE, config)
    with pytest.raises(BusUnavailableError, match="check the port"):
        await line.open()


async def test_an_address_that_is_not_there_takes_the_connect_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]  # the queue of the server is full
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        config = TcpLineConfig(host="127.0.0.1", port=port, connect_timeout_s=0.1)
        line = tcp_line.TcpLine(LINE, config)
        with pytest.raises(BusUnavailableError, match="check its power"):
            await line.open()
        for one in waiting:
            one.close()


async def test_a_name_without_address_says_so() -> None:
    line = tcp_line.TcpLine(LINE, TcpLineConfig(host="no such name"))
    with pytest.raises(BusUnavailableError, match="spelling"):
        await line.open()


async def test_a_connection_that_is_reset_in_mid_request_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = TcpLineConfig(host="127.0.0.1", port=server.getsockname()[1])
        line = tcp_line.TcpLine(LINE, config)
        await line.open()
        far, _ = server.accept()
        asyncio.get_running_loop().call_soon(reset, far)
        with pytest.raises(BusUnavailableError, match="look at the cable"):
            await line.exchange(b"a", Letters("A"), timeout_s=5)
        await line.close()


def reset(connection: socket.socket) -> None:
    """Close without a farewell, as a device does that loses power and comes back."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
