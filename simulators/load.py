"""Load scenes for benches: many banks of registers, behind one port or each on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

from simulators.modbus.bank import BankOptions
from simulators.modbus.kinds import TcpSpec
from simulators.scene import Scene

MAX_UNITS = 247


def load_scene_of(
    devices: int, registers: int, *, separate: bool = False, refresh_s: float = 1.0, seed: int = 1
) -> Scene:
    """Return a scene of `devices` banks with `registers` wandering registers each.

    Twins are called `bank-1` to `bank-N`. Behind one port (line `banks`) they are units 1 to N; on
    ports of their own (lines `bank-net-1` to `bank-net-N`) each is unit 1.

    Args:
        devices: how many; behind one port at most 247.
        registers: of each, beside the counter of answers.
        separate: a port for each.
        refresh_s: time between two steps of the registers.
        seed: of the first bank; the others count on.

    Raises:
        ValueError: more devices than a port has units, or none.
    """
    if not separate and devices > MAX_UNITS:
        msg = f"{devices} devices behind one port: there are {MAX_UNITS} units"
        raise ValueError(msg)
    numbers = range(1, devices + 1)
    names = [f"bank-net-{number}" for number in numbers] if separate else ["banks"]
    return Scene(
        line=tuple(TcpSpec(id=name) for name in names),
        twin=tuple(
            BankOptions(
                id=f"bank-{number}",
                line=f"bank-net-{number}" if separate else "banks",
                unit=1 if separate else number,
                registers=registers,
                refresh_s=refresh_s,
                seed=seed + number - 1,
            )
            for number in numbers
        ),
    )


def as_toml(scene: Scene) -> str:
    """Return a load scene as a file that `mayak sim run` reads."""
    return "\n".join(_tables(scene)) + "\n"


def _tables(scene: Scene) -> Iterator[str]:
    for header, items in (("line", scene.line), ("twin", scene.twin)):
        for item in items:
            yield f"[[{header}]]"
            for key, value in item.model_dump(mode="json", exclude_none=True).items():
                # Text, numbers and booleans are written alike in JSON and TOML.
                yield f"{key} = {json.dumps(value)}"
            yield ""
