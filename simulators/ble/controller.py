"""The adapter that a program may have: a Bluetooth controller that speaks HCI over TCP.

bumble's own controller, with what it leaves out: how strongly who is heard, a reset that resets, a
connection attempt that can be given up; and with the faults of an adapter. Advertisements are put
on its wire as they are, so that also those come that make no sense.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bumble import hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSource

from simulators.ble.advertiser import Sent
from simulators.ble.encoding import LEGACY_AT_MOST, report

PUBLIC_ADDRESS: Final = "00:1A:7D:DA:71:13"
_CONNECTION_GONE: Final = 0x13
"""Remote user terminated connection (Core Specification, Vol 1 Part F, 1.3)."""


class AdapterFaults:
    """What is wrong with the adapter now, as who owns the twins says."""

    def __init__(self, stuck: Callable[[], bool], deaf: Callable[[], bool]) -> None:
        """Take who says whether it takes no orders, and whether it hears nothing."""
        self.stuck: Final = stuck
        self.deaf: Final = deaf
        self.resets = 0
        """How often it was told to reset."""
        self.on_reset: Callable[[], None] = _nothing


def _nothing() -> None:
    """Do nothing."""


class AirController(Controller):
    """The controller of one connection."""

    def __init__(self, link: LocalLink, wire: Wire, faults: AdapterFaults) -> None:
        """Take the link with the devices, the connection and the faults."""
        super().__init__(
            "adapter",
            host_source=wire.source,
            host_sink=wire,
            link=link,
            public_address=PUBLIC_ADDRESS,
        )
        self._faults: Final = faults
        self._extended = False

    # Orders

    def on_packet(self, packet: bytes) -> None:
        """Take a packet of the host, unless it is stuck."""
        if not self._faults.stuck():
            super().on_packet(packet)

    def on_hci_reset_command(
        self, command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Be as after power-up."""
        self._faults.resets += 1
        self._faults.on_reset()
        self.let_go()
        return super().on_hci_reset_command(command)

    def on_hci_le_set_scan_enable_command(
        self, command: hci.HCI_LE_Set_Scan_Enable_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Tell advertisements in the older event from now on."""
        self._extended = False
        return super().on_hci_le_set_scan_enable_command(command)

    def on_hci_le_set_extended_scan_enable_command(
        self, command: hci.HCI_LE_Set_Extended_Scan_Enable_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Tell advertisements in the newer event from now on."""
        self._extended = True
        return super().on_hci_le_set_extended_scan_enable_command(command)

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Give up, and say so in an event (Core Specification, Vol 4 Part E, 7.8.13)."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is not None:
            asyncio.get_running_loop().call_soon(
                self.send_hci_packet,
                hci.HCI_LE_Connection_Complete_Event(
                    status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                    connection_handle=0,
                    role=hci.Role.CENTRAL,
                    peer_address_type=pending.peer_address_type,
                    peer_address=pending.peer_address,
                    connection_interval=0,
                    peripheral_latency=0,
                    supervision_timeout=0,
                    central_clock_accuracy=0,
                ),
            )
        return super().on_hci_le_create_connection_cancel_command(command)

    # The air

    def hear(self, sent: Sent) -> None:
        """Tell one advertisement, when there is a scan and the adapter is well."""
        sink = self.hci_sink
        if sink is None or not self.le_scan_enable or self._faults.stuck() or self._faults.deaf():
            return
        if self._extended or len(sent.payload) <= LEGACY_AT_MOST:
            sink.on_packet(
                report(
                    sent.address,
                    sent.rssi,
                    sent.payload,
                    random=sent.random,
                    extended=self._extended,
                )
            )

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        """Connect when somebody waits for this one; what is heard is told by `hear`."""
        if not self._faults.stuck():
            scanning, self.le_scan_enable = self.le_scan_enable, False
            super().on_advertising_pdu(pdu)
            self.le_scan_enable = scanning

    def let_go(self) -> None:
        """End scan and connections."""
        self.le_scan_enable = False
        self.pending_le_connection = None
        for connection in list(self.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(_CONNECTION_GONE))
        self.le_connections.clear()

    def leave(self) -> None:
        """Be gone from the link."""
        self.let_go()
        self.hci_sink = None
        self.link.remove_controller(self)


class Wire(asyncio.Protocol):
    """One connection to the adapter."""

    def __init__(
        self, link: LocalLink, faults: AdapterFaults, adapters: set[AirController]
    ) -> None:
        """Take what its controller needs, and where it is noted."""
        self.source: Final = StreamPacketSource()
        self._link: Final = link
        self._faults: Final = faults
        self._adapters: Final = adapters
        self._controller: AirController | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give whoever came a controller."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream server makes these
        self._transport = transport
        self._controller = AirController(self._link, self, self._faults)
        self._adapters.add(self._controller)

    def connection_lost(self, _error: Exception | None) -> None:
        """Take the controller away."""
        controller, self._controller = self._controller, None
        self._transport = None
        if controller is not None:
            self._adapters.discard(controller)
            controller.leave()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the host."""
        self.source.data_received(data)

    def on_packet(self, packet: bytes) -> None:
        """Send a packet to the host."""
        if self._transport is not None:
            self._transport.write(packet)

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()


class Adapter:
    """The adapter as a TCP server; whoever connects has it, several at once if they want."""

    def __init__(self, host: str, port: int, faults: AdapterFaults) -> None:
        """Take where it listens and what is wrong with it."""
        self.link: Final = LocalLink()  # type: ignore[no-untyped-call]  # bumble says no types here
        self._faults: Final = faults
        self._host: Final = host
        self.port = port
        self._adapters: Final[set[AirController]] = set()
        self._wires: Final[set[Wire]] = set()
        self._server: asyncio.Server | None = None

    @property
    def listening(self) -> bool:
        """Say whether it listens."""
        return self._server is not None

    async def listen(self) -> None:
        """Listen; does nothing when it does.

        Raises:
            OSError: somebody else has the port.
        """
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._wire, self._host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def _wire(self) -> Wire:
        wire = Wire(self.link, self._faults, self._adapters)
        self._wires.add(wire)
        return wire

    def hear(self, sent: Sent) -> None:
        """Let whoever has the adapter hear an advertisement."""
        for adapter in self._adapters:
            adapter.hear(sent)

    def close(self) -> None:
        """Listen no more, and break all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for wire in self._wires:
            wire.abort()
        self._wires.clear()
