"""What a driver sees of a line of pins that tell when they change: a reader by Wiegand, a counter.

A medium of pins (`gpio`) implements `EdgeSource`; a driver of another family is handed it as its
medium and knows this page only, so that neither imports the other.

    def attend(self, ear: Ear) -> None:
        self._pins.watch(17, self._d0, pull=Pull.UP)

What the source promises:

- `watch` may be called before the medium is open and holds over every opening; it touches no pin
  while the medium is closed. A pin has one watcher: a second one is a ValueError.
- Each time the medium is opened, the level of the pin is told once (`first=True`), then each change
  of it that the hardware reported, in the order of its ticks. A change may be missing where the
  board was too slow: two calls in a row may have the same level, and both count.
- `tell` is called in the event loop, also when a thread of a library saw the edge. Calls for two
  pins may come out of order by a few milliseconds: the ticks say what was first.
- `tick_ns` is when the edge was, in nanoseconds of one clock that never runs backwards and is the
  same for all pins of the source; its beginning means nothing. It is taken where the edge is seen
  first (the kernel, the pin service), never in the loop.
- `level` is what the pin has electrically: True is high. Nothing is debounced or inverted.
- A pin that cannot be had (another program holds it) makes `open` raise BusUnavailableError.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, runtime_checkable

from gateway.model.driver import Medium


class Pull(StrEnum):
    """The resistor inside the board."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Edge(Protocol):
    """Takes one level of a pin."""

    def __call__(self, tick_ns: int, level: bool, /, *, first: bool) -> None:  # noqa: FBT001
        """Take that the pin has `level` since `tick_ns`; `first`: as found when it was opened."""
        ...


@runtime_checkable
class EdgeSource(Medium, Protocol):
    """A medium whose pins tell each change."""

    def watch(self, pin: int, tell: Edge, *, pull: Pull = Pull.NONE) -> None:
        """Have every level of `pin` told from the next opening on.

        Args:
            pin: its number as the medium counts (BCM on a Raspberry Pi).
            tell: called in the event loop; never blocks.
            pull: the resistor to switch on.

        Raises:
            ValueError: there is no such pin, or somebody watches it already.
        """
        ...
