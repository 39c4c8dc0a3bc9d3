"""The owner of one line: one exchange at a time, commands first, whatever the protocol.

An exchange costs one future, one timer and one call of the reader; nothing here runs per byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final

from drivers.media.characters import Characters
from drivers.media.framing import ForeignFrameError, Framing
from drivers.media.lateness import Debt, LateAnswers, latest_s
from drivers.media.port import Port
from drivers.media.turnstile import Turnstile
from gateway.model.driver import Priority
from gateway.model.errors import BusUnavailableError, FrameError, NoResponseError
from gateway.model.ids import LineId

LONGEST_ANSWER: Final = 4096
"""Bytes that are no answer yet: beyond this it is a flood."""
FLOOD: Final = 65_536
"""Bytes that nobody asked for: beyond this the port is closed until the next request."""
NEVER_SILENT_S: Final = 0.5
"""How long a line that talks by itself is listened to before the request is given up."""

_SHOWN: Final = 64
_ECHO_KNOWN: Final = 4
_CHUNKS_AT_MOST: Final = 16


class Line(Port):
    """One line. `serial_line` and `tcp_line` make it: they know how to open it."""

    _drops_after_silences: ClassVar[int | None] = None
    """So many requests in a row without an answer, and the port is opened anew."""

    def __init__(
        self, line_id: LineId, *, gap_s: float, char_s: float, silence_s: float, echo: bool = False
    ) -> None:
        """Take the timing; opens nothing.

        Args:
            line_id: its name in the site file.
            gap_s: quiet time that the protocol wants before a request, from the last byte in either
                direction.
            char_s: how long one character takes; 0 where that does not matter.
            silence_s: how long nothing must come before a disturbed line is believed to be empty.
            echo: the adapter hears what it sends itself.
        """
        super().__init__(line_id)
        self._gap_s = gap_s
        self._char_s = char_s
        self._silence_s: Final = max(silence_s, gap_s)
        self._characters: Characters | None = None
        self._echo: Final = echo
        self._turnstile: Final = Turnstile()
        self._late: Final = LateAnswers()
        self._buffer: Final = bytearray()
        self._future: asyncio.Future[bytes] | None = None
        self._answer: Framing
        self._request = b""
        self._echo_left = 0
        self._pause_s = 0.0
        self._deadline = 0.0
        self._latest = 0.0
        self._timer: asyncio.TimerHandle
        self._last_byte = float("-inf")
        self._abandoned: tuple[Debt, float] | None = None
        self._dirty = False
        self._unasked = 0
        self._silences = 0
        self._hear: Callable[[bytes], None] | None = None

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Hand over what nobody asked for; see `ByteLine.listen`.

        Raises:
            ValueError: another device of this line talks by itself already.
        """
        if self._hear is not None:
            msg = f"line {self._id}: two devices on it talk by themselves; give one its own line"
            raise ValueError(msg)
        self._hear = hear

    # Before the request

    async def exchange(
        self,
        request: bytes,
        answer: Framing,
        *,
        timeout_s: float,
        priority: Priority = Priority.POLL,
        characters: Characters | None = None,
    ) -> bytes:
        """Send a request when it is its turn, and return the answer; see `ByteLine.exchange`.

        Raises:
            NoResponseError: nothing came in `timeout_s`.
            FrameError: something came that is no answer, or the line never falls silent.
            BusUnavailableError: the port is gone or cannot be opened.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._enter(request, answer, priority)
            began = loop.time()
            try:
                await self._get_ready()
                # A command that came while a poll was leaving the quiet time goes first: it waits
                # for one exchange at most.
                if not self._turnstile.outranked(priority):
                    if characters != self._characters:
                        await self._change(characters)
                    return await self._ask(request, answer, timeout_s)
            finally:
                self._statistics.busy_s += loop.time() - began
                self._turnstile.leave()

    async def _get_ready(self) -> None:
        """Open the line, let pass what nobody waits for any more, leave the quiet time.

        Raises:
            FrameError: the line never falls silent.
            BusUnavailableError: the port cannot be opened.
        """
        if self._channel is None:
            await self.open()
        if self._abandoned is not None:
            await self._hear_out(self._abandoned)
        if self._dirty:
            await self._fall_silent()
        elif self._gap_s:
            await self._keep_gap()

    async def _enter(self, request: bytes, answer: Framing, priority: Priority) -> None:
        """Wait for our turn, and before it for late answers that could be mistaken for ours.

        The wait for a late answer happens outside, so that the others go on.
        """
        while True:
            while (debt := self._in_the_way(request, answer, priority)) is not None:
                await debt.settled()
            if not self._turnstile.try_enter():
                await self._turnstile.enter(priority)
            if self._in_the_way(request, answer, priority) is None:
                return
            self._turnstile.leave()

    def _in_the_way(self, request: bytes, answer: Framing, priority: Priority) -> Debt | None:
        if not self._late:
            return None
        return self._late.in_the_way(request, answer.shape, priority, self._loop.time())

    async def _hear_out(self, abandoned: tuple[Debt, float]) -> None:
        """Let the answer to an exchange that was cancelled pass: nobody may talk over it."""
        debt, until = abandoned
        await debt.settled(until)
        self._abandoned = None

    async def _keep_gap(self) -> None:
        """Leave the quiet time between frames (MODBUS over Serial Line V1.02, 2.5.1.1)."""
        wait_s = self._last_byte + self._gap_s - self._loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _change(self, characters: Characters | None) -> None:
        """Talk at another speed from now on, and be quiet for as long as frames are apart at it.

        Raises:
            BusUnavailableError: the port cannot be set so.
        """
        self._set_characters(characters)
        self._characters = characters
        self._last_byte = self._loop.time()
        if self._gap_s:
            await self._keep_gap()

    def _set_characters(self, characters: Characters | None) -> None:
        """Set the port, the quiet time and the length of a character; None: those of the line."""

    async def _fall_silent(self) -> None:
        """Wait until nothing comes any more, and forget what came.

        Raises:
            FrameError: something comes all the time.
        """
        give_up = self._loop.time() + NEVER_SILENT_S
        while (now := self._loop.time()) < (quiet := self._last_byte + self._silence_s):
            if now >= give_up:
                msg = (
                    f"line {self._id} is never silent: somebody talks without being asked; "
                    "disconnect the devices one by one to find which"
                )
                self._statistics.errors += 1
                raise FrameError(msg, answer=bytes(self._buffer[-_SHOWN:]))
            await asyncio.sleep(min(quiet, give_up) - now)
        self._dirty = False
        self._unasked = 0

    # The request

    async def _ask(self, request: bytes, answer: Framing, timeout_s: float) -> bytes:
        """Send and wait. On every way out the line is ready for the next request."""
        self._buffer.clear()
        if answer.shape is not None:  # else nothing that lies there could be mistaken for it
            self._drain()
        if self._channel is None:  # only now seen to be gone; nothing has been sent yet
            await self.open()
        loop = self._loop
        statistics = self._statistics
        self._future = future = loop.create_future()
        self._request = request
        self._answer = answer
        self._echo_left = len(request) if self._echo else 0
        sent = loop.time() + len(request) * self._char_s
        self._pause_s = self._longest_pause_s(timeout_s)
        self._last_byte = sent
        self._deadline = sent + timeout_s
        self._latest = sent + 2 * timeout_s + LONGEST_ANSWER * self._char_s
        self._timer = loop.call_at(self._deadline, self._expire)
        statistics.exchanges += 1
        try:
            self._send(request)
            frame: bytes = await future
        except asyncio.CancelledError:
            debt = self._late.owe(request, answer, sent + latest_s(timeout_s))
            self._abandoned = None if debt is None else (debt, self._deadline)
            raise
        except NoResponseError:
            statistics.errors += 1
            self._late.owe(request, answer, sent + latest_s(timeout_s))
            raise
        except ForeignFrameError:
            statistics.errors += 1
            self._late.owe(request, answer, sent + timeout_s)
            raise
        except (FrameError, BusUnavailableError):
            statistics.errors += 1
            raise
        finally:
            self._timer.cancel()
            self._future = None
            self._buffer.clear()
            self._stop_sending()
        self._silences = 0
        if self._late:
            self._late.answered(request, sent + latest_s(timeout_s))
        return frame

    def _longest_pause_s(self, timeout_s: float) -> float:
        """Return the silence inside an answer that ends it."""
        return timeout_s

    def _opened(self) -> None:
        if self._characters is not None:
            self._set_characters(None)
            self._characters = None
        self._dirty = False
        self._unasked = 0
        self._silences = 0

    def _lost(self, error: BusUnavailableError) -> None:
        self._fail(error)

    # The answer

    def _received(self, data: bytes) -> None:
        self._last_byte = self._loop.time()
        if self._future is None or self._future.done():
            self._take_unasked(data)
            return
        self._buffer.extend(data)
        if self._echo_left and not self._drop_echo():
            return
        self._examine()

    def _examine(self) -> None:
        """Look whether the answer is there."""
        buffer = self._buffer
        while buffer:
            try:
                size = self._answer.measure(buffer)
            except FrameError as error:
                late = self._measure_late()
                if late is None:
                    self._dirty = True
                    self._fail(self._explain(error))
                    return
                size = -late
            if size > 0:
                if self._late and (late := self._measure_late()):
                    size = (
                        -late
                    )  # a refusal, say, that may as well be the answer to an earlier request
                else:
                    self._dirty = len(buffer) > size
                    self._succeed(bytes(buffer[:size]))
                    return
            if size == 0:
                self._wait_for_more()
                return
            del buffer[:-size]

    def _measure_late(self) -> int | None:
        return self._late.measure(self._buffer, self._last_byte, but=self._request)

    def _wait_for_more(self) -> None:
        """Keep waiting for the rest: as long as it keeps coming, and within bounds."""
        if len(self._buffer) > LONGEST_ANSWER:
            self._dirty = True
            msg = f"line {self._id}: {len(self._buffer)} bytes came that are no answer"
            self._fail(FrameError(msg, answer=bytes(self._buffer[:_SHOWN])))
            return
        self._deadline = min(self._last_byte + self._pause_s, self._latest)
        if self._deadline < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._expire)

    def _expire(self) -> None:
        """Give up, unless bytes have come since that moved the deadline."""
        if self._deadline > self._timer.when():
            self._timer = self._loop.call_at(self._deadline, self._expire)
            return
        if self._buffer:
            self._dirty = True
            msg = f"line {self._id}: the answer stops after {len(self._buffer)} bytes"
            self._fail(FrameError(msg, answer=bytes(self._buffer[:_SHOWN])))
            return
        self._silences += 1
        self._fail(NoResponseError(f"line {self._id}: no answer to {self._request.hex(' ')}"))
        if self._silences == self._drops_after_silences:
            # A far end that was cut off or restarted looks just like this; a new connection tells.
            self._lose("is opened anew")

    def _succeed(self, frame: bytes) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(frame)

    def _fail(self, error: Exception) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_exception(error)

    def _drain(self) -> None:
        """Take out what lies in the port before a request: nobody's, or the talker's."""
        for _ in range(_CHUNKS_AT_MOST):
            data = self._take()
            if not data:
                return
            if self._hear is not None:
                self._hear(data)

    def _take_unasked(self, data: bytes) -> None:
        """Look for late answers in what nobody asks for just now, and drop the rest.

        On a line where a device talks by itself that is what it says.
        """
        if self._hear is not None:
            self._hear(data)
            return
        self._dirty = True
        self._unasked += len(data)
        if self._unasked > FLOOD:
            self._lose(f"floods: {self._unasked} bytes that nobody asked for")
            return
        self._buffer.extend(data)
        while self._buffer and (size := self._late.measure(self._buffer, self._last_byte)):
            del self._buffer[:size]
        if len(self._buffer) > LONGEST_ANSWER:
            del self._buffer[:-_SHOWN]

    # Echo

    def _drop_echo(self) -> bool:
        """Take our own request out of what came; say whether something is left to look at."""
        seen = bytes(self._buffer[: self._echo_left])
        expected = self._request[-self._echo_left :][: len(seen)]
        if seen != expected:
            self._dirty = True
            msg = f"line {self._id}: own request expected first (echo = true), but this came"
            self._fail(FrameError(msg, answer=bytes(self._buffer[:_SHOWN])))
            return False
        del self._buffer[: len(seen)]
        self._echo_left -= len(seen)
        return bool(self._buffer)

    def _explain(self, error: FrameError) -> FrameError:
        """Say that it is our own request, when it is."""
        seen = bytes(self._buffer[: len(self._request)])
        if self._echo or len(seen) < _ECHO_KNOWN or not self._request.startswith(seen):
            return error
        msg = (
            f"line {self._id} hears its own request: "
            "switch the echo of the adapter off, or set echo = true"
        )
        return FrameError(msg, answer=bytes(self._buffer[:_SHOWN]))
