"""Every kind of twin and of line that a scene may name. A family adds its lists here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Final

from simulators.access import kinds as access
from simulators.barriers import kinds as barriers
from simulators.ble import kinds as ble
from simulators.displays import kinds as displays
from simulators.environment import kinds as environment
from simulators.gpio import kinds as gpio
from simulators.grounds import Kind, LineKind
from simulators.kernel import kinds as kernel
from simulators.lines import kinds as lines
from simulators.lines import stream
from simulators.localnet import kinds as localnet
from simulators.mbus import kinds as mbus
from simulators.modbus import kinds as modbus
from simulators.position import kinds as position
from simulators.recording import kinds as recording
from simulators.serial_profile import kinds as serial_profile

TWINS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in chain(
        access.KINDS,
        ble.KINDS,
        environment.KINDS,
        gpio.KINDS,
        localnet.KINDS,
        kernel.KINDS,
        mbus.KINDS,
        modbus.KINDS,
        position.KINDS,
        recording.KINDS,
        serial_profile.KINDS,
        barriers.KINDS,
        displays.KINDS,
    )
}
LINES: Final[Mapping[str, LineKind]] = {
    kind.name: kind
    for kind in chain(
        ble.LINES, gpio.LINES, localnet.LINES, kernel.LINES, lines.LINES, modbus.LINES, stream.LINES
    )
}
