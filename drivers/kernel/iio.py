"""`iio`: sensors and converters of the kernel's industrial I/O: BME280, BH1750, MCP3208, ADS1115.

Source: Linux, Documentation/ABI/testing/sysfs-bus-iio.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Final

from drivers.kernel.chip_driver import Channel, ChipConfig, ChipDriver
from drivers.kernel.chips import read_iio
from drivers.kernel.codec import IIO_QUANTITIES, Taken
from drivers.kernel.files import KernelFiles
from gateway.model.driver import Manifest

PLACE: Final = ("bus/iio/devices", "iio:device*")


class Iio(ChipDriver):
    """One device of the industrial I/O."""

    def __init__(self, config: ChipConfig, files: KernelFiles) -> None:
        """Take the options and the files of the kernel.

        Raises:
            ValueError: a channel is of no known type.
        """
        super().__init__(config, files, PLACE, IIO_QUANTITIES, _read)


def _read(chip: Path, channel: Channel, factor: float) -> Taken:
    return read_iio(chip, channel.channel, factor)


def _address(config: ChipConfig) -> Hashable:
    return ("iio", config.name, config.label, config.at)


MANIFEST: Final = Manifest(
    name="iio", media=("kernel",), config=ChipConfig, build=Iio, address=_address
)
