"""A DS18B20 as the kernel shows it: `w1_slave`, `temperature`, `resolution`, and the bulk trigger.

Source: Linux, Documentation/w1/slaves/w1_therm.rst, ABI/testing/sysfs-driver-w1_therm; Maxim,
MAX31820PAR data sheet, "CRC Generation" and figure 4.

Further faults: `crc` damages a byte on the bus, `liar` says 85 degrees as after power-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from simulators.faults import Crc, Liar, Stuck
from simulators.kernel.device import FileTwin, wander
from simulators.kernel.options import ThermOptions
from simulators.kernel.tree import put
from simulators.truth import TruthJournal

_ALARMS: Final = b"\x4b\x46"
_POWER_ON: Final = bytes.fromhex("5005 4b46 7f ff 0c 10".replace(" ", ""))
CONVERSION_S: Final = {9: 0.094, 10: 0.188, 11: 0.375, 12: 0.75}


def checksum(data: bytes) -> int:
    """Return the CRC of 1-Wire, bit by bit as the shift register of the data sheet does it."""
    register = [0] * 8
    for byte in data:
        for place in range(8):
            into = (byte >> place & 1) ^ register[7]
            register = [into, *register[:7]]
            register[4] ^= into
            register[5] ^= into
    return sum(bit << 7 - place for place, bit in enumerate(register))


class Thermometer(FileTwin):
    """One sensor on the bus."""

    def __init__(self, options: ThermOptions, folder: Path, truth: TruthJournal) -> None:
        """Take the scene's options and its folder."""
        super().__init__(options, folder, truth)
        self._options: Final = options
        self.celsius = options.mean
        self.resolution = 12
        self.latest = b""
        """What it converted last: its scratchpad."""
        self.convert()
        self.show()

    def power_on(self) -> None:
        """Forget the resolution: it is in volatile memory."""
        self.resolution = 12

    def move(self, dt_s: float) -> None:
        """Let the air warm up and cool down, and convert."""
        options = self._options
        self.celsius = wander(self.celsius, options.mean, options.sigma, dt_s, self.rng)
        self._take_resolution()
        self.convert()

    def convert(self) -> None:
        """Measure."""
        if any(isinstance(item.fault, Stuck) for item in self.faults):
            return
        step = 1 << (12 - self.resolution)
        raw = round(min(125.0, max(-55.0, self.celsius)) * 16) // step * step
        config = (self.resolution - 9) << 5 | 0x1F
        self.latest = (
            raw.to_bytes(2, "little", signed=True)
            + _ALARMS
            + bytes([config, 0xFF, 0x10 - (raw & 0x0F), 0x10])
        )

    @property
    def milli(self) -> int:
        """Return what it converted last, in thousandths of a degree, cut as the kernel does."""
        return int(int.from_bytes(self.latest[:2], "little", signed=True) * 1000 / 16)

    def values(self) -> Mapping[str, bytes]:
        """Return `w1_slave` and `temperature`."""
        faults = [item.fault for item in self.faults]
        pad, milli = self.latest, self.milli
        if any(isinstance(fault, Liar) for fault in faults):
            pad, milli = _POWER_ON, 85_000
        good = pad + bytes([checksum(pad)])
        read, verdict = good, "YES"
        if any(isinstance(fault, Crc) for fault in faults):
            read, verdict = bytes([good[0] ^ 0x20]) + good[1:], "NO"
        first = f"{read.hex(' ')} : crc={checksum(read[:-1]):02x} {verdict}\n"
        # The kernel keeps the last good bytes, and repeats them in its second line.
        return {
            "w1_slave": f"{first}{good.hex(' ')} t={milli}\n".encode(),
            "temperature": f"{milli}\n".encode(),
        }

    def plain(self) -> Mapping[str, bytes]:
        """Return what does not change by itself."""
        return {"name": f"{self._options.sensor}\n".encode(), "resolution": self._bits()}

    def _bits(self) -> bytes:
        return f"{self.resolution}\n".encode()

    def _take_resolution(self) -> None:
        path = self.folder / "resolution"
        if path.exists():
            text = path.read_bytes().strip()
            if text.isdigit() and 9 <= int(text) <= 12:  # noqa: PLR2004  else the kernel does nothing
                self.resolution = int(text)
            put(path, self._bits())


class Master:
    """The master of the bus: lets all its sensors convert when it is told so."""

    LOOK_S: Final = 0.02

    def __init__(self, folder: Path) -> None:
        """Take its folder, which is made."""
        self._file: Final = folder / "therm_bulk_read"
        self.sensors: Final[list[Thermometer]] = []
        self.triggered = 0
        """How often it was told."""
        self._loop: Final = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, sensor: Thermometer) -> None:
        """Take a sensor; the first one brings the trigger."""
        self.sensors.append(sensor)
        if self._timer is None:
            put(self._file, b"0\n")
            self._look()

    def retire(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if self._file.read_bytes() == b"trigger\n":
            self.triggered += 1
            put(self._file, b"-1\n")
            longest = max(CONVERSION_S[sensor.resolution] for sensor in self.sensors)
            self._timer = self._loop.call_later(longest, self._done)
        else:
            self._timer = self._loop.call_later(self.LOOK_S, self._look)

    def _done(self) -> None:
        for sensor in self.sensors:
            sensor.convert()
            sensor.show()
        put(self._file, b"1\n")
        self._timer = self._loop.call_later(self.LOOK_S, self._look)
