"""bumble, a Bluetooth stack of its own, over an HCI transport.

For adapters that no system service owns, and for the virtual radio of the simulators. The product
needs it only when a site names `controller`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from bumble import core, hci
from bumble.device import Device
from bumble.transport import open_transport
from bumble.transport.common import Transport

from drivers.ble.advert import address_text, read_structures
from drivers.ble.bumble_back_ends import BumbleClient, BumbleScanner
from drivers.ble.hci_reports import ReportReader, is_report
from drivers.ble.stack import Heard
from gateway.model.errors import FrameError

_OWN_ADDRESS: Final = "F0:00:00:00:00:01"


class BumbleStack:
    """One controller behind an HCI transport."""

    def __init__(self, transport: str) -> None:
        """Take the transport as bumble names it: `tcp-client:127.0.0.1:9001`."""
        self._name: Final = transport
        self._transport: Transport | None = None
        self._device: Device | None = None
        self._gone: Callable[[str], None] | None = None
        self._reports = ReportReader()
        self.scan: BumbleScanner | None = None
        """The scan under way, which is told what the controller reports."""
        self.bad_reports = 0
        """Reports and advertisements that make no sense."""
        self.unsure = False
        """A connection was being made when nobody wanted it any more: nobody knows what became."""

    @property
    def device(self) -> Device:
        """Return the host.

        Raises:
            BleakError: it is not open.
        """
        if self._device is None:
            msg = "the controller is not open"
            raise BleakError(msg)
        return self._device

    def when_gone(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called when the transport breaks."""
        self._gone = tell

    async def open(self) -> None:
        """Open the transport and reset the controller.

        Raises:
            OSError: there is no such transport.
            BleakError: it is there, and the controller refuses.
        """
        try:
            transport = await open_transport(self._name)
            self._transport = transport
            device = Device.with_hci(
                "mayak", hci.Address(_OWN_ADDRESS), transport.source, transport.sink
            )
            transport.source.set_packet_sink(self)
            self._device = device
            await device.power_on()
        except core.BaseBumbleError as error:
            raise BleakError(str(error)) from error

    async def close(self) -> None:
        """Close the transport."""
        transport, self._transport = self._transport, None
        self._device = self.scan = None
        if transport is not None:
            with suppress(OSError):  # it is gone already
                await transport.close()

    def scanner(self, heard: Heard, scanning: str) -> BleakScanner:
        """Return a new scan, not begun."""
        return BleakScanner(
            heard,
            scanning_mode="passive" if scanning == "passive" else "active",
            backend=BumbleScanner,
            stack=self,
        )

    def client(self, device: BLEDevice, timeout_s: float) -> BleakClient:
        """Return a connection, not made."""
        return BleakClient(device, timeout=timeout_s, backend=BumbleClient, stack=self)

    async def power_cycle(self) -> None:
        """Reset the controller.

        Raises:
            BleakError: it refuses.
        """
        try:
            await self.device.power_on()
        except core.BaseBumbleError as error:
            raise BleakError(str(error)) from error

    async def settle(self) -> None:
        """Reset the controller when nobody knows what it is doing.

        Raises:
            BleakError: it refuses.
        """
        if self.unsure:
            self.unsure = False
            await self.power_cycle()

    async def reset(self) -> None:
        """Close and open the transport.

        Raises:
            OSError: it cannot be opened any more.
            BleakError: the controller refuses.
        """
        await self.close()
        await self.open()

    # What comes from the controller

    def on_packet(self, packet: bytes) -> None:
        """Take a packet: reports are read here, everything else by the stack."""
        device, scan = self._device, self.scan
        if device is None:
            return
        if scan is None or not is_report(packet):
            device.host.on_packet(packet)
            return
        try:
            reports = self._reports.read(packet)
        except FrameError:
            self.bad_reports += 1
            return
        for report in reports:
            try:
                manufacturer, services, name = read_structures(report.data)
            except FrameError:
                self.bad_reports += 1
                continue
            advert = AdvertisementData(
                name, manufacturer, services, [], None, report.rssi, (report.random,)
            )
            scan.reported(address_text(report.address), report.random, advert)

    def on_transport_lost(self) -> None:
        """Take that the far end has closed the transport."""
        device = self._device
        if device is not None:
            device.host.on_transport_lost()  # type: ignore[no-untyped-call]  # bumble has none here
        if self._transport is not None and self._gone is not None:
            self._gone("was closed by the far end: look whether it restarts")
