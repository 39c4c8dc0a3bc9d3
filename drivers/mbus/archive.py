"""What a meter keeps of the past: values under storage numbers, each with its own date. Pure.

A meter tells its archive with every readout, so after an outage the values of that time come by
themselves. Which of them were handed over is known by their dates; a meter that was replaced, or
whose archive is all other, begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from drivers.mbus import points, status
from drivers.mbus.config import MbusPoint
from drivers.mbus.telegram import Function, Record, Telegram
from gateway.model.driver import PollGroup
from gateway.model.ids import PointId
from gateway.model.reading import Flag, Kind, Point, PointTable, Sample, Value

BELIEVED_S: Final = 400 * 86_400.0
AT: Final = PointId("archive_at")
_DATES: Final = frozenset({"date", "datetime"})
_MOST_REMEMBERED: Final = 512


@dataclass(frozen=True, slots=True)
class Slot:
    """One moment of the archive."""

    at: str
    """As the meter says it: local time, ISO 8601 without a zone."""
    sample: Sample


class Archive:
    """The archive of one meter: what of it are points, and what was handed over."""

    def __init__(self, wanted: Sequence[MbusPoint], first: int) -> None:
        """Take what of it is handed over.

        Args:
            wanted: its points, without storage numbers.
            first: the first storage number that belongs to it.
        """
        self._wanted: Final = tuple((each, each.point) for each in wanted)
        self._first: Final = first
        table = PointTable(Point(AT, kind=Kind.TEXT), *(point for _, point in self._wanted))
        self.group: Final = PollGroup("archive", table, BELIEVED_S, told=True, kept=True)
        self._ledger = Ledger()

    def fresh(self, told: Telegram) -> list[Sample]:
        """Return what was not handed over yet, oldest first, and count it as handed over."""
        slots = self._slots(told)
        self._ledger = self._ledger.settle()
        known = self._ledger.known(told.header.ident)
        self._ledger = self._ledger.take(told.header.ident, [slot.at for slot in slots])
        return [slot.sample for slot in slots if slot.at not in known]

    def _slots(self, told: Telegram) -> list[Slot]:
        """Return the moments of the archive that have a date, oldest first, each once."""
        dates: dict[int, str] = {}
        for record in told.records:
            if self._is_date(record):
                dates.setdefault(record.storage, str(record.value))
        doubted = status.in_doubt(told.header)
        found: dict[str, Slot] = {}
        for storage, at in sorted(dates.items(), key=lambda item: item[1]):
            sample = self._sample(told, storage, at, doubted=doubted)
            if sample is not None:
                found.setdefault(at, Slot(at, sample))
        return list(found.values())

    def _is_date(self, record: Record) -> bool:
        return (
            record.storage >= self._first
            and record.value is not None
            and record.meaning.quantity in _DATES
            and not record.meaning.qualifiers
            and record.function is Function.INSTANT
        )

    def _sample(self, told: Telegram, storage: int, at: str, *, doubted: bool) -> Sample | None:
        """Return the values of one moment; None: there is none at all."""
        wanted = [(replace(each, storage=storage), point) for each, point in self._wanted]
        whole = points.sample(wanted, told)
        cells: tuple[Value | None, ...] = whole.cells[: len(wanted)]
        if all(cell is None for cell in cells):
            return None
        flags: dict[int, Flag] = {}
        for place, cell in enumerate(cells):
            if cell is None:
                flags[place + 1] = whole.flags[place]
            elif doubted:
                flags[place + 1] = status.DOUBTED
        return Sample((at, *cells), flags)

    # Memory

    @property
    def learned(self) -> bool:
        """Say whether `memory` would tell something new."""
        return self._ledger.learned

    def memory(self) -> Mapping[str, Any]:  # Any: plain JSON values
        """Return what was handed over, apart from the last time: that may still be lost."""
        self._ledger = replace(self._ledger, learned=False)
        return {"ident": self._ledger.safe_ident, "archive": list(self._ledger.safe)}

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Take back what `memory` returned; what is no such thing is let be."""
        ident, kept = memory.get("ident"), memory.get("archive")
        if isinstance(ident, str) and isinstance(kept, list):
            dates = tuple(each for each in kept if isinstance(each, str))
            self._ledger = Ledger(ident, dates, ident, dates)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What of the archive was handed over: by now, and so long ago that it lies on the card."""

    ident: str = ""
    told: tuple[str, ...] = ()
    safe_ident: str = ""
    safe: tuple[str, ...] = ()
    learned: bool = field(default=False)

    def known(self, ident: str) -> frozenset[str]:
        """Return the dates that were handed over of this meter."""
        return frozenset(self.told) if ident == self.ident else frozenset()

    def settle(self) -> Ledger:
        """Return it one readout later: what was handed over before has been committed since."""
        if (self.safe_ident, self.safe) == (self.ident, self.told):
            return self
        return replace(self, safe_ident=self.ident, safe=self.told, learned=True)

    def take(self, ident: str, dates: Sequence[str]) -> Ledger:
        """Return it with an archive handed over; what it holds no longer is forgotten."""
        return replace(self, ident=ident, told=tuple(dates[-_MOST_REMEMBERED:]))
