"""Finding a chip among the devices of the kernel, and reading its channels. May block.

The numbers of devices (`iio:device0`, `hwmon1`) are given in the order in which drivers were loaded
and change from start to start: a chip is known by its name, its label, or its place on the bus, and
looked up at every reading.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.kernel.codec import (
    BAD,
    Taken,
    decode_name,
    decode_number,
    shared_names,
)
from drivers.kernel.files import read_file
from gateway.model.errors import DeviceRejectedError, NoResponseError
from gateway.model.reading import Cause, Flag

AMBIGUOUS: Final = 1
"""Codes of our own in a refusal."""
NO_CHANNELS: Final = 2
GONE: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})


@dataclass(frozen=True, slots=True)
class Identity:
    """What a chip is known by. What is None does not matter."""

    name: str
    label: str | None = None
    at: str | None = None
    """A folder on its way from the bus: `1-0076` on I2C, `spi0.0`."""

    def __str__(self) -> str:
        """Return it for people."""
        told = [self.name]
        if self.label is not None:
            told.append(f"labelled {self.label!r}")
        if self.at is not None:
            told.append(f"at {self.at}")
        return " ".join(told)


def find(folder: Path, pattern: str, wanted: Identity) -> Path:
    """Return the folder of a chip.

    Args:
        folder: of all chips of the kind.
        pattern: what their folders are called.
        wanted: what it is known by.

    Raises:
        NoResponseError: there is none.
        DeviceRejectedError: there are several.
    """
    names: set[str] = set()
    found: list[Path] = []
    for chip in sorted(folder.glob(pattern)):
        name = _text(chip / "name")
        names.add(name)
        if name == wanted.name and _fits(chip, wanted):
            found.append(chip)
    if not found:
        there = ", ".join(sorted(names - {""})) or "none"
        msg = f"no chip {wanted} in {folder}; there are: {there}"
        raise NoResponseError(msg)
    if len(found) > 1:
        msg = f"{len(found)} chips are {wanted}: say which by label or at"
        raise DeviceRejectedError(msg, code=AMBIGUOUS)
    return found[0]


def _fits(chip: Path, wanted: Identity) -> bool:
    if wanted.label is not None and _text(chip / "label") != wanted.label:
        return False
    return wanted.at is None or wanted.at in Path(os.path.realpath(chip)).parts


def _text(path: Path) -> str:
    """Return a name or a label, or nothing when the chip has none or is just leaving."""
    try:
        return decode_name(read_file(path), path.name)
    except OSError:
        return ""


def read_channels(
    channels: Mapping[str, str], read: Callable[[str], Taken], chip: Path
) -> list[Taken]:
    """Return the value of each channel, or why it has none.

    Args:
        channels: by the names of their points.
        read: reads one; raises OSError.
        chip: for the messages.

    Raises:
        DeviceRejectedError: the chip has none of them.
        OSError: the chip cannot be read, or is gone.
        FrameError: a file holds no number.
    """
    taken = [_one(read, channel) for channel in channels.values()]
    if all(each.flag == Flag(BAD, Cause.REJECTED) for each in taken):
        chip.stat()  # gone altogether: an OSError
        names = ", ".join(sorted(_channels_of(chip))) or "none"
        msg = f"{chip} has no such channel; there are: {names}"
        raise DeviceRejectedError(msg, code=NO_CHANNELS)
    return taken


def _one(read: Callable[[str], Taken], channel: str) -> Taken:
    try:
        return read(channel)
    except OSError as error:
        if error.errno in GONE:
            return Taken(None, Flag(BAD, Cause.REJECTED))
        if error.errno == errno.ENODATA:  # a channel that is switched off, or has measured nothing
            return Taken(None, Flag(BAD, Cause.NO_VALUE))
        raise


def _channels_of(chip: Path) -> Iterator[str]:
    for file in chip.iterdir():
        for end in ("_raw", "_input"):
            if file.name.endswith(end):
                yield file.name.removeprefix("in_").removesuffix(end)


def read_iio(chip: Path, channel: str, factor: float) -> Taken:
    """Return one channel of an IIO device.

    Raises:
        OSError: it cannot be read.
        FrameError: a file holds no number.

    Source: ABI/testing/sysfs-bus-iio: `_input` is processed; else (`_raw` + `_offset`) * `_scale`.
    """
    try:
        what = f"in_{channel}_input"
        return Taken(decode_number(read_file(chip / what), what) * factor)
    except FileNotFoundError:
        what = f"in_{channel}_raw"
        raw = decode_number(read_file(chip / what), what)
    offset = _shared(chip, channel, "offset", 0.0)
    scale = _shared(chip, channel, "scale", 1.0)
    return Taken((raw + offset) * scale * factor)


def _shared(chip: Path, channel: str, kind: str, otherwise: float) -> float:
    for name in shared_names(channel):
        what = f"in_{name}_{kind}"
        try:
            return decode_number(read_file(chip / what), what)
        except FileNotFoundError:
            continue
    return otherwise


def read_hwmon(chip: Path, channel: str, factor: float) -> Taken:
    """Return one channel of a hwmon chip.

    Raises:
        OSError: it cannot be read.
        FrameError: a file holds no number.

    Source: hwmon/sysfs-interface.rst: a channel with `_fault` 1 is not to be trusted.
    """
    fault = f"{channel}_fault"
    try:
        if decode_number(read_file(chip / fault), fault):
            return Taken(None, Flag(BAD, Cause.DEVICE_FAULT))
    except FileNotFoundError:
        pass  # most channels have none
    what = f"{channel}_input"
    return Taken(decode_number(read_file(chip / what), what) * factor)


def labelled(chip: Path, kind: str, label: str) -> str:
    """Return the channel of a hwmon chip with that label.

    Args:
        chip: its folder.
        kind: of the channel: `temp`, `in`.
        label: what its file `_label` says.

    Raises:
        OSError: there is none (ENOENT).
    """
    for file in sorted(chip.glob(f"{kind}[0-9]*_label")):
        if _text(file) == label:
            return file.name.removesuffix("_label")
    raise FileNotFoundError(errno.ENOENT, f"no {kind} labelled {label!r}", str(chip))
