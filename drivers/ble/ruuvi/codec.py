"""Ruuvi data formats 3, 5, 6 and E1: manufacturer data to values. Pure.

Source: docs.ruuvi.com, "Bluetooth advertisements": data format 3 (RAWv1), 5 (RAWv2), 6 and E1
(Extended v1), as of 2025-11-14.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

from gateway.model.errors import FrameError
from gateway.model.ids import PointId
from gateway.model.reading import Kind, Point, PointTable, Value

COMPANY: Final = 0x0499
RAW_V1: Final = 3
RAW_V2: Final = 5
AIR: Final = 6
EXTENDED: Final = 0xE1

MILLI_G: Final = 0.009_806_65
"""In m/s2: standard gravity by definition."""


def _number(name: str, unit: str = "1", scale: float = 1.0, **limits: float) -> Point:
    return Point(PointId(name), unit=unit, kind=Kind.NUMBER, scale=scale, **limits)  # type: ignore[arg-type]  # low and high only


TAG: Final = PointTable(
    _number("temperature", "Cel", 0.005),
    _number("humidity", "%", 0.0025, low=0.0, high=100.0),
    _number("pressure", "hPa", 0.01),
    _number("acceleration_x", "m/s2", MILLI_G),
    _number("acceleration_y", "m/s2", MILLI_G),
    _number("acceleration_z", "m/s2", MILLI_G),
    _number("battery_voltage", "V", 0.001),
    _number("tx_power", "dB[mW]"),
    _number("movement_counter", "{count}"),
    _number("measurement_sequence", "{count}"),
)
"""What a RuuviTag tells. Humidity above 100 % means a fault of the sensor ("Humidity")."""

AIR_POINTS: Final = PointTable(
    _number("temperature", "Cel", 0.005),
    _number("humidity", "%", 0.0025, low=0.0, high=100.0),
    _number("pressure", "hPa", 0.01),
    _number("pm1_0", "ug/m3", 0.1),
    _number("pm2_5", "ug/m3", 0.1),
    _number("pm4_0", "ug/m3", 0.1),
    _number("pm10", "ug/m3", 0.1),
    _number("co2", "[ppm]"),
    _number("voc_index"),
    _number("nox_index"),
    _number("illuminance", "lx", 0.01),
    Point(PointId("calibrating"), kind=Kind.BOOL),
    _number("measurement_sequence", "{count}"),
)
"""What a Ruuvi Air tells."""

TABLES: Final = {"tag": TAG, "air": AIR_POINTS}
MODEL: Final = {RAW_V1: "tag", RAW_V2: "tag", AIR: "air", EXTENDED: "air"}


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame says."""

    format: int
    cells: tuple[Value | None, ...]
    """In the order of the table of its model; None: not available."""
    mac: bytes
    """The address in the frame: six bytes, of format 6 the last three, b"" when it has none."""


_V1: Final = struct.Struct(">xBBBHhhhH")
_V2: Final = struct.Struct(">xhHHhhhHBH6s")
_V6: Final = struct.Struct(">xhHHHHBBBxBB3s")
_E1: Final = struct.Struct(">xhHHHHHHHBB3s3x3sB5x6s")
LENGTHS: Final = {RAW_V1: _V1.size, RAW_V2: _V2.size, AIR: _V6.size, EXTENDED: _E1.size}

_NO_I16: Final = -0x8000
_NO_U16: Final = 0xFFFF
_NO_U24: Final = 0xFFFFFF
_NO_VOLTAGE: Final = 0x7FF
_NO_POWER: Final = 0x1F
_NO_BYTE: Final = 0xFF
_NO_INDEX: Final = 0x1FF
_SIGN: Final = 0x80
_HUNDREDTHS: Final = 99
_LUMINOSITY_STEP: Final = math.log(65536) / 254


