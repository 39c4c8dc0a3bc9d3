"""Files of the kernel as a scene knows them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulators.grounds import Grounds, Kind, LineKind
from simulators.kernel.chip import Chip
from simulators.kernel.device import FileTwin
from simulators.kernel.options import HwmonOptions, IioOptions, KernelSpec, ThermOptions
from simulators.kernel.therm import Master, Thermometer
from simulators.twin import InPlay, Twin

MEDIA: Final = frozenset({"kernel"})
OF_A_CHIP: Final = frozenset({"crc"})
MASTER: Final = "w1_bus_master1"


@dataclass(frozen=True, slots=True)
class KernelAddress:
    """Where the tree is."""

    root: str


class RunningKernel:
    """The tree of a running scene."""

    medium: Final = "kernel"

    def __init__(self, root: Path) -> None:
        """Take where the tree is to be, and make it.

        Raises:
            OSError: it cannot be made.
        """
        self.root: Final = root
        self._twins: Final[list[FileTwin]] = []
        for folder in ("bus/w1/devices", f"devices/{MASTER}", "bus/iio/devices", "class/hwmon"):
            (root / folder).mkdir(parents=True)
        self.master: Final = Master(root / "devices" / MASTER)

    @property
    def address(self) -> KernelAddress:
        """Return where the tree is."""
        return KernelAddress(str(self.root))

    def words(self) -> tuple[str, str]:
        """Return where the tree is, and that it is there."""
        return str(self.root), f"{len(self._twins)} devices"

    def place(self, real: str, link: str) -> Path:
        """Return the folder of a device, and link to it from where readers look.

        Raises:
            OSError: the link cannot be made.
        """
        folder, at = self.root / "devices" / real, self.root / link
        at.symlink_to(os.path.relpath(folder, at.parent))
        return folder

    def join(self, twin: FileTwin) -> None:
        """Take a device: it is told when the scene ends."""
        self._twins.append(twin)

    async def refresh(self) -> None:
        """Have nothing to do: a device that is off has no folder."""

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Have nothing to do: a file does not talk."""

    def retire(self) -> None:
        """Let go whoever waits."""
        self.master.retire()
        for twin in self._twins:
            twin.retire()


def _tree(line: object) -> RunningKernel:
    if not isinstance(line, RunningKernel):
        msg = f"{type(line).__name__} has no kernel files"
        raise TypeError(msg)
    return line


def _therm(spec: ThermOptions, grounds: Grounds) -> Twin:
    line = _tree(grounds.line(spec.line))
    folder = line.place(f"{MASTER}/{spec.sensor}", f"bus/w1/devices/{spec.sensor}")
    twin = Thermometer(spec, folder, grounds.truth)
    if spec.bulk:
        line.master.join(twin)
    line.join(twin)
    return twin


def _chip(bus: str, folder: str, pattern: str) -> Callable[[Any, Grounds], Twin]:
    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: options of its own kind
        line = _tree(grounds.line(spec.line))
        name = pattern.format(spec.number)
        twin = Chip(spec, line.place(f"{bus}/{spec.at}/{name}", f"{folder}/{name}"), grounds.truth)
        line.join(twin)
        return twin

    return hang


KINDS: Final = (
    Kind(ThermOptions, MEDIA, _therm),
    Kind(IioOptions, MEDIA, _chip("i2c-1", "bus/iio/devices", "iio:device{}"), OF_A_CHIP),
    Kind(HwmonOptions, MEDIA, _chip("i2c-2", "class/hwmon", "hwmon{}"), OF_A_CHIP),
)
LINES: Final = (
    LineKind(KernelSpec, lambda spec, grounds: RunningKernel(Path(grounds.folder, spec.id))),
)
