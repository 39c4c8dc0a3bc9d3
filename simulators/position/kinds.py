"""What says where it is, as a scene knows it."""

from __future__ import annotations

from typing import Final

from simulators.grounds import Grounds, Kind
from simulators.lines.byte_slave import ByteSlave
from simulators.lines.kinds import serial
from simulators.position.nmea0183 import NmeaOptions, NmeaTwin
from simulators.twin import Twin


def _hang(spec: NmeaOptions, grounds: Grounds) -> Twin:
    twin = NmeaTwin(spec, grounds.truth)
    ByteSlave(serial(grounds.line(spec.line)).server, twin)
    return twin


KINDS: Final = (
    Kind(
        NmeaOptions,
        frozenset({"serial"}),
        _hang,
        frozenset({"exception", "wrong_unit", "echo"}),
    ),
)
