"""The sites of the demo: a scene, and beside it what the gateway is told of its devices.

`scenes/NAME.toml` has the twins, `scenes/NAME.site.toml` the site's side of it:

    shown = ["meter-1.active_power"]      # of the summary; without it: one of each device
    [lines.entrance-485]                  # options of a line beside where it is
    medium = "osdp"
    drop = ["parity"]                     # what the twins' line says, and this medium does not know
    [[device]]                            # as in a site file
    [[file]]                              # that the site wants beside it
    path = "keys/credential.key"
    text = "..."

The kind `all` is every scene at once, names with the name of their scene before them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from simulators.kinds import LINES
from simulators.lines.kinds import SerialAddress, SerialSpec
from simulators.options import LineOptions
from simulators.programs.site_file import head, tables
from simulators.running import as_site
from simulators.scene import PACKAGE, load_scene, packaged

GATEWAY: Final = "demo-cabinet-1"
ALL: Final = "all"
TITLE: Final = 'title = "{title}"\nlanguage = "ru"\n'
UPLINK: Final = """\
gather_s = 5  # readings go out together every 5 s; events and alarms at once
"""
FIRST_PORT: Final = 5020

Table = Mapping[str, Any]  # Any: what TOML holds


@dataclass(frozen=True, slots=True)
class Part:
    """The site's side of one scene."""

    about: str
    title: str
    devices: Sequence[Table]
    lines: Mapping[str, Table]
    files: Sequence[Table]
    shown: Sequence[str]


def kinds() -> list[str]:
    """Return the names of the sites that can be played."""
    return [*(name for name in packaged() if _side(name).is_file()), ALL]


def _side(name: str) -> Any:  # Any: a Traversable
    return files(PACKAGE).joinpath(f"{name}.site.toml")


def part_of(kind: str) -> Part:
    """Return the site's side of one kind of site."""
    if kind != ALL:
        told = tomllib.loads(_side(kind).read_text("utf-8"))
        about = load_scene(kind).about
        return Part(
            about.en,
            about.ru,
            told["device"],
            told.get("lines", {}),
            told.get("file", ()),
            told.get("shown", ()),
        )
    parts = {name: part_of(name) for name in kinds() if name != ALL}
    return Part(
        "Everything at once.",
        "Все площадки сразу",
        [
            {**device, "id": f"{name}.{device['id']}", "line": f"{name}.{device['line']}"}
            for name, part in parts.items()
            for device in part.devices
        ],
        {
            f"{name}.{line}": told
            for name, part in parts.items()
            for line, told in part.lines.items()
        },
        [file for part in parts.values() for file in part.files],
        (),
    )


def scene_of(kind: str, folder: Path) -> str:
    """Return what `mayak sim run` takes for a kind of site: a name, or a file in `folder`."""
    if kind != ALL:
        return kind
    file = folder / "all.toml"
    file.write_text("".join(_everything()), encoding="utf-8")
    return str(file)


def _everything() -> Iterator[str]:
    for name in kinds():
        if name == ALL:
            continue
        told = tomllib.loads(files(PACKAGE).joinpath(f"{name}.toml").read_text("utf-8"))
        twins = {twin["id"] for twin in told["twin"]}
        yield tables("line", [{**line, "id": f"{name}.{line['id']}"} for line in told["line"]])
        yield tables("twin", [_renamed(twin, name, twins) for twin in told["twin"]])


def _renamed(twin: Table, scene: str, twins: set[str]) -> Table:
    """Return a twin under the name of its scene; it may name others of its scene."""
    named = {
        key: f"{scene}.{value}" if isinstance(value, str) and value in twins else value
        for key, value in twin.items()
        if key not in {"kind", "profile"}
    }
    kept = {key: twin[key] for key in ("kind", "profile") if key in twin}
    return {**named, **kept, "line": f"{scene}.{twin['line']}"}


def site_of(kind: str, lines: Mapping[str, Table], broker_port: int) -> str:
    """Return a site file, as a technician would have written it.

    Args:
        kind: of site.
        lines: of the site file, by id, without it: where the twins' lines are.
        broker_port: of the broker (or the proxy before it) on this machine.
    """
    part = part_of(kind)
    used = dict.fromkeys(device["line"] for device in part.devices)
    return (
        f"# {part.about} As `mayak demo {kind}` runs it.\n\n"
        + head(
            GATEWAY,
            broker_port,
            max_mib=64,
            about=TITLE.format(title=part.title.partition(":")[0]),
            uplink=UPLINK,
            audiences=("operations", "personal"),
        )
        + tables("line", [_line(name, lines[name], part.lines.get(name, {})) for name in used])
        + tables("device", part.devices)
    )


def _line(name: str, at: Table, side: Table) -> Table:
    """Return a line of the site file: where it is, and what the scene's side says of it."""
    told = {"id": name, **at, **side}
    return {key: value for key, value in told.items() if key not in {"drop", *side.get("drop", ())}}


def write_files(kind: str, folder: Path) -> None:
    """Write what the site wants beside its file, for its owner only."""
    for each in part_of(kind).files:
        path = folder / each["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each["text"], encoding="utf-8")
        path.chmod(0o600)


def example_lines(kind: str) -> dict[str, Table]:
    """Return lines for a site file that is only printed."""
    scenes = [name for name in kinds() if name != ALL] if kind == ALL else [kind]
    found: dict[str, Table] = {}
    for scene in scenes:
        prefix = f"{scene}." if kind == ALL else ""
        for line in load_scene(scene).line:
            found[f"{prefix}{line.id}"] = _example(line, len(found))
    return found


def _example(line: LineOptions, number: int) -> Table:
    if isinstance(line, SerialSpec):
        at = SerialAddress(
            f"/dev/ttyUSB{number}", line.baud_rate, line.parity, line.stop_bits, line.byte_size
        )
        return {**as_site(line.medium, at), "parity": line.parity}
    medium = LINES[line.medium].site_medium or line.medium
    return {
        "medium": medium,
        **({"host": "127.0.0.1", "port": FIRST_PORT} if medium == "tcp" else {}),
    }
