"""bleak's scanner and client on bumble."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble import att, core, gatt_client, hci
from bumble.device import Connection, Peer

if TYPE_CHECKING:
    from drivers.ble.bumble_stack import BumbleStack

_OVERHEAD: Final = 3
"""Of a write in the attribute protocol: code and handle."""


class BumbleScanner(BaseBleakScanner):
    """A scan, as bleak's scanner wants it."""

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: Literal["active", "passive"],
        *,
        stack: BumbleStack,
        **_others: Any,  # Any: options of other back ends
    ) -> None:
        """Take the callback, the mode and the stack."""
        super().__init__(detection_callback, service_uuids)
        self._active: Final = scanning_mode == "active"
        self._stack: Final = stack

    async def start(self) -> None:
        """Begin.

        Raises:
            BleakError: the controller refuses.
        """
        self.seen_devices = {}
        await self._stack.settle()
        self._stack.scan = self
        try:
            await self._stack.device.start_scanning(active=self._active)
        except core.BaseBumbleError as error:
            self._stack.scan = None
            raise BleakError(str(error)) from error

    async def stop(self) -> None:
        """End.

        Raises:
            BleakError: the controller refuses.
        """
        if self._stack.scan is self:
            self._stack.scan = None
            try:
                await self._stack.device.stop_scanning()
            except core.BaseBumbleError as error:
                raise BleakError(str(error)) from error

    def reported(self, address: str, random: bool, advert: AdvertisementData) -> None:  # noqa: FBT001 - a kind of address
        """Take one advertisement."""
        device = self.create_or_update_device(address, address, advert.local_name, random, advert)
        self.call_detection_callbacks(device, advert)


