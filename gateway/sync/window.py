"""What is out and not yet settled, what must be repeated and when. Pure, given the time.

The broker's PUBACK frees a place in its window; only the platform's acknowledgement settles.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.model.ids import Audience
from gateway.model.stream import Stream
from gateway.sync.wire import AckedChannel, RefusedBatch

ChannelKey = tuple[Stream, Audience]
Range = tuple[ChannelKey, int, int]

REPEAT_FIRST_S: Final = 2.0
"""A hole younger than this may still be on its way through another receiver."""
REPEAT_MOST_S: Final = 120.0
SILENCE_FIRST_S: Final = 15.0
SILENCE_MOST_S: Final = 600.0
REFUSALS_MOST: Final = 3


@dataclass(slots=True)
class _Hole:
    due_s: float
    wait_s: float


@dataclass(slots=True)
class Window:
    """The bookkeeping of one connection."""

    most_unsettled: int
    """Batches that may be out without the platform's acknowledgement."""
    settled: dict[ChannelKey, int]
    """Highest contiguous sequence that the platform holds."""
    patience_s: float = SILENCE_FIRST_S
    """How long the platform may say nothing new the first time."""
    sent: dict[ChannelKey, int] = field(default_factory=dict)
    """Highest sequence that is out."""
    _out: dict[ChannelKey, deque[int]] = field(default_factory=dict)
    """Sequences of the batches that are out; one batch may stand for several sequences."""
    _holes: dict[Range, _Hole] = field(default_factory=dict)
    _refusals: Counter[tuple[ChannelKey, int]] = field(default_factory=Counter)
    _progress_s: float = 0.0
    _silence_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin after what is settled."""
        self.sent = dict(self.settled)
        self._silence_s = self.patience_s

    @property
    def unsettled(self) -> int:
        """Return how many batches are out."""
        return sum(map(len, self._out.values()))

    @property
    def room(self) -> int:
        """Return how many more may go out."""
        return max(0, self.most_unsettled - self.unsettled)

    @property
    def at_rest(self) -> bool:
        """Say whether nothing is out and nothing is missing: no time to look at."""
        return not self._holes and not any(self._out.values())

    def went_out(self, key: ChannelKey, sequence: int, now_s: float) -> None:
        """Note that a batch was handed to the broker."""
        if self.unsettled == 0:
            self._progress_s = now_s
        self.sent[key] = max(self.sent.get(key, 0), sequence)
        self._out.setdefault(key, deque()).append(sequence)

    def acknowledged(self, channels: Iterable[AckedChannel], now_s: float) -> bool:
        """Take what the platform holds; say whether that is more than before."""
        moved = False
        for channel in channels:
            key = (channel.stream, channel.audience)
            if channel.contiguous > self.settled.get(key, 0):
                self.settled[key] = channel.contiguous
                self.sent[key] = max(self.sent.get(key, 0), channel.contiguous)
                out = self._out.setdefault(key, deque())
                while out and out[0] <= channel.contiguous:
                    out.popleft()
                moved = True
            self._note_holes(key, channel.missing, now_s)
        if moved:
            self._progress_s = now_s
            self._silence_s = self.patience_s
        return moved

    def repeats(self, now_s: float) -> list[Range]:
        """Return the holes that are due again; each waits twice as long the next time."""
        due = [place for place, hole in self._holes.items() if hole.due_s <= now_s]
        for place in due:
            hole = self._holes[place]
            hole.wait_s = min(hole.wait_s * 2, REPEAT_MOST_S)
            hole.due_s = now_s + hole.wait_s
        return due

    def silent(self, now_s: float) -> bool:
        """Say whether the platform has said nothing new for too long while batches are out.

        When it has, everything unsettled counts as not sent, and the patience doubles.
        """
        if self.unsettled == 0 or now_s - self._progress_s < self._silence_s:
            return False
        self._progress_s = now_s
        self._silence_s = min(self._silence_s * 2, SILENCE_MOST_S)
        self.send_again(self.sent)
        return True

    def send_again(self, keys: Iterable[ChannelKey]) -> None:
        """Count what is unsettled in these channels as not sent."""
        for key in list(keys):
            self.sent[key] = self.settled.get(key, 0)
            self._out.pop(key, None)

    def refused(self, batch: RefusedBatch) -> bool:
        """Count a refusal; say whether the batch is to be given up."""
        place = ((batch.stream, batch.audience), batch.sequence)
        self._refusals[place] += 1
        return self._refusals[place] >= REFUSALS_MOST

    def _note_holes(
        self, key: ChannelKey, missing: Iterable[tuple[int, int]], now_s: float
    ) -> None:
        sent = self.sent.get(key, 0)
        holes = {(key, first, min(last, sent)) for first, last in missing if first <= sent}
        for place in [place for place in self._holes if place[0] == key and place not in holes]:
            del self._holes[place]
        for place in holes:
            self._holes.setdefault(place, _Hole(now_s + REPEAT_FIRST_S, REPEAT_FIRST_S))
