"""A checked register map, as the driver uses it: plain data, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.modbus.fields import MappedPoint
from drivers.modbus.plan import Limits
from gateway.model.ids import PointId
from gateway.model.reading import PointTable, Value


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
    safe: Mapping[PointId, Value] = field(default_factory=dict)
    """What actuators are set to when nobody is in charge of them."""
    _tables: dict[tuple[PointId, ...], PointTable] = field(
        default_factory=dict, repr=False, compare=False
    )

    def table(self, names: tuple[PointId, ...]) -> PointTable:
        """Return the table of these points: one for all devices of a model, which may be many."""
        made = self._tables.get(names)
        if made is None:
            made = PointTable(*(self.points[name].point for name in names))
            self._tables[names] = made
        return made
