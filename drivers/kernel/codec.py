"""What stands in the files of the kernel, and what it means. Pure.

Source: Linux, Documentation/w1/slaves/w1_therm.rst and ABI/testing/sysfs-driver-w1_therm (1-Wire),
ABI/testing/sysfs-bus-iio (IIO), hwmon/sysfs-interface.rst (hwmon).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.model.errors import FrameError, NoResponseError
from gateway.model.reading import Cause, Flag, Quality

SHOWN: Final = 200
"""Bytes of what came that an error shows."""
SCRATCHPAD_LEN: Final = 9
POWER_ON_RAW: Final = 0x0550
"""85 degrees: what a DS18B20 says before its first conversion."""
NO_POWER_RAW: Final = 0x07FF
"""127.94 degrees: what it says when its power broke down while it converted."""
NOT_CONVERTED: Final = 0x0C
"""Byte 6 after a conversion that failed (w1_therm.rst, `features`)."""
BAD: Final = Quality.BAD

_BYTES: Final = rb"((?:[0-9a-f]{2} ){9})"
_W1_SLAVE: Final = re.compile(
    rb"\A" + _BYTES + rb": crc=([0-9a-f]{2}) (YES|NO)\n" + _BYTES + rb"t=(-?[0-9]{1,7})\n?\Z"
)
_NUMBER: Final = re.compile(rb"\A\s*([+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?)\s*\Z")


class Taken(NamedTuple):
    """A value, or why there is none."""

    value: float | None
    flag: Flag | None = None


def crc8(data: bytes) -> int:
    """Return the checksum of 1-Wire devices: x^8 + x^5 + x^4 + 1, lowest bit first.

    Source: MAX31820PAR data sheet, "CRC Generation" and figure 4.
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc


def decode_therm(text: bytes) -> Taken:
    """Return the temperature in a file `w1_slave`, in degrees Celsius.

    The second line repeats the last good bytes when the checksum is wrong: it is believed only
    together with the first one.

    Args:
        text: the two lines.

    Raises:
        NoResponseError: it is empty: the conversion is still going on.
        FrameError: the checksum is wrong, or this is no such file.
    """
    if not text.strip():
        msg = "w1_slave is empty: the conversion has not ended"
        raise NoResponseError(msg)
    match = _W1_SLAVE.match(text)
    if match is None:
        msg = "w1_slave: not what the kernel writes"
        raise FrameError(msg, answer=text[:SHOWN])
    scratchpad, again = (bytes.fromhex(match[place].decode()) for place in (1, 4))
    told_crc, verdict, milli = int(match[2], 16), match[3], int(match[5])
    if verdict == b"NO" or crc8(scratchpad[:-1]) != scratchpad[-1] or told_crc != scratchpad[-1]:
        msg = "w1_slave: checksum: look at the cable, its length and the pull-up resistor"
        raise FrameError(msg, answer=scratchpad)
    if again != scratchpad:
        msg = "w1_slave: the two lines differ"
        raise FrameError(msg, answer=text[:SHOWN])
    if not any(scratchpad):  # its checksum is right: a line that is held low says so
        msg = "w1_slave: nothing but zeros: the line is short-circuited, or has no pull-up"
        raise FrameError(msg, answer=scratchpad)
    raw = int.from_bytes(scratchpad[:2], "little")
    if scratchpad[6] == NOT_CONVERTED and raw in {POWER_ON_RAW, NO_POWER_RAW}:
        return Taken(None, Flag(BAD, Cause.NO_VALUE))
    return Taken(milli / 1000)


def decode_number(text: bytes, what: str) -> float:
    """Return the one number of a file.

    Args:
        text: the file.
        what: its name, for people.

    Raises:
        FrameError: it holds something else.
    """
    match = _NUMBER.match(text)
    if match is None:
        msg = f"{what}: not a number"
        raise FrameError(msg, answer=text[:SHOWN])
    return float(match[1])


def decode_name(text: bytes, what: str) -> str:
    """Return the text of a file `name` or `label`.

    Raises:
        FrameError: it is no text.
    """
    try:
        return text.decode().strip()
    except UnicodeDecodeError as error:
        msg = f"{what}: not a text"
        raise FrameError(msg, answer=text[:SHOWN]) from error


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the files of one type of channel mean."""

    unit: str
    """UCUM code of what is told."""
    factor: float
    """From the unit of the kernel to that."""


IIO_QUANTITIES: Final[Mapping[str, Quantity]] = {
    "temp": Quantity("Cel", 1e-3),
    "humidityrelative": Quantity("%", 1e-3),
    "pressure": Quantity("hPa", 10.0),
    "illuminance": Quantity("lx", 1.0),
    "voltage": Quantity("V", 1e-3),
    "current": Quantity("A", 1e-3),
    "power": Quantity("W", 1e-3),
    "resistance": Quantity("Ohm", 1.0),
    "concentration": Quantity("[ppm]", 1e4),
    "massconcentration": Quantity("ug/m3", 1.0),
}
"""Types of IIO channels, from millidegrees, milli percent, kilopascals, lux, millivolts,
milliamperes, milliwatts, ohms, percent, micrograms per cubic metre."""
HWMON_QUANTITIES: Final[Mapping[str, Quantity]] = {
    "temp": Quantity("Cel", 1e-3),
    "humidity": Quantity("%", 1e-3),
    "in": Quantity("V", 1e-3),
    "curr": Quantity("A", 1e-3),
    "power": Quantity("W", 1e-6),
    "energy": Quantity("W.h", 1e-6 / 3600),
    "fan": Quantity("Hz", 1 / 60),
}
"""Types of hwmon channels, from millidegrees, milli percent, millivolts, milliamperes, microwatts,
microjoules, revolutions a minute."""

_TYPE: Final = re.compile(r"[a-z]+")


def quantity_of(channel: str, known: Mapping[str, Quantity]) -> Quantity:
    """Return what a channel measures, from its name.

    Raises:
        ValueError: a type of channel that is not known here.
    """
    match = _TYPE.match(channel)
    found = known.get(match[0]) if match else None
    if found is None:
        msg = f"channel {channel!r} is of no type known here: {', '.join(known)}"
        raise ValueError(msg)
    return found


def shared_names(channel: str) -> tuple[str, ...]:
    """Return under which names scale and offset of an IIO channel may stand, its own first.

    `voltage3` may share those of `voltage`, `voltage0-voltage1` those of `voltage-voltage`,
    `concentration_co2` those of `concentration`.

    Source: ABI/testing/sysfs-bus-iio, `in_voltageY_scale` and `in_accel_offset`.
    """
    without_number = re.sub(r"(^|-)([a-z]+)[0-9]+", r"\1\2", channel)
    match = _TYPE.match(channel)
    names = (channel, without_number, match[0] if match else channel)
    return tuple(dict.fromkeys(names))
