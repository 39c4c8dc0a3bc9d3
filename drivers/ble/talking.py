"""A conversation with one device, as bleak leads it, with our errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from bleak.exc import BleakCharacteristicNotFoundError, BleakError, BleakGATTProtocolError

from gateway.model.errors import DeviceRejectedError, FrameError, NoResponseError

if TYPE_CHECKING:
    from bleak import BleakClient

T = TypeVar("T")

_GRACE_S: Final = 2.0
"""The stack ends an attempt by itself; should it not, this much later."""


class BleakPeer:
    """A device one is connected to."""

    def __init__(self, client: BleakClient, address: str, timeout_s: float) -> None:
        """Take the connection and how long each step may take, in seconds."""
        self._client: Final = client
        self._address: Final = address
        self._timeout_s: Final = timeout_s
        self.sent = 0
        self.received = 0

    async def read(self, characteristic: str) -> bytes:
        """Return the value of a characteristic.

        Raises:
            DeviceError: as `Air.converse` says.
        """
        step = self._client.read_gatt_char(characteristic)
        value = bytes(await self._step(step, self._timeout_s, f"read {characteristic}"))
        self.received += len(value)
        return value

    async def write(self, characteristic: str, value: bytes, *, proven: bool) -> None:
        """Write a characteristic.

        Raises:
            DeviceError: as `Air.converse` says.
        """
        step = self._client.write_gatt_char(characteristic, value, response=proven)
        await self._step(step, self._timeout_s, f"write {characteristic}")
        self.sent += len(value)

    async def notified(self, characteristic: str, timeout_s: float) -> bytes:
        """Subscribe, and return the first value that the device sends.

        Raises:
            DeviceError: as `Air.converse` says.
        """
        told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def hear(_sender: object, value: bytearray) -> None:
            if not told.done():
                told.set_result(bytes(value))

        what = f"notification of {characteristic}"
        step = self._client.start_notify(characteristic, hear)
        await self._step(step, self._timeout_s, what)
        value = await self._step(told, timeout_s, what)
        self.received += len(value)
        with suppress(NoResponseError, DeviceRejectedError):  # the connection ends anyway
            await self._step(self._client.stop_notify(characteristic), self._timeout_s, what)
        return value

    async def _step(self, step: Awaitable[T], timeout_s: float, what: str) -> T:
        try:
            async with asyncio.timeout(timeout_s):
                return await step
        except TimeoutError as error:
            msg = f"{self._address} does not answer: {what}"
            raise NoResponseError(msg) from error
        except BleakCharacteristicNotFoundError as error:
            msg = f"{self._address} has no such characteristic: {what}"
            raise FrameError(msg) from error
        except BleakGATTProtocolError as error:
            msg = f"{self._address} refuses: {what}: {error.args[1]}"
            raise DeviceRejectedError(msg, code=int(error.args[0])) from error
        except BleakError as error:
            msg = f"{self._address} went away: {what}: {error}"
            raise NoResponseError(msg) from error


@asynccontextmanager
async def connected(
    client: BleakClient, address: str, timeout_s: float
) -> AsyncIterator[BleakPeer]:
    """Connect for as long as the block runs.

    Raises:
        NoResponseError: it does not let itself be connected to.
    """
    try:
        async with asyncio.timeout(timeout_s + _GRACE_S):
            await client.connect()
    except (BleakError, TimeoutError) as error:
        with suppress(BleakError, TimeoutError, OSError):  # what was begun is ended
            async with asyncio.timeout(timeout_s):
                await client.disconnect()
        msg = f"{address} cannot be connected to: {str(error) or 'no answer'}"
        raise NoResponseError(msg) from error
    try:
        yield BleakPeer(client, address, timeout_s)
    finally:
        with suppress(BleakError, TimeoutError, OSError):  # it went away by itself
            async with asyncio.timeout(timeout_s):
                await client.disconnect()
