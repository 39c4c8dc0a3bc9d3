"""What a kind of twin and a kind of line are made of, and what they are given when they begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from simulators.options import LineOptions, TwinOptions
from simulators.truth import TruthJournal
from simulators.twin import InPlay, Twin


class RunningLine(Protocol):
    """A line of a running scene."""

    @property
    def medium(self) -> str:
        """Return the name of its kind."""
        ...

    @property
    def address(self) -> Any:  # Any: a dataclass, each kind its own
        """Return what another program needs to be on it, as a frozen dataclass of plain values."""
        ...

    def words(self) -> tuple[str, str]:
        """Return where it is and how it is, for people."""
        ...

    async def refresh(self) -> None:
        """Look which twins are off, and be there or not accordingly; the first call begins it.

        Raises:
            OSError: somebody else has the port.
        """
        ...

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let a twin talk without being asked for as long as the fault `flood` holds."""
        ...

    def retire(self) -> None:
        """End it for good: whatever is still under way opens no port again."""
        ...


@dataclass(slots=True)
class Grounds:
    """What stands of a scene while it is built."""

    truth: TruthJournal
    folder: Path
    """For what lines need in the file system; gone with the scene."""
    stack: ExitStack
    """Takes what must be closed with the scene."""
    lines: dict[str, RunningLine] = field(default_factory=dict)
    twins: dict[str, Twin] = field(default_factory=dict)

    def line(self, name: str) -> RunningLine:
        """Return a line, raising KeyError when there is none."""
        return self.lines[name]

    def twin(self, name: str) -> Twin:
        """Return a twin that another one looks at: those are built first."""
        return self.twins[name]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of twin."""

    options: type[TwinOptions]
    """Its field `kind` is a Literal with the name as its default."""
    media: frozenset[str]
    """Kinds of line it may hang on."""
    hang: Callable[[Any, Grounds], Twin]  # Any: an instance of `options`
    """Builds the twin and joins it to its line. What is heavy is imported here."""
    without: frozenset[str] = frozenset()
    """Names of faults that mean nothing for it."""

    @property
    def name(self) -> str:
        """Return its name in a scene."""
        name: str = self.options.model_fields["kind"].default
        return name


@dataclass(frozen=True, slots=True)
class LineKind:
    """One kind of line."""

    options: type[LineOptions]
    """Its field `medium` is a Literal with the name as its default."""
    lay: Callable[[Any, Grounds], RunningLine]  # Any: an instance of `options`
    site_medium: str = ""
    """What the gateway's site file calls it; empty: the same."""
    site_options: Callable[[Any], Mapping[str, Any]] = asdict  # Any: its address, TOML values
    """Returns the options of a line of the site file from an address."""

    @property
    def name(self) -> str:
        """Return its name in a scene."""
        name: str = self.options.model_fields["medium"].default
        return name
