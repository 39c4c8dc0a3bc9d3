"""Scenes: which twins hang on which lines, and what goes wrong when. TOML in, frozen models out."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self, Union

from pydantic import BaseModel, Field, ValidationError, model_validator

from simulators.faults import Fault, read_fault
from simulators.kinds import LINES, TWINS
from simulators.options import STRICT, LineOptions, Name, TwinOptions
from simulators.sentences import complaint, place

PACKAGE: Final = "simulators.scenes"

Seconds = Annotated[float, Field(ge=0, le=10_000_000)]

if TYPE_CHECKING:
    LineSpec = LineOptions
    TwinSpec = TwinOptions
else:  # one of all that the families bring
    LineSpec = Annotated[
        Union[tuple(kind.options for kind in LINES.values())],  # noqa: UP007 - of a sequence
        Field(discriminator="medium"),
    ]
    TwinSpec = Annotated[
        Union[tuple(kind.options for kind in TWINS.values())],  # noqa: UP007 - of a sequence
        Field(discriminator="kind"),
    ]
_TAGS: Final = frozenset({*LINES, *TWINS})
"""What pydantic puts into the place of an error in one of the two unions above."""


class FaultSpec(BaseModel):
    """A fault of one twin with its time. Other options are those of the fault itself."""

    model_config = STRICT

    twin: Name
    fault: Fault
    at_s: Seconds = Field(default=0.0, description="seconds after the start of the scene")
    for_s: Seconds | None = Field(default=None, description="how long; none: to the end")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, found: object) -> object:
        if not isinstance(found, Mapping) or not isinstance(found.get("fault"), str):
            return found
        ours = {key: value for key, value in found.items() if key in cls.model_fields}
        options = {key: value for key, value in found.items() if key not in cls.model_fields}
        return {**ours, "fault": read_fault(found["fault"], options)}


class About(BaseModel):
    """What the scene is, for people."""

    model_config = STRICT

    ru: str = ""
    en: str = ""


class Scene(BaseModel):
    """Lines, twins and faults that hold together."""

    model_config = STRICT

    about: About = About()
    line: tuple[LineSpec, ...] = Field(min_length=1)
    twin: tuple[TwinSpec, ...] = Field(min_length=1)
    fault: tuple[FaultSpec, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def medium_of(self, twin: str) -> str:
        """Return on what kind of line the twin of that name hangs.

        Raises:
            KeyError: there is no such twin.
        """
        lines = {line.id: line for line in self.line}
        return lines[{item.id: item for item in self.twin}[twin].line].medium

    def _problems(self) -> Iterator[str]:
        for family in (self.line, self.twin):
            yield from (
                f"the name {name} stands {times} times"
                for name, times in Counter(item.id for item in family).items()
                if times > 1
            )
        lines = {line.id: line for line in self.line}
        twins = {twin.id: twin for twin in self.twin}
        yield from self._misplaced(lines, twins)
        for item in self.fault:
            known = twins.get(item.twin)
            if known is None:
                yield f"fault {item.fault.name}: there is no twin {item.twin}"
            elif known.line in lines:
                why = misfit(item.fault, known.kind, lines[known.line].medium)
                if why is not None:
                    yield f"fault {item.fault.name} of {item.twin}: {why}"

    def _misplaced(
        self, lines: Mapping[str, LineSpec], twins: Mapping[str, TwinSpec]
    ) -> Iterator[str]:
        taken: set[tuple[str, Hashable]] = set()
        for twin in self.twin:
            line = lines.get(twin.line)
            if line is None:
                yield f"twin {twin.id}: there is no line {twin.line}"
                continue
            media = TWINS[twin.kind].media
            if line.medium not in media:
                yield f"twin {twin.id}: {twin.kind} hangs on {_listed(media)} lines only"
            # On RS-485 two devices with one address are a fault that happens; elsewhere not.
            place = (twin.line, twin.place)
            if line.medium != "serial" and twin.place is not None and place in taken:
                yield f"twin {twin.id}: {twin.place_name} of {twin.line} is taken"
            taken.add(place)
            for name, kind in twin.looks_at.items():
                if name not in twins or twins[name].kind != kind:
                    yield f"twin {twin.id}: there is no {kind} {name}"


def misfit(fault: Fault, kind: str, medium: str) -> str | None:
    """Return the sentence for a fault that means nothing for such a twin on such a line."""
    if fault.kinds is not None and kind not in fault.kinds:
        return f"it is known to {_listed(fault.kinds)} only"
    if fault.name in TWINS[kind].without:
        return f"it means nothing for {kind}"
    if fault.media is not None and medium not in fault.media:
        return f"it applies to {_listed(fault.media)} lines only"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class SceneError(ValueError):
    """A scene that cannot be played, with one sentence for each thing wrong."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        """Keep all the sentences; a person mends them in one go."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


def packaged() -> list[str]:
    """Return the names of the scenes that come with the package."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in files(PACKAGE).iterdir()
        if item.name.endswith(".toml") and not item.name.endswith(".site.toml")
    )


def load_scene(name: str) -> Scene:
    """Return the scene of that packaged name, or in the file of that path.

    Raises:
        SceneError: there is none, or it has mistakes.
    """
    if name in packaged():
        return parse_scene(files(PACKAGE).joinpath(f"{name}.toml").read_text("utf-8"), name)
    try:
        return parse_scene(Path(name).read_text("utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(packaged())
        raise SceneError([f"{name}: no such scene or file ({error}); scenes: {known}"]) from error


def parse_scene(text: str, source: str) -> Scene:
    """Return the scene written in `text`.

    Args:
        text: TOML.
        source: what to call it in messages.

    Raises:
        SceneError: it is no TOML, or has mistakes.
    """
    try:
        return Scene.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else max(1, len(text.splitlines()))
        raise SceneError([f"{source}:{line}: {error}"]) from error
    except ValidationError as error:
        raise SceneError(
            [
                _sentence(source, text, item["loc"], complaint(item["type"], item["msg"], found))
                for item in error.errors()
                for found in (item["input"],)
            ]
        ) from error


def _sentence(source: str, text: str, path: tuple[str | int, ...], message: str) -> str:
    path = tuple(step for step in path if step not in _TAGS)
    where = f"{place(path)}: " if path else ""
    return f"{source}:{locate(text, path)}: {where}{message}"


def locate(text: str, path: Sequence[str | int]) -> int:
    """Return the line of a scene file that `path` is about, as well as it can be told.

    Args:
        text: the file.
        path: for example `("twin", 2, "unit")`.
    """
    lines = text.splitlines()
    start, end = 0, len(lines)
    if len(path) > 1 and isinstance(path[1], int):
        header = re.compile(rf"\s*\[\[\s*{re.escape(str(path[0]))}\s*\]\]")
        found = [place for place, line in enumerate(lines) if header.match(line)]
        if path[1] >= len(found):
            return 1
        start = found[path[1]]
        later = (at for at in range(start + 1, end) if lines[at].lstrip().startswith("["))
        end = next(later, end)
        path = path[2:]
    if path:
        option = re.compile(rf"\s*\[*\s*\"?{re.escape(str(path[0]))}\"?\s*[=.\]]")
        start = next((at for at in range(start, end) if option.match(lines[at])), start)
    return start + 1
