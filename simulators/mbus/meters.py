"""The meters of a basement: water, heat, electricity."""

from __future__ import annotations

import math
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.mbus import records
from simulators.mbus.meter import Meter
from simulators.mbus.options import MeterOptions

HOUR_S: Final = 3600.0
WATER_KJ: Final = 4.187
"""Heat that a kilogram of water takes up per kelvin; a litre is taken for a kilogram."""
PER_TELEGRAM: Final = 8
"""Values of the archive in one telegram."""


class WaterOptions(MeterOptions):
    """Options of a water meter in a scene."""

    kind: Literal["mbus-water"] = "mbus-water"
    warm: bool = Field(default=False, description="a meter of warm water")
    litres: float = Field(default=123_456.0, ge=0, description="on its face at the start, L")
    litres_per_hour: float = Field(default=120.0, ge=0, description="what is drawn on average, L/h")


class Water(Meter):
    """A water meter: litres in decimal digits, what flowed back, the days its battery has left."""

    def __init__(self, options: WaterOptions) -> None:
        """Take the scene's options."""
        self._options: Final = options
        self.device_type = 6 if options.warm else 7
        self.litres = options.litres
        self.back_litres = 2.0
        self.flow_l_h = 0.0
        self.highest_l_h = 0.0
        self._rng: Final = Random(options.seed)
        super().__init__(options)

    def step(self, dt_s: float) -> None:
        """Draw water, now more, now less."""
        self.flow_l_h = self._options.litres_per_hour * self._rng.uniform(0.2, 1.8)
        self.highest_l_h = max(self.highest_l_h, self.flow_l_h)
        self.litres += self.flow_l_h * dt_s / HOUR_S

    @property
    def counted(self) -> int:
        """Return litres."""
        return int(self.litres)

    def telegrams(self) -> list[bytes]:
        """Return one telegram."""
        kept = [
            records.decimal("13", stored.value, storage=place)
            + records.moment("6d", stored.at, storage=place)
            for place, stored in enumerate(reversed(self.archive), 1)
        ]
        told = (
            records.decimal("78", int(self.options.ident))
            + records.moment("6d", self.clock.now)
            + records.decimal("13", self.counted)
            + records.decimal("933c", int(self.back_litres))
            + records.decimal("3b", round(self.flow_l_h), digits=6)
            + records.decimal("3b", round(self.highest_l_h), digits=6, function=records.MAXIMUM)
            + records.binary("fd74", 2_555, size=2)
        )
        return [told, *grouped(kept)]


class HeatOptions(MeterOptions):
    """Options of a heat meter in a scene."""

    kind: Literal["mbus-heat"] = "mbus-heat"
    unit: Literal["kW.h", "MJ", "Mcal"] = Field(default="kW.h", description="of the heat it counts")
    megajoules: float = Field(default=250_000.0, ge=0, description="counted at the start, MJ")
    flow_l_h: float = Field(default=900.0, ge=0, description="of the heating water, L/h")


