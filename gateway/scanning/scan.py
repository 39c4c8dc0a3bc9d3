"""A search on one line, driver by driver: shown, kept, taken up again, and without doubles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.model.discovery import Discover, Found, Looked, Match, Scope, State, Sureness
from gateway.model.errors import GatewayError
from gateway.model.files import durable_write

EDITION: Final = 1
KEEP_EVERY: Final = 20
"""Steps between two writes of the file to go on from."""


@dataclass(slots=True)
class Progress:
    """How far a search is; all of it can be kept in a file."""

    what: str
    """What is searched for where: only the same search is gone on with."""
    states: dict[str, State] = field(default_factory=dict)
    """By driver; one that is done has `done`."""
    found: list[Found] = field(default_factory=list)

    def add(self, found: Found) -> bool:
        """Take a device; False when it is known already.

        The same address with the same settings is one device, whoever found it; so are two that
        give the same serial number.
        """
        if any(_same(found, known) for known in self.found):
            return False
        self.found.append(found)
        return True

    def dump(self) -> str:
        """Return it as JSON."""
        told = {
            "scan": EDITION,
            "what": self.what,
            "states": self.states,
            "found": [asdict(found) for found in self.found],
        }
        return json.dumps(told, ensure_ascii=False)


def _same(one: Found, other: Found) -> bool:
    if one.driver != other.driver:
        return False
    serial = one.identity.get("serial")
    return one.options == other.options or (
        bool(serial) and one.identity == other.identity and _place(one) == _place(other)
    )


def _place(found: Found) -> Mapping[str, Any]:  # Any: values of options
    """Return the options without the settings of the line."""
    settings = {"baud_rate", "parity", "stop_bits", "byte_size"}
    return {name: value for name, value in found.options.items() if name not in settings}


def load_progress(file: Path, what: str) -> Progress:
    """Return how far the same search was; a new one when there is none, or another.

    Args:
        file: where it was kept.
        what: what is searched for where.

    Raises:
        GatewayError: there is a file that is none of ours.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told["scan"] != EDITION or told["what"] != what:
            return Progress(what)
        found = [
            Found(
                **{
                    **each,
                    "matches": [
                        Match(match["profile"], Sureness(match["sureness"]))
                        for match in each["matches"]
                    ],
                }
            )
            for each in told["found"]
        ]
        return Progress(what, dict(told["states"]), found)
    except FileNotFoundError:
        return Progress(what)
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{file} does not say how far a search was ({error!r}): remove it, or name another"
        raise GatewayError(msg) from error


@dataclass(frozen=True, slots=True)
class Seen:
    """One step of a search, with where the whole search is."""

    driver: str
    looked: Looked
    share: float
    """Of the whole search, 0 to 1."""
    new: bool
    """A device was found that was not known."""


@dataclass(slots=True)
class Scan:
    """A search with several drivers on one line."""

    drivers: Mapping[str, Discover]
    scopes: Mapping[str, Scope]
    """By driver."""
    progress: Progress
    keep: Callable[[str], None]
    """Takes how far it is, as text, every few steps and at the end."""

    async def run(self, medium: Any, show: Callable[[Seen], None]) -> None:  # Any: the medium
        """Search until the end.

        Args:
            medium: the line, open.
            show: called after each step.

        Raises:
            GatewayError: the line is gone. What was found so far is kept.
        """
        steps = 0
        try:
            for place, name in enumerate(self.drivers):
                state = self.progress.states.get(name, {})
                if state.get("done"):
                    continue
                async for looked in self.drivers[name](medium, self.scopes[name], state):
                    self.progress.states[name] = looked.state
                    new = looked.found is not None and self.progress.add(looked.found)
                    show(Seen(name, looked, (place + looked.share) / len(self.drivers), new))
                    steps += 1
                    if steps % KEEP_EVERY == 0 or new:
                        self.keep(self.progress.dump())
                self.progress.states[name] = {"done": True}
        finally:
            self.keep(self.progress.dump())


def keep_in(file: Path) -> Callable[[str], None]:
    """Return what keeps how far a search is in a file."""

    def keep(text: str) -> None:
        durable_write(file, text.encode())

    return keep


def characters(
    speeds: Sequence[int], parities: Sequence[str], stop_bits: Sequence[int]
) -> Iterator[Mapping[str, Any]]:  # Any: values of options
    """Yield the settings of a serial line to try, the likeliest first."""
    for parity in parities:
        for stops in stop_bits:
            for speed in speeds:
                yield {"baud_rate": speed, "parity": parity, "stop_bits": stops}
