"""The options of a meter: where it is, and which of its records are points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from drivers.mbus import status
from drivers.mbus.address import LAST_PRIMARY, SELECTED, SecondaryAddress, manufacturer_code
from drivers.mbus.quantities import QUANTITIES, Form, Quantity, quantity_of
from drivers.mbus.telegram import Function
from drivers.media.characters import Characters
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN, Audience, PointId
from gateway.model.options import About, Checked, Limits, Options
from gateway.model.reading import Deadband, Kind, Point
from gateway.model.units import is_unit

Number = Annotated[int, Limits(ge=0, le=2**40)]
_SLOW_S: Final = 1.15
"""330 bit times and 50 ms at 300 Bd: so long a meter may take to begin (EN 13757-2)."""
_SLOW_BAUD: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class MbusPoint(Options):
    """A record of the meter that is a point, and what the point is."""

    name: Annotated[str, Limits(pattern=POINT_PATTERN), About("name of the point")]
    quantity: Annotated[
        str, About("what the record tells, as energy; text-… where the unit is a text of the meter")
    ]
    storage: Annotated[Number, About("storage number: 0 is now, others are kept values")] = 0
    tariff: Annotated[Number, About("tariff: 0 is the total")] = 0
    subunit: Annotated[Number, About("part of the device, 0 is the first")] = 0
    function: Annotated[
        Literal["instant", "maximum", "minimum", "error"],
        About("which of the values of a quantity"),
    ] = "instant"
    qualifiers: Annotated[
        tuple[str, ...], About("what else describes the record, in its order, as backward")
    ] = ()
    which: Annotated[
        int, Limits(ge=0, le=255), About("among records that are alike, 0 is the first")
    ] = 0
    unit: Annotated[
        str | None, About("UCUM unit it is given in; left out: the usual one of its quantity")
    ] = None
    resolution: Annotated[
        Annotated[float, Limits(gt=0)] | None,
        About("step it is rounded to, in its unit: costs less to send; left out: as it comes"),
    ] = None
    deadband: Annotated[
        Annotated[float, Limits(ge=0)] | None,
        About("how far it must move to be told again, in its unit; left out: told each time"),
    ] = None
    audience: Annotated[
        str, Limits(pattern=NAME_PATTERN), About("who may see it: a flat's meter is personal")
    ] = OPERATIONS

    def __post_init__(self) -> None:
        """Refuse what no record can be.

        Raises:
            ValueError: with the reason.
        """
        quantity = quantity_of(self.quantity)
        if quantity is None:
            known = ", ".join(QUANTITIES)
            msg = f"{self.name}: there is no quantity {self.quantity!r}; there are {known}"
            raise ValueError(msg)
        self._check_unit(quantity)
        if self.resolution is not None and quantity.form is not Form.NUMBER:
            msg = f"{self.name}: {self.quantity} is no number: it has no resolution"
            raise ValueError(msg)

    def _check_unit(self, quantity: Quantity) -> None:
        if self.unit is None:
            return
        free = self.quantity not in QUANTITIES and is_unit(self.unit)
        if self.unit not in quantity.units and not free:
            msg = f"{self.name}: {self.quantity} is given in {' or '.join(quantity.units)}"
            raise ValueError(msg)

    @property
    def point(self) -> Point:
        """Return the point."""
        quantity = quantity_of(self.quantity)
        if quantity is None:
            raise AssertionError(self.quantity)
        number = quantity.form is Form.NUMBER
        return Point(
            PointId(self.name),
            unit=self.unit or (quantity.unit if number else "1"),
            kind=quantity.kind if self.resolution is None else Kind.NUMBER,
            scale=self.resolution or 1.0,
            audience=Audience(self.audience),
            deadband=None if self.deadband is None else Deadband(self.deadband),
        )

    @property
    def key(self) -> tuple[object, ...]:
        """Return which record it is, apart from `which`."""
        return (
            self.quantity,
            self.storage,
            self.tariff,
            self.subunit,
            Function(self.function),
            tuple(self.qualifiers),
        )


def _sound(points: Any, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    """Refuse points that are called alike, or like what every meter tells.

    Raises:
        ValueError: with the name.
    """
    names = [str(point.name) for point in status.POINTS]
    for point in points:
        if point.name in names:
            msg = f"point {point.name} is there twice, or is the meter's own: call it otherwise"
            raise ValueError(msg)
        names.append(point.name)


def _of_the_past(archive: Any, before: Mapping[str, Any], _site_dir: Path | None) -> None:
    """Refuse what cannot be points of an archive.

    Raises:
        ValueError: with the name.
    """
    names = ["archive_at", *(str(point.name) for point in status.POINTS)]
    names += [point.name for point in before.get("points", ())]
    for point in archive:
        if point.name in names:
            msg = f"point {point.name} is there twice, or is the meter's own: call it otherwise"
            raise ValueError(msg)
        if point.storage:
            msg = f"point {point.name}: an archive has all storage numbers: leave storage out"
            raise ValueError(msg)
        names.append(point.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MbusConfig(Characters):
    """Options of one meter."""

    address: Annotated[
        Annotated[int, Limits(ge=0, le=LAST_PRIMARY)] | None,
        About("primary address, 0 to 250; left out: it is found by its secondary address"),
    ] = None
    secondary: Annotated[
        Annotated[str, Limits(pattern=r"^[0-9F]{8}$")] | None,
        About("identification, the eight digits on its face; F stands for any digit"),
    ] = None
    manufacturer: Annotated[
        Annotated[str, Limits(pattern=r"^[A-Z]{3}$")] | None,
        About("three letters of its maker, where two meters have one identification"),
    ] = None
    version: Annotated[
        Annotated[int, Limits(ge=0, le=254)] | None, About("version of the device, likewise")
    ] = None
    device_type: Annotated[
        Annotated[int, Limits(ge=0, le=254)] | None,
        About("what it measures, likewise: 2 electricity, 4 heat, 6 warm water, 7 water"),
    ] = None
    points: Annotated[
        tuple[MbusPoint, ...],
        Checked(_sound),
        About("which records are points; `describe` proposes them"),
    ] = ()
    archive: Annotated[
        tuple[MbusPoint, ...],
        Checked(_of_the_past),
        About("values of its archive that are handed over, each storage number once"),
    ] = ()
    archive_from: Annotated[
        int, Limits(ge=1, le=2**20), About("first storage number of its archive")
    ] = 1
    period_s: Annotated[
        float,
        Limits(ge=1, le=86_400),
        About("how often it is read, in seconds; meters on batteries count their readouts"),
    ] = 900.0
    reset_link: Annotated[
        bool, About("send SND_NKE before each readout; false for meters that do not acknowledge it")
    ] = True
    application_reset: Annotated[
        Annotated[int, Limits(ge=0, le=255)] | None,
        About("subcode of an application reset before each readout, which picks its telegrams"),
    ] = None
    most_telegrams: Annotated[
        int, Limits(ge=1, le=64), About("telegrams of one readout; a meter that has more is lost")
    ] = 16
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a request that means no answer, in seconds"),
    ] = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            ValueError: with the reason.
        """
        if (self.address is None) == (self.secondary is None):
            msg = "say either address or secondary"
            raise ValueError(msg)
        rest = (self.manufacturer, self.version, self.device_type)
        if self.secondary is None and any(part is not None for part in rest):
            msg = "manufacturer, version and device_type go with secondary"
            raise ValueError(msg)
        if self.baud_rate == _SLOW_BAUD and self.response_timeout_s < _SLOW_S:
            msg = f"at 300 Bd a meter may take {_SLOW_S} s: set response_timeout_s above that"
            raise ValueError(msg)

    @property
    def who(self) -> SecondaryAddress | None:
        """Return its secondary address; None: it is asked by its primary one."""
        if self.secondary is None:
            return None
        code = None if self.manufacturer is None else manufacturer_code(self.manufacturer)
        return SecondaryAddress(self.secondary, code, self.version, self.device_type)

    @property
    def primary(self) -> int:
        """Return the primary address that requests carry."""
        return SELECTED if self.address is None else self.address
