"""The options of one SDI-12 sensor, and the groups that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from drivers.media.characters import Characters
from gateway.model.driver import PollGroup
from gateway.model.ids import POINT_PATTERN, PointId
from gateway.model.options import About, Checked, Limits, Options
from gateway.model.reading import Deadband, Kind, Point, PointTable
from gateway.model.units import UNITS, is_unit

COMMAND_PATTERN: Final = r"^(?:[MC]C?[1-9]?|RC?[0-9])$"
IDENTITY_POINTS: Final = ("sdi12_version", "vendor", "model", "sensor_version", "serial")
MEASURING: Final = PointId("measuring")
LEFT_OUT: Final = 3
"""Measurements that may fail before the values are no longer believed."""
IDENTITY_S: Final = 6 * 3600.0
"""How often a sensor is asked what it is."""

Period = Annotated[float, Limits(ge=1, le=86_400)]
Command = Annotated[str, Limits(pattern=COMMAND_PATTERN)]


def _known_unit(unit: str, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    if not is_unit(unit):
        msg = f"is no UCUM code in use here; there are: {', '.join(UNITS)}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdi12Point(Options):
    """One value of a measurement."""

    index: Annotated[
        int, Limits(ge=1, le=99), About("place among the values of its measurement, from 1")
    ]
    command: Annotated[
        Command,
        About("its measurement: C, M, R0.., with a second C guarded by a CRC, as CC, MC1, RC0"),
    ] = "C"
    unit: Annotated[str, Checked(_known_unit), About("UCUM code")] = "1"
    scale: Annotated[float, About("value = what the sensor says * scale + offset")] = 1.0
    offset: Annotated[float, About("value = what the sensor says * scale + offset")] = 0.0
    low: Annotated[float | None, About("lowest value that can be")] = None
    high: Annotated[float | None, About("highest value that can be")] = None
    deadband: Annotated[
        Annotated[float, Limits(ge=0)] | None,
        About("smallest change that is told, in the unit of the point"),
    ] = None

    def __post_init__(self) -> None:
        """Refuse limits the wrong way round, and a scale of 0.

        Raises:
            ValueError: likewise.
        """
        if self.low is not None and self.high is not None and self.low > self.high:
            msg = "low is above high"
            raise ValueError(msg)
        if not self.scale:
            msg = "scale must not be 0"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdi12Config(Characters):
    """Options of one sensor."""

    address: Annotated[
        str, Limits(pattern=r"^[0-9A-Za-z]$"), About("address of the sensor: a digit or a letter")
    ] = "0"
    points: Annotated[
        Mapping[Annotated[str, Limits(pattern=POINT_PATTERN)], Sdi12Point],
        Limits(min_length=1),
        About("its values, each a table under its name"),
    ]
    period_s: Annotated[Period, About("how often it measures, in seconds")] = 60.0
    periods: Annotated[
        Mapping[Command, Period], About("the same by command, where it is another")
    ] = field(default_factory=dict)
    tick_s: Annotated[
        float,
        Limits(ge=0.05, le=60),
        About("how often it is looked whether values are ready, in seconds"),
    ] = 1.0
    longest_hold_s: Annotated[
        float,
        Limits(ge=0, le=60),
        About("measurements with M hold the line for at most so many seconds, others are not held"),
    ] = 15.0
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a command that means no answer, in seconds"),
    ] = 1.0

    def __post_init__(self) -> None:
        """Refuse names and places that stand twice, and periods of no command.

        Raises:
            ValueError: likewise.
        """
        taken = [name for name in self.points if name in {*IDENTITY_POINTS, MEASURING}]
        if taken:
            msg = f"points: {', '.join(taken)} is what the sensor tells anyhow"
            raise ValueError(msg)
        places = [(point.command, point.index) for point in self.points.values()]
        if len(set(places)) != len(places):
            msg = "points: two have the same command and index"
            raise ValueError(msg)
        unused = set(self.periods) - {point.command for point in self.points.values()}
        if unused:
            msg = f"periods: no point is measured with {', '.join(sorted(unused))}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """One command that measures, and the points it fills."""

    command: str
    period_s: float
    group: PollGroup
    places: tuple[Sdi12Point, ...]
    """In the order of the table of the group."""

    @property
    def immediate(self) -> bool:
        """Say whether the values come with the response (4.4.10, continuous measurements)."""
        return self.command[0] == "R"

    @property
    def concurrent(self) -> bool:
        """Say whether others may be talked to while it measures (4.4.7)."""
        return self.command[0] == "C"

    @property
    def guarded(self) -> bool:
        """Say whether its values carry a CRC (4.4.12)."""
        return self.command[1:2] == "C"


def measurements(config: Sdi12Config) -> tuple[Measurement, ...]:
    """Return the measurements that fill the points, in the order in which they are named."""
    found: list[Measurement] = []
    for command in dict.fromkeys(point.command for point in config.points.values()):
        members = {name: each for name, each in config.points.items() if each.command == command}
        period_s = config.periods.get(command, config.period_s)
        table = PointTable(*(_point(name, each) for name, each in members.items()))
        group = PollGroup(command, table, LEFT_OUT * period_s, told=True)
        found.append(Measurement(command, period_s, group, tuple(members.values())))
    return tuple(found)


def _point(name: str, options: Sdi12Point) -> Point:
    deadband = None if options.deadband is None else Deadband(options.deadband)
    return Point(
        PointId(name),
        unit=options.unit,
        kind=Kind.FLOAT64,
        deadband=deadband,
        low=options.low,
        high=options.high,
    )


def sensor_group(config: Sdi12Config) -> PollGroup:
    """Return the group that is polled: each poll is a step of what is going on."""
    table = PointTable(Point(MEASURING, kind=Kind.BOOL, deadband=Deadband()))
    return PollGroup("sensor", table, config.tick_s)


def identity_group() -> PollGroup:
    """Return what the sensor is."""
    table = PointTable(
        *(Point(PointId(name), kind=Kind.TEXT, deadband=Deadband()) for name in IDENTITY_POINTS)
    )
    return PollGroup("identity", table, LEFT_OUT * IDENTITY_S, told=True)
