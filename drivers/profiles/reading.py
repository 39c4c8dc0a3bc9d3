"""Finds a profile, reads it, and tells every mistake in it with its line, whatever its kind.

Loaded where a site or a profile is checked; never in the agent.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drivers.profiles.header import Header
from gateway.model.errors import Mistake

SHIPPED: Final = Path(__file__).resolve().parent
"""The folder of Mayak's own profiles."""
DEFAULT_PROTOCOL: Final = "modbus"

Loc = tuple[int | str, ...]
"""A place in a profile: `("point", 2, "unit")`."""
HeaderT = TypeVar("HeaderT", bound=Header)

_TABLE: Final = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_KEY: Final = re.compile(r"""^\s*["']?([A-Za-z0-9_-]+)["']?\s*[=.]""")
_TOML_LINE: Final = re.compile(r"\(at line (\d+)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class ProfileError(ValueError):
    """A profile cannot be used. `mistakes` say where and why, as those of a configuration do."""

    def __init__(self, message: str, mistakes: Sequence[Mistake] = ()) -> None:
        """Take one sentence, and the mistakes inside the file if there is a file."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join((message, *map(str, self.mistakes))))


def find_profile(name: str, site_dir: Path | None, protocol: str) -> Path:
    """Return the file of a profile: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name; it lists near ones of that protocol.
    """
    folders = [SHIPPED] if site_dir is None else [site_dir / "profiles", SHIPPED]
    for folder in folders:
        path = folder / f"{name}.toml"
        if _NAME.fullmatch(name) and path.is_file():
            return path
    known = sorted(
        {
            path.stem
            for folder in folders
            for path in folder.glob("*.toml")
            if protocol_of(path) == protocol
        }
    )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are: {', '.join(known)}"
    where = " and ".join(str(folder) for folder in folders)
    msg = f"there is no profile {name!r}{hint} (looked in {where})"
    raise ProfileError(msg)


def protocol_of(path: Path) -> str:
    """Return what the device of a profile speaks; of a file that is no TOML, the default."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("protocol", DEFAULT_PROTOCOL)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return DEFAULT_PROTOCOL
    return found if isinstance(found, str) else DEFAULT_PROTOCOL


def read_text(path: Path) -> str:
    """Return the text of a profile.

    Raises:
        ProfileError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"profile {path.stem} cannot be read: {error}"
        raise ProfileError(msg) from error


def check_text(
    text: str,
    path: Path,
    model: type[HeaderT],
    contradictions: Callable[[HeaderT], Iterable[tuple[Loc, str]]],
) -> HeaderT:
    """Return the profile that stands in `text`, checked.

    Args:
        text: TOML.
        path: its file, whose stem must be the name of the profile.
        model: what may stand in it.
        contradictions: finds what is wrong between parts that are right by themselves: the place
            and a sentence for each.

    Raises:
        ProfileError: every mistake with its line.
    """
    broken = f"profile {path.stem} has mistakes:"
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        at = _TOML_LINE.search(str(error))
        line = int(at.group(1)) if at else text.count("\n") + 1
        raise ProfileError(
            broken, [Mistake(path, line, "", f"this is no TOML: {error}")]
        ) from error
    lines = lines_of(text)
    try:
        checked = model.model_validate(raw)
    except ValidationError as error:
        mistakes = [
            Mistake(
                path,
                _line_of(lines, problem["loc"]),
                _option(raw, problem["loc"]),
                _sentence(problem),
            )
            for problem in _own_problems(error.errors(include_url=False))
        ]
        raise ProfileError(
            broken, sorted(set(mistakes), key=lambda mistake: mistake.line)
        ) from error
    found = list(contradictions(checked))
    if checked.name != path.stem:
        message = f"{checked.name!r} must be the name of the file, {path.stem!r}"
        found.insert(0, (("name",), message))
    if found:
        mistakes = [
            Mistake(path, _line_of(lines, loc), _option(raw, loc), message)
            for loc, message in found
        ]
        raise ProfileError(broken, sorted(mistakes, key=lambda mistake: mistake.line))
    return checked


# Where in the file


def lines_of(text: str) -> Mapping[Loc, int]:
    """Return the line of each table and key, by the path under which pydantic names it."""
    found: dict[Loc, int] = {}
    here: Loc = ()
    seen: dict[Loc, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            here = _place(header.group(2).split("."), seen, many=header.group(1) == "[[")
            found.setdefault(here, number)
        elif key := _KEY.match(line):
            found.setdefault((*here, key.group(1)), number)
    return found


def _place(words: Sequence[str], seen: dict[Loc, int], *, many: bool) -> Loc:
    """Return the path of a header; `seen` counts the arrays of tables, the last one is meant."""
    here: Loc = ()
    for word in words[:-1]:
        here = (*here, word)
        if here in seen:
            here = (*here, seen[here])
    here = (*here, words[-1])
    if many:
        seen[here] = seen.get(here, -1) + 1
        return (*here, seen[here])
    return here


def _line_of(lines: Mapping[Loc, int], loc: Loc) -> int:
    """Return the line of the nearest thing that has one."""
    for length in range(len(loc), 0, -1):
        if loc[:length] in lines:
            return lines[loc[:length]]
    return 1


def _option(raw: Mapping[str, Any], loc: Loc) -> str:  # Any: what TOML holds
    """Return the path as a person reads it: points and vectors by name, not by number."""
    words: list[str] = []
    here: Any = raw  # Any: what TOML holds
    for step in loc:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(step, int):
            name = here.get("name") if isinstance(here, dict) else None
            words[-1:] = [f"{words[-1]} {name or step + 1}" if words else str(step)]
        else:
            words.append(step)
    return ".".join(words)


def _own_problems(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short because all that stands in it is wrong."""
    inside = {problem["loc"][:1] for problem in problems if len(problem["loc"]) > 1}
    return [p for p in problems if p["type"] != "too_short" or p["loc"] not in inside]


def _sentence(problem: ErrorDetails) -> str:
    """Say what was found and what is allowed."""
    if problem["type"] == "extra_forbidden":
        return "there is no such option"
    if problem["type"] == "missing":
        return "is missing"
    message = problem["msg"].removeprefix("Value error, ")
    found = problem.get("input")
    return f"{message}, found {found!r}" if isinstance(found, (str, int, float)) else message
