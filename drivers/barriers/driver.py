"""A barrier or a gate: looks at its contacts, moves it by order, proves that it has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Final

from drivers.barriers.config import BarrierConfig
from drivers.barriers.contacts import Contacts
from drivers.barriers.machine import (
    Barrier,
    Habits,
    Inputs,
    Occurrence,
    Order,
    State,
    may_close,
)
from drivers.barriers.modbus_contacts import ModbusContacts
from drivers.media.framing import ByteLine
from gateway.model.driver import Ear, Happening, Manifest, PollGroup, Priority
from gateway.model.errors import (
    CommandRefusedError,
    DeviceFaultError,
    DeviceRejectedError,
    NoResponseError,
)
from gateway.model.event import Severity
from gateway.model.ids import PointId
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
)

ORDER: Final = PointId("order")
BLOCKED_CODE: Final = 1
"""The code of the fault that it did not arrive."""
_SEVERITY: Final = {
    Occurrence.FORCED: Severity.ALARM,
    Occurrence.BLOCKED: Severity.ALARM,
    Occurrence.CONTRADICTS: Severity.WARNING,
    Occurrence.OBSTACLE: Severity.WARNING,
    Occurrence.SHUT_AGAIN: Severity.INFO,
}


class BarrierDriver:
    """One barrier. A `PolledDriver`, a `CommandableDriver`, and a teller of what happens."""

    def __init__(self, config: BarrierConfig, contacts: Contacts) -> None:
        """Take the options and what it stands over."""
        self._config: Final = config
        self._contacts: Final = contacts
        habits = Habits(config.travel_timeout_s, config.moved_by_others)
        self._barrier = Barrier(habits)
        self._ear: Ear | None = None
        self._orders = 0
        self._moving: Final = asyncio.Lock()
        self._giving = 0
        self._left_on: Final[set[int]] = set()
        """Outputs that are on, or may be."""
        points = [
            Point(PointId("state"), kind=Kind.STATE, states=_names(State)),
            Point(ORDER, kind=Kind.STATE, states=_names(Order), writable=True),
            Point(PointId("opened"), kind=Kind.BOOL),
            Point(PointId("closed"), kind=Kind.BOOL),
        ]
        if config.loop_input is not None:
            points.append(Point(PointId("loop"), kind=Kind.BOOL))
        if config.photo_input is not None:
            points.append(Point(PointId("photo"), kind=Kind.BOOL))
        points.append(Point(PointId("travel_time"), unit="s", kind=Kind.NUMBER, scale=0.1))
        self._group: Final = PollGroup("barrier", PointTable(*points), config.period_s)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    def attend(self, ear: Ear) -> None:
        """Tell the ear what happens to the barrier from now on: when it is looked at."""
        self._ear = ear

    # Looking

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002 - there is one
        """Look at the contacts.

        Raises:
            DeviceError: they cannot be looked at.
        """
        await self._release()
        return self._sample(await self._look(Priority.POLL))

    async def _look(self, priority: Priority) -> Inputs:
        inputs = await self._contacts.look(priority)
        now_s = asyncio.get_running_loop().time()
        self._barrier, occurred = self._barrier.see(inputs, now_s)
        for occurrence in occurred:
            self._tell(occurrence)
        if Occurrence.OBSTACLE in occurred and self._config.reopen:
            await self._give(Order.OPEN, inputs)
        return inputs

    def _tell(self, occurrence: Occurrence) -> None:
        if self._ear is not None:
            timeout_s = f"{self._config.travel_timeout_s:g}"
            args = {"seconds": timeout_s} if occurrence is Occurrence.BLOCKED else {}
            self._ear.happened(Happening(occurrence.value, _SEVERITY[occurrence], args))

    def _sample(self, inputs: Inputs) -> Sample:
        barrier = self._barrier
        cells: list[Value | None] = [
            int(barrier.state),
            int(barrier.order),
            inputs.opened,
            inputs.closed,
        ]
        if self._config.loop_input is not None:
            cells.append(inputs.loop)
        if self._config.photo_input is not None:
            cells.append(inputs.photo)
        cells.append(barrier.travel_s)
        flags: dict[int, Flag] = {}
        if inputs.contradictory:
            doubt = Flag(Quality.UNCERTAIN, Cause.IMPLAUSIBLE)
            flags |= dict.fromkeys((0, 2, 3), doubt)
        if barrier.travel_s is None:
            flags[len(cells) - 1] = Flag(Quality.BAD, Cause.NO_VALUE)
        return Sample(tuple(cells), flags or NO_FLAGS)

    # Moving

    async def write(self, point: PointId, value: Value) -> Value:
        """Order it to open, to close or to stop, and return the order once it is carried out.

        A later order goes before one that is under way.

        Raises:
            CommandRefusedError: no such point or order; something is under it; it cannot be
                stopped.
            DeviceFaultError: it did not arrive in its time.
            NoResponseError: another order came in between, or nobody knows whether it was given.
            DeviceError: its contacts cannot be used.
        """
        order = self._order(point, value)
        self._orders += 1
        mine = self._orders
        async with self._moving:
            inputs = await self._look(Priority.COMMAND)
            if order is Order.CLOSE and not may_close(inputs):
                msg = "it may not close: something is on the loop or in the light of the photo cell"
                raise CommandRefusedError(msg)
            await self._give(order, inputs)
        return await self._arrived(order, mine)

    def _order(self, point: PointId, value: Value) -> Order:
        if point != ORDER:
            msg = f"{point}: only {ORDER} can be written"
            raise CommandRefusedError(msg)
        names = {name: number for number, name in _names(Order).items()}
        number = names.get(value) if isinstance(value, str) else value
        if isinstance(number, bool) or number not in {1, 2, 3}:
            msg = f"{ORDER}: {value!r} is not one of open (1), close (2), stop (3)"
            raise CommandRefusedError(msg)
        if number == Order.STOP and self._config.stop_output is None:
            msg = "it cannot be stopped: there is no stop_output"
            raise CommandRefusedError(msg)
        return Order(int(number))

    async def _give(self, order: Order, inputs: Inputs) -> None:
        """Hand an order to the control of the barrier: the other outputs off, then this one on."""
        config = self._config
        outputs = {Order.OPEN: config.open_output, Order.CLOSE: config.close_output}
        output = outputs.get(order, config.stop_output)
        before = self._barrier
        self._barrier = before.told(order, inputs, asyncio.get_running_loop().time())
        self._giving += 1
        try:
            for other in {*outputs.values(), config.stop_output} - {output, None}:
                if other is not None and (config.drive == "hold" or other in self._left_on):
                    await self._off(other)
            if output is not None:
                await self._on(output, hold=config.drive == "hold" and order is not Order.STOP)
        except (DeviceRejectedError, DeviceFaultError):
            self._barrier = before  # nothing was moved
            raise
        finally:
            self._giving -= 1

    async def _on(self, output: int, *, hold: bool) -> None:
        self._left_on.add(output)
        await self._contacts.put(output, on=True)
        if hold:
            return
        try:
            await asyncio.sleep(self._config.pulse_s)
        finally:  # also when the command was cancelled: an output left on is an order
            await self._off(output)

    async def _off(self, output: int) -> None:
        await self._contacts.put(output, on=False)
        self._left_on.discard(output)

    async def _arrived(self, order: Order, mine: int) -> Value:
        """Look until the order is carried out.

        Raises:
            DeviceFaultError: its time is over.
            NoResponseError: another order came in between.
        """
        while True:
            await self._look(Priority.COMMAND)
            if mine != self._orders:
                msg = f"{order.name.lower()}: another order came in between"
                raise NoResponseError(msg)
            barrier = self._barrier
            if barrier.order is Order.NONE:
                break
            if barrier.order is not order:
                msg = "something came under it while it was closing: it opens again"
                raise DeviceFaultError(msg, code=BLOCKED_CODE)
            await asyncio.sleep(self._config.look_s)
        await self._release()
        proof = {Order.OPEN: State.OPEN, Order.CLOSE: State.CLOSED}.get(order)
        if barrier.state is State.BLOCKED:
            msg = f"{order.name.lower()}: not there after {self._config.travel_timeout_s:g} s"
            raise DeviceFaultError(msg, code=BLOCKED_CODE)
        if proof is not None and barrier.state is not proof:
            msg = f"{order.name.lower()}: its limit switches say {barrier.state.name.lower()}"
            raise DeviceFaultError(msg, code=BLOCKED_CODE)
        return int(order)

    async def _release(self) -> None:
        """Switch off what is still on and should not be."""
        if self._giving or (self._config.drive == "hold" and self._barrier.order is not Order.NONE):
            return
        for output in sorted(self._left_on):
            await self._off(output)


def _names(kind: type[State | Order]) -> dict[int, str]:
    return {int(each): each.name.lower() for each in kind}


def _build(config: BarrierConfig, line: ByteLine) -> BarrierDriver:
    return BarrierDriver(config, ModbusContacts(config, line))


def _address(config: BarrierConfig) -> Hashable:
    return ("barrier", config.unit, config.open_output)


MANIFEST: Final = Manifest(
    name="barrier",
    media=("serial", "tcp"),
    config=BarrierConfig,
    build=_build,
    address=_address,
)
