"""The objects of BTHome v2: what stands where, and which point it becomes. Data.

Source: bthome.io, BTHome v2 reference, chapters "Sensor data", "Binary Sensor data", "Events",
"Device information" and "Misc data", as of 2026-04-30.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.model.ids import PointId
from gateway.model.reading import Kind, Point

PACKET_ID: Final = 0x00
TEXT: Final = 0x53
RAW: Final = 0x54
BUTTON: Final = 0x3A
COMMAND: Final = 0x3B
DIMMER: Final = 0x3C
FIRMWARE_4: Final = 0xF1
FIRMWARE_3: Final = 0xF2


class Number(NamedTuple):
    """An object with a number: value = raw * times / over, in the unit of its point."""

    name: str
    size: int
    signed: bool = False
    times: int = 1
    over: int = 1


_POUND: Final = (45_359_237, 10_000_000_000)
"""A hundredth of an international pound in kilograms: 0.45359237 kg by definition."""

NUMBERS: Final[Mapping[int, Number]] = {
    0x01: Number("battery", 1),
    0x02: Number("temperature", 2, signed=True, over=100),
    0x03: Number("humidity", 2, over=100),
    0x04: Number("pressure", 3, over=100),
    0x05: Number("illuminance", 3, over=100),
    0x06: Number("mass", 2, over=100),
    0x07: Number("mass", 2, False, *_POUND),  # noqa: FBT003 - unsigned
    0x08: Number("dewpoint", 2, signed=True, over=100),
    0x09: Number("count", 1),
    0x0A: Number("energy", 3, over=1000),
    0x0B: Number("power", 3, over=100),
    0x0C: Number("voltage", 2, over=1000),
    0x0D: Number("pm2_5", 2),
    0x0E: Number("pm10", 2),
    0x12: Number("co2", 2),
    0x13: Number("tvoc", 2),
    0x14: Number("moisture", 2, over=100),
    0x2E: Number("humidity", 1),
    0x2F: Number("moisture", 1),
    0x3D: Number("count", 2),
    0x3E: Number("count", 4),
    0x3F: Number("rotation", 2, signed=True, over=10),
    0x40: Number("distance", 2, over=1000),  # told in millimetres
    0x41: Number("distance", 2, over=10),
    0x42: Number("duration", 3, over=1000),
    0x43: Number("current", 2, over=1000),
    0x44: Number("speed", 2, over=100),
    0x45: Number("temperature", 2, signed=True, over=10),
    0x46: Number("uv_index", 1, over=10),
    0x47: Number("volume", 2, over=10),
    0x48: Number("volume", 2, over=1000),  # told in millilitres
    0x49: Number("volume_flow_rate", 2, over=1000),
    0x4A: Number("voltage", 2, over=10),
    0x4B: Number("gas", 3, over=1000),
    0x4C: Number("gas", 4, over=1000),
    0x4D: Number("energy", 4, over=1000),
    0x4E: Number("volume", 4, over=1000),
    0x4F: Number("water", 4, over=1000),
    0x50: Number("timestamp", 4),
    0x51: Number("acceleration", 2, over=1000),
    0x52: Number("gyroscope", 2, over=1000),
    0x55: Number("volume_storage", 4, over=1000),
    0x56: Number("conductivity", 2),
    0x57: Number("temperature", 1, signed=True),
    0x58: Number("temperature", 1, signed=True, times=35, over=100),
    0x59: Number("count", 1, signed=True),
    0x5A: Number("count", 2, signed=True),
    0x5B: Number("count", 4, signed=True),
    0x5C: Number("power", 4, signed=True, over=100),
    0x5D: Number("current", 2, signed=True, over=1000),
    0x5E: Number("direction", 2, over=100),
    0x5F: Number("precipitation", 2, over=10),
    0x60: Number("channel", 1),
    0x61: Number("rotational_speed", 2),
    0x62: Number("speed", 4, signed=True, over=1_000_000),
    0x63: Number("acceleration", 4, signed=True, over=1_000_000),
    0x65: Number("settings_revision", 1),
    0xF0: Number("device_type", 2),
}

STATES: Final[Mapping[int, tuple[str, int]]] = {
    0x64: ("light_level", 3),
    0x0F: ("generic_on", 2),
    0x10: ("power_on", 2),
    0x11: ("opening", 2),
    0x15: ("battery_low", 2),
    0x16: ("battery_charging", 2),
    0x17: ("carbon_monoxide", 2),
    0x18: ("cold", 2),
    0x19: ("connectivity", 2),
    0x1A: ("door", 2),
    0x1B: ("garage_door", 2),
    0x1C: ("gas_detected", 2),
    0x1D: ("heat", 2),
    0x1E: ("light", 2),
    0x1F: ("unlocked", 2),
    0x20: ("wet", 2),
    0x21: ("motion", 2),
    0x22: ("moving", 2),
    0x23: ("occupancy", 2),
    0x24: ("plugged_in", 2),
    0x25: ("presence", 2),
    0x26: ("problem", 2),
    0x27: ("running", 2),
    0x28: ("safe", 2),
    0x29: ("smoke", 2),
    0x2A: ("sound", 2),
    0x2B: ("tamper", 2),
    0x2C: ("vibration", 2),
    0x2D: ("window", 2),
}
"""Objects of one byte with a name and how many values it may have, from 0."""

TEXTS: Final[Mapping[int, str]] = {TEXT: "text", RAW: "raw"}
VERSION: Final = "firmware_version"

BUTTON_EVENTS: Final[Mapping[int, str]] = {
    0x00: "",
    0x01: "press",
    0x02: "double_press",
    0x03: "triple_press",
    0x04: "long_press",
    0x05: "long_double_press",
    0x06: "long_triple_press",
    0x80: "hold_press",
}
DIMMER_EVENTS: Final[Mapping[int, str]] = {0x00: "", 0x01: "rotate_left", 0x02: "rotate_right"}
COMMANDS: Final[Mapping[int, str]] = {
    0x00: "off",
    0x01: "on",
    0x02: "toggle",
    0x03: "step_up",
    0x04: "step_down",
}


def _number(name: str, unit: str = "1", scale: float = 1.0) -> Point:
    return Point(PointId(name), unit=unit, kind=Kind.NUMBER, scale=scale)


_POINTS: Final = (
    _number("battery", "%"),
    _number("temperature", "Cel", 0.01),
    _number("humidity", "%", 0.01),
    _number("pressure", "hPa", 0.01),
    _number("illuminance", "lx", 0.01),
    _number("mass", "kg", 0.001),
    _number("dewpoint", "Cel", 0.01),
    _number("count", "{count}"),
    _number("energy", "kW.h", 0.001),
    _number("power", "W", 0.01),
    _number("voltage", "V", 0.001),
    _number("pm2_5", "ug/m3"),
    _number("pm10", "ug/m3"),
    _number("co2", "[ppm]"),
    _number("tvoc", "ug/m3"),
    _number("moisture", "%", 0.01),
    _number("rotation", "deg", 0.1),
    _number("distance", "m", 0.001),
    _number("duration", "s", 0.001),
    _number("current", "A", 0.001),
    _number("speed", "m/s", 0.000_001),
    _number("uv_index", "1", 0.1),
    _number("volume", "L", 0.001),
    _number("volume_flow_rate", "m3/h", 0.001),
    _number("gas", "m3", 0.001),
    _number("water", "L", 0.001),
    _number("timestamp", "s"),
    _number("acceleration", "m/s2", 0.000_001),
    _number("gyroscope", "deg/s", 0.001),
    _number("volume_storage", "L", 0.001),
    _number("conductivity", "uS/cm"),
    _number("direction", "deg", 0.01),
    _number("precipitation", "mm", 0.1),
    _number("channel"),
    _number("rotational_speed", "/min"),
    _number("settings_revision"),
    _number("device_type"),
    Point(PointId("light_level"), kind=Kind.STATE, states={0: "dark", 1: "twilight", 2: "bright"}),
    *(Point(PointId(name), kind=Kind.BOOL) for name, values in STATES.values() if values == 2),  # noqa: PLR2004
    *(Point(PointId(name), kind=Kind.TEXT) for name in (*TEXTS.values(), VERSION)),
)

POINTS: Final[Mapping[str, Point]] = {str(point.name): point for point in _POINTS}
"""The point of each property; a second one of a kind in a frame is `temperature_2`."""
