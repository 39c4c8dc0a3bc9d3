"""Modbus as a scene knows it: its TCP line, and its kinds of twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import Field

from simulators.grounds import Grounds, Kind, LineKind
from simulators.lines.kinds import serial
from simulators.modbus.bank import Bank, BankOptions
from simulators.modbus.device import Device, TwinOptions
from simulators.modbus.door import Door, DoorOptions
from simulators.modbus.light import Light, LightOptions
from simulators.modbus.meter_3p import Meter3p, MeterOptions
from simulators.modbus.profile.device import ProfileOptions
from simulators.modbus.profile.device import build as by_profile
from simulators.modbus.pulse_4 import Pulse4, PulseOptions
from simulators.modbus.relay_4 import Relay4, RelayOptions
from simulators.modbus.servers import RtuSlave, TcpLine
from simulators.modbus.twin import ModbusTwin
from simulators.options import LineOptions
from simulators.twin import InPlay, Twin

MEDIA: Final = frozenset({"serial", "tcp"})


class TcpSpec(LineOptions):
    """A listening port with one Modbus TCP device, or several behind it by their unit."""

    medium: Literal["tcp"] = "tcp"
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="0: the system chooses")


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where a TCP line listens."""

    host: str
    port: int


class RunningTcp:
    """A TCP line of a running scene."""

    medium: Final = "tcp"

    def __init__(self, spec: TcpSpec) -> None:
        """Take the scene's words for it."""
        self.server: Final = TcpLine(spec.host, spec.port)

    @property
    def address(self) -> TcpAddress:
        """Return where it listens."""
        return TcpAddress(self.server.host, self.server.port)

    def words(self) -> tuple[str, str]:
        """Return the port, and whether it is open."""
        state = "listening" if self.server.listening else "refuses"
        return f"{self.server.host}:{self.server.port}", state

    async def refresh(self) -> None:
        """Be closed while everything behind the port is off, else open.

        Raises:
            OSError: somebody else has taken the port meanwhile.
        """
        await self.server.refresh()

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let the twin send answers nobody asked for, for as long as the fault holds."""
        self.server.babble(twin, held)

    def retire(self) -> None:
        """Close for good."""
        self.server.retire()


def hanging(build: Callable[[Any, Grounds], Device]) -> Callable[[Any, Grounds], Twin]:
    """Return what hangs a Modbus device on its line, given what builds the device."""

    def hang(spec: TwinOptions, grounds: Grounds) -> Twin:
        device = build(spec, grounds)
        twin = ModbusTwin(spec.id, spec.unit, device, grounds.truth, spec.baud_rate)
        line = grounds.line(spec.line)
        if isinstance(line, RunningTcp):
            line.server.join(twin)
        else:
            server = serial(line).server
            server.join(twin, RtuSlave(server, twin))
        return twin

    return hang


def _meter(spec: MeterOptions, grounds: Grounds) -> Device:
    if spec.relays is None:
        return Meter3p(spec, None)
    relays = grounds.twin(spec.relays)
    if not isinstance(relays, ModbusTwin) or not isinstance(relays.device, Relay4):
        raise TypeError(spec.relays)
    return Meter3p(spec, relays.device)


KINDS: Final = (
    Kind(MeterOptions, MEDIA, hanging(_meter)),
    Kind(RelayOptions, MEDIA, hanging(lambda spec, _: Relay4(spec))),
    Kind(LightOptions, MEDIA, hanging(lambda spec, _: Light(spec))),
    Kind(DoorOptions, MEDIA, hanging(lambda spec, _: Door(spec))),
    Kind(PulseOptions, MEDIA, hanging(lambda spec, _: Pulse4(spec))),
    Kind(BankOptions, MEDIA, hanging(lambda spec, _: Bank(spec))),
    Kind(ProfileOptions, MEDIA, hanging(lambda spec, _: by_profile(spec))),
)
LINES: Final = (LineKind(TcpSpec, lambda spec, _: RunningTcp(spec)),)
