"""The medium `osdp`: owns the line, runs libosdp in the event loop, keeps readers coming back.

libosdp needs no thread: `refresh` never blocks, sends what is due and looks at what came. It is
called when bytes come and every 20 ms besides (it wants 50 ms at most), so everything here happens
in the loop, and nothing needs a lock.

libosdp 3.2 gives a reader up after one refused command or broken reply, for five minutes. Here it
gets sound frames of the reader it asked, or silence (`codec`); and a reader that it gave up is
taken up again at once, then ever later, up to `retry_s`. A reader that does not answer at all is
asked for half a second each time, so that its neighbours keep their pace.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from drivers.access.osdp.codec import Frames
from drivers.access.osdp.forgetting import forget
from drivers.access.osdp.kinds import Event, Notice
from drivers.access.osdp.station import Pipe, Station, Told
from drivers.access.osdp.wire import MISSING, OsdpLineConfig, make_wire, probe, resource
from drivers.media.framing import ByteLine
from drivers.media.port import Statistics
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError, DeviceRejectedError, NoResponseError
from gateway.model.ids import LineId

TICK_S: Final = 0.02
PATIENCE_S: Final = 0.5
"""So long a reader that was just taken up again may be silent."""
_OF_READERS_ONLY: Final = ("version", "model", "vendor_code", "serial_number", "firmware_version")
COMMANDS: Final = 8
"""That wait for one reader; more are refused."""


class OsdpBus:
    """The owner of one OSDP line. A `Medium` and a `LosingMedium`."""

    medium: ClassVar[str] = "osdp"

    def __init__(self, line_id: LineId, config: OsdpLineConfig) -> None:
        """Take the way to the readers; opens nothing."""
        self._id: Final = line_id
        self._config: Final = config
        self._wire: Final = make_wire(line_id, config)
        self.wire: Final[ByteLine] = self._wire
        """For a search, while no reader has joined."""
        self._wire.listen(self._hear)
        self._frames: Final = Frames()
        self._channel: Final = Pipe(self._say)
        self._stations: Final[list[Station]] = []
        self._tell_lost: list[Callable[[BusUnavailableError], None]] = []
        self._wire.when_lost(self._lost)
        self._panel: Any = None  # Any: osdp_sys carries no types
        self._tick: asyncio.TimerHandle | None = None
        self._status: Final = Statistics()
        self._news: list[tuple[int, dict[str, Any]]] = []
        self._ends: list[tuple[int, int]] = []
        """Events and ends of orders; libosdp cannot bear that what it calls raises."""

    # Medium

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    @property
    def statistics(self) -> Statistics:
        """Return the counters: frames out are exchanges, questions without an answer errors."""
        wire = self._wire.statistics
        self._status.bytes_sent = wire.bytes_sent
        self._status.bytes_received = wire.bytes_received
        return self._status

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called when the port or connection is gone."""
        self._tell_lost.append(tell)

    async def open(self) -> None:
        """Open the port and take up all readers; does nothing when it is open.

        Raises:
            BusUnavailableError: the port is not there, or libosdp refuses the readers.
        """
        if self._panel is not None:
            return
        self._load()
        await self._wire.open()
        self._begin()

    async def close(self) -> None:
        """Let the readers go and close the port."""
        self._end(BusUnavailableError(f"line {self._id} was closed"))
        await self._wire.close()

    # For drivers

    def join(self, station: Station) -> None:
        """Put a reader on the line, before it is opened.

        Raises:
            ValueError: its address is taken.
        """
        if any(other.address == station.address for other in self._stations):
            msg = f"line {self._id}: address {station.address} is taken"
            raise ValueError(msg)
        self._stations.append(station)

    async def command(self, station: Station, order: Mapping[str, Any], timeout_s: float) -> None:
        """Give an order to a reader and wait until it took it.

        Args:
            station: the reader.
            order: as libosdp takes it.
            timeout_s: so long it may take the reader to be there, and again to take the order.

        Raises:
            NoResponseError: the reader is not there, or was lost meanwhile.
            DeviceRejectedError: it did not take the order.
            BusUnavailableError: the line is gone.
        """
        await self.ready(station, timeout_s)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        place = self._stations.index(station)
        if len(station.waiting) >= COMMANDS or not self._panel.submit_command(place, dict(order)):
            msg = f"reader {station.address} takes no more orders now"
            raise NoResponseError(msg)
        station.waiting.append(future)
        try:
            async with asyncio.timeout(timeout_s):
                taken = await future
        except TimeoutError as error:
            msg = f"reader {station.address} did not answer an order in {timeout_s:g} s"
            raise NoResponseError(msg) from error
        if not taken:
            msg = f"reader {station.address} did not take the order: it may not be able to do that"
            raise DeviceRejectedError(msg, code=0)

    def capability(self, station: Station, function: int) -> int:
        """Return how many things of a function the reader has, as it said itself; 0: none."""
        place = self._stations.index(station)
        level, count = self._panel.check_capability(place, function)
        return max(int(count), int(bool(level)))

    async def ready(self, station: Station, timeout_s: float) -> None:
        """Wait for a reader that is being taken up.

        Raises:
            BusUnavailableError: the line is gone.
            NoResponseError: it is not there in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while self._panel is not None and not (station.trusted or station.given_up):
            watcher: asyncio.Future[None] = loop.create_future()
            station.watchers.append(watcher)
            try:
                async with asyncio.timeout_at(deadline):
                    await watcher
            except TimeoutError:
                break
        self._demand(station)

    def _demand(self, station: Station) -> None:
        """Do nothing when a reader is there and may be believed.

        Raises:
            BusUnavailableError: the line is gone.
            NoResponseError: it is not there, or its channel is not safe; the message says what to
                do next.
        """
        if self._panel is None:
            msg = f"line {self._id} is closed"
            raise BusUnavailableError(msg)
        if station.trusted:
            return
        silent_s = asyncio.get_running_loop().time() - station.heard_s
        why = station.complaint(answers=silent_s <= 2 * self._config.retry_s)
        msg = f"line {self._id}: reader {station.address} {why}"
        raise NoResponseError(msg)

    # libosdp

    def _load(self) -> None:
        """Load libosdp.

        Raises:
            BusUnavailableError: it is not installed.
        """
        try:
            import osdp_sys  # noqa: PLC0415 - an optional extra: loaded where a line wants it
        except ImportError as error:
            msg = f"line {self._id}: {MISSING}"
            raise BusUnavailableError(msg) from error
        self._osdp = osdp_sys
        self._libc = ctypes.CDLL(None)

    def _begin(self) -> None:
        """Hand the readers to libosdp, when there are some and it has them not yet."""
        if self._panel is not None or not self._stations:
            return
        osdp_sys = self._osdp
        osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)  # it would tell of readers on standard error
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._frames.reset()
        self._channel.flush()
        for station in self._stations:
            station.online = station.secure = station.resting = False
            station.tries = 0
            station.asked_s = now
            opens = station.key is not None and station.install_for_s > 0
            station.install_until = now + station.install_for_s if opens else None
            if opens:
                station.listener.installing()
        self._stir()
        self._panel = osdp_sys.ControlPanel([self._described(each) for each in self._stations])
        self._panel.set_event_callback(self._event)
        self._panel.set_command_completion_callback(self._completed)
        self._tick = loop.call_later(TICK_S, self._ticked)

    def _described(self, station: Station) -> dict[str, Any]:
        flags = self._osdp.FLAG_ENABLE_NOTIFICATION
        if station.key is not None and station.install_until is None:
            flags |= self._osdp.FLAG_ENFORCE_SECURE
        return {
            "name": f"reader-{station.address}",
            "address": station.address,
            "flags": flags,
            "scbk": station.key,
            "channel": self._channel,
            **dict.fromkeys(_OF_READERS_ONLY, 0),
        }

    def _end(self, error: BusUnavailableError) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        self._panel = None
        self._news.clear()
        self._ends.clear()
        for station in self._stations:
            station.online = station.secure = False
            self._abandon(station, error)
            station.wake()

    def _lost(self, error: BusUnavailableError) -> None:
        self._end(error)
        for tell in self._tell_lost:
            tell(error)

    def _say(self, wire: bytes) -> None:
        self._status.exchanges += 1
        self._wire.say(wire)

    def _hear(self, data: bytes) -> None:
        if self._panel is None:
            return
        fresh = False
        now = asyncio.get_running_loop().time()
        for frame in self._frames.feed(data):
            for station in self._stations:
                if frame.is_reply and station.address == frame.address:
                    station.heard_s = now
            if frame.is_reply and frame.address == self._channel.asked:
                self._channel.hear(frame)
                fresh = True
        if fresh:
            self._refresh()

    def _ticked(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for place, station in enumerate(self._stations):
            self._keep(place, station, now)
        self._stir()
        self._refresh()
        if self._panel is not None:
            self._tick = loop.call_later(TICK_S, self._ticked)

    def _stir(self) -> None:
        """Give libosdp a challenge that nobody foresees.

        The package takes its random numbers from the C library's `rand` and never seeds it: without
        this every start would begin with the same challenge, and a recorded session could be
        played back to it.
        """
        self._libc.srand(int.from_bytes(os.urandom(4)))

    def _refresh(self) -> None:
        panel = self._panel  # held, for it may be given up meanwhile
        panel.refresh()
        if self._panel is panel:
            self._settle()

    def _settle(self) -> None:
        """Hand on what libosdp told, in its order: events before the ends of the orders."""
        news = self._news
        while news and self._panel is not None:
            place, event = news.pop(0)
            station = self._stations[place]
            if event["event"] == Event.NOTICE:
                self._noticed(place, station, event)
            elif station.trusted:
                station.listener.told(event)
            forget(event)
        ends, self._ends = self._ends, []
        for place, status in ends:
            self._ended(self._stations[place], status)

    def _keep(self, place: int, station: Station, now: float) -> None:
        """See that a reader is taken up again, rests when it is silent, and ends its install."""
        if station.fallen:
            station.fallen = False
            self._panel.flush_commands(place)
            self._settle()
            lost = f"line {self._id}: reader {station.address} was lost"
            self._abandon(station, NoResponseError(lost))
        if station.install_until is not None and now >= station.install_until:
            self._close_install(place, station)
            if not station.secure:
                self._rest(place, station, now)
        if station.resting:
            if now >= station.again_s and self._panel.enable_pd(place):
                station.resting = False
                station.asked_s = now
        elif (
            not station.online
            and now - station.asked_s > PATIENCE_S
            and station.heard_s < station.asked_s
        ):
            self._status.errors += 1
            self._rest(place, station, now)

    def _rest(self, place: int, station: Station, now: float) -> None:
        """Leave a reader alone for a while."""
        station.resting = True
        station.again_s = now + min(self._config.retry_s, TICK_S * 2 * (1 << min(station.tries, 9)))
        station.tries += 1
        self._panel.disable_pd(place)
        station.wake()

    def _event(self, place: int, event: dict[str, Any]) -> int:
        self._news.append((place, event))
        return 0

    def _completed(self, place: int, _order: dict[str, Any], status: int) -> None:
        self._ends.append((place, status))

    def _noticed(self, place: int, station: Station, event: Told) -> None:
        if event["type"] == Notice.CHANNEL:
            station.secure = bool(event["arg0"]) and not event["arg1"]
            if station.secure and station.install_until is not None:
                self._close_install(place, station)
                station.listener.installed()
        elif event["type"] == Notice.PRESENCE:
            station.online = bool(event["arg0"])
            if station.online:
                station.tries = 0
            else:
                station.fallen = True
                if not station.resting:
                    self._status.errors += 1
                    self._rest(place, station, asyncio.get_running_loop().time())
        station.wake()

    def _close_install(self, place: int, station: Station) -> None:
        station.install_until = None
        self._panel.set_flag(place, self._osdp.FLAG_ENFORCE_SECURE)

    @staticmethod
    def _abandon(station: Station, error: BusUnavailableError | NoResponseError) -> None:
        while station.waiting:
            future = station.waiting.popleft()
            if not future.done():
                future.set_exception(error)

    def _ended(self, station: Station, status: int) -> None:
        if not station.waiting:
            return
        future = station.waiting.popleft()
        if future.done():
            return
        if status in {self._osdp.COMPLETION_OK, self._osdp.COMPLETION_FAILED}:
            future.set_result(status == self._osdp.COMPLETION_OK)
        else:
            lost = f"line {self._id}: reader {station.address} was lost"
            future.set_exception(NoResponseError(lost))


MANIFEST: Final = MediumManifest(
    name="osdp", config=OsdpLineConfig, build=OsdpBus, resource=resource, probe=probe
)
