"""A twin that is heard on the radio: who it is, what it sends, and what faults make of that."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from random import Random
from typing import Annotated, Final, NamedTuple

from pydantic import Field

from simulators.ble.encoding import raw_address
from simulators.faults import Liar, NewAddress, Replay, Short, Silent, Weak
from simulators.options import TwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin

RECORDED: Final = 4
"""So many frames somebody could have recorded."""

BleAddress = Annotated[str, Field(pattern="^[0-9A-F]{2}(:[0-9A-F]{2}){5}$")]


class AdvertiserOptions(TwinOptions):
    """Options of every twin on the radio."""

    address: BleAddress = Field(description="its Bluetooth address")
    public: bool = Field(default=False, description="a public address, else a static random one")
    rssi: int = Field(default=-60, ge=-120, le=0, description="how strongly it is heard, in dBm")
    interval_s: float = Field(
        default=1.0, gt=0, le=3600, description="between its advertisements, in seconds"
    )

    @property
    def place(self) -> str:
        """Return its address."""
        return self.address


class Sent(NamedTuple):
    """One advertisement on the air."""

    address: bytes
    random: bool
    rssi: int
    payload: bytes


class Advertiser(Twin):
    """A twin that is heard."""

    def __init__(self, options: AdvertiserOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth)
        self.options: Final = options
        self.interval_s: Final = options.interval_s
        self.address: Final = raw_address(options.address)
        self.rng: Final = Random(options.seed)
        self._recorded: Final[deque[bytes]] = deque(maxlen=RECORDED)
        self._now_s: float | None = None

    # For a kind of twin

    @abstractmethod
    def payload(self) -> bytes | None:
        """Return what it sends now; None: nobody hears it."""

    @abstractmethod
    def liar(self, how: str) -> bytes:
        """Return a sound frame with impossible content."""

    def step(self, dt_s: float) -> None:
        """Let so much time pass."""

    def strength(self) -> int:
        """Return how strongly it is heard now, in dBm."""
        return self.options.rssi

    # What all share

    def power_on(self) -> None:
        """Have nothing to reset."""

    def advance(self, now_s: float) -> None:
        """Let the physics run."""
        before, self._now_s = self._now_s, now_s
        if before is not None:
            self.step(now_s - before)

    def about(self) -> dict[str, object]:
        """Return how it is known."""
        return {"address": self.options.address}

    def advert(self) -> Sent | None:
        """Return the next advertisement; None: none goes out."""
        if self.off:
            return None
        struck = self.strike()
        payload = self.payload()
        if payload is None:
            return None
        rssi = self.strength()
        address = self.address
        for fault, rng in struck:
            match fault:
                case Silent():
                    return None
                case Weak():
                    if rng.random() < fault.loss:
                        return None
                    rssi -= fault.weaker_db
                case NewAddress():
                    address = raw_address(fault.address)
                case _:
                    pass
        if not any(isinstance(fault, Replay) for fault, _rng in struck):
            self._recorded.append(payload)
        payload = self._spoiled(payload, struck)
        self.sent()
        return Sent(address, not self.options.public, max(rssi, -127), payload)

    def _spoiled(self, payload: bytes, struck: tuple[Struck, ...]) -> bytes:
        for fault, _rng in struck:
            match fault:
                case Replay():
                    payload = self._recorded[0] if self._recorded else payload
                    self._recorded.rotate(-1)
                case Liar():
                    payload = self.liar(fault.how)
                case Short():
                    payload = payload[: max(1, len(payload) - fault.missing)]
                case _:
                    pass
        return payload
