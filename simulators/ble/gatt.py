"""A twin that can be connected to: a climate sensor with a relay.

Services: Environmental Sensing (0x181A) with temperature (0x2A6E) and humidity (0x2A6F), Battery
(0x180F) with its level (0x2A19), and one of its own with a relay and a set point.

Source: Bluetooth, GATT Specification Supplement, characteristics temperature, humidity, battery
level.
"""

from __future__ import annotations

import asyncio
import math
import struct
from typing import TYPE_CHECKING, Final

from simulators.ble.advertiser import Advertiser
from simulators.ble.encoding import FLAGS, structure
from simulators.ble.options import GattOptions
from simulators.faults import Drop, Liar, Refuse, Short, Silent
from simulators.truth import TruthJournal
from simulators.twin import Struck, delay_s

if TYPE_CHECKING:
    from bumble.device import Connection, Device
    from bumble.gatt import Characteristic
    from bumble.link import LocalLink

TEMPERATURE: Final = "2A6E"
HUMIDITY: Final = "2A6F"
BATTERY: Final = "2A19"
OWN_SERVICE: Final = "7d1a0000-5c1e-4b6f-9d3a-6d6179616b00"
RELAY: Final = "7d1a0001-5c1e-4b6f-9d3a-6d6179616b00"
SET_POINT: Final = "7d1a0002-5c1e-4b6f-9d3a-6d6179616b00"
_CONNECTABLE_EVERY_MS: Final = 20
_NOTIFY_S: Final = 0.2
_TERMINATED: Final = 0x13


