"""`mayak sim record` and `mayak sim replay`: take a site's traffic home, and serve it back."""

from __future__ import annotations

import asyncio
import json
import signal
import tomllib
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gateway.model.clock import Clock, SystemClock
from simulators.lines.kinds import SerialSpec
from simulators.lines.stream import StreamSpec
from simulators.options import LineOptions
from simulators.programs.children import mayak
from simulators.programs.site_file import tables
from simulators.recording.kinds import ReplayOptions
from simulators.recording.replay import Speech
from simulators.recording.tape import SENT, Head, Tape
from simulators.running import Running, as_site
from simulators.scene import Scene

MEDIA: Final = frozenset({"serial", "tcp"})
"""Lines of bytes; others are not recorded, and that is said."""
SHOW_EVERY_S: Final = 0.5
_ADDRESSES: Final = frozenset({"port", "host", "connect_timeout_s"})
"""Options of a line that say where it was, not how it was set."""


@dataclass(slots=True)
class LineTaken:
    """What was taken of one line so far."""

    sent: int = 0
    heard: int = 0
    pieces: int = 0
    trouble: str = ""


@dataclass(slots=True)
class Taking:
    """A recording under way."""

    file: TextIO
    clock: Clock
    lines: dict[str, LineTaken] = field(default_factory=dict)

    async def take(self, site: Path, name: str, for_s: float | None) -> None:
        """Write down what goes over one line until its time is over or it ends.

        Args:
            site: the site file.
            name: of the line.
            for_s: seconds; None: until cancelled.
        """
        taken = self.lines[name]
        limit = [] if for_s is None else ["--for", str(for_s)]
        process = await asyncio.create_subprocess_exec(
            *mayak("tap", name, "--site", str(site), "--json", *limit), stdout=PIPE, stderr=PIPE
        )
        try:
            if process.stdout is not None:
                async for told in process.stdout:
                    self._write(name, taken, json.loads(told))
            code = await process.wait()
            if process.stderr is not None:
                said = (await process.stderr.read()).decode(errors="replace").strip()
                taken.trouble = said or (f"ended with {code}" if code else "")
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
                await process.wait()

    def _write(self, name: str, taken: LineTaken, told: Mapping[str, Any]) -> None:  # Any: JSON
        piece = {"line": name, "at_us": told["at_us"], "way": told["way"], "bytes": told["bytes"]}
        self.file.write(json.dumps(piece) + "\n")
        size = len(told["bytes"]) // 2
        taken.pieces += 1
        if told["way"] == SENT:
            taken.sent += size
        else:
            taken.heard += size

    def view(self) -> Table:
        """Return it as a table."""
        table = Table(title=f"recording to {self.file.name}", title_justify="left")
        for header in ("line", "bytes sent", "bytes heard", "pieces", ""):
            table.add_column(header, justify="left" if header in {"line", ""} else "right")
        for name, taken in self.lines.items():
            numbers = (f"{number:,}" for number in (taken.sent, taken.heard, taken.pieces))
            table.add_row(name, *numbers, taken.trouble)
        return table


def head_of(site: Path) -> tuple[Head, list[str]]:
    """Return what is worth keeping of a site, and the lines that carry no bytes.

    Keys, passwords and the platform's address are no part of it.

    Args:
        site: the site file.

    Raises:
        OSError, tomllib.TOMLDecodeError: it cannot be read.
    """
    told = tomllib.loads(site.read_text(encoding="utf-8"))
    lines = {line["id"]: line for line in told.get("line", ())}
    kept = {name: line for name, line in lines.items() if line["medium"] in MEDIA}
    devices = [device for device in told.get("device", ()) if device["line"] in kept]
    profiles = {}
    for device in devices:
        file = site.parent / "profiles" / f"{device.get('profile')}.toml"
        if file.is_file():
            profiles[device["profile"]] = file.read_text(encoding="utf-8")
    settings = {
        name: {key: value for key, value in line.items() if key not in {"id", *_ADDRESSES}}
        for name, line in kept.items()
    }
    return Head(settings, devices, profiles), [name for name in lines if name not in kept]


async def record(site: Path, out: Path, for_s: float | None, console: Console) -> bool:
    """Record all lines of a site until the time is over or Ctrl+C.

    Args:
        site: the site file.
        out: the recording.
        for_s: seconds; None: until interrupted.
        console: shows how it goes.

    Returns:
        Whether something of every line of bytes was recorded.
    """
    head, others = head_of(site)
    for name in others:
        console.print(f"line {name} carries no bytes and is not recorded", highlight=False)
    with out.open("w", encoding="utf-8") as file:
        file.write(head.dump() + "\n")
        taking = Taking(file, SystemClock(), {name: LineTaken() for name in head.lines})
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        with Live(console=console, auto_refresh=False) as live:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(taking.take(site, name, for_s), name=f"record:{name}")
                    for name in head.lines
                ]
                while not stop.is_set() and not all(task.done() for task in tasks):
                    live.update(taking.view(), refresh=console.is_terminal)
                    await asyncio.wait(tasks, timeout=SHOW_EVERY_S)
                for task in tasks:
                    task.cancel()
            live.update(taking.view(), refresh=True)
    return all(taken.pieces for taken in taking.lines.values())


def scene_of(tape: Tape, file: Path) -> Scene:
    """Return the scene that serves a recording back: its lines, with one twin on each.

    Args:
        tape: the recording.
        file: where it is.
    """
    lines: list[LineOptions] = []
    twins = []
    for name, settings in tape.head.lines.items():
        if settings["medium"] == "serial":
            kept = {key: settings[key] for key in ("baud_rate", "stop_bits") if key in settings}
            lines.append(SerialSpec(id=name, **kept))
        else:
            lines.append(StreamSpec(id=name))
        speech = _speech(name, settings, tape.head)
        twins.append(ReplayOptions(id=f"{name}-tape", line=name, tape=file, of=name, speech=speech))
    return Scene(line=tuple(lines), twin=tuple(twins))


def _speech(line: str, settings: Mapping[str, Any], head: Head) -> Speech:  # Any: TOML values
    """Return what all devices of a line speak, as far as a recording knows it."""
    framings = {
        device.get("framing", "auto") if device["driver"] == "modbus" else None
        for device in head.devices
        if device["line"] == line
    }
    if not framings or None in framings:
        return Speech.BYTES
    tcp = settings["medium"] == "tcp" and "rtu" not in framings
    return Speech.MODBUS_TCP if tcp else Speech.MODBUS_RTU


def lines_and_devices(tape: Tape, running: Running) -> str:
    """Return the tables of a site file that reads the recording where it is served now."""
    lines = []
    for name, settings in tape.head.lines.items():
        at = as_site(running.lines[name].medium, running.lines[name].address)
        lines.append({"id": name, **settings, **at})
    return tables("line", lines) + tables("device", tape.head.devices)


def write_site(tape: Tape, running: Running, file: Path) -> None:
    """Write those tables, and beside them the profiles that lay beside the site file.

    Args:
        tape: the recording.
        running: where it is served.
        file: takes the tables.
    """
    file.write_text(lines_and_devices(tape, running), encoding="utf-8")
    for name, text in tape.head.profiles.items():
        folder = file.parent / "profiles"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
