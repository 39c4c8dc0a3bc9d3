"""The medium `pcsc`: one reader, watched by a thread of its own.

Calls of PC/SC block, so a thread makes them; what it finds goes into the event loop by
`call_soon_threadsafe` and by nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from drivers.access.pcsc import winscard
from drivers.access.pcsc.codec import GET_UID
from drivers.access.pcsc.winscard import Context, PcscError, Seen
from drivers.media.port import Statistics
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import LineId
from gateway.model.options import About, Limits, Options

WAIT_S: Final = 5.0
_OPEN_S: Final = 10.0
Answered = Callable[[bytes | None], None]
"""Takes the answer of a card to GET DATA, or None: the card did not answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcscConfig(Options):
    """Options of a PC/SC reader."""

    reader: Annotated[
        str,
        Limits(max_length=120),
        About("part of the name of the reader; empty: the only one there is"),
    ] = ""


class PcscLine:
    """The owner of one reader. A `Medium` and a `LosingMedium`."""

    medium: ClassVar[str] = "pcsc"

    def __init__(self, line_id: LineId, config: PcscConfig) -> None:
        """Take the name of the reader; opens nothing."""
        self._id: Final = line_id
        self._config: Final = config
        self._statistics: Final = Statistics()
        self._answered: Answered | None = None
        self._lost: Callable[[BusUnavailableError], None] | None = None
        self._context: Context | None = None
        self._thread: threading.Thread | None = None
        self._ended: asyncio.Event

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    @property
    def statistics(self) -> Statistics:
        """Return the counters."""
        return self._statistics

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called when the reader or the service is gone."""
        self._lost = tell

    def listen(self, answered: Answered) -> None:
        """Have `answered` called, in the loop, once for each card that is laid on.

        Raises:
            ValueError: somebody listens already.
        """
        if self._answered is not None:
            msg = f"line {self._id}: one device has this reader"
            raise ValueError(msg)
        self._answered = answered

    async def open(self) -> None:
        """Find the reader and begin to watch it; does nothing when it is watched.

        Raises:
            BusUnavailableError: there is no library, no service or no such reader.
        """
        if self._thread is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_OPEN_S):
                context, name = await asyncio.to_thread(_find, self._config.reader)
        except PcscError as error:
            msg = f"line {self._id}: {advice(error)}"
            raise BusUnavailableError(msg) from error
        except TimeoutError as error:
            msg = f"line {self._id}: pcscd does not answer: restart it"
            raise BusUnavailableError(msg) from error
        except LookupError as error:
            msg = f"line {self._id}: {error}"
            raise BusUnavailableError(msg) from error
        self._context = context
        self._ended = asyncio.Event()
        self._thread = threading.Thread(
            target=self._watch, args=(context, name, loop), name=f"pcsc:{self._id}", daemon=True
        )
        self._thread.start()

    async def close(self) -> None:
        """Stop watching; does nothing when it is closed."""
        context, self._context = self._context, None
        if context is None or self._thread is None:
            return
        context.cancel()
        await self._ended.wait()
        self._thread.join()
        self._thread = None
        context.close()

    def _watch(self, context: Context, name: str, loop: asyncio.AbstractEventLoop) -> None:
        """Run in the thread until cancelled or lost."""
        error: PcscError | None = None
        try:
            self._watch_cards(context, name, loop)
        except PcscError as failure:
            error = failure
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._over, error)

    def _watch_cards(self, context: Context, name: str, loop: asyncio.AbstractEventLoop) -> None:
        seen: Seen | None = None
        there = False
        while self._context is context:
            now = context.wait(name, seen, WAIT_S)
            if now is None:
                continue
            seen = now
            if now.present and not there:
                answer: bytes | None = None
                if not now.mute:
                    with suppress(PcscError):  # it was taken away: told as no answer
                        answer = context.transmit(name, GET_UID)
                loop.call_soon_threadsafe(self._heard, answer)
            there = now.present

    def _heard(self, answer: bytes | None) -> None:
        self._statistics.exchanges += 1
        self._statistics.bytes_sent += len(GET_UID)
        if answer is None:
            self._statistics.errors += 1
        else:
            self._statistics.bytes_received += len(answer)
        if self._answered is not None:
            self._answered(answer)

    def _over(self, error: PcscError | None) -> None:
        self._ended.set()
        if self._context is None or error is None:
            return  # closed on purpose
        context, self._context = self._context, None
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        context.close()
        if self._lost is not None:
            self._lost(BusUnavailableError(f"line {self._id}: {advice(error)}"))


def _find(part: str) -> tuple[Context, str]:
    """Return a connection and the full name of the reader.

    Raises:
        PcscError: pcscd does not let us in.
        LookupError: no library, no such reader, or several.
    """
    library = winscard.load()
    if library is None:
        msg = "there is no libpcsclite: apt-get install libpcsclite1 pcscd"
        raise LookupError(msg)
    context = Context(library)
    try:
        there = context.readers()
    except PcscError:
        context.close()
        raise
    found = [name for name in there if part in name]
    if len(found) == 1:
        return context, found[0]
    context.close()
    listed = ", ".join(there) or "none"
    msg = f"{len(found)} readers have {part!r} in their names; there are: {listed}"
    raise LookupError(msg)


def advice(error: PcscError) -> str:
    """Say why there is no reader, and what to do next."""
    if error.code == winscard.NO_SERVICE:
        return "pcscd does not run, or does not let this user in: systemctl start pcscd"
    return f"the reader is gone ({error}): look at its plug"


def probe(config: PcscConfig) -> str | None:
    """Say why the reader is not there now, or None."""
    try:
        context, _ = _find(config.reader)
    except PcscError as error:
        return advice(error)
    except LookupError as error:
        return str(error)
    context.close()
    return None


def resource(config: PcscConfig) -> Hashable:
    """Return the name of the reader."""
    return ("pcsc", config.reader)


MANIFEST: Final = MediumManifest(
    name="pcsc", config=PcscConfig, build=PcscLine, resource=resource, probe=probe
)
