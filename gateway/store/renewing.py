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

    def __init__(self, path: Path, entitled: Entitled) -> None:
        """Take the path of the database; nothing is opened yet."""
        self._path: Final = path
        self._entitled: Final = entitled
        self._failures = 0
        self._closed_by_us = False
        self.renewing = False
        """Whether what is left of a damaged file is being saved just now; read by any thread."""
        self.damages: list[Damage] = []
        """Files that had to be replaced and of which nobody was told yet."""
        self.renewals = 0
        """How often the file was replaced: what was kept in memory of its batches is void."""

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
        """Open the file again when a renewal could not.

        Raises:
            StoreCorruptError: it is no sound database.
            StoreFullError: there is no room to make it.
        """
        if self._closed_by_us:
            self.open()
            self._closed_by_us = False

    def went_well(self) -> None:
        """Take note that something was committed."""
        self._failures = 0

    def cope(self, error: sqlite3.DatabaseError) -> StoreCorruptError | StoreFullError:
        """Return the library's error as one of ours; a damaged file is replaced first."""
        found = ours(error)
        if self._closed_by_us or not is_damage(error, self._db):
            return found
        self._failures += 1
        if self._failures > 1 and self._failures % RENEW_AGAIN_AFTER:
            return StoreFullError(str(found))
        self.renewing = True
        try:
            self._closed_by_us = True
            known = self.known()
            self._db.close()
            self.note(renew(self._path, known, self._entitled, str(error)))
            self.ensure_open()
        except (StoreFullError, StoreCorruptError) as failure:
            _log.error("store-not-renewed", extra={"error": str(failure)})
            return StoreFullError(str(failure))
        finally:
            self.renewing = False
        return StoreCorruptError(str(found))

    def note(self, damage: Damage) -> Self:
        """Take note that the file was replaced."""
        self.renewals += 1
        self.damages.append(damage)
        _log.error("store-damaged", extra=asdict(damage))
        return self
