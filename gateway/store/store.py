"""The store as the rest of the gateway sees it: one file behind one thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.store.lock import Lock
from gateway.store.outbox import Outbox
from gateway.store.trimming import Entitled

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class StoreThread:
    """Runs one call after another, so that SQLite never meets the event loop."""

    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="store")
    )

    def submit(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Queue a call; the future gives its result on the running loop."""
        return asyncio.wrap_future(self._pool.submit(call, *args, **kwargs))

    def close(self) -> None:
        """Finish what is queued and stop."""
        self._pool.shutdown(wait=True)


def open_outbox(path: Path, entitled: Entitled, max_bytes: int) -> Outbox:
    """Open the file, alone; a damaged one is set aside, and what can be read goes into a new one.

    While the card does not let us, the outbox tries again whenever it is used.

    Raises:
        ConfigError: the file is of a newer program.
        GatewayError: another agent works on it.
    """
    outbox = Outbox(path, entitled, max_bytes, lock=Lock(path), at_once=False)
    try:
        outbox.ensure_open()
    except (StoreFullError, StoreCorruptError) as error:
        _log.error("store-not-opened", extra={"error": str(error)})
    return outbox


def memories_of(outbox: Outbox) -> dict[str, str]:
    """Return what every driver learned; nothing while the card does not tell it."""
    try:
        return outbox.memories()
    except (StoreFullError, StoreCorruptError) as error:
        _log.warning("memories-not-read", extra={"error": str(error)})
        return {}
