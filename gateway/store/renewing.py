"""A file that replaces itself when it is damaged, so that whoever uses it goes on."""

from __future__ import annotations

import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.store.database import is_damage, ours
from gateway.store.lock import Lock
from gateway.store.renewal import Damage, Known, renew
from gateway.store.trimming import Entitled

_log = logging.getLogger(__name__)

RENEW_AGAIN_AFTER: Final = 60
"""Failures in a row after one renewal before the next is tried: a card that damages each new file
is not worn further."""

S = TypeVar("S", bound="RenewingFile")
P = ParamSpec("P")
R = TypeVar("R")


def guarded(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let every error of the library become ours, and replace the file when it is damaged.

    The method then raises StoreCorruptError once; the next call meets the new file.
    """

    @wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            self.ensure_open()
            return method(self, *args, **kwargs)
        except sqlite3.DatabaseError as error:
            raise self.cope(error) from error
        except (StoreCorruptError, StoreFullError) as error:
            if isinstance(error.__cause__, sqlite3.DatabaseError):
                raise self.cope(error.__cause__) from error.__cause__
            raise

    return call


class RenewingFile(ABC):
    """The path, who must have what, and what became of damaged files."""

    _db: sqlite3.Connection

    def __init__(self, path: Path, entitled: Entitled, lock: Lock | None) -> None:
        """Take the path of the database; nothing is opened yet.

        Args:
            path: of the database.
            entitled: who must have what.
            lock: keeps everybody else from the file; taken before it is opened.
        """
        self._path: Final = path
        self._entitled: Final = entitled
        self._lock: Final = lock
        self._failures = 0
        self._refused = 0
        """How often it could have been made again since the card refused a new file: it is tried
        after 1, 2, 4 ... of them and then now and then, as a copy of everything may be written."""
        self._unsound: str | None = None
        """Why the file must be replaced before it is opened."""
        self._known: Known | None = None
        """What was known of it."""
        self.is_open = False
        """Whether the card lets us work on the file; read by any thread."""
        self.renewing = False
        """Whether what is left of a damaged file is being saved just now; read by any thread."""
        self.damages: list[Damage] = []
        """Files that had to be replaced and of which nobody was told yet."""
        self.renewals = 0
        """How often the file was replaced or opened late: what is kept in memory of its batches
        since then is void."""

    @abstractmethod
    def open(self) -> None:
        """Open the file at the path.

        Raises:
            StoreCorruptError: it is no sound database.
            StoreFullError: there is no room to make it.
        """

    @abstractmethod
    def known(self) -> Known:
        """Return what the program remembers of the file."""

    def ensure_open(self) -> None:
        """Open the file when it is not; one that is damaged is replaced first.

        Raises:
            ConfigError: the file is of a newer program.
            GatewayError: another agent works on it.
            StoreFullError: the card does not let us.
            StoreCorruptError: a new file is damaged as well.
        """
        if self.is_open:
            return
        self.take_lock()
        if self._unsound is None:
            try:
                self.open()
            except StoreCorruptError as error:
                self._unsound = str(error)
        if self._unsound is not None:
            self._refused += 1
            if self._refused.bit_count() > 1 and self._refused % RENEW_AGAIN_AFTER:
                raise StoreFullError(self._unsound)
            self._replace(self._unsound)
        self.renewals += 1
        self.is_open = True

    def take_lock(self) -> None:
        """Keep everybody else from the file.

        Raises:
            GatewayError: another agent works on it.
            StoreFullError: the card does not let us.
        """
        if self._lock is not None:
            self._lock.take()

    def _is_due(self) -> bool:
        """Say whether to make a new file now: not each time a card damages it."""
        self._failures += 1
        return self._failures == 1 or self._failures % RENEW_AGAIN_AFTER == 0

    def _replace(self, why: str) -> None:
        """Put a sound file in the place of ours and open that.

        Raises:
            StoreFullError: the card does not let us.
            StoreCorruptError: the new file is damaged as well.
        """
        self.renewing = True
        try:
            self.note(renew(self._path, self._known, self._entitled, why))
            self._unsound = self._known = None
            self._refused = 0
            self.open()
        finally:
            self.renewing = False

    def went_well(self) -> None:
        """Take note that something was committed."""
        self._failures = 0

    def cope(self, error: sqlite3.DatabaseError) -> StoreCorruptError | StoreFullError:
        """Return the library's error as one of ours; a damaged file is replaced first."""
        found = ours(error)
        if not self.is_open or not is_damage(error, self._db):
            return found
        if not self._is_due():
            return StoreFullError(str(found))
        self._known, self._unsound = self.known(), str(error)
        self._db.close()
        self.is_open = False
        try:
            self._replace(self._unsound)
        except (StoreFullError, StoreCorruptError) as failure:
            _log.error("store-not-renewed", extra={"error": str(failure)})
            return StoreFullError(str(failure))
        self.is_open = True
        return StoreCorruptError(str(found))

    def note(self, damage: Damage) -> Self:
        """Take note that the file was replaced."""
        self.renewals += 1
        self.damages.append(damage)
        _log.error("store-damaged", extra=asdict(damage))
        return self
