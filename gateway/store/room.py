"""Room within the file: what goes when it runs short, and what when the card takes nothing."""

from __future__ import annotations

import logging
import sqlite3
from typing import Final

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.store.batches import GapRecord
from gateway.store.channels import Channels
from gateway.store.database import cap, fold_in, pages_for, pages_in, pragma, transaction
from gateway.store.relief import GROWTH_BYTES, Relief
from gateway.store.retention import FREED_AT_ONCE, Held, to_free
from gateway.store.trimming import Trimming

_log = logging.getLogger(__name__)

FREE_LEAST_BYTES: Final = 128 * 1024
"""Beyond what is to be written, that a file must have to go on without giving anything up."""


class Room:
    """The room of one file; its size is bounded from here on."""

    def __init__(
        self,
        db: sqlite3.Connection,
        channels: Channels,
        trimming: Trimming,
        relief: Relief,
        max_bytes: int,
    ) -> None:
        """Take the file, what lies beside it, and how many bytes of batches it may hold."""
        self._db: Final = db
        self._channels: Final = channels
        self._trimming: Final = trimming
        self._relief: Final = relief
        self._max_bytes: Final = max_bytes
        self._pages_most: Final = pages_for(db, max_bytes)
        self._pages_now = self._pages_most
        self._short = False
        cap(db, self._pages_now)

    @property
    def left_bytes(self) -> int:
        """Return how many bytes of batches there is room for."""
        return max(0, self._max_bytes - self._held_bytes)

    @property
    def _held_bytes(self) -> int:
        return sum(channel.size for channel in self._channels.all)

    def after_commit(self) -> None:
        """Give up the oldest batches of the least urgent streams when there are too many bytes.

        Now and then look whether a card that was full has room again.
        """
        if self._relief.went_well() and self._short:
            self._short = False
            self._pages_now = self._pages_most
            cap(self._db, self._pages_now)
        try:
            self._free(self._max_bytes)
        except (StoreFullError, StoreCorruptError, sqlite3.DatabaseError) as error:
            _log.warning("no-room-made", extra={"error": str(error)})

    def relieve(self, need: int) -> bool:
        """Let go of the ballast, of the log, then of the oldest batches; say whether to try again.

        Until the ballast can be made again the file grows no more than the ballast had room for:
        what the log holds can then always be folded in. While the file has free pages it is not
        its content that stands in the way.

        Args:
            need: bytes that are to be written.
        """
        given = self._relief.give()
        try:
            if given or not self._short:
                self.be_short()
            given |= fold_in(self._db)
            given |= self._give_up(need)
        except (StoreFullError, StoreCorruptError, sqlite3.DatabaseError) as error:
            _log.warning("no-room-made", extra={"error": str(error)})
        finally:
            cap(self._db, self._pages_now)
        return given

    def be_short(self) -> None:
        """Let the file grow no more than the ballast had room for, until that is there again."""
        self._short = True
        grown = pragma(self._db, "page_count") + pages_in(self._db, GROWTH_BYTES)
        self._pages_now = min(self._pages_most, grown)
        cap(self._db, self._pages_now)

    def _give_up(self, need: int) -> bool:
        """Give up the oldest batches when the file has no room for what is to be written."""
        pages = pragma(self._db, "page_count")
        free = pragma(self._db, "freelist_count") + max(0, self._pages_now - pages)
        page = pragma(self._db, "page_size")
        spare = pages_in(self._db, FREE_LEAST_BYTES)
        least = spare + 2 * need // page
        if free >= least:
            return False
        cap(self._db, pages + spare)
        share = max(round(self._held_bytes * FREED_AT_ONCE), (least - free) * page)
        return self._free(max(0, self._held_bytes - share))

    def _free(self, room: int) -> bool:
        held = [Held(c.id, c.stream, c.size) for c in self._channels.all]
        plan = dict(to_free(held, room))
        for channel in self._channels.all:
            if channel.id in plan:
                with transaction(self._db):
                    last = self._trimming.last_of(channel, plan[channel.id])
                    gone = self._trimming.give_up(channel, channel.row_id(0), last, GapRecord.ROOM)
                self._channels.apply(gone)
        return bool(plan)
