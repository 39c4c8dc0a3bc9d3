"""Sites of banks (`mayak sim load`), as text: profile, scene and site file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from simulators.load import MAX_UNITS
from simulators.programs.site_file import Settings, device, head, line

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


def alone(name: str, registers: int) -> str:
    """Return a bank on a TCP line of its own, as tables of a scene."""
    return (
        f'\n[[line]]\nid = "{name}"\nmedium = "tcp"\n\n'
        f'[[twin]]\nid = "{name}"\nline = "{name}"\nkind = "bank"\nunit = 1\n'
        f"registers = {registers}\n"
    )


def site(
    placed: Iterable[Placed],
    lines: Mapping[str, Settings],
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
    often = f"period_s = {period_s}\n{options}".rstrip("\n") + "\n"
    return (
        head(GATEWAY, broker_port, max_mib=512)
        + "".join(line(name, at) for name, at in lines.items())
        + "".join(device(each.name, each.line, PROFILE, each.unit, often) for each in placed)
    )
