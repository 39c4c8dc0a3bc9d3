"""Telling a change from a contact that bounces. Pure: time is what the ticks say.

A level counts when it has held for so long. The board stamps its edges, so it does not matter when
they are looked at: what was steady between two edges counts, even when both are seen late.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Change(NamedTuple):
    """A level that counts."""

    level: bool
    since_ns: int
    """When it began."""


class Debounce:
    """The level of one pin."""

    __slots__ = ("_edge_ns", "_level", "_raw", "_since_ns", "_steady_ns", "repeated")

    def __init__(self, steady_ns: int) -> None:
        """Take how long a level must hold.

        Args:
            steady_ns: nanoseconds; 0: every edge counts.
        """
        self._steady_ns: Final = steady_ns
        self._level = False
        self._since_ns = 0
        self._raw = False
        self._edge_ns = 0
        self.repeated = 0
        """Edges to a level that the pin had already: the edge in between was missed."""

    @property
    def level(self) -> bool:
        """Return the level that counts."""
        return self._level

    @property
    def since_ns(self) -> int:
        """Return when it began, as far as it was seen."""
        return self._since_ns

    @property
    def raw(self) -> bool:
        """Return the level of the last edge."""
        return self._raw

    @property
    def steady_s(self) -> float:
        """Return how long a level must hold, in seconds."""
        return self._steady_ns / 1e9

    @property
    def settles_ns(self) -> int | None:
        """Return when the level of the last edge will count; None: it does."""
        return None if self._raw == self._level else self._edge_ns + self._steady_ns

    def begin(self, tick_ns: int, level: bool) -> None:  # noqa: FBT001  as edges are told
        """Take what was found when the board was opened: nothing of before holds."""
        self._level = self._raw = level
        self._since_ns = self._edge_ns = tick_ns

    def edge(self, tick_ns: int, level: bool) -> list[Change]:  # noqa: FBT001  as edges are told
        """Take an edge; return what counts because of it or of the time before it.

        An edge from before the last one says nothing any more: it is passed over.
        """
        if tick_ns < self._edge_ns:
            return []
        changes = self.settle(tick_ns)
        if level == self._raw:
            self.repeated += 1
            if not self._steady_ns:
                # So short that only one edge of it was seen, yet it was: both count.
                changes += [Change(not level, tick_ns), Change(level, tick_ns)]
                self._since_ns = tick_ns
            if self._raw != self._level:
                self._edge_ns = tick_ns  # it was elsewhere meanwhile: its time begins anew
            return changes
        self._raw, self._edge_ns = level, tick_ns
        return changes + self.settle(tick_ns)

    def settle(self, tick_ns: int) -> list[Change]:
        """Take that it is now so late; return what counts because of it."""
        if self._raw == self._level or tick_ns - self._edge_ns < self._steady_ns:
            return []
        self._level, self._since_ns = self._raw, self._edge_ns
        return [Change(self._level, self._since_ns)]
