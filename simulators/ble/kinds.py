"""The radio as a scene knows it: its line, and its kinds of twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.ble.advertiser import Advertiser
from simulators.ble.line import RadioSpec, lay, radio, site_options
from simulators.ble.options import GattOptions
from simulators.ble.twins import (
    Door,
    DoorOptions,
    Eddystone,
    EddystoneOptions,
    IBeacon,
    IBeaconOptions,
    Ruuvi,
    RuuviOptions,
    Tank,
    TankOptions,
    Thermometer,
    ThermometerOptions,
)
from simulators.grounds import Grounds, Kind, LineKind
from simulators.truth import TruthJournal
from simulators.twin import Twin

MEDIA: Final = frozenset({"radio"})
IS_ONLY_HEARD: Final = frozenset({"exception", "slow", "drop"})
"""Faults of what can be asked."""


def hanging(
    build: Callable[[Any, TruthJournal], Advertiser],  # Any: options of the kind
) -> Callable[[Any, Grounds], Twin]:
    """Return what puts such a twin on the air, given what builds it."""

    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: likewise
        twin = build(spec, grounds.truth)
        radio(grounds.line(spec.line)).join(twin)
        return twin

    return hang


def _gatt(spec: GattOptions, grounds: Grounds) -> Twin:
    from simulators.ble.gatt import GattTwin  # noqa: PLC0415 - heavy

    line = radio(grounds.line(spec.line))
    twin = GattTwin(spec, grounds.truth, line.adapter.link)
    line.join_gatt(twin)
    return twin


KINDS: Final = (
    Kind(ThermometerOptions, MEDIA, hanging(Thermometer), IS_ONLY_HEARD),
    Kind(DoorOptions, MEDIA, hanging(Door), IS_ONLY_HEARD),
    Kind(RuuviOptions, MEDIA, hanging(Ruuvi), IS_ONLY_HEARD),
    Kind(IBeaconOptions, MEDIA, hanging(IBeacon), IS_ONLY_HEARD),
    Kind(EddystoneOptions, MEDIA, hanging(Eddystone), IS_ONLY_HEARD),
    Kind(TankOptions, MEDIA, hanging(Tank), IS_ONLY_HEARD),
    Kind(GattOptions, MEDIA, _gatt, frozenset({"replay", "new_address"})),
)
LINES: Final = (LineKind(RadioSpec, lay, site_medium="ble", site_options=site_options),)
