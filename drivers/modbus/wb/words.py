"""Names and units of Wiren Board in ours. Pure.

Source: Wiren Board MQTT Conventions, README of wirenboard/conventions (tables "Specific value type
controls" and "Units"), read 2026-11.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.model.ids import POINT_PATTERN

UNITS: Final[dict[str, tuple[str, float]]] = {
    "mm/h": ("mm/h", 1),
    "m/s": ("m/s", 1),
    "W": ("W", 1),
    "kWh": ("kW.h", 1),
    "V": ("V", 1),
    "mV": ("mV", 1),
    "m^3/h": ("m3/h", 1),
    "m^3": ("m3", 1),
    "Gcal": ("Gcal", 1),
    "Ohm": ("Ohm", 1),
    "mOhm": ("Ohm", 0.001),
    "bar": ("bar", 1),
    "mbar": ("hPa", 1),
    "s": ("s", 1),
    "min": ("min", 1),
    "h": ("h", 1),
    "m": ("m", 1),
    "kg": ("kg", 1),
    "g": ("kg", 0.001),
    "%, RH": ("%", 1),
    "%": ("%", 1),
    "deg C": ("Cel", 1),
    "ppm": ("[ppm]", 1),
    "ppb": ("[ppm]", 0.001),
    "A": ("A", 1),
    "mA": ("mA", 1),
    "deg": ("deg", 1),
    "Hz": ("Hz", 1),
    "kW": ("kW", 1),
    "VA": ("V.A", 1),
    "dB": ("dB", 1),
    "lx": ("lx", 1),
}
"""UCUM code of each unit, and the factor into it. The last five are not in the table of the
conventions; templates use them, and they mean one thing only."""
TYPES: Final = {
    "temperature": "deg C",
    "rel_humidity": "%, RH",
    "atmospheric_pressure": "mbar",
    "rainfall": "mm/h",
    "wind_speed": "m/s",
    "power": "W",
    "power_consumption": "kWh",
    "voltage": "V",
    "water_flow": "m^3/h",
    "water_consumption": "m^3",
    "resistance": "Ohm",
    "concentration": "ppm",
    "heat_energy": "Gcal",
    "heat_power": "Gcal/h",
    "current": "A",
}
"""The unit that a deprecated type of control stands for."""

_LATIN: Final = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "e",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "-",
            "y",
            "-",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
)
_LONGEST: Final = 62


def slug(text: str, fallback: str = "point") -> str:
    """Return a name of a point: small Latin letters, digits and low lines."""
    latin = "".join(_LATIN.get(letter, letter) for letter in text.lower()).replace("-", "_")
    name = re.sub(r"[^a-z0-9]+", "_", latin).strip("_")[:_LONGEST].strip("_")
    if not name:
        return fallback
    return name if re.match(POINT_PATTERN, name) else f"{fallback}_{name}"[:_LONGEST]


def profile_name(text: str) -> str:
    """Return a name of a profile."""
    return slug(text, "device").replace("_", "-")
