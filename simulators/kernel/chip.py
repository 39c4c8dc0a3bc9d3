"""Chips of the industrial I/O and of the hardware monitoring as the kernel shows them.

Source: Linux, ABI/testing/sysfs-bus-iio; hwmon/sysfs-interface.rst.

A further fault: `liar` makes every value as large as no sensor can.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from simulators.faults import Liar
from simulators.kernel.device import FileTwin, wander
from simulators.kernel.options import Channel, ChipOptions, IioOptions
from simulators.truth import TruthJournal

IMPOSSIBLE = 1e9


class Chip(FileTwin):
    """One chip."""

    def __init__(self, options: ChipOptions, folder: Path, truth: TruthJournal) -> None:
        """Take the scene's options and its folder."""
        super().__init__(options, folder, truth)
        self._options = options
        self.levels = {name: channel.mean for name, channel in options.channels.items()}
        """What each channel measures, in the unit of the kernel."""
        self.show()

    def move(self, dt_s: float) -> None:
        """Let what it measures move on."""
        for name, channel in self._options.channels.items():
            self.levels[name] = wander(
                self.levels[name], channel.mean, channel.sigma, dt_s, self.rng
            )

    def values(self) -> Mapping[str, bytes]:
        """Return the files of the channels."""
        lies = any(isinstance(item.fault, Liar) for item in self.faults)
        return {
            file: f"{text}\n".encode()
            for name, channel in self._options.channels.items()
            for file, text in (self._value(name, channel, lies=lies),)
        }

    def plain(self) -> Mapping[str, bytes]:
        """Return name, labels, scales, and what says that a channel is broken."""
        options = self._options
        files = {"name": options.name}
        if options.label is not None:
            files["label"] = options.label
        for name, channel in options.channels.items():
            files.update(self._beside(name, channel))
        return {file: f"{text}\n".encode() for file, text in files.items()}

    def _value(self, name: str, channel: Channel, *, lies: bool) -> tuple[str, str]:
        level = IMPOSSIBLE if lies else self.levels[name]
        if not isinstance(self._options, IioOptions):
            return f"{name}_input", str(round(level))
        if channel.scale is None:
            return f"in_{name}_input", f"{level:.{channel.decimals}f}"
        return f"in_{name}_raw", str(round(level / channel.scale - channel.offset))

    def _beside(self, name: str, channel: Channel) -> dict[str, str]:
        files = {}
        if not isinstance(self._options, IioOptions):
            if channel.label is not None:
                files[f"{name}_label"] = channel.label
            if channel.fault:
                files[f"{name}_fault"] = "1"
            return files
        if channel.scale is not None:
            of = re.sub("[0-9]", "", name) if channel.shared else name
            files[f"in_{of}_scale"] = f"{channel.scale:.9f}"
            if channel.offset:
                files[f"in_{of}_offset"] = f"{channel.offset:g}"
        return files
