"""Answers that have not come yet: a late one is not taken for the answer to another request.

Protocols without transaction numbers leave a line in doubt after a request went unanswered: its
answer may still come, and look just like the next one. The rules:

- a request whose answer could be mistaken for one that is owed waits until that has come or is too
  late;
- the same poll, byte for byte, need not wait: whichever of the two answers comes says what was
  asked. A command must, since its proof has to be from after it;
- what comes and answers an owed request is taken off, whoever is being asked just then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from drivers.media.framing import Framing
from gateway.model.driver import Priority
from gateway.model.errors import FrameError

LEAST_LATENESS_S: Final = 2.0
"""An answer may be later than its time-out by this, or by another time-out if that is longer."""


def latest_s(timeout_s: float) -> float:
    """Return how long after a request its answer is believed possible, in seconds."""
    return timeout_s + max(timeout_s, LEAST_LATENESS_S)


@dataclass(slots=True, eq=False)
class Debt:
    """A request whose answer has not come, and until when that is believed possible."""

    request: bytes
    answer: Framing
    until: float
    paid: asyncio.Event = field(default_factory=asyncio.Event)
    waited_for: int = 0

    async def settled(self, until: float | None = None) -> None:
        """Return when the answer has come, at `until`, or when it is too late for it."""
        self.waited_for += 1
        try:
            async with asyncio.timeout_at(self.until if until is None else until):
                await self.paid.wait()
        except TimeoutError:
            return
        finally:
            self.waited_for -= 1


class LateAnswers:
    """The answers that a line may still bring. Times are those of the loop."""

    __slots__ = ("_debts",)

    def __init__(self) -> None:
        """Start with none."""
        self._debts: list[Debt] = []

    def __bool__(self) -> bool:
        """Say whether there may be any."""
        return bool(self._debts)

    def owe(self, request: bytes, answer: Framing, until: float) -> Debt | None:
        """Remember a request whose answer did not come; None: that answer is never mistaken."""
        if answer.shape is None:
            return None
        debt = Debt(request, answer, until)
        self._debts.append(debt)
        return debt

    def in_the_way(
        self, request: bytes, shape: Hashable | None, priority: Priority, now: float
    ) -> Debt | None:
        """Return one to settle before this request may go out; forget what is too late by now."""
        self._debts = [debt for debt in self._debts if debt.until > now]
        for debt in self._debts:
            if debt.answer.shape != shape or shape is None:
                continue
            if debt.request != request or priority is Priority.COMMAND or debt.waited_for:
                return debt
        return None

    def answered(self, request: bytes, until: float) -> None:
        """Note an answer to a request like one that is owed: one more may come."""
        for debt in self._debts:
            if debt.request == request:
                debt.until = max(debt.until, until)

    def measure(self, received: bytearray, now: float, *, but: bytes = b"") -> int | None:
        """Look for a late answer at the head of what was received.

        Args:
            received: what came.
            now: the time.
            but: answers to this request are no late ones.

        Returns:
            Its length; 0 when one may be under way; None when this is none.
        """
        under_way = None
        for debt in self._debts:
            if debt.until <= now or debt.request == but:
                continue
            with suppress(FrameError):
                size = debt.answer.measure(received)
                if size > 0:
                    self._debts.remove(debt)
                    debt.paid.set()
                    return size
                under_way = 0
        return under_way
