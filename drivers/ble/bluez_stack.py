"""BlueZ, the Bluetooth service of Linux, through bleak; healing through D-Bus and the kernel.

Source: BlueZ, doc/org.bluez.Adapter.rst (property Powered); Linux, include/net/bluetooth/hci_sock.h
(HCIDEVUP, HCIDEVDOWN); bleak 3.1, `BlueZScannerArgs` (passive scans want patterns).
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Final

from bleak import BleakClient, BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from drivers.ble.stack import Heard

_BETWEEN_S: Final = 1.0
"""An adapter that was switched off needs a moment."""
_DEVICE_UP: Final = 0x400448C9
_DEVICE_DOWN: Final = 0x400448CA
"""_IOW('H', 201, int) and _IOW('H', 202, int)."""

_PATTERNS: Final = (
    (AdvertisementDataType.FLAGS, b"\x06"),
    (AdvertisementDataType.FLAGS, b"\x04"),
    (AdvertisementDataType.FLAGS, b"\x02"),
    (AdvertisementDataType.FLAGS, b"\x1a"),
    (AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc"),
    (AdvertisementDataType.SERVICE_DATA_UUID16, b"\xaa\xfe"),
    (AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\x99\x04"),
    (AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\x4c\x00\x02\x15"),
)
"""What a passive scan lets through: the usual flags, and the kinds of frames that need none."""


class BluezStack:
    """One adapter of BlueZ."""

    def __init__(self, adapter: str) -> None:
        """Take the name of the adapter, `hci0`."""
        self._adapter: Final = adapter

    async def open(self) -> None:
        """Have nothing to do: the service has the adapter; a scan fails when it is not there."""

    async def close(self) -> None:
        """Have nothing to do."""

    def scanner(self, heard: Heard, scanning: str) -> BleakScanner:
        """Return a new scan, not begun; every repeated advertisement is told."""
        args = BlueZScannerArgs(adapter=self._adapter, filters={"DuplicateData": True})
        if scanning == "passive":
            args = BlueZScannerArgs(
                adapter=self._adapter,
                or_patterns=[OrPattern(0, kind, value) for kind, value in _PATTERNS],
            )
            return BleakScanner(heard, scanning_mode="passive", bluez=args)
        return BleakScanner(heard, scanning_mode="active", bluez=args)

    def client(self, device: BLEDevice, timeout_s: float) -> BleakClient:
        """Return a connection, not made."""
        return BleakClient(device, timeout=timeout_s)

    async def power_cycle(self) -> None:
        """Switch the adapter off and on through its service.

        Raises:
            OSError: the service is not there, or refuses.
        """
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        try:
            for powered in (False, True):
                reply = await bus.call(
                    Message(
                        destination="org.bluez",
                        path=f"/org/bluez/{self._adapter}",
                        interface="org.freedesktop.DBus.Properties",
                        member="Set",
                        signature="ssv",
                        body=["org.bluez.Adapter1", "Powered", Variant("b", powered)],
                    )
                )
                if reply.message_type is MessageType.ERROR:
                    msg = f"cannot be switched: {reply.body}"
                    raise OSError(msg)
                await asyncio.sleep(_BETWEEN_S)
        finally:
            bus.disconnect()

    async def reset(self) -> None:
        """Take the adapter down and up in the kernel; needs the right CAP_NET_ADMIN.

        Raises:
            OSError: there is no such adapter, or the right is missing.
        """
        index = int(self._adapter.removeprefix("hci"))
        await asyncio.to_thread(_switch, index, _DEVICE_DOWN)
        await asyncio.sleep(_BETWEEN_S)
        await asyncio.to_thread(_switch, index, _DEVICE_UP)

    def when_gone(self, tell: Callable[[str], None]) -> None:
        """Have nothing to tell: a lost adapter shows as a scan that cannot be begun."""


def _switch(index: int, order: int) -> None:
    """Give the kernel an order about an adapter; blocks until it is carried out."""
    raw = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_RAW, socket.BTPROTO_HCI)
    try:
        fcntl.ioctl(raw.fileno(), order, index)
    except OSError as error:
        if error.errno != errno.EALREADY or order != _DEVICE_UP:  # it is up
            msg = f"hci{index}: {os.strerror(error.errno or 0)}"
            raise OSError(error.errno, msg) from error
    finally:
        raw.close()
