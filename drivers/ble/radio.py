"""The owner of one Bluetooth adapter: listens, talks to one device at a time, and heals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from drivers.ble.adapters import failures, load_stack, place, probe, reason_of, resource
from drivers.ble.advert import Advert, Identify, by_address
from drivers.ble.air import Peer, Timer
from drivers.ble.attention import Attention
from drivers.ble.config import BleConfig
from drivers.ble.healing import Ladder, Step
from drivers.media.turnstile import Turnstile
from gateway.model.driver import MediumManifest, Priority
from gateway.model.errors import BusUnavailableError, DeviceError, NoResponseError
from gateway.model.ids import LineId

if TYPE_CHECKING:  # a site that is only checked loads no Bluetooth
    from bleak import BleakScanner
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from drivers.ble.stack import Stack

T = TypeVar("T")

log = logging.getLogger(__name__)

FRESH_S: Final = 600.0
"""A scan that never pauses begins anew after so long: what its stack keeps of strangers goes."""


@dataclass(slots=True)
class RadioStatistics:
    """What a radio has done since it was made; see `gateway.model.driver.LineStatistics`."""

    exchanges: int = 0
    """Conversations with devices."""
    errors: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_s: float = 0.0
    adverts: int = 0
    """Advertisements heard, of anybody."""


class BleRadio:
    """One adapter. A `Medium`, a `LosingMedium` and an `Air`."""

    medium: Final = "ble"

    def __init__(self, line_id: LineId, config: BleConfig) -> None:
        """Take the options; touches no adapter."""
        self._id: Final = line_id
        self._config: Final = config
        self._statistics: Final = RadioStatistics()
        self._ladder: Final = Ladder()
        self._attention: Final = Attention()
        self._ears: Final[dict[Identify, dict[Hashable, list[Callable[[Advert], None]]]]] = {}
        self._peers: Final[dict[str, BLEDevice]] = {}
        """Devices somebody wants to talk to, as they were last heard."""
        self._sought: Final[dict[str, asyncio.Future[BLEDevice]]] = {}
        self._turn: Final = Turnstile()
        self._opening: Final = asyncio.Lock()
        self._adapter: Final = asyncio.Lock()
        """Held for each step of the adapter, and while a device is talked to."""
        self._stack: Stack | None = None
        self._scan: BleakScanner | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._tell: Callable[[BusUnavailableError], None] | None = None
        self._generation = 0
        self._window = False
        """Whether it is time to listen."""

    # For the poller

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    @property
    def statistics(self) -> RadioStatistics:
        """Return the counters of this line."""
        return self._statistics

    @property
    def heals(self) -> dict[Step, int]:
        """Return how often each step of healing was taken."""
        return dict(self._ladder.counts)

    @property
    def generation(self) -> int:
        """Return how often the adapter was opened."""
        return self._generation

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called in the loop when the adapter is gone, asked or not."""
        self._tell = tell

    async def open(self) -> None:
        """Make the adapter usable and listen; does nothing when it does.

        Raises:
            BusUnavailableError: there is no such adapter, or it does not do what it is told.
        """
        async with self._opening:
            if self._keeper is not None and not self._keeper.done():
                return
            await self._shut()
            stack = load_stack(self._config)
            stack.when_gone(self._gone)
            try:
                await self._bounded(stack.open())
                self._stack = stack
                await self._begin()
            except failures() as error:
                await self._shut()
                await stack.close()
                raise BusUnavailableError(self._sentence(reason_of(error))) from error
            self._generation += 1
            loop = asyncio.get_running_loop()
            self._keeper = loop.create_task(self._keep(), name=f"radio:{self._id}")
            self._keeper.add_done_callback(self._kept)

    async def close(self) -> None:
        """Let go of the adapter; does nothing when that was done."""
        async with self._opening:
            await self._shut()

    async def _shut(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        stack, self._stack = self._stack, None
        if stack is not None:
            with suppress(*failures()):  # whoever closes an adapter that is stuck goes on
                await self._bounded(self._end())
            self._attention.end(self._now_s())
            self._scan = None
            await stack.close()

    # For the drivers

    @property
    def scan_interval_s(self) -> float:
        """Return how often the radio begins to listen, 0 when it always does."""
        return self._config.scan_interval_s

    @property
    def listened_s(self) -> float:
        """Return for how long it has certainly listened, in seconds."""
        return self._attention.certain_s

    def hear(self, identify: Identify, who: Hashable, hear: Callable[[Advert], None]) -> None:
        """Have `hear` called with every advertisement that `identify` finds `who` in."""
        self._ears.setdefault(identify, {}).setdefault(who, []).append(hear)

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Have `call` called in the loop after so many seconds."""
        return asyncio.get_running_loop().call_later(delay_s, call)

    async def converse(
        self,
        address: str,
        talk: Callable[[Peer], Awaitable[T]],
        *,
        timeout_s: float,
        priority: Priority,
    ) -> T:
        """Connect to a device in turn, talk to it, and disconnect: see `Air.converse`.

        Raises:
            NoResponseError: it was not heard, does not let itself be connected to, or went away.
            DeviceRejectedError: it refuses.
            FrameError: it has no such characteristic.
            BusUnavailableError: the adapter is gone.
        """
        await self._turn.enter(priority)
        began_s = self._now_s()
        self._statistics.exchanges += 1
        try:
            return await self._converse(address, talk, timeout_s)
        except DeviceError:
            self._statistics.errors += 1
            raise
        finally:
            self._statistics.busy_s += self._now_s() - began_s
            self._turn.leave()

    async def _converse(
        self, address: str, talk: Callable[[Peer], Awaitable[T]], timeout_s: float
    ) -> T:
        from drivers.ble.talking import connected  # noqa: PLC0415 - bleak, when it is needed

        device = self._peers.get(address) or await self._seek(address, timeout_s)
        async with self._adapter:
            stack = self._stack
            if stack is None:
                raise BusUnavailableError(self._sentence("was closed"))
            try:
                await self._bounded(self._end())
                async with connected(stack.client(device, timeout_s), address, timeout_s) as peer:
                    try:
                        return await talk(peer)
                    finally:
                        self._statistics.bytes_sent += peer.sent
                        self._statistics.bytes_received += peer.received
            except NoResponseError:
                self._peers.pop(address, None)  # it may have another kind of address next time
                raise
            except failures() as error:
                raise BusUnavailableError(self._sentence(reason_of(error))) from error
            finally:
                if self._window and self._stack is stack:
                    with suppress(*failures()):  # the keeper notices, and heals
                        await self._bounded(self._begin())

    async def _seek(self, address: str, timeout_s: float) -> BLEDevice:
        """Listen until a device is heard.

        Raises:
            NoResponseError: it was not, in so many seconds.
        """
        if self._stack is None:
            raise BusUnavailableError(self._sentence("is not open"))
        found = self._sought[address] = asyncio.get_running_loop().create_future()
        try:
            if self._scan is None:
                async with self._adapter:
                    await self._bounded(self._begin())
            async with asyncio.timeout(timeout_s):
                device: BLEDevice = await found
                return device
        except TimeoutError as error:
            msg = f"{address} was not heard for {timeout_s:g} s"
            raise NoResponseError(msg) from error
        except failures() as error:
            raise BusUnavailableError(self._sentence(reason_of(error))) from error
        finally:
            self._sought.pop(address, None)

    # Listening

    def _heard(self, device: BLEDevice, data: AdvertisementData) -> None:
        now_s = self._now_s()
        self._attention.alive(now_s)
        self._ladder.heard()
        self._statistics.adverts += 1
        address = device.address
        sought = self._sought.get(address)
        if sought is not None:
            self._peers[address] = device
            if not sought.done():
                sought.set_result(device)
        advert = Advert(address, data.rssi, now_s, data.manufacturer_data, data.service_data)
        for identify, ears in self._ears.items():
            who = address if identify is by_address else identify(advert)
            if who is not None:
                for hear in ears.get(who, ()):
                    hear(advert)

    async def _begin(self) -> None:
        """Begin to listen; does nothing while it does."""
        stack = self._stack
        if stack is None or self._scan is not None:
            return
        scan = stack.scanner(self._heard, self._config.scanning)
        await scan.start()
        self._scan = scan
        self._attention.begin(self._now_s())

    async def _end(self) -> None:
        """Listen no more; does nothing while it does not."""
        scan, self._scan = self._scan, None
        if scan is not None:
            self._attention.end(self._now_s())
            await scan.stop()

    async def _keep(self) -> None:
        """Listen in the rhythm of the site, and heal what no longer hears."""
        config = self._config
        while True:
            window_s = config.scan_window_s if config.scan_interval_s else FRESH_S
            try:
                self._window = True
                async with self._adapter:
                    await self._bounded(self._begin())
                healthy = await self._listen(window_s)
                self._window = False
                async with self._adapter:
                    await self._bounded(self._end())
            except failures() as error:
                healthy = False
                log.warning("radio-error", extra={"line": self._id, "reason": reason_of(error)})
            if not healthy:
                await self._heal()
            elif config.scan_interval_s:
                await asyncio.sleep(config.scan_interval_s - config.scan_window_s)

    async def _listen(self, window_s: float) -> bool:
        """Wait until the window is over; say whether something was heard all the while."""
        attention, limit_s = self._attention, self._config.quiet_limit_s
        end_s = self._now_s() + window_s
        while (now_s := self._now_s()) < end_s:
            left_s = limit_s - attention.quiet_s(now_s)
            if left_s <= 0:
                return False
            await asyncio.sleep(min(left_s, end_s - now_s))
        return True

    async def _heal(self) -> None:
        """Take the next steps until one is carried out.

        Raises:
            _GivenUpError: none was, or all were, and still nothing is heard.
        """
        while True:
            step = self._ladder.climb()
            log.warning(
                "radio-healing",
                extra={"line": self._id, "step": step, "count": self._ladder.counts[step]},
            )
            if step is Step.GIVE_UP:
                raise _GivenUpError
            async with self._adapter:
                try:
                    await self._bounded(self._take(step))
                except failures() as error:
                    log.warning(
                        "radio-step-failed",
                        extra={"line": self._id, "step": step, "reason": reason_of(error)},
                    )
                else:
                    self._attention.healed(self._now_s())
                    return

    async def _take(self, step: Step) -> None:
        stack = self._stack
        if stack is None:
            return
        if step is Step.RESTART:
            await self._end()
        else:
            self._attention.end(self._now_s())
            self._scan = None  # what was begun before is gone with it
            await (stack.power_cycle() if step is Step.POWER else stack.reset())
        await self._begin()

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """Tell why nobody keeps the radio any more."""
        if keeper.cancelled() or keeper is not self._keeper:
            return
        error = keeper.exception()
        if isinstance(error, _GivenUpError):
            self._lose(
                f"hears nothing for {self._config.quiet_limit_s:g} s, and neither a new scan, "
                "switching off and on nor a reset has helped: pull the adapter out and plug it in, "
                "or cut the power of the gateway for a minute"
            )
        elif error is not None:
            log.error("radio-broken", exc_info=error, extra={"line": self._id})
            self._lose(f"failed: {error!r}")

    def _gone(self, reason: str) -> None:
        """Take that the adapter is gone by itself."""
        if self._stack is not None:
            keeper = self._keeper
            if keeper is not None:
                keeper.cancel()
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        self._attention.end(self._now_s())
        self._peers.clear()
        error = BusUnavailableError(self._sentence(reason))
        for found in self._sought.values():
            if not found.done():
                found.set_exception(error)
        if self._tell is not None:
            self._tell(error)

    # Small things

    async def _bounded(self, step: Awaitable[T]) -> T:
        async with asyncio.timeout(self._config.adapter_timeout_s):
            return await step

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _sentence(self, reason: str) -> str:
        return f"line {self._id}: {place(self._config)} {reason}"


class _GivenUpError(Exception):
    """No step of healing has helped."""


MANIFEST: Final = MediumManifest(
    name="ble", config=BleConfig, build=BleRadio, resource=resource, probe=probe
)
