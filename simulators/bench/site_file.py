"""Sites of banks (`mayak sim load`), as text: profile, scene and site file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from simulators.load import MAX_UNITS
from simulators.programs.parts import CONSUMER

GATEWAY: Final = "bench-1"
PROFILE: Final = "bench-bank"


class Placed(NamedTuple):
    """A device and where it hangs."""

    name: str
    line: str
    unit: int


@dataclass(frozen=True, slots=True)
class Load:
    """How much there is to read."""

    devices: int
    registers: int
    """Of each device; its counter of answers comes on top."""
    period_s: float = 1.0
    separate: bool = False
    """A TCP port for each device; else units behind one."""

    @property
    def values(self) -> int:
        """Return how many values one round has."""
        return self.devices * (self.registers + 1)

    @property
    def placed(self) -> list[Placed]:
        """Return the devices as `mayak sim load` names them."""
        numbers = range(1, self.devices + 1)
        if self.separate:
            return [Placed(f"bank-{n}", f"bank-net-{n}", 1) for n in numbers]
        return [Placed(f"bank-{n}", "banks", n) for n in numbers]

    def times(self, work: int) -> Load:
        """Return a load with so many times the values a second: more devices.

        What does not fit behind one port any more is read more often instead.
        """
        often = 1
        while not self.separate and self.devices * work // often > MAX_UNITS:
            often *= 2
        return replace(self, devices=self.devices * work // often, period_s=self.period_s / often)

    def __str__(self) -> str:
        """Return it as people write it: 20x50."""
        return f"{self.devices}x{self.registers}"


def profile(registers: int) -> str:
    """Return the register map of a bank (`simulators/modbus/bank.py`)."""
    points = "".join(
        f'[[point]]\nname = "r{place}"\ntable = "holding"\naddress = {place}\ntype = "u16"\n\n'
        for place in range(registers)
    )
    return f"""name = "{PROFILE}"
title = {{ ru = "Банк регистров", en = "Bank of registers" }}

[source]
document = "simulators/modbus/README.md, the register map of this twin"
edition = "1"

[groups]
all = 1.0

{points}[[point]]
name = "answers"
table = "holding"
address = {registers}
type = "u32"
unit = "{{count}}"
"""


def site(
    placed: Iterable[Placed],
    lines: Mapping[str, Mapping[str, Any]],  # Any: JSON values of the twins' ready file
    broker_port: int,
    *,
    period_s: float,
    options: str = "",
) -> str:
    """Return the site file of a bench.

    Args:
        placed: the devices.
        lines: of the twins: `host` and `port`, or `path` and the settings of a serial line.
        broker_port: of the broker, or the link before it, on this machine.
        period_s: how often each device is read.
        options: of each device, as lines of TOML.
    """
    return (
        _head(broker_port)
        + "".join(_line(name, line) for name, line in lines.items())
        + "".join(_device(device, period_s, options) for device in placed)
    )


def _head(broker_port: int) -> str:
    return f"""[gateway]
id = "{GATEWAY}"

[store]
path = "var/store.db"
max_mib = 512

[keys]
device_key = "keys/gateways/{GATEWAY}/device.key"
device_certificate = "keys/gateways/{GATEWAY}/device.pem"

[[consumer]]
id = "{CONSUMER}"
audiences = ["operations"]
hpke_keys = ["keys/{CONSUMER}-hpke.pub"]
sign_keys = ["keys/{CONSUMER}-sign.pem"]

[uplink]
consumer = "{CONSUMER}"
host = "localhost"
port = {broker_port}
ca = "keys/ca.pem"
keep_alive_s = 5

"""


def _line(name: str, line: Mapping[str, Any]) -> str:  # Any: JSON values
    if line["medium"] == "tcp":
        where = f'host = "{line["host"]}"\nport = {line["port"]}\n'
    else:
        where = (
            f'port = "{line["path"]}"\nbaud_rate = {line["baud_rate"]}\n'
            f'parity = "{line["parity"]}"\nstop_bits = {line["stop_bits"]}\n'
        )
    return f'[[line]]\nid = "{name}"\nmedium = "{line["medium"]}"\n{where}\n'


def _device(device: Placed, period_s: float, options: str) -> str:
    return f"""[[device]]
id = "{device.name}"
line = "{device.line}"
driver = "modbus"
profile = "{PROFILE}"
unit = {device.unit}
period_s = {period_s}
{options}
"""
