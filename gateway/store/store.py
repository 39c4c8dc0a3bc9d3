"""The store as the rest of the gateway sees it: one file behind one thread of its own."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

from gateway.model.errors import GatewayError, StoreCorruptError, StoreFullError
from gateway.store.outbox import Outbox
from gateway.store.renewal import renew
from gateway.store.trimming import Entitled

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


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Keep every other agent from a store while this is entered; ends with the process at last.

    Two writers would give the same sequence to different batches. The lock is on a file beside the
    database: closing a second descriptor of the database itself would drop SQLite's own locks.

    Args:
        path: of the store.

    Raises:
        GatewayError: another agent works on it.
        StoreFullError: the lock cannot be made.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"{beside}: cannot be made: {error.strerror}"
        raise StoreFullError(msg) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"another agent works on {path}: stop it first"
            raise GatewayError(msg) from error
        yield
    finally:
        os.close(descriptor)


def open_outbox(path: Path, entitled: Entitled, max_bytes: int) -> tuple[Outbox, Path | None]:
    """Open the file; a damaged one is set aside, and what can be read of it goes into a new one.

    Returns:
        The outbox, and where the damaged file lies now, if there was one.

    Raises:
        StoreFullError: there is no room even for an empty file.
    """
    try:
        return Outbox(path, entitled, max_bytes), None
    except StoreCorruptError as error:
        damage = renew(path, None, entitled, str(error))
        outbox = Outbox(path, entitled, max_bytes)
        outbox.note(damage)
        return outbox, path.with_name(damage.aside)
