"""Is the way to the broker open: knocks with a few packets, and hears when the network changes.

A knock is a TCP connection and no more. The one that is answered becomes the connection, so it
costs nothing beside it. A packet that asks for a connection and is lost is repeated by the kernel
after 1, 2, 4, 8 s; a fresh knock every second finds a way that opens within that second.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from gateway.sync.causes import LinkLostError, not_connected

NAMES_WITHIN_S: Final = 0.3
"""So long a name server may take while an address is known from before: beyond, that is tried."""
NEWS_BYTES: Final = 65_536
RTMGRP: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE (linux/rtnetlink.h)."""

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]  # Any: of any family


class Door:
    """The broker's address and port."""

    def __init__(self, host: str, port: int, patience_s: float) -> None:
        """Take where it is, and how long it may take to answer."""
        self._host, self._port = host, port
        self._patience_s = patience_s
        self._known: list[_Address] = []
        self._asking: asyncio.Future[list[_Address]] | None = None

    async def open(self, every_s: float) -> socket.socket:
        """Knock again and again until somebody answers; return the connection.

        Args:
            every_s: how often, while nothing is heard at all.

        Raises:
            LinkLostError: nobody did in time, or we are told that it is in vain.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._knock(await self._addresses(), every_s)
        except OSError as error:  # TimeoutError is one
            raise not_connected(error, self._host, self._port, clock_is_set=True) from error

    async def answers(self, within_s: float | None = None) -> bool:
        """Say whether somebody is there: knock each second, and leave again.

        Args:
            within_s: how long we wait; None: as long as it may take to answer.
        """
        try:
            async with asyncio.timeout(within_s):
                (await self.open(1.0)).close()
        except (LinkLostError, TimeoutError):
            return False
        return True

    async def _knock(self, addresses: list[_Address], every_s: float) -> socket.socket:
        tries: set[asyncio.Task[socket.socket | OSError]] = set()
        answered: socket.socket | None = None
        came: list[socket.socket | OSError] = []
        try:
            async with asyncio.TaskGroup() as group:
                for turn in count():
                    first = turn % len(addresses)
                    order = addresses[first:] + addresses[:first]
                    tries.add(group.create_task(_connected(order), name="knock"))
                    done, _ = await asyncio.wait(
                        tries, timeout=every_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    if done:
                        came = [task.result() for task in done]
                        found = [each for each in came if isinstance(each, socket.socket)]
                        answered = found[0] if found else None
                        break
                for task in tries:
                    task.cancel()
        finally:
            for task in tries:
                left = None if task.cancelled() else task.result()
                if isinstance(left, socket.socket) and left is not answered:
                    left.close()
        if answered is None:
            raise next(each for each in came if isinstance(each, OSError))
        return answered

    async def _addresses(self) -> list[_Address]:
        """Return where to knock; a name server that is slow does not keep us from what we know."""
        if self._asking is None:
            ask: Callable[[], list[Any]] = partial(  # Any: as _Address; its own type is narrower
                socket.getaddrinfo, self._host, self._port, type=socket.SOCK_STREAM
            )
            self._asking = asyncio.get_running_loop().run_in_executor(None, ask)
        # The thread goes on whatever becomes of us: its answer serves the next who asks.
        await asyncio.wait([self._asking], timeout=NAMES_WITHIN_S if self._known else None)
        if self._asking.done():
            asked, self._asking = self._asking, None
            error = asked.exception()
            if error is None:
                self._known = asked.result()
            elif not self._known:
                raise error
        return self._known


async def _connected(addresses: list[_Address]) -> socket.socket | OSError:
    """Return a connection to the first address that takes one, or why the last one did not."""
    loop = asyncio.get_running_loop()
    failure = OSError("no address")
    for family, kind, protocol, _, address in addresses:
        try:
            connection = socket.socket(family, kind, protocol)
        except OSError as error:  # the machine does not speak this family
            failure = error
            continue
        try:
            connection.settimeout(0)
            await loop.sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    return failure


class NetworkNews:
    """Tells when an interface, an address or a route came or went; silent where that is not told.

    Source: rtnetlink(7).
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        """Take what to call, on the loop."""
        self._changed = changed
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        """Begin to listen; a sandbox or a system may not have it: then knocks alone must do."""
        with suppress(OSError, AttributeError):
            news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            try:
                news.settimeout(0)
                news.bind((0, RTMGRP))
            except OSError:
                news.close()
                raise
            self._socket = news
            asyncio.get_running_loop().add_reader(news, self._read, news)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _read(self, news: socket.socket) -> None:
        with suppress(OSError):  # more came than fits (ENOBUFS): that is news as well
            news.recv(NEWS_BYTES)
        self._changed()
