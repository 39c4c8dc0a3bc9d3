"""What each driver says of itself in the `facts.toml` of its folder. The agent never reads it.

A file has a table `[[driver]]` for each row:

    [[driver]]
    names = ["sds011"]            # entry points under gateway.drivers
    protocol = "SDS011"
    source = "..."                # documents that were read
    twin = "simulators/environment"
    verified = "..."              # what that is not ours it was tried against
    hardware = "never"            # or on what it was tried, and when
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

FILE: Final = "facts.toml"
NEVER: Final = "never"
SAID: Final = "never saw real hardware"
BEGIN: Final = "<!-- mayak drivers table --write: begin -->"
END: Final = "<!-- mayak drivers table --write: end -->"
COLUMNS: Final = ("driver", "protocol", "source", "twin", "verified against", "hardware")
OURS: Final = "drivers."
"""A driver of somebody else has a page of its own."""


class FactsError(ValueError):
    """What a file or the page has not as it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One row."""

    names: tuple[str, ...]
    protocol: str
    source: str
    twin: str
    """Path of the twin from the root of the repository."""
    verified: str
    hardware: str

    @property
    def saw_hardware(self) -> bool:
        """Say whether it was ever tried on the device itself."""
        return self.hardware != NEVER

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the row as the page has it."""
        hardware = self.hardware if self.saw_hardware else SAID
        names = ", ".join(self.names)
        return names, self.protocol, self.source, f"`{self.twin}`", self.verified, hardware


def read_facts(file: Path) -> list[Facts]:
    """Return the rows of a file.

    Raises:
        FactsError: it is not there, no TOML, or a row has something missing or too much.
    """
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{file}: {error}"
        raise FactsError(msg) from error
    rows = told.pop("driver", None)
    if told or not isinstance(rows, list) or not rows:
        msg = f"{file}: there must be tables [[driver]], and nothing else"
        raise FactsError(msg)
    return [_row(file, row) for row in rows]


def _row(file: Path, row: object) -> Facts:
    wanted = {field.name for field in fields(Facts)}
    if not isinstance(row, dict) or set(row) != wanted:
        msg = f"{file}: [[driver]] has {', '.join(sorted(wanted))}, all of them and no more"
        raise FactsError(msg)
    names = row.pop("names")
    texts: Mapping[str, Any] = row  # Any: looked at in the next line
    if not _texts(names) or not _texts(list(texts.values())):
        msg = f"{file}: names is a list of names, all else is text on one line without |, not empty"
        raise FactsError(msg)
    return Facts(names=tuple(names), **texts)


def _texts(told: object) -> bool:
    return (
        isinstance(told, list)
        and bool(told)
        and all(isinstance(one, str) and one.strip() and not set(one) & set("|\n") for one in told)
    )


def collect(root: Path, drivers: Mapping[str, str]) -> list[Facts]:
    """Return the rows of all drivers, by the names of their folders.

    Args:
        root: of the repository.
        drivers: module by entry point; those that are not ours are left out.

    Raises:
        FactsError: tells everything that is missing or wrong.
    """
    ours = {name: module for name, module in drivers.items() if module.startswith(OURS)}
    folders = {name: root.joinpath(*module.split(".")).parent for name, module in ours.items()}
    rows: dict[Path, list[Facts]] = {}
    wrong: list[str] = []
    for folder in sorted(set(folders.values())):
        try:
            rows[folder] = read_facts(folder / FILE)
        except FactsError as error:
            wrong.append(str(error))
    wrong += _mistakes(root, folders, rows)
    if wrong:
        raise FactsError("\n".join(wrong))
    return [row for folder in sorted(rows) for row in rows[folder]]


def _mistakes(
    root: Path, folders: Mapping[str, Path], rows: Mapping[Path, Sequence[Facts]]
) -> Iterable[str]:
    told = [(name, folder) for folder, few in rows.items() for row in few for name in row.names]
    for name, folder in folders.items():
        if folder in rows and told.count((name, folder)) != 1:
            yield f"{folder / FILE}: driver {name} must stand in one row of it"
    for name, folder in told:
        if folders.get(name) != folder:
            yield f"{folder / FILE}: there is no driver {name} here"
    for folder, few in rows.items():
        for row in few:
            if not (root / row.twin).exists():
                yield f"{folder / FILE}: there is no twin {row.twin}"


def table(rows: Sequence[Facts]) -> str:
    """Return the table, with a sentence that says how much of it saw hardware."""
    names = sum(len(row.names) for row in rows)
    never = sum(len(row.names) for row in rows if not row.saw_hardware)
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells for row in rows)]
    said = f"{never} of {names} drivers never saw real hardware."
    return "\n".join([said, "", *(f"| {' | '.join(cells)} |" for cells in lines)]) + "\n"


def placed(page: str, made: str) -> str:
    """Return the page with the table between its markers.

    Raises:
        FactsError: the markers are not there, once each and in order.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in head + tail:
        msg = f"the page must have one line {BEGIN} and one line {END} after it"
        raise FactsError(msg)
    return f"{head}{BEGIN}\n{made}{END}{tail}"
