"""Scenes: which twins hang on which lines, and what goes wrong when. TOML in, frozen models out."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from simulators.faults import Fault, Medium, read_fault
from simulators.modbus.bank import BankOptions
from simulators.modbus.device import Name
from simulators.modbus.door import DoorOptions
from simulators.modbus.light import LightOptions
from simulators.modbus.meter_3p import MeterOptions
from simulators.modbus.relay_4 import RelayOptions
from simulators.sentences import complaint, place

_STRICT: Final = ConfigDict(extra="forbid", frozen=True)
PACKAGE: Final = "simulators.scenes"

Seconds = Annotated[float, Field(ge=0, le=10_000_000)]


class TcpSpec(BaseModel):
    """A listening port with one Modbus TCP device, or several behind it by their unit."""

    model_config = _STRICT

    id: Name
    medium: Literal["tcp"]
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="0: the system chooses")


class SerialSpec(BaseModel):
    """An RS-485 line: one pty for whoever asks, one ear for each twin."""

    model_config = _STRICT

    id: Name
    medium: Literal["serial"]
    baud_rate: int = Field(default=9600, ge=300, le=1_000_000, description="bits a second")
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1

    @property
    def bits_per_byte(self) -> int:
        """Return how many bits one byte takes on the line."""
        return 1 + 8 + (self.parity != "none") + self.stop_bits


LineSpec = Annotated[TcpSpec | SerialSpec, Field(discriminator="medium")]
TwinSpec = Annotated[
    MeterOptions | RelayOptions | LightOptions | DoorOptions | BankOptions,
    Field(discriminator="kind"),
]
_TAGS: Final = frozenset({"tcp", "serial", "meter-3p", "relay-4", "light", "door", "bank"})
"""What pydantic puts into the place of an error in one of the two unions above."""


class FaultSpec(BaseModel):
    """A fault of one twin with its time. Other options are those of the fault itself."""

    model_config = _STRICT

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

    model_config = _STRICT

    ru: str = ""
    en: str = ""


class Scene(BaseModel):
    """Lines, twins and faults that hold together."""

    model_config = _STRICT

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

    def medium_of(self, twin: str) -> Medium:
        """Return what the twin of that name hangs on.

        Raises:
            KeyError: there is no such twin.
        """
        lines = {line.id: line for line in self.line}
        return Medium(lines[{item.id: item for item in self.twin}[twin].line].medium)

    def _problems(self) -> Iterator[str]:
        for family in (self.line, self.twin):
            yield from (
                f"the name {name} stands {times} times"
                for name, times in Counter(item.id for item in family).items()
                if times > 1
            )
        lines = {line.id: line for line in self.line}
        relays = {None, *(twin.id for twin in self.twin if isinstance(twin, RelayOptions))}
        taken: set[tuple[str, int]] = set()
        for twin in self.twin:
            line = lines.get(twin.line)
            if line is None:
                yield f"twin {twin.id}: there is no line {twin.line}"
                continue
            # On RS-485 two devices with one address are a fault that happens; on TCP they cannot.
            if line.medium == "tcp" and (twin.line, twin.unit) in taken:
                yield f"twin {twin.id}: unit {twin.unit} of {twin.line} is taken"
            taken.add((twin.line, twin.unit))
            if isinstance(twin, MeterOptions) and twin.relays not in relays:
                yield f"twin {twin.id}: there is no relay module {twin.relays}"
        for item in self.fault:
            known = next((twin for twin in self.twin if twin.id == item.twin), None)
            if known is None:
                yield f"fault {item.fault.name}: there is no twin {item.twin}"
            elif known.line in lines and lines[known.line].medium not in item.fault.media:
                yield f"fault {item.fault.name} of {item.twin}: {misfit(item.fault)}"


def misfit(fault: Fault) -> str:
    """Return the sentence for a fault on a medium it does not apply to."""
    return f"it applies to {', '.join(sorted(fault.media))} lines only"


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
        if item.name.endswith(".toml")
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
