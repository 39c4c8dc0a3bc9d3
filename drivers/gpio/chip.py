"""The medium `gpio`: owns the pins of one chip, and tells drivers what happens on them.

All that may block is done in one thread (`drivers.media.worker`). What the pins are used for is
said before the chip is opened and holds over every opening: a chip that was gone is set up again,
and its outputs get the level that was said for that case.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Final, TypeVar

from drivers.gpio.board import Board
from drivers.gpio.config import GpioConfig
from drivers.gpio.lgpio_board import LgpioBoard
from drivers.gpio.pigpio_board import PigpioBoard
from drivers.gpio.uses import Found, Input, Output, Rest, Uses, let_go, set_up
from drivers.media.edges import Edge, Pull
from drivers.media.port import Statistics
from drivers.media.turnstile import Turnstile
from drivers.media.worker import Worker
from gateway.model.driver import MediumManifest, Priority
from gateway.model.errors import BusUnavailableError, DeviceRejectedError
from gateway.model.ids import LineId

T = TypeVar("T")

EDGES_AT_ONCE: Final = 4096
"""Edges that may wait for the loop; then the oldest are dropped, and counted as errors."""
_CLAIMS_PER_S: Final = 4
"""A pin takes at most this part of the time for an answer, several requests each."""


class GpioChip:
    """The owner of the pins of one chip. An `EdgeSource` and a `LosingMedium`."""

    medium: ClassVar[str] = "gpio"

    def __init__(self, line_id: LineId, config: GpioConfig) -> None:
        """Take the settings; opens nothing."""
        self._id: Final = line_id
        self._config: Final = config
        self._uses: Final = Uses()
        self._inputs: Final = self._uses.inputs
        self._outputs: Final = self._uses.outputs
        self._statistics: Final = Statistics()
        self._turnstile: Final = Turnstile()
        self._opening: Final = asyncio.Lock()
        self._worker: Final = Worker(f"gpio:{line_id}")
        self._tells: Final[list[Callable[[BusUnavailableError], None]]] = []
        self._edges: Final[deque[tuple[int, int, bool]]] = deque(maxlen=EDGES_AT_ONCE)
        self._draining = False
        self._board: Board | None = None
        self._generation = 0
        self._was_lost = False
        self._checking: asyncio.TimerHandle | None = None
        self._anchor_ns = 0
        """From ticks of the board to ours, which go on over every opening."""
        self._first_ns: dict[int, int] = {}

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    @property
    def statistics(self) -> Statistics:
        """Return the counters of this line; an edge that was lost is an error."""
        return self._statistics

    @property
    def generation(self) -> int:
        """Return how often the chip was opened."""
        return self._generation

    # What the pins are used for

    def watch(self, pin: int, tell: Edge, *, pull: Pull = Pull.NONE, glitch_us: int = 0) -> None:
        """Have every level of `pin` told from the next opening on.

        Args:
            pin: by its number on the chip.
            tell: called in the event loop; never blocks.
            pull: the resistor to switch on.
            glitch_us: levels shorter than this are not seen at all, 0 to 300000 microseconds.

        Raises:
            ValueError: there is no such pin, or it is used already.
        """
        self._uses.add_input(pin, Input(tell, pull, glitch_us))

    def drive(self, pin: int, rest: Rest, *, frequency_hz: float | None = None) -> None:
        """Use `pin` as an output from the next opening on.

        Args:
            pin: by its number on the chip.
            rest: its level (0 or 1) or duty cycle in percent when nobody says otherwise.
            frequency_hz: of a pulsed output; None: it has a level.

        Raises:
            ValueError: there is no such pin, or it is used already.
        """
        self._uses.add_output(pin, Output(rest, frequency_hz))

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called in the loop, once for each loss."""
        self._tells.append(tell)

    # Opening and closing

    async def open(self) -> None:
        """Open the chip and set up its pins; does nothing when it is open.

        Raises:
            BusUnavailableError: it is not there, or a pin cannot be had; the message says what to
                look at.
        """
        async with self._opening:
            if self._board is not None:
                return
            loop = asyncio.get_running_loop()
            generation = self._generation + 1

            def gone() -> None:
                loop.call_soon_threadsafe(self._gone, generation)

            def heard(pin: int) -> Callable[[int, bool], None]:
                def tell(tick_ns: int, level: bool) -> None:  # noqa: FBT001  as edges are told
                    self._take(loop, (pin, tick_ns, level))

                return tell

            config = self._config
            pins = len(self._inputs) + len(self._outputs)
            limit_s = config.connect_timeout_s + config.response_timeout_s * (
                2 + pins / _CLAIMS_PER_S
            )
            hears = {pin: heard(pin) for pin in self._inputs}
            given_up = threading.Event()
            try:
                board, now_ns, found = await self._worker.call(
                    lambda: set_up(
                        open_board(config, gone), self._uses, hears, given_up, again=self._was_lost
                    ),
                    limit_s,
                )
            except asyncio.CancelledError:
                given_up.set()
                raise
            except TimeoutError as error:
                given_up.set()
                msg = f"line {self._id}: the chip does not answer"
                raise BusUnavailableError(msg) from error
            except BusUnavailableError as error:
                msg = f"line {self._id}: {error}"
                raise BusUnavailableError(msg) from error
            self._board = board
            self._generation = generation
            self._was_lost = False
            self._anchor_ns = round(loop.time() * 1e9) - now_ns
            self._begin(found)

    def _begin(self, found: Sequence[Found]) -> None:
        """Tell what was found, then what happens from now on."""
        self._first_ns = {pin: tick for pin, tick, _ in found}
        for pin, tick, level in found:
            self._inputs[pin].tell(tick + self._anchor_ns, level, first=True)
        self._drain()
        self._check_later()

    async def close(self) -> None:
        """Bring the outputs to their level for a stop, and let the chip go; no-op when closed."""
        async with self._opening:
            board, self._board = self._board, None
            self._stop_checking()
            if board is None:
                self._worker.close()
                return
            self._edges.clear()

            limit_s = self._config.response_timeout_s * (2 + len(self._outputs))
            try:
                await self._worker.call(lambda: let_go(board, self._uses), limit_s)
            except (TimeoutError, BusUnavailableError, DeviceRejectedError):
                # It was leaving in this moment: nothing can be told to its pins any more.
                self._statistics.errors += 1
            finally:
                self._worker.close()

    def _lose(self, error: BusUnavailableError) -> None:
        """Let go of a chip that is gone, and tell so."""
        board, self._board = self._board, None
        if board is None:
            return
        self._stop_checking()
        self._edges.clear()
        self._was_lost = True
        self._worker.leave(board.close)
        for tell in self._tells:
            tell(error)

    def _gone(self, generation: int) -> None:
        if generation == self._generation:
            self._lose(BusUnavailableError(f"line {self._id}: the chip has closed the connection"))

    # Asking

    async def read(self, pin: int, priority: Priority = Priority.POLL) -> bool:
        """Return the level of a pin.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        return await self._ask(lambda board: board.read(pin), priority)

    async def look(self, pin: int) -> tuple[int, bool]:
        """Return the level of an input and a tick of just before.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        tick, level = await self._ask(
            lambda board: (board.now_ns(), board.read(pin)), Priority.POLL
        )
        return tick + self._anchor_ns, level

    async def write(self, pin: int, *, level: bool, priority: Priority = Priority.COMMAND) -> bool:
        """Set the level of an output and return what it reads back as.

        Raises:
            DeviceRejectedError: the chip refuses; nothing was moved.
            BusUnavailableError: the chip is gone; nobody knows whether it was set.
        """
        back = await self._ask(lambda board: board.write(pin, level=level), priority)
        self._outputs[pin].told = float(level)
        return back

    async def dim(self, pin: int, percent: float) -> float:
        """Set the duty cycle of a pulsed output and return what it reads back as, in percent.

        Raises:
            DeviceRejectedError: the chip refuses; nothing was changed.
            BusUnavailableError: the chip is gone; nobody knows whether it was set.
        """
        back = await self._ask(lambda board: board.dim(pin, percent), Priority.COMMAND)
        self._outputs[pin].told = percent
        return back

    def set_soon(self, pin: int, value: float) -> None:
        """Set an output (level, or duty cycle in percent) as soon as can be; nobody waits for it.

        While the chip is gone it only changes what the output was told last.
        """
        output, board = self._outputs[pin], self._board
        output.told = value
        if board is None:
            return
        generation = self._generation

        def done(error: Exception | None) -> None:
            if error is not None:
                self._statistics.errors += 1
                if generation == self._generation:
                    self._lose(BusUnavailableError(f"line {self._id}: {error}"))

        if output.frequency_hz is None:
            self._worker.leave(lambda: board.write(pin, level=bool(value)), done)
        else:
            self._worker.leave(lambda: board.dim(pin, value), done)

    async def dimmed(self, pin: int) -> tuple[float, float]:
        """Return duty cycle in percent and frequency in hertz of a pulsed output.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        return await self._ask(lambda board: board.dimmed(pin), Priority.POLL)

    async def _ask(self, what: Callable[[Board], T], priority: Priority) -> T:
        await self._turnstile.enter(priority)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            board = await self._opened()
            self._statistics.exchanges += 1
            try:
                return await self._worker.call(
                    lambda: what(board), 3 * self._config.response_timeout_s
                )
            except TimeoutError as error:
                gone = BusUnavailableError(f"line {self._id}: the chip does not answer")
                self._lose(gone)
                raise gone from error
            except BusUnavailableError as error:
                gone = BusUnavailableError(f"line {self._id}: {error}")
                self._lose(gone)
                raise gone from error
        except (BusUnavailableError, DeviceRejectedError):
            self._statistics.errors += 1
            raise
        finally:
            self._statistics.busy_s += loop.time() - began
            self._turnstile.leave()

    async def _opened(self) -> Board:
        await self.open()
        if self._board is None:
            msg = f"line {self._id}: the chip is closed"
            raise BusUnavailableError(msg)
        return self._board

    # Looking whether it is there

    def _check_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._checking = loop.call_later(self._config.check_s, self._check)

    def _check(self) -> None:
        board, generation = self._board, self._generation
        if board is None:
            return

        def checked(error: Exception | None) -> None:
            if generation != self._generation or self._board is None:
                return
            if error is None:
                self._check_later()
            else:
                self._lose(BusUnavailableError(f"line {self._id}: {error}"))

        self._worker.leave(board.now_ns, checked)

    def _stop_checking(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None

    # Edges

    def _take(self, loop: asyncio.AbstractEventLoop, edge: tuple[int, int, bool]) -> None:
        """Take an edge in a thread of the library; the loop is woken once for many."""
        if len(self._edges) == EDGES_AT_ONCE:
            self._statistics.errors += 1
        self._edges.append(edge)
        if not self._draining:
            self._draining = True
            try:
                loop.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop has ended: nobody is there to be told
                self._edges.clear()

    def _drain(self) -> None:
        self._draining = False
        if self._board is None:
            return  # still opening: `_begin` takes them
        while self._edges:
            pin, tick, level = self._edges.popleft()
            self._statistics.bytes_received += 1
            if tick > self._first_ns[pin]:
                self._inputs[pin].tell(tick + self._anchor_ns, level, first=False)


def open_board(config: GpioConfig, gone: Callable[[], None]) -> Board:
    """Open the chip that a site names; may block.

    Args:
        config: names it.
        gone: called in some thread, perhaps more than once, when the chip is seen to be gone.

    Raises:
        BusUnavailableError: it is not there; the message says what to look at.
    """
    return PigpioBoard(config, gone) if config.factory == "pigpio" else LgpioBoard(config)


def _resource(config: GpioConfig) -> Hashable:
    if config.factory == "pigpio":
        return (config.host, config.port)
    return f"/dev/gpiochip{config.chip if config.chip is not None else ''}"


def _probe(config: GpioConfig) -> str | None:
    """Say why the chip is not there now, or None."""
    try:
        board = open_board(config, lambda: None)
    except BusUnavailableError as error:
        return str(error)
    board.close()
    return None


MANIFEST: Final = MediumManifest(
    name="gpio", config=GpioConfig, build=GpioChip, resource=_resource, probe=_probe
)
