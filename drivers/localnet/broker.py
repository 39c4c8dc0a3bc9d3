"""A broker in the local network: the medium of MQTT devices.

Exactly the topics of the devices that the site names are subscribed, each at QoS 0. Whatever else
comes is refused and counted: an unknown device means no.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from drivers.localnet import packets
from drivers.localnet.broker_config import BrokerConfig
from drivers.localnet.packets import (
    REFUSALS,
    Accepted,
    Granted,
    Oversized,
    Packet,
    PacketReader,
    Published,
)
from drivers.localnet.rate import Allowance
from drivers.localnet.secrets import read_secret
from drivers.localnet.tls import StrangerError, check_pin, trusting
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError, FrameError
from gateway.model.ids import LineId

log = logging.getLogger(__name__)

TOPICS_AT_ONCE: Final = 32
UNSENT_MOST: Final = 65_536
"""Bytes that the broker has not taken yet; beyond that nothing more is ordered."""
PAUSE_S: Final = 0.1
SILENT_AFTER: Final = 1.5
"""Keep-alive times without a sign after which a broker is gone, as it does with us (3.1.2.10)."""

Take = Callable[[Published | Oversized], None]


@dataclass(slots=True)
class BrokerStatistics:
    """Counters of one broker."""

    exchanges: int = 0
    """Messages that were taken, and orders that went out."""
    errors: int = 0
    """Messages that were refused."""
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_s: float = 0.0


class _Connection(asyncio.Protocol):
    """One TCP connection to the broker; tells its owner what comes."""

    def __init__(self, owner: LocalBroker, most: int) -> None:
        self._owner: Final = owner
        self._reader: Final = PacketReader(most)
        self.transport: asyncio.Transport | None = None
        self.heard_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take bytes; what is no MQTT ends the connection."""
        self.heard_s = asyncio.get_running_loop().time()
        self._owner.statistics.bytes_received += len(data)
        try:
            for packet in self._reader.feed(data):
                self._owner.came(self, packet)
        except FrameError as error:
            self._owner.lost(self, f"says what is no MQTT: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that it is over."""
        self._owner.lost(self, "ended the connection" if exc is None else f"is gone: {exc}")

    def send(self, data: bytes) -> None:
        """Hand bytes over."""
        if self.transport is not None:
            self.transport.write(data)
            self._owner.statistics.bytes_sent += len(data)


class LocalBroker:
    """One broker. A `Medium`, and a `LosingMedium`."""

    def __init__(self, line: LineId, config: BrokerConfig) -> None:
        """Take its options; `open` connects."""
        self._id: Final = line
        self._config: Final = config
        self.statistics: Final = BrokerStatistics()
        self.refused: Final[Counter[str]] = Counter()
        """What was refused, by reason."""
        self.session = 0
        """Counts the connections: what was live in an earlier one is not so in this one."""
        self._takers: Final[dict[str, Take]] = {}
        self._allowance: Final = Allowance(config.most_per_s, max(1, int(config.most_per_s)))
        self._opening: asyncio.Lock | None = None
        self._connection: _Connection | None = None
        self._up = False
        self._answer: asyncio.Future[Packet] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resume: asyncio.TimerHandle | None = None
        self._tell: Callable[[BusUnavailableError], None] | None = None

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called in the loop when the broker is gone."""
        self._tell = tell

    def hear(self, topic: str, take: Take) -> None:
        """Have `take` called with what comes in a topic. Before the broker is opened.

        Raises:
            ValueError: another device of this broker has that topic.
        """
        if topic in self._takers:
            msg = f"topic {topic}: another device of line {self._id} has it"
            raise ValueError(msg)
        self._takers[topic] = take

    def refuse(self, why: str, topic: str) -> None:
        """Count what is not taken; the first of each kind of a connection is logged."""
        self.statistics.errors += 1
        if not self.refused[why]:
            log.warning("message-refused", extra={"line": self._id, "reason": why, "topic": topic})
        self.refused[why] += 1

    def publish(self, topic: str, payload: bytes) -> None:
        """Send an order.

        Raises:
            BusUnavailableError: there is no connection, or the broker takes nothing any more.
        """
        connection = self._connection
        if connection is None or connection.transport is None or not self._up:
            raise BusUnavailableError(self._sentence("is not connected"))
        if connection.transport.get_write_buffer_size() > UNSENT_MOST:
            raise BusUnavailableError(self._sentence("takes nothing any more"))
        connection.send(packets.publish(topic, payload))
        self.statistics.exchanges += 1

    # Opening and closing

    async def open(self) -> None:
        """Connect and subscribe; does nothing when that is done.

        Raises:
            BusUnavailableError: the broker is not there, or does not let us.
        """
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._up:
                return
            try:
                async with asyncio.timeout(self._config.connect_timeout_s):
                    await self._connect()
            except TimeoutError as error:
                self._drop()
                raise BusUnavailableError(self._sentence("does not answer")) from error
            except (OSError, ValueError, StrangerError) as error:
                self._drop()
                raise BusUnavailableError(self._sentence(f"cannot be used: {error}")) from error
            except BaseException:
                self._drop()
                raise

    async def _connect(self) -> None:
        config = self._config
        loop = asyncio.get_running_loop()
        password = None if config.password_file is None else read_secret(config.password_file)
        context: ssl.SSLContext | None = None
        if config.tls:
            context = trusting(config.ca_file, config.fingerprint)
        transport, connection = await loop.create_connection(
            functools.partial(_Connection, self, config.longest_message),
            config.host,
            config.port,
            ssl=context,
        )
        self._connection = connection
        check_pin(transport, config.fingerprint)
        answer = await self._asked(
            packets.connect(
                config.client_id,
                config.keep_alive_s,
                config.username,
                None if password is None else password.encode(),
            )
        )
        if not isinstance(answer, Accepted) or answer.code:
            code = answer.code if isinstance(answer, Accepted) else 0
            raise BusUnavailableError(
                self._sentence(f"refuses: {REFUSALS.get(code, f'code {code}')}")
            )
        self.session += 1
        self.refused.clear()
        await self._subscribe()
        self._up = True
        self._timer = loop.call_later(config.keep_alive_s / 2, self._look)

    async def _subscribe(self) -> None:
        topics = sorted(self._takers)
        for number, start in enumerate(range(0, len(topics), TOPICS_AT_ONCE), start=1):
            some = topics[start : start + TOPICS_AT_ONCE]
            answer = await self._asked(packets.subscribe(number, some))
            if not isinstance(answer, Granted) or answer.number != number:
                raise BusUnavailableError(self._sentence("answers what was not asked"))
            refused = [
                topic
                for topic, code in zip(some, answer.codes, strict=False)
                if code == packets.NOT_GRANTED
            ]
            if refused or len(answer.codes) != len(some):
                named = ", ".join(refused)
                raise BusUnavailableError(self._sentence(f"does not let us hear: {named}"))

    async def _asked(self, request: bytes) -> Packet:
        connection = self._connection
        if connection is None:
            raise BusUnavailableError(self._sentence("ended the connection"))
        self._answer = asyncio.get_running_loop().create_future()
        connection.send(request)
        try:
            return await self._answer
        finally:
            self._answer = None

    async def close(self) -> None:
        """Say good-bye; does nothing when there is no connection."""
        if self._connection is not None and self._up:
            self._connection.send(packets.DISCONNECT)
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._up = False
        for timer in (self._timer, self._resume):
            if timer is not None:
                timer.cancel()
        self._timer = self._resume = None
        if connection is not None and connection.transport is not None:
            connection.transport.close()

    # What comes

    def came(self, connection: _Connection, packet: Packet) -> None:
        """Take one packet; that the broker is alive shows in any."""
        if connection is not self._connection:
            return
        if isinstance(packet, Published | Oversized):
            self._message(packet)
            return
        waiting = self._answer
        if isinstance(packet, Accepted | Granted) and waiting is not None and not waiting.done():
            waiting.set_result(packet)

    def _message(self, message: Published | Oversized) -> None:
        self._slow_down()
        take = self._takers.get(message.topic)
        if take is None:
            self.refuse("unknown topic", message.topic)
            return
        self.statistics.exchanges += 1
        take(message)

    def _slow_down(self) -> None:
        """Read no more for a moment when all devices together say too much."""
        loop = asyncio.get_running_loop()
        if self._allowance.take(loop.time()) or self._resume is not None:
            return
        connection = self._connection
        if connection is not None and connection.transport is not None:
            connection.transport.pause_reading()
            self._resume = loop.call_later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        connection = self._connection
        if connection is not None and connection.transport is not None:
            connection.heard_s = asyncio.get_running_loop().time()
            connection.transport.resume_reading()

    def _look(self) -> None:
        """Ask for a sign, and notice a broker that gives none."""
        connection = self._connection
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() - connection.heard_s > SILENT_AFTER * self._config.keep_alive_s:
            self.lost(connection, "gives no sign any more")
            return
        connection.send(packets.PING)
        self._timer = loop.call_later(self._config.keep_alive_s / 2, self._look)

    def lost(self, connection: _Connection, reason: str) -> None:
        """Take that a connection is over."""
        if connection is not self._connection:
            return
        was_up = self._up
        self._drop()
        error = BusUnavailableError(self._sentence(reason))
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        if was_up and self._tell is not None:
            self._tell(error)

    def _sentence(self, reason: str) -> str:
        return f"line {self._id}: broker {self._config.host}:{self._config.port} {reason}"


def probe(config: BrokerConfig) -> str | None:
    """Say why it is not there now, or None; that only shows when it is opened."""
    del config
    return None


def resource(config: BrokerConfig) -> Hashable:
    """Return where it is, and who we are there: two of one name end each other."""
    return (config.host, config.port, config.client_id)


MANIFEST: Final = MediumManifest(
    name="mqtt-local", config=BrokerConfig, build=LocalBroker, resource=resource, probe=probe
)