class GattTwin(Advertiser):
    """The device. Its faults strike each read and write."""

    def __init__(self, options: GattOptions, truth: TruthJournal, link: LocalLink) -> None:
        """Take the scene's options, and the link on which it can be connected to."""
        super().__init__(options, truth)
        self._mean: Final = options.mean
        self._link: Final = link
        self._device: Device | None = None
        self._noted: Characteristic[bytes] | None = None
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._over: Final = asyncio.Event()
        self._time_s = 0.0
        self.temperature = options.mean
        self.humidity = 45.0
        self.battery = 87
        self.relay = 0
        self.set_point = 210

    # As a device

    def power_on(self) -> None:
        """Let the relay fall."""
        self.relay = 0

    def step(self, dt_s: float) -> None:
        """Follow the day."""
        self._time_s += dt_s
        phase = 2 * math.pi * self._time_s / 86_400
        self.temperature = round(self._mean + 2 * math.sin(phase), 2)
        self.humidity = round(45 - 5 * math.sin(phase), 2)

    def payload(self) -> bytes:
        """Return its name and its service."""
        services = structure(0x03, bytes.fromhex("1a18"))
        return FLAGS + services + structure(0x09, b"climate")

    def liar(self, how: str) -> bytes:
        """Return a frame with a name that is none."""
        del how
        return FLAGS + structure(0x09, b"\xff\xff")

    def value(self, uuid: str) -> bytes:
        """Return what a characteristic holds now."""
        match uuid:
            case "2A6E":
                return struct.pack("<h", round(self.temperature * 100))
            case "2A6F":
                return struct.pack("<H", round(self.humidity * 100))
            case "2A19":
                return bytes((self.battery,))
            case _ if uuid == RELAY:
                return bytes((self.relay,))
            case _:
                return struct.pack("<h", self.set_point)

    def _spoiled(self, payload: bytes, struck: tuple[Struck, ...]) -> bytes:
        """Return the payload as it is: the faults strike what is read."""
        del struck
        return payload

    # On the link

    async def refresh(self) -> None:
        """Be there, the first time."""
        from bumble.device import Device  # noqa: PLC0415 - heavy
        from bumble.hci import Address  # noqa: PLC0415 - likewise
        from bumble.host import Host  # noqa: PLC0415 - likewise
        from bumble.transport.common import AsyncPipeSink  # noqa: PLC0415 - likewise

        from simulators.ble.peripheral import Peripheral  # noqa: PLC0415 - likewise

        if self._device is not None:
            return
        kind = Address.RANDOM_DEVICE_ADDRESS
        if self.options.public:
            kind = Address.PUBLIC_DEVICE_ADDRESS
        address = Address(self.options.address, kind)
        controller = Peripheral(self.name, self._link, address, lambda: self.hidden)
        host = Host(controller, AsyncPipeSink(controller))
        device = self._device = Device(name=self.name, address=address, host=host)
        self._furnish(device)
        await device.power_on()
        await device.start_advertising(
            auto_restart=True,
            advertising_data=FLAGS,
            advertising_interval_min=_CONNECTABLE_EVERY_MS,
            advertising_interval_max=_CONNECTABLE_EVERY_MS,
        )

    def _furnish(self, device: Device) -> None:
        from bumble.gatt import Characteristic, Service  # noqa: PLC0415 - heavy

        read = Characteristic.Properties.READ
        notify = read | Characteristic.Properties.NOTIFY
        write = read | Characteristic.Properties.WRITE
        noted = self._made(TEMPERATURE, notify)
        noted.on(noted.EVENT_SUBSCRIPTION, self._subscribed)
        self._noted = noted
        device.add_services(
            [
                Service("181A", [noted, self._made(HUMIDITY, read)]),
                Service("180F", [self._made(BATTERY, read)]),
                Service(OWN_SERVICE, [self._made(RELAY, write), self._made(SET_POINT, write)]),
            ]
        )

    def _made(self, uuid: str, properties: Characteristic.Properties) -> Characteristic[bytes]:
        from bumble.gatt import Characteristic, CharacteristicValue  # noqa: PLC0415 - heavy

        async def read(connection: Connection) -> bytes:
            struck = await self._asked(connection)
            return self._told(self.value(uuid), struck)

        async def write(connection: Connection, value: bytes) -> None:
            await self._asked(connection)
            self._take(uuid, value)

        return Characteristic(
            uuid,
            properties,
            Characteristic.READABLE | Characteristic.WRITEABLE,
            CharacteristicValue(read=read, write=write),
        )

    def _take(self, uuid: str, value: bytes) -> None:
        from bumble.att import ATT_Error, ErrorCode  # noqa: PLC0415 - heavy

        if uuid == RELAY and len(value) == 1 and value[0] in {0, 1}:
            self.relay = value[0]
        elif uuid == SET_POINT and len(value) == 2:  # noqa: PLR2004 - a number of 16 bits
            self.set_point = struct.unpack("<h", value)[0]
        else:
            raise ATT_Error(ErrorCode.INVALID_ATTRIBUTE_LENGTH)

    async def _asked(self, connection: Connection) -> tuple[Struck, ...]:
        """Let the faults do what they do to one request."""
        from bumble.att import ATT_Error  # noqa: PLC0415 - heavy

        struck = self.strike()
        await self._wait(delay_s(struck))
        for fault, _rng in struck:
            match fault:
                case Silent():
                    await self._over.wait()
                case Drop(at="read"):
                    await connection.disconnect(_TERMINATED)
                    await self._over.wait()
                case Refuse():
                    raise ATT_Error(fault.code)
                case _:
                    pass
        return struck

    async def _wait(self, seconds: float) -> None:
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self._over.wait()
            except TimeoutError:
                return

    def _told(self, value: bytes, struck: tuple[Struck, ...]) -> bytes:
        for fault, _rng in struck:
            match fault:
                case Liar(how="values"):
                    value = b"\xff" * (len(value) - 1) + b"\x80"
                case Liar():
                    value = value + value
                case Short():
                    value = value[: max(0, len(value) - fault.missing)]
                case _:
                    pass
        self.sent()
        return value

    # Who has subscribed

    def _subscribed(self, connection: Connection, notify: bool, _indicate: bool) -> None:  # noqa: FBT001 - bumble's signature
        if notify:
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._notify(connection), name=f"notify:{self.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _notify(self, connection: Connection) -> None:
        """Tell the temperature again and again, until the connection ends."""
        from bumble.core import BaseBumbleError  # noqa: PLC0415 - heavy

        device, noted = self._device, self._noted
        while device is not None and noted is not None and connection.handle in device.connections:
            await asyncio.sleep(_NOTIFY_S)
            struck = self.strike()
            if not self.hidden and not any(isinstance(fault, Silent) for fault, _rng in struck):
                value = self._told(self.value(TEMPERATURE), struck)
                try:
                    await device.notify_subscriber(connection, noted, value)
                except BaseBumbleError:
                    return  # it has just gone

    @property
    def hidden(self) -> bool:
        """Say whether nobody can connect to it."""
        faults = [held.fault for held in self.faults]
        return self.off or any(
            isinstance(fault, Silent) or (isinstance(fault, Drop) and fault.at == "connect")
            for fault in faults
        )

    def retire(self) -> None:
        """Leave the air for good."""
        self._over.set()
        for task in self._tasks:
            task.cancel()
