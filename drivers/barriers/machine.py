"""What a barrier does, told from its limit switches and from what it was ordered. Pure.

`Barrier.see` takes the inputs at a moment, `Barrier.told` an order; each returns the barrier after
it and what is worth telling. Nothing here waits and nothing here moves anything.

| state | the limit switches say | and |
|---|---|---|
| open, closed | one of them | it was ordered, or found so |
| opening, closing | none, or the one it leaves | it was ordered, and its time is not over |
| blocked | not the one it was ordered to | its time is over |
| forced | not closed any more | it was closed and nobody had ordered anything |
| unknown | none, or both | nothing is known of how it came there |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final


class State(IntEnum):
    """The state of a barrier; the number is its value."""

    UNKNOWN = 0
    OPEN = 1
    OPENING = 2
    CLOSING = 3
    CLOSED = 4
    BLOCKED = 5
    FORCED = 6


class Order(IntEnum):
    """What it can be told; the number is its value."""

    NONE = 0
    OPEN = 1
    CLOSE = 2
    STOP = 3


class Occurrence(StrEnum):
    """What is worth telling: keys of the message catalogue."""

    FORCED = "barrier-forced"
    """Opened, and nobody had ordered it."""
    SHUT_AGAIN = "barrier-shut-again"
    """It was forced, and is closed."""
    BLOCKED = "barrier-blocked"
    """It did not arrive in its time."""
    OBSTACLE = "barrier-obstacle"
    """Something came under it while it was closing."""
    CONTRADICTS = "barrier-contradicts"
    """Both limit switches are closed at once."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the contacts say at one moment; True: opened, closed, occupied."""

    opened: bool
    closed: bool
    loop: bool = False
    photo: bool = False

    @property
    def occupied(self) -> bool:
        """Say whether something is under it."""
        return self.loop or self.photo

    @property
    def contradictory(self) -> bool:
        """Say whether it would be at both ends."""
        return self.opened and self.closed


@dataclass(frozen=True, slots=True)
class Habits:
    """What holds for this barrier."""

    travel_timeout_s: float
    """By then it has arrived, or is blocked."""
    moved_by_others: bool = False
    """Others may open it too (a remote control, a loop of its own): that is not forced."""


@dataclass(frozen=True, slots=True)
class Barrier:
    """What is known of a barrier."""

    habits: Habits
    state: State = State.UNKNOWN
    order: Order = Order.NONE
    """What it is carrying out."""
    ordered_s: float = 0.0
    travel_s: float | None = None
    """How long it took the last time it was ordered."""
    contradicted: bool = False
    obstructed: bool = False
    """Something was under it already when it was looked at before."""

    def told(self, order: Order, inputs: Inputs, now_s: float) -> Barrier:
        """Return the barrier after an order was handed to its control.

        Args:
            order: to open, to close, to stop.
            inputs: what the contacts said before.
            now_s: this moment, monotonic seconds.
        """
        match order:
            case Order.OPEN:
                going = State.OPEN if inputs.opened and not inputs.closed else State.OPENING
            case Order.CLOSE:
                going = State.CLOSED if inputs.closed and not inputs.opened else State.CLOSING
            case _:
                return replace(self, order=Order.NONE, state=_found(inputs))
        if going in _ARRIVED:
            return replace(self, order=Order.NONE, state=going, travel_s=0.0)
        return replace(self, order=order, state=going, ordered_s=now_s)

    def see(self, inputs: Inputs, now_s: float) -> tuple[Barrier, tuple[Occurrence, ...]]:
        """Return the barrier after its contacts were looked at, and what is worth telling.

        Args:
            inputs: what they say.
            now_s: this moment, monotonic seconds.
        """
        if inputs.contradictory:
            return self._contradicted()
        if self.order is Order.NONE:
            after, told = self._unordered(inputs)
        else:
            after, told = self._ordered(inputs, now_s)
        return replace(after, contradicted=False, obstructed=inputs.occupied), told

    def _contradicted(self) -> tuple[Barrier, tuple[Occurrence, ...]]:
        told = () if self.contradicted else (Occurrence.CONTRADICTS,)
        return replace(self, state=State.UNKNOWN, order=Order.NONE, contradicted=True), told

    def _ordered(self, inputs: Inputs, now_s: float) -> tuple[Barrier, tuple[Occurrence, ...]]:
        opening = self.order is Order.OPEN
        if inputs.opened if opening else inputs.closed:
            arrived = State.OPEN if opening else State.CLOSED
            travel_s = now_s - self.ordered_s
            return replace(self, state=arrived, order=Order.NONE, travel_s=travel_s), ()
        if now_s - self.ordered_s >= self.habits.travel_timeout_s:
            return replace(self, state=State.BLOCKED, order=Order.NONE), (Occurrence.BLOCKED,)
        comes = not opening and inputs.occupied and not self.obstructed
        told = (Occurrence.OBSTACLE,) if comes else ()
        return replace(self, state=State.OPENING if opening else State.CLOSING), told

    def _unordered(self, inputs: Inputs) -> tuple[Barrier, tuple[Occurrence, ...]]:
        found = _found(inputs)
        if self.state is State.FORCED:
            if found is State.CLOSED:
                return replace(self, state=found), (Occurrence.SHUT_AGAIN,)
            return self, ()
        if self.state is State.CLOSED and found is not State.CLOSED:
            if self.habits.moved_by_others:
                return replace(self, state=found), ()
            return replace(self, state=State.FORCED), (Occurrence.FORCED,)
        if self.state is State.BLOCKED and found is State.UNKNOWN:
            return self, ()
        return replace(self, state=found), ()


def may_close(inputs: Inputs) -> bool:
    """Say whether it may be told to close: only where it is known that nothing is under it."""
    return not inputs.occupied


def _found(inputs: Inputs) -> State:
    """Return what the limit switches alone say."""
    if inputs.opened == inputs.closed:
        return State.UNKNOWN
    return State.OPEN if inputs.opened else State.CLOSED


_ARRIVED: Final = frozenset({State.OPEN, State.CLOSED})
