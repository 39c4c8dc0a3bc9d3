"""How long a fault takes from the wire to a subscriber at the broker.

The path is real: a twin answers a poll with the exception "server device failure" (4); the agent
makes the points BAD and an event `device-fault`, which is sealed, committed and published at once,
as an alarm is. Measured is from the moment the exception answer is handed to the agent's socket to
the arrival of the sealed batch at another MQTT client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from statistics import median, quantiles
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators.bench.figures import Sheet, at_most
from simulators.bench.form import Form
from simulators.bench.rig import Rig, rig
from simulators.bench.site_file import GATEWAY, Load
from simulators.bench.tap import Tap, tap
from simulators.platform.receiver import Tls
from simulators.programs.site_file import CONSUMER

DEVICES: Final = 100
REGISTERS: Final = 12
PERIOD_S: Final = 0.5
FAULT: Final = "exception"
CODE: Final = 4
ARRIVES_WITHIN_S: Final = 10.0
QUIET_S: Final = 0.15
"""Nothing else may be on its way when the next fault begins."""
PERCENT: Final = 100


class Arrivals:
    """When batches of events and alarms came to a subscriber."""

    def __init__(self, client: mqtt.Client) -> None:
        """Take a client that is not connected yet."""
        self._loop = asyncio.get_running_loop()
        self._client = client
        self.at_s: list[float] = []
        self.came = asyncio.Event()
        """Set with each batch."""
        self.ready = asyncio.Event()
        """Set once the subscription stands."""
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = self._message

    def _connected(self, *_: object) -> None:
        topics = [(f"mayak/1/{GATEWAY}/up/{stream}", 1) for stream in ("alarm", "event")]
        self._client.subscribe(topics)

    def _subscribed(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.ready.set)

    def _message(self, *_: object) -> None:
        """Note the instant on paho's thread, hand it over to the loop."""
        self._loop.call_soon_threadsafe(self._note, time.monotonic())

    def _note(self, at_s: float) -> None:
        self.at_s.append(at_s)
        self.came.set()

    async def first_after(self, since_s: float) -> float:
        """Return when the first batch after an instant came, waiting for it."""
        while not (later := [at_s for at_s in self.at_s if at_s >= since_s]):
            self.came.clear()
            await self.came.wait()
        return later[0]


@asynccontextmanager
async def subscribed(site: Rig) -> AsyncIterator[Arrivals]:
    """Subscribe beside the receiver for as long as the block runs.

    Raises:
        OSError: the broker cannot be reached.
        TimeoutError: it does not take the subscription.
    """
    keys = site.parts.keys
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="mayak-bench", protocol=mqtt.MQTTv5)
    certificate, key = (keys / f"platform-{CONSUMER}.{kind}" for kind in ("pem", "key"))
    client.tls_set_context(Tls(keys / "ca.pem", certificate, key).context())
    arrivals = Arrivals(client)
    client.connect_async("localhost", site.broker_port)
    client.loop_start()
    try:
        async with asyncio.timeout(ARRIVES_WITHIN_S):
            await arrivals.ready.wait()
        yield arrivals
    finally:
        client.disconnect()
        client.loop_stop()


async def alarm(form: Form) -> Sheet:
    """Let one device after the other become faulty while all are polled."""
    sheet = Sheet("alarm")
    samples = round(form.choose(5, DEVICES))
    load = Load(DEVICES, REGISTERS * form.work, period_s=PERIOD_S)
    async with rig(form.folder, form.broker) as site:
        await site.load(load)
        line = site.lines["banks"]
        async with tap((line["host"], line["port"])) as wire:
            line["port"] = wire.port
            await site.start_agent(site.write_site(load.placed, load.period_s))
            await site.until(lambda seen: seen.produced > seen.kept, "a first acknowledgement")
            async with subscribed(site) as arrivals:
                await asyncio.sleep(1)
                took = await _strike(site, wire, arrivals, samples)
            await site.stop_agent()
    note = f"{samples} exception answers, {load} at {PERIOD_S} s meanwhile, {site.broker_kind}"
    sheet.add("fault on the wire to broker, median", median(took), "ms", at_most(30), note)
    worst = quantiles(took, n=PERCENT, method="inclusive")[-1]
    sheet.add("fault on the wire to broker, 99 %", worst, "ms", at_most(100))
    return sheet


async def _strike(site: Rig, wire: Tap, arrivals: Arrivals, samples: int) -> list[float]:
    """Return the milliseconds that each fault took."""
    rng = Random(1)
    took = []
    for unit in range(1, samples + 1):
        wire.seen.clear()
        site.twins.tell({"twin": f"bank-{unit}", "fault": FAULT, "code": CODE})
        async with asyncio.timeout(ARRIVES_WITHIN_S):
            await wire.seen.wait()
            left_s = wire.refused[unit]
            took.append((await arrivals.first_after(left_s) - left_s) * 1000)
        await asyncio.sleep(QUIET_S + rng.random() * PERIOD_S)
    return took
