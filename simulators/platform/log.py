"""One line per change, for people or as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TextIO

_KINDS_KEPT: Final = 10_000


class ChangeLog:
    """Writes lines. Used by any thread."""

    def __init__(self, out: TextIO, wall_ms: Callable[[], int], *, as_json: bool) -> None:
        """Take where to write, what reads the time, and whether lines are JSON objects."""
        self._out = out
        self._wall_ms = wall_ms
        self._as_json = as_json
        self._lock = threading.Lock()

    def __call__(self, event: str, **fields: str | float) -> None:
        """Write one line: the stable name of what changed, and its fields."""
        now = self._wall_ms()
        if self._as_json:
            line = json.dumps({"event": event, "wall_ms": now, **fields}, ensure_ascii=False)
        else:
            at = datetime.fromtimestamp(now / 1000, tz=UTC)
            shown = " ".join(f"{name}={value}" for name, value in fields.items())
            line = f"{at:%Y-%m-%dT%H:%M:%SZ} {event} {shown}".rstrip()
        with self._lock:
            self._out.write(f"{line}\n")
            self._out.flush()


class OncePerKind:
    """Tells each kind of refusal of each gateway once; the ledger counts the rest."""

    def __init__(self, log: Callable[..., None]) -> None:
        """Take where to tell it."""
        self._log = log
        self._told: set[tuple[str, str]] = set()

    def __call__(self, kind: str, gateway: str, sentence: str) -> None:
        """Tell it when it is new."""
        if (kind, gateway) in self._told or len(self._told) >= _KINDS_KEPT:
            return
        self._told.add((kind, gateway))
        self._log("refused", kind=kind, gateway=gateway, message=sentence)
