"""Batches of a second into one of many seconds, while their readings are still in memory.

A reading is durable within a second, so each second is sealed and committed; but a batch costs some
hundred bytes whatever is in it. What was not handed out yet is therefore packed anew, together, and
takes the place of the small ones in one transaction, standing for all their sequences (the *span*
of the wire reference). While the link is away the backlog shrinks that way; with `gather_s` the
traffic of a small site does. After a restart what lies on the card goes out as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.reading import Reading
from gateway.model.stream import Stream
from gateway.store.batches import pack_readings
from gateway.store.catalogue import Catalogue
from gateway.store.outbox import Outbox
from gateway.store.sealing import Epoch

_log = logging.getLogger(__name__)

SPAN_MOST: Final = 60
"""Sequences that one batch may stand for."""
VALUES_MOST: Final = 50_000
"""Values that may be held in memory for it."""
DRIFT_MOST_MS: Final = 20
"""How far the wall clock may drift against the monotonic one within a batch."""
GRACE_S: Final = 2.0
"""A hold ends so long after it should, if no commit has come to end it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """One batch on the card whose readings are still in memory."""

    first: int
    last: int
    readings: tuple[Reading, ...]
    values: int
    """In all of them."""
    since_s: float

    @property
    def span(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True)
class Gatherer:
    """Merges the newest batches of the stream `data` of one audience."""

    outbox: Outbox
    catalogue: Catalogue
    gather_s: float
    """How long batches wait for each other before they are handed out; 0: not at all."""
    _epoch: Epoch | None = None
    _pieces: list[_Piece] = field(default_factory=list)

    def committed(
        self, epoch: Epoch, sequence: int, readings: Sequence[Reading], now_s: float
    ) -> None:
        """Take note of a batch that was just committed, and merge when it is time.

        Args:
            epoch: of the batch.
            sequence: of the batch.
            readings: all that is in it, under one setting of the wall clock.
            now_s: monotonic seconds.
        """
        audience = self.catalogue.audience
        out = self.outbox.handed_out(Stream.DATA, audience)
        if epoch is not self._epoch or not self._fits(readings):
            self._pieces.clear()
        self._epoch = epoch
        self._pieces = [piece for piece in self._pieces if piece.first > out]
        count = sum(reading.count for reading in readings)
        self._pieces.append(_Piece(sequence, sequence, tuple(readings), count, now_s))
        young = [piece for piece in self._pieces if piece.span == 1]
        values = sum(piece.values for piece in self._pieces)
        span = sum(piece.span for piece in self._pieces)
        if span >= SPAN_MOST or values >= VALUES_MOST:
            self._merge(self._pieces)
            self._pieces.clear()
        elif self.gather_s and now_s - young[0].since_s >= self.gather_s:
            self._merge(young)
        elif self.gather_s:
            until_s = young[0].since_s + self.gather_s + GRACE_S
            self.outbox.hold_back(Stream.DATA, audience, young[0].first, until_s)
            return
        self.outbox.hold_back(Stream.DATA, audience, sequence + 1, now_s)

    def _fits(self, readings: Sequence[Reading]) -> bool:
        """Say whether the wall clock was not set since the pieces: one batch has one offset."""
        if not self._pieces:
            return True
        before, now = self._pieces[0].readings[0].at, readings[0].at
        drift_ms = (now.wall_ms - now.mono_ms) - (before.wall_ms - before.mono_ms)
        return before.trust is now.trust and abs(drift_ms) <= DRIFT_MOST_MS

    def _merge(self, pieces: list[_Piece]) -> None:
        """Put one batch in the place of these; when the card does not take it, leave them."""
        if len(pieces) < 2 or self._epoch is None:  # noqa: PLR2004  # one is merged already
            return
        readings = tuple(reading for piece in pieces for reading in piece.readings)
        first, last = pieces[0].first, pieces[-1].last
        body = pack_readings(readings, self.catalogue, self._epoch.references)
        try:
            done = body is not None and self.outbox.merge(
                Stream.DATA, self._epoch, body, first, last
            )
        except (StoreFullError, StoreCorruptError) as error:
            _log.warning("not-merged", extra={"error": str(error)})
            return
        if done:
            values = sum(piece.values for piece in pieces)
            merged = _Piece(first, last, readings, values, pieces[0].since_s)
            self._pieces = [p for p in self._pieces if p not in pieces] + [merged]