class BumbleClient(BaseBleakClient):
    """A connection, as bleak's client wants it."""

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        stack: BumbleStack,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_others: Any,  # Any: options of other back ends
    ) -> None:
        """Take the device as it was heard; of a bare address the kind is taken from its bits."""
        super().__init__(
            address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout
        )
        if isinstance(address_or_ble_device, BLEDevice):
            random = bool(address_or_ble_device.details)
        else:
            random = int(self.address[:2], 16) >= 0xC0  # noqa: PLR2004 - a static random address
        kind = hci.Address.RANDOM_DEVICE_ADDRESS if random else hci.Address.PUBLIC_DEVICE_ADDRESS
        self._far: Final = hci.Address(self.address, kind)
        self._stack: Final = stack
        self._connection: Connection | None = None
        self._heard: Final[dict[int, Callable[[bytes], None]]] = {}

    @property
    def name(self) -> str:
        """Return the address: a name costs a read that nobody asked for."""
        return self.address

    @property
    def mtu_size(self) -> int:
        """Return the largest packet of the attribute protocol, in bytes."""
        return self._connection.att_mtu if self._connection is not None else 23

    @property
    def is_connected(self) -> bool:
        """Say whether the connection stands."""
        return self._connection is not None

    async def connect(self, pair: bool, **_others: Any) -> None:  # noqa: FBT001 - bleak's signature
        """Connect and learn what the device has.

        Raises:
            BleakDeviceNotFoundError: it does not answer in time.
            BleakError: it refuses, or went away.
        """
        await self._stack.settle()
        self._stack.unsure = True
        try:
            connection = await self._stack.device.connect(
                self._far, transport=core.PhysicalTransport.LE, timeout=self._timeout
            )
            self._stack.unsure = False
        except core.TimeoutError as error:
            self._stack.unsure = False
            raise BleakDeviceNotFoundError(self.address, "does not answer") from error
        except core.BaseBumbleError as error:
            raise BleakError(str(error)) from error
        self._connection = connection
        connection.on(connection.EVENT_DISCONNECTION, self._disconnected)
        try:
            with _broken_is_no_cancellation():
                if pair:
                    await connection.pair()
                await self._discover(Peer(connection))
        except (core.BaseBumbleError, TimeoutError) as error:
            raise BleakError(str(error) or "no answer") from error

    async def _discover(self, peer: Peer) -> None:
        services = BleakGATTServiceCollection()
        for service in await peer.discover_services():
            ours = BleakGATTService(service, service.handle, _long(service.uuid))
            services.add_service(ours)
            for item in await peer.discover_characteristics(service=service):
                services.add_characteristic(
                    BleakGATTCharacteristic(
                        item,
                        item.handle,
                        _long(item.uuid),
                        list(gatt_char_props_to_strs(int(item.properties))),
                        lambda: self.mtu_size - _OVERHEAD,
                        ours,
                    )
                )
        self.services = services

    def _disconnected(self, _reason: object) -> None:
        self._connection = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        """Disconnect; does nothing when that was done.

        Raises:
            BleakError: the controller refuses.
        """
        connection, self._connection = self._connection, None
        self.services = None
        if connection is not None:
            try:
                await connection.disconnect()
            except core.BaseBumbleError as error:
                raise BleakError(str(error)) from error

    async def pair(self, *_args: Any, **_others: Any) -> None:
        """Pair with the device.

        Raises:
            BleakError: it is not connected, or refuses.
        """
        if self._connection is None:
            raise BleakError(_NOT_CONNECTED)
        try:
            await self._connection.pair()
        except core.BaseBumbleError as error:
            raise BleakError(str(error)) from error

    async def unpair(self) -> None:
        """Have nothing to forget: keys live as long as the connection."""

    async def read_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        *,
        use_cached: bool = False,
        **_others: Any,
    ) -> bytearray:
        """Return the value; it is always asked for anew.

        Raises:
            BleakError: see `_asked`.
        """
        del use_cached
        return bytearray(await self._asked(characteristic.obj.read_value()))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_others: Any
    ) -> bytearray:
        """Return the value; it is always asked for anew.

        Raises:
            BleakError: see `_asked`.
        """
        del use_cached
        return bytearray(await self._asked(descriptor.obj.read_value()))

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001 - bleak's signature
    ) -> None:
        """Write the value.

        Raises:
            BleakError: see `_asked`.
        """
        await self._asked(characteristic.obj.write_value(bytes(data), with_response=response))

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Write the value.

        Raises:
            BleakError: see `_asked`.
        """
        await self._asked(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: NotifyCallback,
        **_others: Any,
    ) -> None:
        """Subscribe to notifications, or to indications where there are none.

        Raises:
            BleakError: see `_asked`.
        """
        proxy: gatt_client.CharacteristicProxy[bytes] = characteristic.obj

        def hear(value: bytes) -> None:
            callback(bytearray(value))

        self._heard[characteristic.handle] = hear
        await self._asked(proxy.subscribe(hear))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe.

        Raises:
            BleakError: see `_asked`.
        """
        hear = self._heard.pop(characteristic.handle, None)
        if hear is not None:
            await self._asked(characteristic.obj.unsubscribe(hear))

    async def _asked(self, question: Any) -> Any:  # Any: what bumble answers
        """Await an answer.

        Raises:
            BleakGATTProtocolError: the device refuses.
            BleakError: the connection is gone.
        """
        if self._connection is None:
            question.close()
            raise BleakError(_NOT_CONNECTED)
        try:
            with _broken_is_no_cancellation():
                return await question
        except att.ATT_Error as error:
            raise BleakGATTProtocolError(error.error_code) from error
        except (core.BaseBumbleError, TimeoutError) as error:
            raise BleakError(str(error) or "no answer") from error


@contextmanager
def _broken_is_no_cancellation() -> Iterator[None]:
    """Tell apart that a connection broke, which bumble says by cancelling its own future.

    Raises:
        BleakError: it broke.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BleakError(_BROKEN) from error


_NOT_CONNECTED: Final = "not connected"
_BROKEN: Final = "the connection broke"


def _long(uuid: core.UUID) -> str:
    """Return a UUID of 128 bits as bleak writes it."""
    return uuid.to_hex_str("-").lower() if len(uuid.uuid_bytes) == 16 else _of_short(uuid)  # noqa: PLR2004


def _of_short(uuid: core.UUID) -> str:
    number = int.from_bytes(uuid.uuid_bytes, "little")
    return f"{number:08x}-0000-1000-8000-00805f9b34fb"