class Heat(Meter):
    """A heat meter: two telegrams of values, then its archive."""

    device_type = 4
    _VIB: Final = {"kW.h": "06", "MJ": "0e", "Mcal": "fb0d"}
    _STEP_MJ: Final = {"kW.h": 3.6, "MJ": 1.0, "Mcal": 4.1868}

    def __init__(self, options: HeatOptions) -> None:
        """Take the scene's options."""
        self._options: Final = options
        self.megajoules = options.megajoules
        self.litres = options.megajoules * 1000 / (WATER_KJ * 30)
        self.flow_cel = 75.0
        self.return_cel = 45.0
        self.running_s = 3.0e7
        self.highest_w = 0.0
        self._rng: Final = Random(options.seed)
        super().__init__(options)

    @property
    def power_w(self) -> float:
        """Return the heat that is given off now."""
        kelvin = self.flow_cel - self.return_cel
        return self._options.flow_l_h * WATER_KJ * kelvin * 1000 / HOUR_S

    def step(self, dt_s: float) -> None:
        """Give off heat; the temperatures wander."""
        pull = -math.expm1(-dt_s / 300)
        self.flow_cel += (75 - self.flow_cel) * pull + self._rng.gauss(0, 0.05)
        self.return_cel += (45 - self.return_cel) * pull + self._rng.gauss(0, 0.05)
        self.megajoules += self.power_w * dt_s / 1e6
        self.litres += self._options.flow_l_h * dt_s / HOUR_S
        self.running_s += dt_s
        self.highest_w = max(self.highest_w, self.power_w)

    @property
    def counted(self) -> int:
        """Return heat in the steps of its face."""
        return int(self.megajoules / self._STEP_MJ[self._options.unit])

    def telegrams(self) -> list[bytes]:
        """Return what it measures, what it keeps of the year, and its archive."""
        heat = self._VIB[self._options.unit]
        now = (
            records.decimal("78", int(self.options.ident))
            + records.binary(heat, self.counted)
            + records.binary("14", int(self.litres / 10))
            + records.binary("2b", round(self.power_w))
            + records.binary("3b", round(self._options.flow_l_h), size=2)
            + records.decimal("5a", round(self.flow_cel * 10), digits=4)
            + records.decimal("5e", round(self.return_cel * 10), digits=4)
            + records.decimal("62", round((self.flow_cel - self.return_cel) * 10), digits=4)
            + records.binary("2b", round(self.highest_w), function=records.MAXIMUM)
        )
        of_itself = (
            records.binary("26", int(self.running_s / HOUR_S), size=3)
            + records.moment("6d", self.clock.now)
            + records.text("fd0e", "2.14")
            + records.binary("7f", 0x10B5, size=2)
        )
        kept = [
            records.binary(heat, stored.value, storage=place)
            + records.moment("6d", stored.at, storage=place)
            for place, stored in enumerate(reversed(self.archive), 1)
        ]
        return [now, of_itself, *grouped(kept)]


class ElectricityOptions(MeterOptions):
    """Options of an electricity meter in a scene."""

    kind: Literal["mbus-electricity"] = "mbus-electricity"
    kilowatt_hours: float = Field(default=4321.0, ge=0, description="counted at the start, kW.h")
    watts: float = Field(default=2400.0, ge=0, description="drawn on average, W")


class Electricity(Meter):
    """An electricity meter with two tariffs, three phases in its maker's own extension."""

    device_type = 2
    _DAY: Final = range(7, 23)

    def __init__(self, options: ElectricityOptions) -> None:
        """Take the scene's options."""
        self._options: Final = options
        self.day_wh = options.kilowatt_hours * 700
        self.night_wh = options.kilowatt_hours * 300
        self.watts = options.watts
        self.volts = 230.0
        self._rng: Final = Random(options.seed)
        super().__init__(options)

    def step(self, dt_s: float) -> None:
        """Draw current, by day at the first tariff."""
        self.watts = self._options.watts * self._rng.uniform(0.8, 1.2)
        self.volts = self._rng.gauss(230, 1)
        drawn_wh = self.watts * dt_s / HOUR_S
        if self.clock.now.hour in self._DAY:
            self.day_wh += drawn_wh
        else:
            self.night_wh += drawn_wh

    @property
    def counted(self) -> int:
        """Return what both tariffs have, in steps of 10 W.h."""
        return int(self.day_wh / 10) + int(self.night_wh / 10)

    def telegrams(self) -> list[bytes]:
        """Return one telegram, and the archive."""
        amperes = self.watts / self.volts
        told = (
            records.binary("04", self.counted, size=6)
            + records.binary("04", int(self.day_wh / 10), size=6, tariff=1)
            + records.binary("04", int(self.night_wh / 10), size=6, tariff=2)
            + records.binary("2a", round(self.watts * 10))
            + b"".join(
                records.binary(f"aaff0{phase}", round(self.watts * 10 / 3)) for phase in (1, 2, 3)
            )
            + records.binary("fd48", round(self.volts * 10), size=2)
            + records.binary("fd59", round(amperes * 1000))
            + records.binary("fb2d", 4998, size=2)
        )
        kept = [
            records.binary("04", stored.value, size=6, storage=place)
            + records.moment("6d", stored.at, storage=place)
            for place, stored in enumerate(reversed(self.archive), 1)
        ]
        return [told, *grouped(kept)]


def grouped(kept: list[bytes]) -> list[bytes]:
    """Return the records of an archive, as many to a telegram as fit."""
    return [
        b"".join(kept[place : place + PER_TELEGRAM]) for place in range(0, len(kept), PER_TELEGRAM)
    ]
