"""A line of pins under the poller: told at once, lost, back, counted; each device for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.gpio import counter, output
from drivers.gpio import input as contact
from drivers.gpio.chip import GpioChip
from drivers.gpio.config import GpioConfig
from gateway.acquisition.poller import PolledDevice, Poller
from gateway.model.clock import SystemClock
from gateway.model.command import Outcome
from gateway.model.driver import Manifest
from gateway.model.event import Event
from gateway.model.ids import DeviceId, LineId, PointId
from gateway.model.reading import Cause, Reading, Value
from simulators.faults import Reboot, Stuck
from simulators.gpio.kinds import RunningGpio
from simulators.gpio.twins import Contact, Pulses, Relay
from simulators.running import Running, run_scene
from simulators.scene import load_scene
from tests.checked_options import checked

WITHIN_S = 15.0
DOOR, METER, CONTACTOR = (DeviceId(name) for name in ("door", "meter", "contactor"))


class Agent:
    """The poller of the pins of the packaged scene, and what it delivered."""

    def __init__(self, running: Running) -> None:
        line = running.lines["pins"]
        assert isinstance(line, RunningGpio)
        self.running = running
        self.readings: list[Reading] = []
        self.events: list[Event] = []
        self.memories: list[tuple[DeviceId, object]] = []
        where = {"host": line.address.host, "port": line.address.port}
        config = checked(GpioConfig, {"factory": "pigpio", "check_s": 0.2, **where})
        chip = GpioChip(LineId("pins"), config)
        proof = {"pin": 22, "proof_pin": 23, "proof_timeout_s": 0.3, "period_s": 0.2}

        def made(manifest: Manifest, **options: object) -> PolledDevice:
            names = {"gpio-input": DOOR, "gpio-counter": METER, "gpio-output": CONTACTOR}
            driver = manifest.build(checked(manifest.config, options), chip)
            return PolledDevice(names[manifest.name], driver, heartbeat_s=60)

        self.poller = Poller(
            chip,
            [
                made(contact.MANIFEST, pin=17, check_s=0.2),
                made(counter.MANIFEST, pin=27, period_s=0.2),
                made(output.MANIFEST, **proof),
            ],
            clock=SystemClock(),
            deliver=self.readings.append,
            happened=self.events.append,
            remember=lambda device, memory: self.memories.append((device, memory)),
        )

    def newest(self, device: DeviceId, point: str) -> tuple[Value | None, Cause]:
        """Return the newest value of a point that was told, with its cause."""
        for reading in reversed(self.readings):
            if reading.device == device and PointId(point) in reading.table:
                place = reading.table.index(PointId(point))
                flag = reading.flags.get(place)
                if flag is not None or reading.cells[place] is not None:
                    return reading.cells[place], flag.cause if flag else Cause.NONE
        return None, Cause.NO_VALUE

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not condition():  # noqa: ASYNC110 - the condition is anything
                await asyncio.sleep(0.01)


@asynccontextmanager
async def polled() -> AsyncIterator[Agent]:
    before = set(threading.enumerate())
    async with run_scene(load_scene("cabinet-io")) as running:
        agent = Agent(running)
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(agent.poller.run())
            try:
                await agent.until(lambda: agent.newest(CONTACTOR, "on") == (False, Cause.NONE))
                yield agent
            finally:
                polling.cancel()
        relay = running.twin("contactor")
        assert isinstance(relay, Relay)
        await agent.until(lambda: not relay.closed)
    assert set(threading.enumerate()) <= before


async def test_pins_are_lost_and_come_back_with_what_they_missed() -> None:
    async with polled() as agent:
        door, relay = agent.running.twin("door"), agent.running.twin("contactor")
        assert isinstance(door, Contact)
        assert isinstance(relay, Relay)
        await agent.until(lambda: agent.newest(DOOR, "active") == (door.closed, Cause.NONE))
        done = await agent.poller.write(CONTACTOR, PointId("on"), value=True)
        assert (done.outcome, relay.closed) == (Outcome.DONE, True)

        held = agent.running.apply("board", Reboot())
        await agent.until(lambda: agent.newest(DOOR, "active") == (None, Cause.LINE_DOWN))
        assert agent.newest(METER, "total") == (None, Cause.LINE_DOWN)
        await agent.until(lambda: not relay.closed)  # its contact takes a moment to fall
        door.move(closed=not door.closed)
        agent.running.end("board", held)

        await agent.until(lambda: agent.newest(DOOR, "active") == (door.closed, Cause.NONE))
        await agent.until(lambda: agent.newest(METER, "gaps") == (1, Cause.NONE))
        await agent.until(lambda: agent.newest(CONTACTOR, "on") == (False, Cause.NONE))


async def test_pulses_are_counted_to_the_last_and_kept() -> None:
    async with polled() as agent:
        meter = agent.running.twin("meter")
        assert isinstance(meter, Pulses)
        meter.pulse(20, width_ms=12)
        await agent.until(lambda: (agent.newest(METER, "pulses")[0] or 0) >= meter.total - 3)  # type: ignore[operator]
        await agent.until(lambda: agent.memories)
        device, memory = agent.memories[-1]
        assert device == METER
        assert isinstance(memory, dict)
        assert 0 < memory["pulses"] <= meter.total


async def test_contactor_that_sticks_fails_and_the_door_is_told_all_the_same() -> None:
    async with polled() as agent:
        door = agent.running.twin("door")
        assert isinstance(door, Contact)
        agent.running.apply("contactor", Stuck())
        done = await agent.poller.write(CONTACTOR, PointId("on"), value=True)
        assert (done.outcome, done.read_back) == (Outcome.FAILED, False)
        door.move(closed=not door.closed)
        await agent.until(lambda: agent.newest(DOOR, "active") == (door.closed, Cause.NONE))
        await agent.until(lambda: agent.newest(CONTACTOR, "proof")[1] is Cause.IMPLAUSIBLE)
