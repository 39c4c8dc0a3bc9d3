"""Events against a truth of their own: what the agent said in its log. Pure.

The log is written on a way of its own, past recorder, store and uplink: who tells an event says so
in the log as well. Each must be at the platform exactly once. An event that was told just before a
kill may have been on its way to the card; a line of the log likewise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from simulators.programs.told import ToldEvent

KEYS: Final = frozenset(
    {
        "line-lost", "line-back", "device-lost", "device-back",
        "points-lost", "points-back", "device-fault", "link-lost", "link-back",
    }
)  # fmt: skip
"""Events that stand in the log as well."""
SAME_MS: Final = 300
"""Log and event look at the clock one after the other."""
FORGIVEN_MS: Final = 500
"""Before a kill: a commit that was under way, a line that was not written yet."""


@dataclass(frozen=True, slots=True)
class Said:
    """An event as the log has it."""

    key: str
    device: str | None
    at_ms: int

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.key} {self.device or ''} at {self.at_ms}"


@dataclass(frozen=True, slots=True)
class Events:
    """How log and platform agree."""

    matched: int = 0
    missing: tuple[Said, ...] = ()
    doubled: tuple[Said, ...] = ()
    unsaid: tuple[Said, ...] = ()
    """At the platform, and not in the log."""

    @property
    def findings(self) -> list[str]:
        """Return what is wrong, as sentences."""
        wrong = {"missing": self.missing, "twice": self.doubled, "never raised": self.unsaid}
        return [f"event {what}: {each}" for what, events in wrong.items() for each in events]


def said(lines: Iterable[str]) -> list[Said]:
    """Return the events in the agent's log, in their order; a line that a kill cut is none."""
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("event") in KEYS:
            found.append(Said(entry["event"], entry.get("device"), _ms(entry["at"])))
    return sorted(found, key=lambda each: each.at_ms)


def compare(log: Sequence[Said], told: Sequence[ToldEvent], kills_ms: Iterable[int]) -> Events:
    """Return how what the agent said and what the platform holds agree.

    Args:
        log: of all lives of the agent.
        told: all events of the platform.
        kills_ms: wall times of the agent's kills.
    """
    kills = sorted(kills_ms)
    same = Counter(
        (each.key, each.device, each.wall_ms, each.mono_ms, json.dumps(each.args, sort_keys=True))
        for each in told
        if each.key in KEYS
    )
    doubled = [Said(*key[:3]) for key, times in same.items() if times > 1]
    left = sorted((Said(*key[:3]) for key in same), key=lambda each: each.at_ms)
    matched, missing = 0, []
    for each in log:
        near = [
            other
            for other in left
            if (other.key, other.device) == (each.key, each.device)
            and abs(other.at_ms - each.at_ms) <= SAME_MS
        ]
        if near:
            left.remove(min(near, key=lambda other: abs(other.at_ms - each.at_ms)))
            matched += 1
        elif not _forgiven(each, kills):
            missing.append(each)
    unsaid = [each for each in left if not _forgiven(each, kills)]
    return Events(matched, tuple(missing), tuple(doubled), tuple(unsaid))


def _forgiven(each: Said, kills: Sequence[int]) -> bool:
    return any(at - FORGIVEN_MS <= each.at_ms <= at + SAME_MS for at in kills)


def _ms(at: Any) -> int:  # Any: a JSON value
    return round(datetime.fromisoformat(str(at)).timestamp() * 1000)
