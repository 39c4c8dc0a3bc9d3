"""M-Bus meters as a scene knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.grounds import Grounds, Kind
from simulators.lines.kinds import serial
from simulators.mbus.meter import Meter
from simulators.mbus.meters import (
    Electricity,
    ElectricityOptions,
    Heat,
    HeatOptions,
    Water,
    WaterOptions,
)
from simulators.mbus.slave import MbusSlave
from simulators.mbus.twin import MbusTwin
from simulators.twin import Twin

MEDIA: Final = frozenset({"serial"})


def _hanging(build: Callable[[Any], Meter]) -> Callable[[Any, Grounds], Twin]:
    """Return what hangs a meter on its line, given what builds it."""

    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: options of the kind
        twin = MbusTwin(build(spec), grounds.truth)
        MbusSlave(serial(grounds.line(spec.line)).server, twin)
        return twin

    return hang


KINDS: Final = (
    Kind(WaterOptions, MEDIA, _hanging(Water)),
    Kind(HeatOptions, MEDIA, _hanging(Heat)),
    Kind(ElectricityOptions, MEDIA, _hanging(Electricity)),
)
