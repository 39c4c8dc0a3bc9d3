"""Units of measurement as UCUM codes, one unit per quantity inside the gateway.

Source: The Unified Code for Units of Measure, version 2.2, case sensitive codes (c/s).
"""

from __future__ import annotations

from typing import Final

UNITS: Final[dict[str, str]] = {
    "1": "a plain number, a state or a ratio",
    "%": "percent",
    "{count}": "things counted",
    "/min": "rotational speed, per minute",
    "{count}/dL": "particles in a tenth of a litre",
    "A": "electric current, ampere",
    "A.h": "charge, ampere hour",
    "Cel": "temperature, degree Celsius",
    "Hz": "frequency, hertz",
    "K": "temperature difference, kelvin",
    "L": "volume, litre",
    "L/h": "flow, litre per hour",
    "Ohm": "resistance, ohm",
    "Pa": "pressure, pascal",
    "V": "voltage, volt",
    "V.A": "apparent power (and reactive power, by the name of the point: UCUM has no var)",
    "V.A.h": "apparent or reactive energy",
    "W": "active power, watt",
    "W/m2": "irradiance, watt per square metre",
    "W.h": "energy, watt hour",
    "kW": "active power, kilowatt",
    "kW.h": "energy, kilowatt hour",
    "kV.A": "apparent or reactive power, thousands",
    "kV.A.h": "apparent or reactive energy, thousands",
    "GJ": "heat, gigajoule",
    "Gcal": "heat, gigacalorie",
    "By": "bytes",
    "By/s": "bytes per second",
    "MiBy": "mebibytes",
    "[pH]": "acidity, pH",
    "{NTU}": "turbidity, nephelometric turbidity units",
    "[ppm]": "parts per million",
    "bar": "pressure, bar",
    "cm": "length, centimetre",
    "d": "time, day",
    "dB": "level, decibel",
    "dB[mW]": "radio signal strength",
    "deg": "plane angle, degree",
    "deg/s": "angular velocity, degree per second",
    "h": "time, hour",
    "hPa": "pressure, hectopascal",
    "kg": "mass, kilogram",
    "kg/h": "mass flow, kilogram per hour",
    "km/h": "speed, kilometre per hour",
    "lm": "luminous flux, lumen",
    "lx": "illuminance, lux",
    "m": "length, metre",
    "m/s": "speed, metre per second",
    "m/s2": "acceleration, metre per second squared",
    "m3": "volume, cubic metre",
    "m3/h": "flow, cubic metre per hour",
    "mA": "electric current, milliampere",
    "mV": "voltage, millivolt",
    "mg/m3": "mass concentration",
    "min": "time, minute",
    "mm": "length, millimetre",
    "mm/h": "rain rate",
    "ms": "time, millisecond",
    "s": "time, second",
    "uS/cm": "conductivity, microsiemens per centimetre",
    "ug/m3": "mass concentration",
}
"""Every code a point may carry, with what it means."""


def is_unit(code: str) -> bool:
    """Say whether `code` is one of the UCUM codes in use here."""
    return code in UNITS
