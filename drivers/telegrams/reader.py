"""An answer and a refusal of one device, ready to be tried on what comes. Pure."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Final

from drivers.telegrams.language import Refusal, Reply
from drivers.telegrams.pattern import compiled
from drivers.telegrams.values import Parts
from gateway.model.errors import FrameError

UNSAID: Final = -1
"""The code of a refusal that has none."""


class Reader:
    """An answer."""

    def __init__(self, reply: Reply, address: int | str) -> None:
        """Take what it looks like, and the address of the device.

        Raises:
            TemplateError: the address does not fit into it.
        """
        self.shape: Final = reply.shape
        self.alike: Final[Hashable] = reply.pattern, reply.begins, reply.shape
        """What answers that could be mistaken for one another have in common."""
        self._pattern: Final = _pattern(reply.pattern, address)
        self._begins: Final = reply.begins.fill({"address": address}) if reply.begins else b""

    def fits(self, telegram: bytes) -> bool:
        """Say whether a whole, checked telegram is this answer."""
        if not telegram.startswith(self._begins):
            return False
        try:
            whole = self.shape.measure(telegram) == len(telegram)
        except FrameError:
            return False  # it is of another shape, as a refusal may be
        return whole and self.parts(telegram) is not None

    def parts(self, telegram: bytes) -> Parts | None:
        """Return the named groups of the pattern; None when it does not fit."""
        if self._pattern is None:
            return {}
        found = self._pattern.fullmatch(self.shape.body(telegram).decode("latin-1"))
        return None if found is None else found.groupdict()


class Refuser:
    """A way of saying no."""

    def __init__(self, refusal: Refusal, address: int | str) -> None:
        """Take what it looks like, and the address of the device."""
        self.shape: Final = refusal.shape
        self._begins: Final = refusal.begins
        self._code_at: Final = refusal.code_at
        self._pattern: Final = _pattern(refusal.pattern, address)

    def code(self, telegram: bytes) -> int | None:
        """Return the code of a refusal, UNSAID when it has none, None when it is no refusal."""
        try:
            if self.shape.measure(telegram) != len(telegram):
                return None
            body = self.shape.body(telegram)
        except FrameError:
            return None
        if not telegram.startswith(self._begins):
            return None
        said: str | None = None
        if self._pattern is not None:
            found = self._pattern.fullmatch(body.decode("latin-1"))
            if found is None:
                return None
            said = found.groupdict().get("code")
        if self._code_at is not None:
            return telegram[self._code_at] if self._code_at < len(telegram) else UNSAID
        return int(said) if said and said.isdecimal() else UNSAID


def _pattern(pattern: str, address: int | str) -> re.Pattern[str] | None:
    return compiled(pattern, address) if pattern else None
