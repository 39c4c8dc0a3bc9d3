"""A device that tells over MQTT what it measures, by profile; and is set, with proof."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from drivers.localnet.broker import LocalBroker
from drivers.localnet.documents import MISSING, SHOWN, at, read_json
from drivers.localnet.language import Availability, MqttOrder
from drivers.localnet.mqtt_config import (
    MqttConfig,
    MqttDevice,
    address,
    prepare,
    profile_schema,
)
from drivers.localnet.packets import Oversized, Published
from drivers.localnet.points import Group, cell_of, points_of, same, sample_of, wire_value
from drivers.localnet.rate import Allowance
from drivers.localnet.templates import Plain, fill_json, fill_plain, fill_topic
from gateway.model.driver import Ear, Happening, Manifest, PollGroup
from gateway.model.errors import CommandRefusedError, FrameError, NoResponseError
from gateway.model.event import Severity
from gateway.model.ids import PointId
from gateway.model.reading import Cause, PointTable, Value, all_bad

FLOOD_QUIET_S: Final = 60.0
"""A flood is over when nothing was too much for so long."""


class MqttSensor:
    """One device. A `ListeningDriver` and a `CommandableDriver`."""

    def __init__(self, device: MqttDevice, broker: LocalBroker) -> None:
        """Take the options with their profile, and the broker.

        Raises:
            ValueError: another device of the broker has one of its topics.
        """
        own, language = device.options, device.language
        self._name: Final = own.device_id
        self._timeout_s: Final = own.response_timeout_s
        self._language: Final = language
        self._values: Final = device.values
        self._broker: Final = broker
        self._points: Final = points_of(language.groups)
        self._told: Final = {
            group.name: PollGroup(
                group.name,
                PointTable(*(point for point, _ in group.points)),
                own.longest_silence_s.get(group.name, group.period_s),
                told=True,
            )
            for group in language.groups
        }
        self._allowance: Final = Allowance(own.most_per_s, own.burst)
        self._flood_s: float | None = None
        self._live: Final[dict[str, int]] = {}
        """By group: the connection in which it was last told live."""
        self._away = False
        self._waiting: Final[dict[str, list[asyncio.Future[Value]]]] = {}
        self._setting: asyncio.Lock | None = None
        self._ear: Ear | None = None
        self._by_topic: Final[dict[str, list[Group]]] = {}
        for group in language.groups:
            for template in language.topics[group.name]:
                topic = fill_topic(template, self._values)
                self._by_topic.setdefault(topic, []).append(group)
        self._status = ""
        if language.availability is not None:
            self._status = fill_topic(language.availability.topic, self._values)
        for topic in {*self._by_topic, *([self._status] if self._status else [])}:
            broker.hear(topic, self._came)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the groups; together they name every point of the profile once."""
        return tuple(self._told.values())

    def attend(self, ear: Ear) -> None:
        """Tell the ear what the device tells, from now on."""
        self._ear = ear

    # What comes

    def _came(self, message: Published | Oversized) -> None:
        ear = self._ear
        if ear is None or not self._within_rate(ear):
            self._broker.refuse("too many", message.topic)
            return
        if isinstance(message, Oversized):
            self._broker.refuse("too long", message.topic)
            msg = f"a message of {message.length} bytes in {message.topic}"
            ear.misheard(FrameError(msg))
            return
        try:
            if message.topic == self._status and self._language.availability is not None:
                self._availability(self._language.availability, message, ear)
            for group in self._by_topic.get(message.topic, ()):
                self._document(group, message, ear)
        except FrameError as error:
            self._broker.refuse("makes no sense", message.topic)
            ear.misheard(error)

    def _within_rate(self, ear: Ear) -> bool:
        now_s = asyncio.get_running_loop().time()
        if self._allowance.take(now_s):
            return True
        if self._flood_s is None or now_s - self._flood_s > FLOOD_QUIET_S:
            ear.happened(Happening("localnet-flood", Severity.WARNING))
        self._flood_s = now_s
        return False

    def _document(self, group: Group, message: Published, ear: Ear) -> None:
        live = self._live.get(group.name) == self._broker.session
        if message.retained and live:
            return  # older than what is known
        sample = sample_of(group, message.payload, self._name, retained=message.retained)
        if sample is None:
            return
        ear.heard(self._told[group.name], sample)
        if message.retained:
            return
        self._live[group.name] = self._broker.session
        for name, waiting in self._waiting.items():
            if self._points[name][0] is group:
                value = cell_of(group, sample, name)
                for future in waiting:
                    if value is not None and not future.done():
                        future.set_result(value)

    def _availability(self, said: Availability, message: Published, ear: Ear) -> None:
        try:
            text = message.payload.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            msg = "an availability that is no UTF-8"
            raise FrameError(msg, answer=message.payload[:SHOWN]) from error
        if said.steps is not None and text.startswith("{"):
            found = at(read_json(message.payload), said.steps)
            text = found if found is not MISSING and isinstance(found, str) else ""
        if text in said.offline:
            self._left(ear)
        elif text in said.online:
            if self._away and not message.retained:
                self._away = False
                ear.happened(Happening("localnet-here"))
        elif message.payload:  # empty: a retained message was taken back
            msg = "an availability that its profile does not know"
            raise FrameError(msg, answer=message.payload[:SHOWN])

    def _left(self, ear: Ear) -> None:
        """Take that the device is not there, now or since a time nobody knows."""
        self._live.clear()
        for group in self._told.values():
            ear.heard(group, all_bad(group.table, Cause.NO_RESPONSE))
        if not self._away:
            self._away = True
            ear.happened(Happening("localnet-away", Severity.WARNING))

    # What is set

    async def write(self, point: PointId, value: Value) -> Value:
        """Tell the device, and return what it then tells of the point, live.

        Raises:
            CommandRefusedError: no such point, not writable, or not a value it can take.
            NoResponseError: it told nothing of it: nobody knows whether it was done.
            BusUnavailableError: the broker is gone.
        """
        order = self._language.orders.get(point)
        if order is None:
            known = "it cannot be set" if point in self._points else "there is no such point"
            msg = f"{point}: {known} in profile {self._language.name}"
            raise CommandRefusedError(msg)
        _, described, source = self._points[point]
        wire = wire_value(described, source, value)
        if self._setting is None:
            self._setting = asyncio.Lock()
        async with self._setting:
            await self._broker.open()
            return await self._set(str(point), value, order, wire)

    async def _set(self, point: str, value: Value, order: MqttOrder, wire: Plain) -> Value:
        values: dict[str, Plain] = {**self._values, "value": wire}
        fill = fill_plain if order.plain else fill_json
        waiting = self._waiting.setdefault(point, [])
        found: Value | None = None
        try:
            waiting.append(asyncio.get_running_loop().create_future())
            self._broker.publish(fill_topic(order.topic, values), fill(order.payload, values))
            if order.ask_topic:
                asked = fill_json(order.ask_payload, values)
                self._broker.publish(fill_topic(order.ask_topic, values), asked)
            async with asyncio.timeout(self._timeout_s):
                while True:  # what it was before may be told once more
                    found = await waiting[-1]
                    if same(found, value):
                        return value
                    waiting.append(asyncio.get_running_loop().create_future())
        except TimeoutError as error:
            if found is not None:
                return found
            msg = f"{self._name}: it was told, and tells nothing of {point}"
            raise NoResponseError(msg) from error
        finally:
            del self._waiting[point]


MANIFEST: Final = Manifest(
    name="mqtt-sensor",
    media=("mqtt-local",),
    config=MqttConfig,
    build=MqttSensor,
    address=address,
    prepare=prepare,
    profile_schema=profile_schema,
)
