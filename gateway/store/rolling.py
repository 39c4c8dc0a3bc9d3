"""Rollups sealed beside the raw batches, each quarter of an hour, for every audience."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.model.clock import Clock, Instant
from gateway.model.errors import GatewayError
from gateway.model.ids import Audience, DeviceId
from gateway.model.reading import PointTable, Reading
from gateway.model.stream import Stream
from gateway.store.batches import cut, pack_readings
from gateway.store.catalogue import Catalogue, audiences_of
from gateway.store.history import pack_quarter
from gateway.store.outbox import Outbox
from gateway.store.rollups import Rollups
from gateway.store.sealing import Epoch

_log = logging.getLogger(__name__)

WAITING_MOST: Final = 96
"""Rollups that wait in memory while the card takes nothing: a day of one audience."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Rollups of one audience that are not on the card yet."""

    audience: Audience
    readings: Sequence[Reading]
    raw: tuple[int, int]


@dataclass(slots=True)
class Rolling:
    """Takes what was committed, and seals what each quarter came to."""

    outbox: Outbox
    open_epoch: Callable[[Catalogue, Instant], Epoch]
    clock: Clock
    epoch_s: float
    _rollups: Rollups = field(default_factory=Rollups)
    _catalogues: dict[Audience, Catalogue] = field(default_factory=dict)
    _epochs: dict[Audience, tuple[Epoch, float]] = field(default_factory=dict)
    _since: Mapping[Audience, int] | None = None
    """Newest raw sequences when the quarter under way began."""
    _waiting: list[_Waiting] = field(default_factory=list)
    _quarters: list[tuple[int, bytes]] = field(default_factory=list)
    """Of the local history, not on the card yet."""

    def expect(self, device: DeviceId, table: PointTable) -> None:
        """Name a source before its first reading."""
        derived = self._rollups.table(table)
        for audience in audiences_of([table]):
            self._catalogues.setdefault(audience, Catalogue(audience)).place(device, derived)

    def newest(self) -> dict[Audience, int]:
        """Return the newest raw sequence of each audience."""
        return {who: self.outbox.newest(Stream.DATA, who) for who in self._catalogues}

    def committed(
        self, readings: Sequence[Reading], began: Mapping[Audience, int], now: Instant
    ) -> None:
        """Take readings that were committed; seal the rollups of quarters that have ended.

        Args:
            readings: in order of time.
            began: the newest raw sequences before they were.
            now: this moment.
        """

        def ended(rollups: list[Reading]) -> None:
            self._end(sorted(rollups, key=lambda rollup: rollup.at.mono_ms))
            self._since = began

        if self._since is None:
            self._since = began
        for run in _runs(readings):
            self._rollups.take(run, ended)
        if self._waiting:
            self._seal(now)
        if self._quarters:
            self._keep_quarters()

    def forget(self) -> None:
        """Begin new epochs: the file was replaced."""
        self._epochs.clear()

    def _end(self, rollups: Sequence[Reading]) -> None:
        newest, since = self.newest(), self._since or {}
        for run in _runs(rollups):
            for audience in audiences_of({rollup.table for rollup in run}):
                raw = since.get(audience, 0) + 1, newest[audience]
                self._waiting.append(_Waiting(audience, run, raw))
        del self._waiting[:-WAITING_MOST]
        if self.outbox.history_days and (quarter := pack_quarter(rollups)) is not None:
            self._quarters.append(quarter)
            del self._quarters[:-WAITING_MOST]

    def _seal(self, now: Instant) -> None:
        """Seal and keep what waits; what the card does not take waits on, under another key."""
        while self._waiting:
            waiting = self._waiting[0]
            catalogue = self._catalogues[waiting.audience]
            body = pack_readings(waiting.readings, catalogue, {})
            try:
                if body is not None:
                    self.outbox.keep_rollup(self._epoch(catalogue, now), body, waiting.raw)
            except GatewayError as error:
                _log.warning("rollup-not-kept", extra={"error": str(error)})
                self._epochs.clear()
                return
            del self._waiting[0]

    def _keep_quarters(self) -> None:
        while self._quarters:
            try:
                self.outbox.keep_quarter(*self._quarters[0])
            except GatewayError as error:
                _log.warning("quarter-not-kept", extra={"error": str(error)})
                return
            del self._quarters[0]

    def _epoch(self, catalogue: Catalogue, now: Instant) -> Epoch:
        epoch, since_s = self._epochs.get(catalogue.audience, (None, 0.0))
        now_s = self.clock.monotonic_s()
        if (
            epoch is None
            or now_s - since_s >= self.epoch_s
            or epoch.sources < len(catalogue.sources)
        ):
            epoch = self.open_epoch(catalogue, now)
            self._epochs[catalogue.audience] = (epoch, now_s)
        return epoch


def _runs(readings: Sequence[Reading]) -> Iterator[Sequence[Reading]]:
    """Cut where the wall clock was set."""
    start = 0
    for length in cut(reading.at for reading in readings):
        yield readings[start : start + length]
        start += length
