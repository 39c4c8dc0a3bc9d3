"""`w1-therm`: a 1-Wire thermometer (DS18B20 and its family) through the kernel's `w1_therm`.

Source: Linux, Documentation/w1/slaves/w1_therm.rst; ABI/testing/sysfs-driver-w1_therm.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from drivers.kernel.codec import BAD, Taken, decode_number, decode_therm
from drivers.kernel.files import KernelFiles, read_file, write_file
from gateway.model.driver import Manifest, PollGroup
from gateway.model.errors import FrameError, NoResponseError
from gateway.model.ids import PointId
from gateway.model.options import About, Limits, Options
from gateway.model.reading import NO_FLAGS, Cause, Flag, Kind, Point, PointTable, Sample

DEVICES: Final = "bus/w1/devices"
LOWEST_CEL: Final = -55.0
HIGHEST_CEL: Final = 125.0
"""What these sensors measure (`alarms` in ABI/testing/sysfs-driver-w1_therm)."""
TRIGGER: Final = b"trigger\n"
"""Exactly these eight bytes: the kernel compares their number as well."""
BULK: Final = "therm_bulk_read"
STILL_CONVERTING: Final = -1
LONGEST_CONVERSION_S: Final = 2.0
"""750 ms at 12 bits, and what clones and a strong pull-up add."""
FRESH_S: Final = 3.0
"""So long what one conversion of all sensors brought is read without another one."""
LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class W1ThermConfig(Options):
    """Options of one thermometer."""

    sensor: Annotated[
        str,
        Limits(pattern=r"^(10|22|28|3b|42)-[0-9a-f]{12}$"),
        About("its number: the name of its folder under bus/w1/devices, as 28-0316a2795cff"),
    ]
    conversion: Annotated[
        Literal["single", "bulk"],
        About("bulk: all sensors of a bus convert at once, where the kernel can do so"),
    ] = "single"
    resolution: Annotated[
        Annotated[int, Limits(ge=9, le=12)] | None,
        About("bits, 9 (94 ms) to 12 (750 ms); set in its volatile memory; left out: as it is"),
    ] = None
    correction: Annotated[
        float, Limits(ge=-10, le=10), About("added to what it says, in kelvins")
    ] = 0.0
    read_timeout_s: Annotated[
        float, Limits(gt=0, le=30), About("how long a reading may take, in seconds")
    ] = 3.0
    period_s: Annotated[
        float, Limits(gt=0, le=86_400), About("how often it is read, in seconds")
    ] = 30.0


@dataclass(slots=True)
class _Bulk:
    """The last conversion of all sensors of a line. Touched by threads one after the other."""

    sensors: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    """Those whose value of that conversion has not been read yet."""
    until_s: float = 0.0


class W1Therm:
    """One thermometer. A `PolledDriver`."""

    def __init__(self, config: W1ThermConfig, files: KernelFiles) -> None:
        """Take the options and the files of the kernel."""
        self._config: Final = config
        self._files: Final = files
        self._group: Final = PollGroup(
            "temperature",
            PointTable(
                Point(
                    PointId("temperature"),
                    unit="Cel",
                    kind=Kind.NUMBER,
                    scale=0.001,
                    low=LOWEST_CEL,
                    high=HIGHEST_CEL,
                )
            ),
            config.period_s,
        )
        self._bulk: Final = files.shared(_Bulk)
        if config.conversion == "bulk":
            self._bulk.sensors.add(config.sensor)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002  there is one
        """Read it once.

        Raises:
            NoResponseError: it is not on the bus, cannot be read, or has not ended its conversion.
            FrameError: the checksum is wrong, or the line is short-circuited.
            BusUnavailableError: the tree of the kernel is gone.
        """
        config = self._config
        value, flag = await self._files.ask(config.sensor, self._read, config.read_timeout_s)
        if value is not None:
            value = round(value + config.correction, 3)
            if not LOWEST_CEL <= value <= HIGHEST_CEL:
                value, flag = None, Flag(BAD, Cause.OUT_OF_RANGE)
        return Sample((value,), NO_FLAGS if flag is None else {0: flag})

    def _read(self, root: Path) -> Taken:
        """Read the file of the sensor; in its thread."""
        sensor = root / DEVICES / self._config.sensor
        if (root / DEVICES).is_dir() and not sensor.is_dir():
            there = sorted(each.name for each in (root / DEVICES).glob("??-????????????"))
            msg = f"no sensor {sensor.name} on the bus; there are: {', '.join(there) or 'none'}"
            raise NoResponseError(msg)
        if self._config.resolution is not None:
            _set_resolution(sensor, self._config.resolution)
        if self._config.conversion == "bulk":
            self._convert_all(sensor)
        return decode_therm(read_file(sensor / "w1_slave"))

    def _convert_all(self, sensor: Path) -> None:
        """Let all sensors of the bus convert, unless what they converted last is still to be read.

        A value of an earlier conversion would be given out as one of now, so it must be fresh.
        """
        bulk, name = self._bulk, self._config.sensor
        if name in bulk.fresh and time.monotonic() < bulk.until_s:
            bulk.fresh.discard(name)
            return
        trigger = sensor.resolve().parent / BULK
        write_file(trigger, TRIGGER)
        deadline = time.monotonic() + LONGEST_CONVERSION_S
        while time.monotonic() < deadline:
            time.sleep(LOOK_S)
            try:
                state = decode_number(read_file(trigger), BULK)
            except FrameError:
                continue  # it stands there as it was written: not begun
            if state != STILL_CONVERTING:
                break
        bulk.fresh = bulk.sensors - {name}
        bulk.until_s = time.monotonic() + FRESH_S


def _set_resolution(sensor: Path, bits: int) -> None:
    """Set the resolution, if it is another one: it is lost with the power of the sensor."""
    try:
        now = decode_number(read_file(sensor / "resolution"), "resolution")
    except FileNotFoundError:
        sensor.stat()  # not the sensor itself
        return  # an old kernel, or a sensor that has but one
    if now != bits:
        write_file(sensor / "resolution", b"%d\n" % bits)


def _address(config: W1ThermConfig) -> Hashable:
    return config.sensor


MANIFEST: Final = Manifest(
    name="w1-therm", media=("kernel",), config=W1ThermConfig, build=W1Therm, address=_address
)
