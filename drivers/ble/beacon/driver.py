"""Beacons as presence: iBeacon and Eddystone.

Source: Apple, Proximity Beacon Specification, release R1; google/eddystone, as of 2018-01-08.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.ble.advert import Advert
from drivers.ble.air import Air, Timer
from drivers.ble.beacon import codec
from drivers.ble.beacon.presence import DISTANCES, Presence
from drivers.ble.listening import ListeningConfig, ListeningDevice
from drivers.ble.looking import looks_for
from drivers.ble.signal import NO_RSSI
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.ids import PointId
from gateway.model.options import About, Limits
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
)

_NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
_SHORTEST_S: Final = 0.5
"""Between two looks at whether a beacon is gone."""


def _presence_table() -> PointTable:
    return PointTable(
        Point(PointId("present"), kind=Kind.BOOL, deadband=Deadband()),
        Point(PointId("distance"), kind=Kind.STATE, states=DISTANCES, deadband=Deadband()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconConfig(ListeningConfig):
    """Options of every beacon."""

    absent_after_s: Annotated[
        float,
        Limits(gt=0, le=86_400),
        About("time of listening without it after which it is absent, in seconds"),
    ] = 30.0
    adverts_to_appear: Annotated[
        int, Limits(ge=1, le=100), About("advertisements after which it is present")
    ] = 2
    weakest_dbm: Annotated[
        float, Limits(ge=-127, le=20), About("weaker than this it does not become present, in dBm")
    ] = -127.0
    hysteresis_db: Annotated[
        float, Limits(ge=0, le=60), About("so much weaker it still stays present, in dB")
    ] = 6.0


class Beacon(ListeningDevice):
    """One beacon. A `ListeningDriver`.

    That it is absent is told only when the radio has listened for long enough and was alive: what a
    gateway does not hear because its adapter is stuck is BAD, not absent.
    """

    def __init__(self, config: BeaconConfig, air: Air, groups: tuple[PollGroup, ...] = ()) -> None:
        """Take the options and the radio.

        Raises:
            ValueError: the radio listens too rarely.
        """
        self._presence: Final = PollGroup(
            "presence", _presence_table(), config.signal_period_s + config.lost_after_s, told=True
        )
        super().__init__(config, air, [self._presence, *groups])
        self._state: Final = Presence(
            absent_after_s=config.absent_after_s,
            enough=config.adverts_to_appear,
            enter_dbm=config.weakest_dbm,
            hysteresis_db=config.hysteresis_db,
        )
        self._repeat_s: Final = config.signal_period_s
        self._told: tuple[bool | None, int | None] | None = None
        self._told_s = 0.0
        self._looked_s = -1.0
        self._timer: Timer | None = None

    @abstractmethod
    def _listen(self) -> None:
        """Have the radio call `_hear`, then call `_watch`."""

    def _watch(self, left_s: float = _SHORTEST_S) -> None:
        """Look later whether it is gone."""
        self._timer = self._air.after(max(left_s, _SHORTEST_S), self._look)

    def _look(self) -> None:
        listened_s = self._air.listened_s
        left_s = self._state.passed(listened_s)
        if left_s == 0:
            if self._ear is not None and listened_s > self._looked_s:
                self._tell(self._ear)
            left_s = self._repeat_s
        self._looked_s = listened_s
        self._watch(left_s)

    def _is_here(self, advert: Advert, power_1m: int, ear: Ear) -> None:
        """Take that the beacon has said who it is."""
        self._came_from(advert, ear)
        if advert.rssi == NO_RSSI:
            return
        self._state.heard(advert.rssi, power_1m, self._air.listened_s)
        now = (self._state.present, self._state.distance)
        if now != self._told or advert.at_s - self._told_s >= self._repeat_s:
            self._told_s = advert.at_s
            self._tell(ear)

    def _tell(self, ear: Ear) -> None:
        """Tell what is the case."""
        present, distance = self._state.present, self._state.distance
        if present is None:
            return
        now = (present, distance)
        self._told = now
        flags = {1: _NO_VALUE} if distance is None else NO_FLAGS
        ear.heard(self._presence, Sample(now, flags))


@dataclass(frozen=True, slots=True, kw_only=True)
class IBeaconConfig(BeaconConfig):
    """Options of one iBeacon."""

    uuid: Annotated[
        str,
        Limits(pattern=r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"),
        About("its proximity UUID"),
    ]
    major: Annotated[int, Limits(ge=0, le=65_535), About("its major number")]
    minor: Annotated[int, Limits(ge=0, le=65_535), About("its minor number")]


def by_ibeacon(advert: Advert) -> Hashable | None:
    """Identify by UUID, major and minor, as they stand in the frame."""
    data = advert.manufacturer.get(codec.APPLE)
    return data[2:22] if data is not None and codec.is_ibeacon(data) else None


class IBeaconDevice(Beacon):
    """One iBeacon."""

    def __init__(self, config: IBeaconConfig, air: Air) -> None:
        """Take the options and the radio.

        Raises:
            ValueError: the radio listens too rarely.
        """
        super().__init__(config, air)
        self._who: Final = ibeacon_identity(config)

    def _listen(self) -> None:
        self._air.hear(by_ibeacon, self._who, self._hear)
        self._state.begin(self._air.listened_s)
        self._watch()

    def _take(self, advert: Advert, ear: Ear) -> bool:
        beacon = codec.decode_ibeacon(advert.manufacturer[codec.APPLE])
        self._is_here(advert, beacon.power_1m, ear)
        return True


def ibeacon_identity(config: IBeaconConfig) -> Hashable:
    """Return UUID, major and minor as they stand in a frame."""
    numbers = config.major.to_bytes(2, "big") + config.minor.to_bytes(2, "big")
    return bytes.fromhex(config.uuid.replace("-", "")) + numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class EddystoneConfig(BeaconConfig):
    """Options of one Eddystone beacon."""

    namespace: Annotated[
        str, Limits(pattern=r"^[0-9a-fA-F]{20}$"), About("its namespace, 20 hexadecimal digits")
    ]
    instance: Annotated[
        str, Limits(pattern=r"^[0-9a-fA-F]{12}$"), About("its instance, 12 hexadecimal digits")
    ]
    telemetry: Annotated[bool, About("it also tells of itself (frames of the kind TLM)")] = False


def by_eddystone(advert: Advert) -> Hashable | None:
    """Identify by namespace and instance, as they stand in the frame."""
    data = advert.services.get(codec.EDDYSTONE)
    return data[2:18] if data is not None and data[:1] == b"\x00" else None


_TELEMETRY: Final = "telemetry"


def by_telemetry(advert: Advert) -> Hashable | None:
    """Find the frames that say nothing of whom they are about."""
    data = advert.services.get(codec.EDDYSTONE)
    return _TELEMETRY if data is not None and data[:1] == b"\x20" else None


def _telemetry_table() -> PointTable:
    return PointTable(
        Point(PointId("battery_voltage"), unit="V", kind=Kind.NUMBER, scale=0.001),
        Point(PointId("temperature"), unit="Cel", kind=Kind.NUMBER, scale=1 / 256),
        Point(PointId("adverts"), unit="{count}", kind=Kind.COUNTER),
        Point(PointId("uptime"), unit="s", kind=Kind.NUMBER, scale=0.1),
    )


class EddystoneDevice(Beacon):
    """One Eddystone beacon. Its telemetry is known by the address its last name came from."""

    def __init__(self, config: EddystoneConfig, air: Air) -> None:
        """Take the options and the radio.

        Raises:
            ValueError: the radio listens too rarely.
        """
        self._itself: Final = (
            PollGroup("telemetry", _telemetry_table(), config.lost_after_s, told=True)
            if config.telemetry
            else None
        )
        super().__init__(config, air, () if self._itself is None else (self._itself,))
        self._who: Final = eddystone_identity(config)

    def _listen(self) -> None:
        self._air.hear(by_eddystone, self._who, self._hear)
        if self._itself is not None:
            self._air.hear(by_telemetry, _TELEMETRY, self._hear_telemetry)
        self._state.begin(self._air.listened_s)
        self._watch()

    def _take(self, advert: Advert, ear: Ear) -> bool:
        frame = codec.decode_eddystone(advert.services[codec.EDDYSTONE])
        match frame:
            case codec.Uid():
                self._is_here(advert, frame.power_1m, ear)
            case codec.Telemetry() if self._itself is not None:
                cells = (frame.battery_v, frame.temperature_c, frame.adverts, frame.uptime_s)
                flags = {place: _NO_VALUE for place, cell in enumerate(cells) if cell is None}
                ear.heard(self._itself, Sample(cells, flags))
            case _:
                pass
        return True

    def _hear_telemetry(self, advert: Advert) -> None:
        if advert.address == self._address:
            self._hear(advert)


def eddystone_identity(config: EddystoneConfig) -> Hashable:
    """Return namespace and instance as they stand in a frame."""
    return bytes.fromhex(config.namespace + config.instance)


IBEACON: Final = Manifest(
    name="ibeacon",
    media=("ble",),
    config=IBeaconConfig,
    build=IBeaconDevice,
    address=ibeacon_identity,
    discover=looks_for("ibeacon"),
)
EDDYSTONE: Final = Manifest(
    name="eddystone",
    media=("ble",),
    config=EddystoneConfig,
    build=EddystoneDevice,
    address=eddystone_identity,
    discover=looks_for("eddystone"),
)
