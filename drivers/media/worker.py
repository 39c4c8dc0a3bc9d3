"""A thread that may block: what a library or the kernel keeps waiting never keeps the loop waiting.

Work is done one after the other. Who waits for longer than he wants gets a TimeoutError, and the
thread is given up: it ends when what blocks it lets it go, and the next work gets another one. So
many may be blocked at a time, not more: then work is refused at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

MOST_BLOCKED: Final = 4
"""Threads given up that have not come back."""


class BlockedError(TimeoutError):
    """Too many threads are blocked already; nothing was begun."""


class _Crew:
    """One thread with what it has to do. It is given up by taking away what it has not begun."""

    def __init__(self, name: str) -> None:
        self._jobs: Final[deque[Callable[[], None]]] = deque()
        self._ready: Final = threading.Condition()
        self._over = False
        self._last = False
        self._thread: Final = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def add(self, job: Callable[[], None]) -> None:
        with self._ready:
            self._jobs.append(job)
            self._ready.notify()

    def finish(self) -> None:
        """End it after all it has to do."""
        with self._ready:
            self._last = True
            self._ready.notify()

    def dismiss(self) -> list[Callable[[], None]]:
        """End it after what it does now; return what it has not begun."""
        with self._ready:
            self._over = True
            left = list(self._jobs)
            self._jobs.clear()
            self._ready.notify()
        return left

    def _run(self) -> None:
        while True:
            with self._ready:
                while not (self._jobs or self._over or self._last):
                    self._ready.wait()
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            job()


class Worker:
    """Does blocking work for one medium."""

    def __init__(self, name: str, most_blocked: int = MOST_BLOCKED) -> None:
        """Take a name for the thread; starts none before there is work.

        Args:
            name: for people who look at threads.
            most_blocked: so many threads may be blocked before work is refused, at least 1.
        """
        self._name: Final = name
        self._most_blocked: Final = most_blocked
        self._crew: _Crew | None = None
        self._given_up: list[_Crew] = []

    @property
    def blocked(self) -> int:
        """Return how many threads were given up and have not come back."""
        self._given_up = [crew for crew in self._given_up if crew.alive]
        return len(self._given_up)

    async def call(self, work: Callable[[], T], timeout_s: float) -> T:
        """Return what `work` returns, done in the thread after all that was asked before.

        Cancelling ends the wait, not the work.

        Args:
            work: may block; raises what it likes.
            timeout_s: for its turn and the work together.

        Raises:
            BlockedError: too many threads are blocked; nothing was begun.
            TimeoutError: it took too long; if it had begun it goes on, and nobody takes its result.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        crew = self._crew_at_hand()

        def finish(result: T | None, error: BaseException | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result)  # type: ignore[arg-type]  # a T: there was no error

        def job() -> None:
            try:
                result, error = work(), None
            except Exception as raised:  # noqa: BLE001  handed on to who asked
                result, error = None, raised
            with suppress(RuntimeError):  # the loop has ended, and with it who asked
                loop.call_soon_threadsafe(finish, result, error)

        crew.add(job)
        try:
            async with asyncio.timeout(timeout_s):
                return await done
        except TimeoutError:
            if not done.done() or done.cancelled():
                self._give_up(crew)
            raise

    def leave(
        self, work: Callable[[], object], done: Callable[[Exception | None], None] | None = None
    ) -> None:
        """Have something done that nobody waits for, after all that was asked before.

        Args:
            work: may block.
            done: called in the loop when it is done, with what it raised.
        """
        loop = asyncio.get_running_loop()

        def job() -> None:
            try:
                work()
                error = None
            except Exception as raised:  # noqa: BLE001  handed on to who asked
                error = raised
            if done is not None:
                with suppress(RuntimeError):  # the loop has ended, and with it who asked
                    loop.call_soon_threadsafe(done, error)

        self._crew_at_hand().add(job)

    def close(self) -> None:
        """Let the thread end after what it has to do; the next work starts another one."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.finish()

    def _crew_at_hand(self) -> _Crew:
        if self._crew is None:
            if self.blocked >= self._most_blocked:
                msg = f"{self._name}: {self.blocked} threads are blocked"
                raise BlockedError(msg)
            self._crew = _Crew(self._name)
        return self._crew

    def _give_up(self, crew: _Crew) -> None:
        if self._crew is crew:
            self._crew = None
            self._given_up.append(crew)
            left = crew.dismiss()
            if left:
                self._crew = fresh = _Crew(self._name)
                for job in left:
                    fresh.add(job)
