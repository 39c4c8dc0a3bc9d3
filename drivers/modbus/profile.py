"""A profile: the register map of one model of device, as data.

`load_profile` finds and checks one. Whatever is wrong in the file is told at once, each mistake
with its line.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drivers.modbus.fields import Span
from drivers.modbus.plan import overlap
from drivers.modbus.register_map import RegisterMap
from drivers.modbus.schema import PointModel, ProfileModel, Texts, VectorModel
from gateway.model.errors import Mistake
from gateway.model.ids import PointId

SHIPPED: Final = Path(__file__).resolve().parent.parent / "profiles"

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_KEY: Final = re.compile(r"""^\s*["']?([A-Za-z0-9_-]+)["']?\s*[=.]""")
_TOML_LINE: Final = re.compile(r"\(at line (\d+)")


class ProfileError(ValueError):
    """A profile cannot be used. `mistakes` say where and why, as those of a configuration do."""

    def __init__(self, message: str, mistakes: Sequence[Mistake] = ()) -> None:
        """Take one sentence, and the mistakes inside the file if there is a file."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join((message, *map(str, self.mistakes))))


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile."""

    map: RegisterMap
    """All that the driver needs of it."""
    title: Texts
    vectors: Sequence[VectorModel] = field(default_factory=tuple)


def load_profile(name: str, site_dir: Path | None) -> Profile:
    """Find a profile by name and check it: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name (it lists near ones), or it has mistakes (it lists
        them all).
    """
    folders = [SHIPPED] if site_dir is None else [site_dir / "profiles", SHIPPED]
    for folder in folders:
        path = folder / f"{name}.toml"
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) and path.is_file():
            return read_profile(path)
    known = sorted({path.stem for folder in folders for path in folder.glob("*.toml")})
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are: {', '.join(known)}"
    where = " and ".join(str(folder) for folder in folders)
    msg = f"there is no profile {name!r}{hint} (looked in {where})"
    raise ProfileError(msg)


def read_profile(path: Path) -> Profile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"profile {path.stem} cannot be read: {error}"
        raise ProfileError(msg) from error
    return parse_profile(text, path)


@lru_cache(maxsize=128)  # a site has many devices of few models
def parse_profile(text: str, path: Path) -> Profile:
    """Check the text of a profile from the file `path`, whose stem must be the profile's name.

    Raises:
        ProfileError: every mistake with its line.
    """
    broken = f"profile {path.stem} has mistakes:"
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _TOML_LINE.search(str(error))
        line = int(at.group(1)) if at else text.count("\n") + 1
        raise ProfileError(
            broken, [Mistake(path, line, "", f"this is no TOML: {error}")]
        ) from error
    lines = _lines(text)
    try:
        model = ProfileModel.model_validate(raw)
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
    found = [
        Mistake(path, _line_of(lines, loc), _option(raw, loc), message)
        for loc, message in _contradictions(model, path)
    ]
    if found:
        raise ProfileError(broken, sorted(found, key=lambda mistake: mistake.line))
    return _build(model)


def _build(model: ProfileModel) -> Profile:
    default = next(iter(model.groups))
    periods = dict(model.groups)
    groups: dict[PointId, str] = {}
    for point in model.point:
        group = point.group or default
        if point.period_s is not None:
            group = f"every_{point.period_s:g}s"
            periods[group] = point.period_s
        groups[PointId(point.name)] = group
    register_map = RegisterMap(
        name=model.name,
        limits=model.limits.build(),
        periods=periods,
        points={PointId(point.name): point.build() for point in model.point},
        groups=groups,
    )
    return Profile(register_map, model.title, tuple(model.vector))


Loc = tuple[int | str, ...]


def _contradictions(model: ProfileModel, path: Path) -> list[tuple[Loc, str]]:
    """Find what is wrong between parts that are right by themselves."""
    found: list[tuple[Loc, str]] = []
    if model.name != path.stem:
        found.append((("name",), f"{model.name!r} must be the name of the file, {path.stem!r}"))
    first: dict[str, int] = {}
    for place, point in enumerate(model.point):
        if first.setdefault(point.name, place) != place:
            found.append((("point", place, "name"), f"{point.name!r} stands twice"))
        if point.group is not None and point.group not in model.groups:
            allowed = ", ".join(model.groups)
            found.append(
                (("point", place, "group"), f"{point.group!r} is not one of the groups: {allowed}")
            )
    found += _overlaps(model.point, model.limits.never_spans())
    for place, vector in enumerate(model.vector):
        unknown = sorted({*vector.values, *vector.flags} - set(first))
        if unknown:
            found.append((("vector", place), f"no such points: {', '.join(unknown)}"))
    return found


def _overlaps(points: Sequence[PointModel], never: Sequence[Span]) -> list[tuple[Loc, str]]:
    """Find points that share registers, other than bit fields and names for the very same value."""
    found: list[tuple[Loc, str]] = []
    built = [point.build() for point in points]
    for place, (point, one) in enumerate(built):
        found += [
            (("point", place, "address"), f"lies in {span}, which is never to be read")
            for span in never
            if overlap(one.span, span)
        ]
        for other_point, other in built[:place]:
            if not overlap(one.span, other.span):
                continue
            same_place = one.span == other.span
            if same_place and one.mask is not None and other.mask is not None:
                continue
            if same_place and (one.type, one.order, one.mask) == (
                other.type,
                other.order,
                other.mask,
            ):
                continue
            message = (
                f"{point.name} ({one.span}) overlaps {other_point.name} ({other.span}); only bit "
                "fields (mask) of the same registers, or two names for one value, may share them"
            )
            found.append((("point", place, "address"), message))
    return found


# Where in the file


def _lines(text: str) -> Mapping[Loc, int]:
    """Return the line of each table and key, by the path under which pydantic names it."""
    found: dict[Loc, int] = {}
    here: Loc = ()
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            name = header.group(2)
            if header.group(1) == "[[":
                here = (name, seen.get(name, 0))
                seen[name] = seen.get(name, 0) + 1
            else:
                here = tuple(name.split("."))
            found.setdefault(here, number)
        elif key := _KEY.match(line):
            found.setdefault((*here, key.group(1)), number)
    return found


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
