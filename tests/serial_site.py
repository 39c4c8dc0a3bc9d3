"""A scene with one serial line, and the agent's owner of that line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, cast

from drivers.media.serial_line import SerialLine, SerialLineConfig
from gateway.model.ids import LineId
from simulators.lines.kinds import serial
from simulators.running import Running, run_scene
from simulators.scene import parse_scene


@dataclass
class SerialSite:
    """What runs: the twins, and the line on which a driver may ask them."""

    running: Running
    line: SerialLine


@asynccontextmanager
async def serial_site(
    twins: str, *, baud_rate: int = 115_200, echo: bool = False, characters: str = ""
) -> AsyncIterator[SerialSite]:
    """Run twins on the line `line`, and own it.

    Args:
        twins: `[[twin]]` tables of a scene.
        baud_rate: of the line.
        echo: its adapter hears itself.
        characters: more options of the line in the scene.
    """
    scene = (
        f'[[line]]\nid = "line"\nmedium = "serial"\nbaud_rate = {baud_rate}\n{characters}\n{twins}'
    )
    async with run_scene(parse_scene(scene, "test")) as running:
        address = serial(running.lines["line"]).address
        line = SerialLine(
            LineId("line"),
            SerialLineConfig(
                port=address.path,
                baud_rate=address.baud_rate,
                # a pty knows no parity and no byte of seven bits: what hangs on it is told apart
                # by its speed only
                stop_bits=cast("Literal[1, 2]", address.stop_bits),
                echo=echo,
            ),
        )
        try:
            yield SerialSite(running, line)
        finally:
            await line.close()
