"""A checked register map, as the driver uses it: plain data, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.modbus.fields import MappedPoint
from drivers.modbus.plan import Limits
from gateway.model.ids import PointId


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """What stands where in one model of device."""

    name: str
    limits: Limits
    periods: Mapping[str, float]
    """Seconds of each group; the first is the default group."""
    points: Mapping[PointId, MappedPoint]
    groups: Mapping[PointId, str]
    """The group of each point."""
