"""How much of its life the memory card under the store has left.

An eMMC says so itself; of an SD card it is what was written to it against the endurance that the
site file names. What nobody can tell is not told.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SYSFS: Final = Path("/sys")
SECTOR_BYTES: Final = 512
TIB: Final = 2**40
WRITTEN_PLACE: Final = 6
"""Of the sectors written in the line of a device (Documentation/block/stat.rst, 7th field)."""
_STEP: Final = 10.0
_LEAST_LEFT: Final = {2: 20.0, 3: 10.0}
"""PRE_EOL_INFO: warning when 80 % of the reserved blocks are used up, urgent when 90 % are."""


@dataclass(frozen=True, slots=True)
class Card:
    """The block device under a file."""

    device: Path
    """Its folder in sysfs, of the whole device and not of a partition."""

    @property
    def identity(self) -> str:
        """Return what tells this card from another; empty when it has no such thing."""
        return _text(self.device / "device" / "cid") or _text(self.device / "device" / "serial")

    def life_left(self) -> float | None:
        """Return how many per cent of its life are left as the device says, the worst of all.

        Source:
            JEDEC JESD84-B51, 7.4: DEVICE_LIFE_TIME_EST_TYP_A and _B (1: up to 10 % used ... 10: up
            to 100 %, 11: exceeded, 0: not defined), PRE_EOL_INFO (1: normal, 2: warning,
            3: urgent).
        """
        used = [_hex(word) for word in _text(self.device / "device" / "life_time").split()]
        left = [max(0.0, 100.0 - _STEP * step) for step in used if step]
        reserve = _hex(_text(self.device / "device" / "pre_eol_info"))
        left += [_LEAST_LEFT[reserve]] if reserve in _LEAST_LEFT else []
        return min(left, default=None)

    def written_bytes(self) -> int | None:
        """Return how many bytes were written to it since boot; None when it does not say."""
        fields = _text(self.device / "stat").split()
        try:
            return int(fields[WRITTEN_PLACE]) * SECTOR_BYTES
        except (IndexError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Worn:
    """What was written to a card over all boots."""

    identity: str
    boot: str
    boot_bytes: int
    """In the boot under way, when this was noted."""
    total_bytes: int

    def after(self, identity: str, boot: str, written: int) -> Worn:
        """Return it as of now; another card begins anew.

        Args:
            identity: of the card that is there.
            boot: which one this is.
            written: bytes since it began.
        """
        if identity != self.identity:
            return Worn(identity, boot, written, written)
        same = boot == self.boot and written >= self.boot_bytes
        more = written - self.boot_bytes if same else written
        return Worn(identity, boot, written, self.total_bytes + more)

    def packed(self) -> bytes:
        """Return it as it is kept."""
        fields = [self.identity, self.boot, self.boot_bytes, self.total_bytes]
        return json.dumps(fields).encode()


def worn_from(kept: bytes | None) -> Worn:
    """Return what was kept; what is not readable counts as a card never seen."""
    try:
        fields: list[Any] = json.loads(kept or b"null")  # Any: JSON values
        identity, boot, boot_bytes, total_bytes = fields
        return Worn(str(identity), str(boot), int(boot_bytes), int(total_bytes))
    except (ValueError, TypeError):
        return Worn("?", "", 0, 0)


def left_of(worn: Worn, endurance_tib: float) -> float:
    """Return how many per cent are left of a rated endurance in TiB written."""
    return max(0.0, 100.0 * (1 - worn.total_bytes / (endurance_tib * TIB)))


def card_under(file: Path, sysfs: Path = SYSFS) -> Card | None:
    """Return the device that holds a file; None when there is none, as in memory or on a network.

    Args:
        file: any file or folder on it.
        sysfs: where the kernel tells of its devices.
    """
    try:
        number = file.stat().st_dev
    except OSError:
        return None
    return card_numbered(os.major(number), os.minor(number), sysfs)


def card_numbered(major: int, minor: int, sysfs: Path = SYSFS) -> Card | None:
    """Return the whole device behind a number: a partition's parent, what lies under a mapping."""
    place = sysfs / "dev" / "block" / f"{major}:{minor}"
    if not major or not place.exists():
        return None
    device = place.resolve()
    while True:
        if (device / "partition").exists():
            device = device.parent
        below = sorted(device.glob("slaves/*"))
        if len(below) != 1:
            return Card(device)
        device = below[0].resolve()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _hex(word: str) -> int:
    """Return a number as sysfs writes it, `0x0b`; 0 for anything else."""
    try:
        return int(word, 16)
    except ValueError:
        return 0
