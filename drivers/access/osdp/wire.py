"""The way to the readers: a serial port or a TCP connection, and the options that name it."""

from __future__ import annotations

import importlib.util
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.media import serial_line, tcp_line
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.media.tcp_line import TcpLine, TcpLineConfig
from gateway.model.ids import LineId
from gateway.model.options import About, Limits, Options

MISSING: Final = "libosdp is not installed: pip install 'mayak[access]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class OsdpLineConfig(Options):
    """Options of an OSDP line."""

    port: Annotated[
        Annotated[str, Limits(min_length=1)] | None,
        About("device file of the RS-485 adapter; a name under /dev/serial/by-id stays"),
    ] = None
    baud_rate: Annotated[int, Limits(ge=9600, le=230_400), About("speed in bits per second")] = 9600
    host: Annotated[
        Annotated[str, Limits(min_length=1)] | None,
        About("instead of port: name or address of a network adapter in transparent mode"),
    ] = None
    tcp_port: Annotated[int, Limits(ge=1, le=65535), About("TCP port of that adapter")] = 4001
    connect_timeout_s: Annotated[
        float, Limits(gt=0, le=60), About("how long a connection may take, in seconds")
    ] = 3.0
    retry_s: Annotated[
        float, Limits(ge=1, le=300), About("pause between tries for a reader that is not there")
    ] = 10.0

    def __post_init__(self) -> None:
        """Refuse both ways and none.

        Raises:
            ValueError: there is not exactly one way.
        """
        if (self.port is None) == (self.host is None):
            msg = "an osdp line has either a port or a host"
            raise ValueError(msg)

    @property
    def serial(self) -> SerialLineConfig | None:
        """Return the serial port; OSDP has 8 data bits, no parity, one stop bit."""
        if self.port is None:
            return None
        return SerialLineConfig(port=self.port, baud_rate=self.baud_rate)

    @property
    def tcp(self) -> TcpLineConfig:
        """Return the TCP connection, where there is no serial port."""
        return TcpLineConfig(
            host=self.host or "", port=self.tcp_port, connect_timeout_s=self.connect_timeout_s
        )


class SerialWire(SerialLine):
    """A serial port."""

    def say(self, data: bytes) -> None:
        """Send, when the port is open."""
        if self._channel is not None:
            self._send(data)


class TcpWire(TcpLine):
    """A TCP connection."""

    def say(self, data: bytes) -> None:
        """Send, when the connection is open."""
        if self._channel is not None:
            self._send(data)


def make_wire(line: LineId, config: OsdpLineConfig) -> SerialWire | TcpWire:
    """Return the way that the options name; opens nothing."""
    if config.serial is not None:
        return SerialWire(line, config.serial)
    return TcpWire(line, config.tcp)


def resource(config: OsdpLineConfig) -> Hashable:
    """Return the port or connection, as lines of bytes name it."""
    if config.serial is not None:
        return serial_line.resource(config.serial)
    return tcp_line.resource(config.tcp)


def probe(config: OsdpLineConfig) -> str | None:
    """Say why there can be no talk with readers now, or None."""
    if importlib.util.find_spec("osdp_sys") is None:
        return MISSING
    if config.serial is not None:
        return serial_line.probe(config.serial)
    return tcp_line.probe(config.tcp)
