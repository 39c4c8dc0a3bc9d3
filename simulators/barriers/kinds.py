"""Barriers as a scene knows them."""

from __future__ import annotations

from typing import Final

from simulators.barriers.barrier import BarrierOptions, BarrierTwin
from simulators.grounds import Grounds, Kind
from simulators.lines.kinds import serial
from simulators.modbus.kinds import RunningTcp
from simulators.modbus.servers import RtuSlave
from simulators.twin import Twin


def _hang(spec: BarrierOptions, grounds: Grounds) -> Twin:
    twin = BarrierTwin(spec, grounds.truth)
    line = grounds.line(spec.line)
    if isinstance(line, RunningTcp):
        line.server.join(twin)
    else:
        server = serial(line).server
        server.join(twin, RtuSlave(server, twin))
    return twin


KINDS: Final = (Kind(BarrierOptions, frozenset({"serial", "tcp"}), _hang),)
