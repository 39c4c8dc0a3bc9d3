"""What all devices share that are only listened to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.ble.advert import Advert
from drivers.ble.air import Air
from drivers.ble.signal import Signal, signal_table
from gateway.model.driver import Ear, Happening, PollGroup
from gateway.model.errors import FrameError
from gateway.model.event import Severity
from gateway.model.options import About, Limits, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningConfig(Options):
    """Options of every device that is listened to."""

    lost_after_s: Annotated[
        float,
        Limits(gt=0, le=86_400),
        About("silence after which its points are BAD, in seconds"),
    ] = 120.0
    signal_period_s: Annotated[
        float,
        Limits(gt=0, le=86_400),
        About("how often `rssi` and `gap` are summed up, in seconds"),
    ] = 60.0


def _may_rotate(address: str) -> bool:
    """Say whether it may be an address that changes every few minutes, to hide its owner.

    Resolvable private addresses begin with the bits 01 (Core Specification, Vol 6 Part B, 1.3.2.2).
    """
    return address[0] in "4567"


class ListeningDevice(ABC):
    """One device. A `ListeningDriver` whose last group is how well it is heard."""

    def __init__(self, config: ListeningConfig, air: Air, groups: Sequence[PollGroup]) -> None:
        """Take the options, the radio, and the groups of the kind of device.

        Raises:
            ValueError: the radio listens more rarely than the device may be silent.
        """
        if air.scan_interval_s >= config.lost_after_s:
            msg = (
                f"lost_after_s is {config.lost_after_s:g}, and the radio listens every "
                f"{air.scan_interval_s:g} s: raise it above that"
            )
            raise ValueError(msg)
        self._air: Final = air
        self._lost_after_s: Final = config.lost_after_s
        self._signal: Final = Signal(config.signal_period_s)
        self._heard_well: Final = PollGroup(
            "signal", signal_table(), config.signal_period_s + config.lost_after_s, told=True
        )
        self._groups: Final = (*groups, self._heard_well)
        self._ear: Ear | None = None
        self._address: str | None = None

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the groups."""
        return self._groups

    def attend(self, ear: Ear) -> None:
        """Tell the ear what the device tells, from now on."""
        self._ear = ear
        self._listen()

    @abstractmethod
    def _listen(self) -> None:
        """Have the radio call `_hear` with what this device sends."""

    @abstractmethod
    def _take(self, advert: Advert, ear: Ear) -> bool:
        """Take one advertisement; say whether it proves that the device is there.

        Raises:
            FrameError: it makes no sense.
        """

    def _hear(self, advert: Advert) -> None:
        """Take one advertisement of this device."""
        ear = self._ear
        if ear is None:
            return
        try:
            proves = self._take(advert, ear)
        except FrameError as error:
            ear.misheard(error)
            return
        if proves:
            sample = self._signal.heard(advert.rssi, advert.at_s)
            if sample is not None:
                ear.heard(self._heard_well, sample)

    def _came_from(self, advert: Advert, ear: Ear) -> None:
        """Tell that the address of a device is another than before, for who knows it otherwise."""
        before, self._address = self._address, advert.address
        if before is None or before == advert.address:
            return
        if not (_may_rotate(before) and _may_rotate(advert.address)):
            ear.happened(
                Happening(
                    "ble-address-changed",
                    Severity.WARNING,
                    {"before": before, "address": advert.address},
                )
            )
