"""Looks after the store: says when its room will not last an outage, and when the card is worn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.site import StoreOptions
from gateway.health.card import SYSFS, Card, card_under, left_of, worn_from
from gateway.model.clock import Clock
from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.event import Event, Scalar, Severity
from gateway.store.outbox import Outbox
from gateway.store.store import StoreThread

_log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
CARD_EVERY_S: Final = 3600.0
"""How often what was written to the card is noted on it."""
IN_USE: Final = 0.1
"""A store that holds less than this part of its room is waiting for no link."""
ENOUGH: Final = 1.25
"""The warning ends when the room lasts so many times what is asked for."""
WORN: Final = 10.0
"""Per cent of its life at which a card is to be replaced."""
FRESH: Final = 20.0
"""Above, it was replaced."""
FACT: Final = "card-written"


@dataclass(slots=True)
class Alarm:
    """Tells once that something began, and once that it ended."""

    begins: str
    ends: str
    is_on: bool = False

    def judge(self, *, bad: bool, good: bool) -> str | None:
        """Return the key of what is to be told now; between bad and good all stays as it is."""
        if bad and not self.is_on:
            self.is_on = True
            return self.begins
        if good and self.is_on:
            self.is_on = False
            return self.ends
        return None


@dataclass(slots=True)
class StoreWatch:
    """The task that looks."""

    options: StoreOptions
    outbox: Outbox
    thread: StoreThread
    clock: Clock
    happened: Callable[[Event], None]
    bytes_per_s: Callable[[], float | None]
    """How fast the store fills."""
    sysfs: Path = SYSFS
    card_left: float | None = None
    """Per cent of its life; None: not known."""
    _room: Alarm = field(default_factory=lambda: Alarm("store-nearly-full", "store-roomy"))
    _card: Alarm = field(default_factory=lambda: Alarm("card-worn", "card-fresh"))
    _noted_s: float | None = None

    @property
    def tells_card(self) -> bool:
        """Say whether there is anything that tells the life of the card."""
        card = self._find()
        if card is None:
            return False
        rated = self.options.card_endurance_tib is not None
        return card.life_left() is not None or (rated and card.written_bytes() is not None)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once, and tell what has changed."""
        hours = self.outbox.hours_left(self.bytes_per_s())
        if hours is not None:
            held = sum(channel.size for channel in self.outbox.channels)
            used, least = held / (self.options.max_mib * 2**20), self.options.warn_left_hours
            self._tell(
                self._room.judge(
                    bad=used >= IN_USE and hours < least,
                    good=used < IN_USE / 2 or hours >= ENOUGH * least,
                ),
                {"room_s": round(3600 * hours)},
            )
        self.card_left = await self.thread.submit(self._look_at_card)
        if self.card_left is not None:
            left = self.card_left
            told = self._card.judge(bad=left <= WORN, good=left > FRESH)
            self._tell(told, {"left": round(left)})

    def _tell(self, key: str | None, args: dict[str, Scalar]) -> None:
        if key is None:
            return
        begins = key in {self._room.begins, self._card.begins}
        severity = Severity.ALARM if begins else Severity.INFO
        _log.warning(key, extra=args)
        self.happened(Event(key, self.clock.now(), severity, args=args))

    def _find(self) -> Card | None:
        return card_under(self.options.path.parent, self.sysfs)

    def _look_at_card(self) -> float | None:
        card = self._find()
        if card is None:
            return None
        if (left := card.life_left()) is not None:
            return left
        written, rated = card.written_bytes(), self.options.card_endurance_tib
        if written is None or rated is None:
            return None
        try:
            worn = worn_from(self.outbox.fact(FACT))
            worn = worn.after(card.identity, self.clock.boot.hex(), written)
            now_s = self.clock.monotonic_s()
            if self._noted_s is None or now_s - self._noted_s >= CARD_EVERY_S:
                self.outbox.keep_fact(FACT, worn.packed())
                self._noted_s = now_s
        except (StoreFullError, StoreCorruptError):  # which the recorder tells
            return self.card_left
        return left_of(worn, rated)
