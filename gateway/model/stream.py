"""Streams: the lanes in which what is recorded travels, in order of urgency."""

from __future__ import annotations

from enum import IntEnum


class Stream(IntEnum):
    """The number is the wire code and the order of urgency."""

    ALARM = 0
    EVENT = 1
    STATE = 2
    DATA = 3
    ROLLUP = 4
    LOG = 5
    MEDIA = 6

    @property
    def topic(self) -> str:
        """Return the name in topics and in tables."""
        return self.name.lower()
