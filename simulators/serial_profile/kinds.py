"""Devices by profile as a scene knows them."""

from __future__ import annotations

from typing import Final

from simulators.grounds import Grounds, Kind
from simulators.lines.byte_slave import ByteSlave
from simulators.lines.kinds import serial
from simulators.serial_profile.by_profile import SerialProfileOptions, SerialProfileTwin
from simulators.serial_profile.demo import SerialDemoOptions, SerialDemoTwin
from simulators.twin import Twin

MEDIA: Final = frozenset({"serial"})


def _by_profile(spec: SerialProfileOptions, grounds: Grounds) -> Twin:
    twin = SerialProfileTwin(spec, grounds.truth)
    ByteSlave(serial(grounds.line(spec.line)).server, twin)
    return twin


def _demo(spec: SerialDemoOptions, grounds: Grounds) -> Twin:
    twin = SerialDemoTwin(spec, grounds.truth)
    ByteSlave(serial(grounds.line(spec.line)).server, twin)
    return twin


KINDS: Final = (
    Kind(SerialProfileOptions, MEDIA, _by_profile, frozenset({"wrong_unit"})),
    Kind(SerialDemoOptions, MEDIA, _demo),
)
