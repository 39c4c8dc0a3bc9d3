"""Asks a device in its language, hears it, sets its points with proof."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from drivers.telegrams.language import Language, Order, Proof, Topic
from drivers.telegrams.reader import Reader, Refuser
from drivers.telegrams.shape import Answer, Listener
from drivers.telegrams.template import Template, TemplateError
from drivers.telegrams.values import raw_of, sample_of
from gateway.model.driver import Priority
from gateway.model.errors import (
    CommandRefusedError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import PointId
from gateway.model.reading import PointTable, Sample, Value

_NO_ANSWER_S: Final = 0.02


class Talker:
    """One device on a line."""

    def __init__(
        self,
        language: Language,
        line: ByteLine,
        address: int | str,
        *,
        timeout_s: float,
        characters: Characters | None,
    ) -> None:
        """Take what it speaks and where it is.

        Args:
            language: of its model.
            line: it hangs on.
            address: of the device; what the model has no use for is not used.
            timeout_s: silence that means "no answer", in seconds.
            characters: speed and frame, where they are not those of the line.
        """
        self._language: Final = language
        self._line: Final = line
        self._address: Final = address
        self._timeout_s: Final = timeout_s
        self._characters: Final = characters
        self._readers: Final = {
            name: Reader(topic.reply, address) for name, topic in language.topics.items()
        }
        self._told_readers: Final = [
            self._readers[name] for name, topic in language.topics.items() if topic.request is None
        ]
        self._refusers: Final = [Refuser(refusal, address) for refusal in language.refusals]
        self._writing: Final = asyncio.Lock()
        self._rested_at = float("-inf")

    def request(self, template: Template, **values: float | str | bytes) -> bytes:
        """Return the bytes of a request to this device.

        Raises:
            TemplateError: a value does not fit into its place.
        """
        return template.fill({"address": self._address, **values}, self._language.checksum)

    # Asking

    async def ask(
        self, topic: Topic, table: PointTable, priority: Priority = Priority.POLL
    ) -> Sample:
        """Ask for a group and return its points.

        Raises:
            NoResponseError: nothing came.
            FrameError: what came is no answer to it.
            DeviceRejectedError: the device says no.
            BusUnavailableError: the line is gone.
        """
        if topic.request is None:
            msg = f"{topic.name} is told, not asked for"
            raise FrameError(msg)
        request = self.request(topic.request)
        reader = self._readers[topic.name]
        telegram = await self.exchange(request, reader, priority)
        return self._sample(table, reader, telegram)

    def _sample(self, table: PointTable, reader: Reader, telegram: bytes) -> Sample:
        parts = reader.parts(telegram)
        points = [self._language.points[point.name] for point in table]
        return sample_of(points, telegram, parts or {})

    async def exchange(self, request: bytes, reader: Reader, priority: Priority) -> bytes:
        """Send a request and return the telegram that answers it.

        Raises:
            NoResponseError: nothing came.
            FrameError: what came is no answer to it.
            DeviceRejectedError: the device says no.
            BusUnavailableError: the line is gone.
        """
        shapes = (reader.shape, *(r.shape for r in self._refusers))
        answer = Answer(
            tuple(dict.fromkeys(shapes)),
            lambda telegram: reader.fits(telegram) or self._refused(telegram) is not None,
            ("telegram", self._language.name, self._address, reader.alike),
            request if self._language.echo else b"",
            self._told,
        )
        await self._rest()
        try:
            came = await self._line.exchange(
                request,
                answer,
                timeout_s=self._timeout_s,
                priority=priority,
                characters=self._characters,
            )
        finally:
            self._rested_at = asyncio.get_running_loop().time()
        telegram = came[len(answer.echo) :]
        if not reader.fits(telegram) and (code := self._refused(telegram)) is not None:
            msg = f"{self._language.name}: the device says no to {request.hex(' ')}"
            raise DeviceRejectedError(msg, code=code, answer=telegram)
        return telegram

    def _told(self, received: bytes) -> int:
        """Return how much of what came is something that the device tells by itself."""
        for reader in self._told_readers:
            try:
                size = reader.shape.measure(received)
            except FrameError:
                continue
            if size and reader.fits(received[:size]):
                return size
        return 0

    def _refused(self, telegram: bytes) -> int | None:
        codes = (refuser.code(telegram) for refuser in self._refusers)
        return next((code for code in codes if code is not None), None)

    async def _rest(self) -> None:
        """Leave the time that the device wants between its answer and the next request."""
        wait_s = self._rested_at + self._language.gap_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    # Hearing

    def listen(
        self,
        groups: Mapping[str, PointTable],
        take: Callable[[str, Sample], None],
        lose: Callable[[FrameError], None],
    ) -> None:
        """Have what the device tells by itself told on, by name of its group."""
        told = [name for name in groups if self._language.topics[name].request is None]

        def telegram_came(telegram: bytes) -> None:
            for name in told:
                reader = self._readers[name]
                if not reader.fits(telegram):
                    continue
                try:
                    take(name, self._sample(groups[name], reader, telegram))
                except FrameError as error:
                    lose(error)
                return
            lose(FrameError("a telegram that this device does not tell", answer=telegram))

        shapes = dict.fromkeys(self._readers[name].shape for name in told)
        listener = Listener(tuple(shapes), telegram_came, lose)
        self._line.listen(listener.hear)

    # Setting

    async def set(self, name: PointId, value: Value, table: PointTable | None) -> Value:
        """Set a point, ahead of polls, and return what it is then.

        Args:
            name: of the point.
            value: what it shall be.
            table: of the group of the point, where it can be asked for.

        Raises:
            CommandRefusedError: the point cannot be set, or not to this.
            DeviceRejectedError: the device says no; nothing was moved.
            NoResponseError: it was sent, and nothing says that it was done.
            FrameError: likewise: what came back is no answer.
            BusUnavailableError: the line is gone.
        """
        order = self._language.orders.get(name)
        if order is None:
            why = "it cannot be set" if name in self._language.points else "there is no such point"
            msg = f"{name}: {why} in profile {self._language.name}"
            raise CommandRefusedError(msg)
        point, source = self._language.points[name]
        wanted, raw = raw_of(point, source, value)
        try:
            request = self.request(order.request, value=raw)
        except TemplateError as error:
            msg = f"{name}: {error}"
            raise CommandRefusedError(msg) from error
        async with self._writing:
            telegram = b""
            if order.reply is None:
                await self.say(request)
            else:
                reader = Reader(order.reply, self._address)
                telegram = await self.exchange(request, reader, Priority.COMMAND)
            return await self._proof(name, wanted, order, telegram, table)

    async def say(self, request: bytes, priority: Priority = Priority.COMMAND) -> None:
        """Send something to which the device says nothing.

        Raises:
            FrameError: it said something all the same.
            BusUnavailableError: the line is gone.
        """
        await self._rest()
        with suppress(NoResponseError):
            await self._line.exchange(
                request,
                Answer((), lambda _: False, None),
                timeout_s=max(self._language.gap_s, _NO_ANSWER_S),
                priority=priority,
                characters=self._characters,
            )

    async def _proof(
        self, name: PointId, wanted: Value, order: Order, telegram: bytes, table: PointTable | None
    ) -> Value:
        sample: Sample | None = None
        place = 0
        if order.proof is Proof.POLL and table is not None:
            topic = self._language.topics[self._language.topic_of[name]]
            sample = await self.ask(topic, table, Priority.COMMAND)
            place = table.index(name)
        elif order.proof is Proof.ANSWER and order.reply is not None:
            point, source = self._language.points[name]
            parts = Reader(order.reply, self._address).parts(telegram)
            sample = sample_of([(point, source)], telegram, parts or {})
        now = sample.cells[place] if sample is not None else None
        if now is None:
            taken = "the device took it" if telegram else "it was sent"
            msg = f"{name}: {taken}, and nothing says what it is now"
            raise NoResponseError(msg, answer=telegram)
        return now if now != wanted else wanted
