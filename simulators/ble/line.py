"""The radio as a scene knows it: who is on the air, and the adapter that hears them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from simulators.ble.advertiser import Advertiser, Sent
from simulators.ble.encoding import FLAGS, manufacturer
from simulators.faults import Flood, StuckAdapter
from simulators.grounds import Grounds
from simulators.options import LineOptions
from simulators.twin import InPlay, Twin

if TYPE_CHECKING:
    from simulators.ble.controller import Adapter
    from simulators.ble.gatt import GattTwin

DELAY_S: Final = 0.01
"""At most so much later than its interval an advertiser sends (Core Specification, Vol 6 Part B,
4.4.2.2.1)."""


class RadioSpec(LineOptions):
    """The air, and one adapter in it."""

    medium: Literal["radio"] = "radio"
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65_535, description="0: the system chooses")
    strangers: int = Field(
        default=0, ge=0, le=10_000, description="other advertisers around, once a second each"
    )
    seed: int = Field(default=1, ge=0, description="of the strangers")


@dataclass(frozen=True, slots=True)
class RadioAddress:
    """Where the adapter listens: HCI over TCP."""

    host: str
    port: int


def site_options(address: RadioAddress) -> dict[str, object]:
    """Return what a site file says of the line."""
    return {"controller": f"tcp-client:{address.host}:{address.port}"}


class RunningRadio:
    """The radio of a running scene."""

    medium: Final = "radio"

    def __init__(self, spec: RadioSpec) -> None:
        """Take the scene's words for it."""
        from simulators.ble.controller import Adapter, AdapterFaults  # noqa: PLC0415 - heavy

        self._spec: Final = spec
        self._twins: Final[list[Advertiser]] = []
        self._cured: Final[set[int]] = set()
        """Faults of the adapter that a reset has ended, by identity."""
        self.faults: Final = AdapterFaults(self._stuck, self._deaf)
        self.faults.on_reset = self._reset
        self.adapter: Final[Adapter] = Adapter(spec.host, spec.port, self.faults)
        self._timers: Final[dict[object, asyncio.TimerHandle]] = {}
        self._rng: Final = Random(spec.seed)
        self._gatt: Final[list[GattTwin]] = []
        self._began = False
        self._retired = False

    @property
    def address(self) -> RadioAddress:
        """Return where the adapter listens."""
        return RadioAddress(self._spec.host, self.adapter.port)

    def words(self) -> tuple[str, str]:
        """Return the port, and whether it is open."""
        state = "listening" if self.adapter.listening else "refuses"
        return f"{self._spec.host}:{self.adapter.port}", state

    def join(self, twin: Advertiser) -> None:
        """Take a twin on the air."""
        self._twins.append(twin)
        if self._began:
            self._send_later(twin, self._rng.random() * twin.interval_s)

    def join_gatt(self, twin: GattTwin) -> None:
        """Take a twin that can also be connected to."""
        self.join(twin)
        self._gatt.append(twin)

    async def refresh(self) -> None:
        """Begin, the first time; a twin that is off just sends nothing.

        Raises:
            OSError: somebody else has the port.
        """
        if self._retired:
            return
        for device in self._gatt:
            await device.refresh()
        await self.adapter.listen()
        if self._began:
            return
        self._began = True
        for twin in self._twins:
            self._send_later(twin, self._rng.random() * twin.interval_s)
        for number in range(self._spec.strangers):
            self._stranger_later(number, self._rng.random())

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let a crowd of strangers pass by for as long as the fault `flood` holds."""
        fault = held.fault
        if self._retired or held not in twin.faults or not isinstance(fault, Flood):
            self._timers.pop(held, None)
            return
        self.adapter.hear(stranger(held.rng, held.rng.getrandbits(46), fault.size))
        loop = asyncio.get_running_loop()
        self._timers[held] = loop.call_later(fault.every_s, self.babble, twin, held)

    def retire(self) -> None:
        """End it for good."""
        self._retired = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for device in self._gatt:
            device.retire()
        self.adapter.close()

    # On the air

    def _send_later(self, twin: Advertiser, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[twin] = loop.call_later(delay_s, self._send, twin)

    def _send(self, twin: Advertiser) -> None:
        twin.advance(asyncio.get_running_loop().time())
        sent = twin.advert()
        if sent is not None:
            self.adapter.hear(sent)
        self._send_later(twin, twin.interval_s + self._rng.random() * DELAY_S)

    def _stranger_later(self, number: int, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers[number] = loop.call_later(delay_s, self._stranger, number)

    def _stranger(self, number: int) -> None:
        self.adapter.hear(stranger(self._rng, number, 20))
        self._stranger_later(number, 1 + self._rng.random() * DELAY_S)

    # The adapter

    def _held(self) -> list[InPlay]:
        return [
            held
            for twin in self._twins
            for held in twin.faults
            if isinstance(held.fault, StuckAdapter) and id(held) not in self._cured
        ]

    def _stuck(self) -> bool:
        return any(
            isinstance(held.fault, StuckAdapter) and not held.fault.deaf for held in self._held()
        )

    def _deaf(self) -> bool:
        return bool(self._held())

    def _reset(self) -> None:
        self._cured.update(id(held) for held in self._held())


def stranger(rng: Random, number: int, size: int) -> Sent:
    """Return what somebody sends who has nothing to do with us.

    Args:
        rng: gives what is in it.
        number: names the stranger.
        size: of its data in bytes, cut to what fits.
    """
    address = (number | 0b01 << 46).to_bytes(6, "big")  # a resolvable private address
    company = rng.choice((0x004C, 0x0075, 0x0006, 0x00E0))
    body = rng.randbytes(min(size, 24))
    return Sent(address, True, rng.randint(-100, -45), FLAGS + manufacturer(company, body))  # noqa: FBT003 - random


def lay(spec: RadioSpec, _grounds: Grounds) -> RunningRadio:
    """Return the line."""
    return RunningRadio(spec)


def radio(line: object) -> RunningRadio:
    """Return a line that a kind of twin asked for as `radio`.

    Raises:
        TypeError: it is another kind of line.
    """
    if not isinstance(line, RunningRadio):
        msg = f"{type(line).__name__} is no radio"
        raise TypeError(msg)
    return line
