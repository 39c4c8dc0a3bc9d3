"""`hwmon`: chips of the kernel's hardware monitoring: SHT3x, INA219, the board's own temperature.

Source: Linux, Documentation/hwmon/sysfs-interface.rst.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from drivers.kernel.chip_driver import Channel, ChipConfig, ChipDriver
from drivers.kernel.chips import labelled, read_hwmon
from drivers.kernel.codec import HWMON_QUANTITIES, Taken
from drivers.kernel.files import KernelFiles
from gateway.model.driver import Manifest

PLACE: Final = ("class/hwmon", "hwmon*")


class Hwmon(ChipDriver):
    """One chip of the hardware monitoring."""

    def __init__(self, config: ChipConfig, files: KernelFiles) -> None:
        """Take the options and the files of the kernel.

        Raises:
            ValueError: a channel is of no known type, or has neither number nor label.
        """
        super().__init__(config, files, PLACE, HWMON_QUANTITIES, _read)
        for point, each in config.channels.items():
            if each.label is None and not re.search(r"[0-9]$", each.channel):
                msg = f"channels: {point}: {each.channel} wants its number, as temp1, or a label"
                raise ValueError(msg)


def _read(chip: Path, channel: Channel, factor: float) -> Taken:
    name = channel.channel
    if channel.label is not None:
        name = labelled(chip, name, channel.label)
    return read_hwmon(chip, name, factor)


def _address(config: ChipConfig) -> Hashable:
    return ("hwmon", config.name, config.label, config.at)


MANIFEST: Final = Manifest(
    name="hwmon", media=("kernel",), config=ChipConfig, build=Hwmon, address=_address
)