def decode(data: bytes) -> Frame:
    """Return what a frame says.

    Args:
        data: manufacturer data of company 0x0499, without the company.

    Raises:
        FrameError: a format that is not known, or a length that is not the one of its format.

    Source:
        The tables of the four formats. Not available is the largest unsigned and the smallest
        signed number; format 3 has none.
    """
    kind = data[0] if data else None
    if LENGTHS.get(kind if kind is not None else -1) != len(data):
        msg = "not a frame of Ruuvi format 3, 5, 6 or E1, or not of its length"
        raise FrameError(msg, answer=data)
    match kind:
        case 3:
            return _decode_v1(data)
        case 5:
            return _decode_v2(data)
        case 6:
            return _decode_v6(data)
        case _:
            return _decode_e1(data)


def _decode_v1(data: bytes) -> Frame:
    humidity, whole, fraction, pressure, *axes, millivolts = _V1.unpack(data)
    if fraction > _HUNDREDTHS:
        msg = "hundredths of a degree above 99"
        raise FrameError(msg, answer=data)
    degrees = ((whole & ~_SIGN) * 100 + fraction) / 100
    return Frame(
        RAW_V1,
        (
            -degrees if whole & _SIGN else degrees,
            humidity / 2,
            (pressure + 50_000) / 100,
            *(milli_g * MILLI_G for milli_g in axes),
            millivolts / 1000,
            None,
            None,
            None,
        ),
        b"",
    )


def _climate(temperature: int, humidity: int, pressure: int) -> tuple[Value | None, ...]:
    return (
        None if temperature == _NO_I16 else temperature / 200,
        None if humidity == _NO_U16 else humidity / 400,
        None if pressure == _NO_U16 else (pressure + 50_000) / 100,
    )


def _decode_v2(data: bytes) -> Frame:
    t, h, p, x, y, z, power_info, movements, sequence, mac = _V2.unpack(data)
    millivolts, power = power_info >> 5, power_info & 0x1F
    return Frame(
        RAW_V2,
        (
            *_climate(t, h, p),
            *(None if axis == _NO_I16 else axis * MILLI_G for axis in (x, y, z)),
            None if millivolts == _NO_VOLTAGE else (millivolts + 1600) / 1000,
            None if power == _NO_POWER else power * 2 - 40,
            None if movements == _NO_BYTE else movements,
            None if sequence == _NO_U16 else sequence,
        ),
        _mac(mac),
    )


def _mac(mac: bytes) -> bytes:
    """Return the address, b"" when all its bits are set: not available."""
    return b"" if mac.count(0xFF) == len(mac) else mac


def _tenths(raw: int) -> float | None:
    return None if raw == _NO_U16 else raw / 10


def _index(high: int, flags: int, bit: int) -> int | None:
    """Return an index of nine bits, the lowest of which stands in the flags."""
    value = high << 1 | flags >> bit & 1
    return None if value == _NO_INDEX else value


def _decode_v6(data: bytes) -> Frame:
    t, h, p, pm2_5, co2, voc, nox, light, sequence, flags, mac = _V6.unpack(data)
    lux = None if light == _NO_BYTE else round(math.exp(light * _LUMINOSITY_STEP) - 1, 2)
    return Frame(
        AIR,
        (
            *_climate(t, h, p),
            None,
            _tenths(pm2_5),
            None,
            None,
            None if co2 == _NO_U16 else co2,
            _index(voc, flags, 6),
            _index(nox, flags, 7),
            lux,
            bool(flags & 1),
            sequence,
        ),
        _mac(mac),
    )


def _decode_e1(data: bytes) -> Frame:
    t, h, p, *dust, co2, voc, nox, light, sequence, flags, mac = _E1.unpack(data)
    lux, count = int.from_bytes(light, "big"), int.from_bytes(sequence, "big")
    return Frame(
        EXTENDED,
        (
            *_climate(t, h, p),
            *map(_tenths, dust),
            None if co2 == _NO_U16 else co2,
            _index(voc, flags, 6),
            _index(nox, flags, 7),
            None if lux == _NO_U24 else lux / 100,
            bool(flags & 1),
            None if count == _NO_U24 else count,
        ),
        _mac(mac),
    )
