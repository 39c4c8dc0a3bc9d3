"""What `iio` and `hwmon` share: a chip known by name, its channels as points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from drivers.kernel.chips import Identity, find, read_channels
from drivers.kernel.codec import BAD, Quantity, Taken, quantity_of
from drivers.kernel.files import KernelFiles
from gateway.model.driver import PollGroup
from gateway.model.ids import PointId
from gateway.model.options import About, Checked, Limits, Name, Options
from gateway.model.reading import Cause, Flag, Point, PointTable, Sample
from gateway.model.units import is_unit


def _known_unit(unit: str, _before: Mapping[str, Any], _site_dir: object) -> None:
    if not is_unit(unit):
        msg = f"{unit!r} is not a UCUM code in use here"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(Options):
    """One channel of a chip, as a point."""

    channel: Annotated[
        str,
        Limits(pattern=r"^[a-z]+[0-9]*([_-][a-z0-9_-]+)?$"),
        About(
            "its name: that of the file without in_ and _raw or _input, as temp, voltage0, temp1"
        ),
    ]
    label: Annotated[
        str | None,
        About("hwmon: of that type (channel = temp) the one with this label; left out: by name"),
    ] = None
    unit: Annotated[
        Annotated[str, Checked(_known_unit)] | None,
        About("UCUM code of the point; left out: that of the type of the channel"),
    ] = None
    factor: Annotated[
        float, About("from the unit of the channel to that of the point: 62.5 bar for each V")
    ] = 1.0
    add: Annotated[float, About("added after that, in the unit of the point")] = 0.0
    low: Annotated[float | None, About("less than this is no measurement")] = None
    high: Annotated[float | None, About("more than this is no measurement")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipConfig(Options):
    """Options of one chip."""

    name: Annotated[
        str, Limits(min_length=1), About("what its file name says: bme280, sht3x, mcp3208")
    ]
    label: Annotated[str | None, About("what its file label says, where two have one name")] = None
    at: Annotated[
        str | None,
        Limits(min_length=1),
        About("its place on the bus, where two have one name: 1-0076 on I2C, spi0.0"),
    ] = None
    channels: Annotated[
        Mapping[Name, Channel],
        Limits(min_length=1),
        About("its channels by the names of their points"),
    ]
    read_timeout_s: Annotated[
        float, Limits(gt=0, le=30), About("how long a reading may take, in seconds")
    ] = 2.0
    period_s: Annotated[
        float, Limits(gt=0, le=86_400), About("how often it is read, in seconds")
    ] = 10.0


Read = Callable[[Path, Channel, float], Taken]
"""Reads a channel of a chip: in what unit, says the factor."""


class ChipDriver:
    """One chip. A `PolledDriver`."""

    def __init__(
        self,
        config: ChipConfig,
        files: KernelFiles,
        place: tuple[str, str],
        quantities: Mapping[str, Quantity],
        read: Read,
    ) -> None:
        """Take the options and how the chips of a kind are found and read.

        Args:
            config: the options.
            files: of the kernel.
            place: the folder of all chips and what their folders are called.
            quantities: types of channels.
            read: reads one channel.

        Raises:
            ValueError: a channel is of no known type.
        """
        self._config: Final = config
        self._files: Final = files
        self._place: Final = place
        self._read_one: Final = read
        self._identity: Final = Identity(config.name, config.label, config.at)
        kinds = {name: quantity_of(each.channel, quantities) for name, each in _of(config)}
        self._factors: Final = {name: kind.factor for name, kind in kinds.items()}
        self._group: Final = PollGroup(
            "chip",
            PointTable(
                *(
                    Point(
                        PointId(name),
                        unit=each.unit or kinds[name].unit,
                        low=each.low,
                        high=each.high,
                    )
                    for name, each in _of(config)
                )
            ),
            config.period_s,
        )

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002  there is one
        """Read all channels once.

        Raises:
            NoResponseError: the chip is not there, or cannot be read.
            FrameError: a file holds no number.
            DeviceRejectedError: several chips are meant, or it has none of the channels.
            BusUnavailableError: the tree of the kernel is gone.
        """
        taken = await self._files.ask(str(self._identity), self._read, self._config.read_timeout_s)
        cells: list[float | None] = []
        flags: dict[int, Flag] = {}
        for place, ((_, channel), (value, flag)) in enumerate(
            zip(_of(self._config), taken, strict=True)
        ):
            told, why = _told(channel, value, flag)
            cells.append(told)
            if why is not None:
                flags[place] = why
        return Sample(tuple(cells), flags)

    def _read(self, root: Path) -> list[Taken]:
        """Find the chip and read its channels; in its thread."""
        folder, pattern = self._place
        chip = find(root / folder, pattern, self._identity)
        channels = self._config.channels

        def read(name: str) -> Taken:
            return self._read_one(chip, channels[name], self._factors[name])

        return read_channels({name: name for name in channels}, read, chip)


def _told(
    channel: Channel, value: float | None, flag: Flag | None
) -> tuple[float | None, Flag | None]:
    if value is None:
        return None, flag
    told = value * channel.factor + channel.add
    low, high = channel.low, channel.high
    if (low is not None and told < low) or (high is not None and told > high):
        return None, Flag(BAD, Cause.OUT_OF_RANGE)
    return told, flag


def _of(config: ChipConfig) -> Sequence[tuple[str, Channel]]:
    return tuple(config.channels.items())
