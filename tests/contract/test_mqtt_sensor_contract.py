"""MQTT devices keep a driver's promises over a real broker, against twins that speak with paho."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.localnet import broker
from drivers.localnet.broker import LocalBroker
from drivers.localnet.broker_config import BrokerConfig
from drivers.localnet.mqtt_config import MqttConfig, prepare
from drivers.localnet.mqtt_sensor import MqttSensor
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from simulators.faults import Flood, Impostor, Liar, Reboot, Replay, Short, Silent
from simulators.localnet.client import Place, TwinClient
from simulators.localnet.line import RunningBroker, free_port
from simulators.localnet.twins import AirTwin, TasmotaTwin
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar

README = Path(broker.__file__).parent / "README.md"
LINE = '[[line]]\nid = "local"\nmedium = "mqtt-local"\nprogram = "{program}"\n'
AIR = '[[twin]]\nid = "air-1"\nline = "local"\nkind = "mqtt-air"\ninterval_s = 0.05\n'
BROKER = '[[twin]]\nid = "broker"\nline = "local"\nkind = "mqtt-broker"\n'
PROFILES = {"air-1": "demo-json-air", "plug": "tasmota-bme280", "hall": "zigbee2mqtt-climate"}
KINDS = (
    '[[twin]]\nid = "plug"\nline = "local"\nkind = "tasmota-bme280"\ninterval_s = 0.05\n'
    '[[twin]]\nid = "hall"\nline = "local"\nkind = "zigbee-climate"\ninterval_s = 0.05\n'
)


@dataclass
class Site:
    running: Running
    line: LocalBroker
    sensors: dict[str, MqttSensor]
    ears: dict[str, ListeningEar]

    @property
    def ear(self) -> ListeningEar:
        return self.ears["air-1"]

    @property
    def sensor(self) -> MqttSensor:
        return self.sensors["air-1"]

    def air(self) -> AirTwin:
        twin = self.running.twin("air-1")
        assert isinstance(twin, AirTwin)
        return twin


def built(line: LocalBroker, device_id: str, **options: object) -> MqttSensor:
    settings = {"profile": PROFILES[device_id], "device_id": device_id} | options
    return MqttSensor(prepare(checked(MqttConfig, settings), None), line)


@asynccontextmanager
async def open_site(
    scene: str = AIR, program: str = "mosquitto", *, opened: bool = True, **options: object
) -> AsyncIterator[Site]:
    async with run_scene(parse_scene(LINE.format(program=program) + scene, "test")) as running:
        laid = running.lines["local"]
        assert isinstance(laid, RunningBroker)
        config = checked(BrokerConfig, {"host": laid.address.host, "port": laid.address.port})
        line = LocalBroker(LineId("local"), config)
        names = [name for name in running.twins if name in PROFILES]
        sensors = {name: built(line, name, **options) for name in names}
        ears = {name: ListeningEar() for name in names}
        for name, sensor in sensors.items():
            sensor.attend(ears[name])
        try:
            if opened:
                await line.open()
            yield Site(running, line, sensors, ears)
        finally:
            await line.close()


@pytest.mark.parametrize("program", ["mosquitto", "iotcore"])
async def test_every_device_tells_what_its_twin_measures(program: str) -> None:
    async with open_site(AIR + KINDS, program) as site:
        for name, ear in site.ears.items():
            await ear.until(lambda ear: len({each.group for each in ear.samples}) > 0)
            assert ear.samples[-1].causes == {}, name
        told = site.ear.of("air")[-1].values
        assert (told["mode"], told["target"]) == (1, 800.0)
        assert isinstance(told["co2"], float)
        plug = site.running.twin("plug")
        assert isinstance(plug, TasmotaTwin)
        ear = site.ears["plug"]
        await ear.until(lambda ear: bool(ear.of("sensor") and ear.of("power")))
        assert ear.of("sensor")[-1].values["temperature"] == plug.temperature
        assert ear.of("power")[-1].values == {"switched_on": False}
        assert site.line.refused == {}


async def test_what_is_set_is_proved_by_what_the_device_tells() -> None:
    async with open_site(AIR + KINDS) as site:
        assert await site.sensor.write(PointId("mode"), 2) == 2
        assert site.air().mode == "fast"
        assert await site.sensor.write(PointId("target"), 1200.0) == 1200.0
        assert await site.sensors["plug"].write(PointId("switched_on"), value=True) is True


async def test_a_value_that_cannot_be_is_refused_before_anybody_is_told() -> None:
    async with open_site() as site:
        sent = site.line.statistics.bytes_sent
        for point, value in {"mode": 7, "target": 9.0, "co2": 1.0, "nothing": 1}.items():
            with pytest.raises(CommandRefusedError):
                await site.sensor.write(PointId(point), value)
        assert site.line.statistics.bytes_sent == sent


async def test_a_device_that_says_nothing_of_its_order_leaves_it_unknown() -> None:
    async with open_site(response_timeout_s=0.2) as site:
        site.running.apply("air-1", Silent())
        with pytest.raises(NoResponseError):
            await site.sensor.write(PointId("mode"), 2)
        site.running.clear("air-1")
        assert await site.sensor.write(PointId("mode"), 0) == 0


async def test_a_cancelled_order_leaves_the_line_usable() -> None:
    async with open_site() as site:
        held = site.running.apply("air-1", Silent())
        async with asyncio.TaskGroup() as tasks:
            order = tasks.create_task(site.sensor.write(PointId("mode"), 2))
            await asyncio.sleep(0.02)
            order.cancel()
        site.running.end("air-1", held)
        assert await site.sensor.write(PointId("mode"), 2) == 2


SPOILED = {
    "broken off": (Short(missing=3), "makes no sense"),
    "too deep": (Liar(how="count"), "makes no sense"),
    "too long": (Liar(how="length"), "too long"),
    "another identity": (Impostor(), "makes no sense"),
}


@pytest.mark.parametrize("case", SPOILED.values(), ids=SPOILED)
async def test_what_makes_no_sense_is_refused_and_counted(case: tuple[Short, str]) -> None:
    fault, reason = case
    async with open_site() as site:
        await site.ear.until(lambda ear: bool(ear.samples))
        held = site.running.apply("air-1", fault)
        await site.ear.until(lambda ear: bool(ear.mistakes))
        assert isinstance(site.ear.mistakes[0], FrameError)
        assert site.line.refused[reason] > 0
        before = len(site.ear.samples)
        site.running.end("air-1", held)
        await site.ear.until(lambda ear: len(ear.samples) > before)
        assert site.ear.samples[-1].causes == {}


async def test_values_of_a_wrong_type_are_bad_one_by_one() -> None:
    async with open_site() as site:
        site.running.apply("air-1", Liar(how="values"))
        await site.ear.until(lambda ear: bool(ear.samples and ear.samples[-1].causes))
        assert site.ear.samples[-1].causes == {
            "co2": "OUT_OF_RANGE",
            "mode": "OUT_OF_RANGE",
            "target": "OUT_OF_RANGE",
        }


async def test_an_unknown_device_is_not_even_heard() -> None:
    async with open_site() as site:
        await site.ear.until(lambda ear: bool(ear.samples))
        held = site.running.apply("air-1", Impostor(same_topic=False))
        received = site.line.statistics.exchanges
        requests = site.air().counts.requests
        async with asyncio.timeout(10):
            while site.air().counts.requests < requests + 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert site.line.statistics.exchanges <= received + 1  # one was on its way
        site.running.end("air-1", held)
        assert site.ear.mistakes == []
        assert site.line.refused == {}


async def test_a_flood_is_cut_off_and_told_once() -> None:
    async with open_site(burst=10, most_per_s=1.0) as site:
        site.running.apply("air-1", Flood(every_s=0.001))
        async with asyncio.timeout(10):
            while site.line.refused["too many"] < 20:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(site.ear.samples) <= 20
        assert [each.key for each in site.ear.happenings] == ["localnet-flood"]


async def test_a_kept_value_is_stale_until_the_device_tells_a_live_one() -> None:
    retained = AIR.replace("0.05", "0.3") + "retain = true\n"
    async with open_site(retained, opened=False) as site:
        async with asyncio.timeout(10):
            while site.air().answers < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await site.line.open()
        await site.ear.until(lambda ear: len(ear.samples) > 1)
        *before, last = site.ear.samples
        stale = [bool(told.causes) for told in before]
        assert stale == sorted(stale, reverse=True)  # a live one may come first, never a kept after
        assert last.causes == {}


async def test_an_old_value_that_comes_again_is_not_fresh() -> None:
    async with open_site(AIR, opened=False) as site:
        site.running.apply("air-1", Replay())
        async with asyncio.timeout(10):
            while site.air().counts.answered < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        site.running.apply("air-1", Silent())
        await site.line.open()
        await site.ear.until(lambda ear: bool(ear.samples))
        assert set(site.ear.samples[0].causes.values()) == {"STALE"}


async def test_the_will_of_a_device_makes_its_points_bad_at_once() -> None:
    async with open_site() as site:
        await site.ear.until(lambda ear: bool(ear.samples))
        held = site.running.apply("air-1", Reboot())
        await site.ear.until(lambda ear: "NO_RESPONSE" in ear.samples[-1].causes.values())
        site.running.end("air-1", held)
        await site.ear.until(lambda ear: not ear.samples[-1].causes)
        assert [each.key for each in site.ear.happenings] == ["localnet-away", "localnet-here"]


async def test_a_broker_that_goes_is_told_and_found_again() -> None:
    async with open_site(AIR + BROKER) as site:
        lost: asyncio.Queue[BusUnavailableError] = asyncio.Queue()
        site.line.when_lost(lost.put_nowait)
        await site.ear.until(lambda ear: bool(ear.samples))
        held = site.running.apply("broker", Reboot())
        async with asyncio.timeout(10):
            assert "broker" in str(await lost.get())
        with pytest.raises(BusUnavailableError):
            await site.line.open()
        with pytest.raises(BusUnavailableError):
            await site.sensor.write(PointId("mode"), 2)
        site.running.end("broker", held)
        async with asyncio.timeout(10):
            while True:
                try:
                    await site.line.open()
                except BusUnavailableError:
                    await asyncio.sleep(0.02)
                    continue
                break
        before = len(site.ear.samples)
        await site.ear.until(lambda ear: len(ear.samples) > before)
        assert site.line.session == 2


async def test_a_broker_that_is_not_there_is_a_sentence() -> None:
    port = free_port()
    line = LocalBroker(LineId("local"), checked(BrokerConfig, {"port": port}))
    with pytest.raises(BusUnavailableError, match=f"line local: broker 127.0.0.1:{port}"):
        await line.open()
    await line.close()


async def test_something_else_than_a_broker_is_noticed() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"SSH-2.0-Something\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = LocalBroker(LineId("local"), checked(BrokerConfig, {"port": port}))
        with pytest.raises(BusUnavailableError):
            await line.open()


async def test_a_client_that_shares_a_broker_cannot_speak_for_a_device_in_its_own_topics() -> None:
    async with open_site() as site:
        await site.ear.until(lambda ear: bool(ear.samples))
        laid = site.running.lines["local"]
        stranger = TwinClient("stranger", None, (), lambda _topic, _raw: None)
        assert stranger.connect(Place(laid.address.host, laid.address.port))
        stranger.publish("site/air-1/air", b'{"id": "air-2", "answers": 1, "air": {"co2": 9000}}')
        await site.ear.until(lambda ear: bool(ear.mistakes))
        assert "another device" in str(site.ear.mistakes[0])
        stranger.close()


async def test_two_devices_cannot_have_one_topic() -> None:
    line = LocalBroker(LineId("local"), checked(BrokerConfig, {}))
    built(line, "air-1")
    with pytest.raises(ValueError, match="another device"):
        built(line, "air-1")


WRONG = {
    "a wildcard": {"profile": "demo-json-air", "device_id": "+"},
    "no such profile": {"profile": "nothing", "device_id": "a"},
    "a parameter it has not": {
        "profile": "demo-json-air",
        "device_id": "a",
        "parameters": {"base": "x"},
    },
    "a topic of the broker": {
        "profile": "zigbee2mqtt-climate",
        "device_id": "a",
        "parameters": {"base": "$SYS"},
    },
    "a group it has not": {
        "profile": "demo-json-air",
        "device_id": "a",
        "longest_silence_s": {"water": 5},
    },
    "an unknown option": {"profile": "demo-json-air", "device_id": "a", "topic": "#"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        checked(MqttConfig, options)


def test_the_page_lists_every_option_and_point() -> None:
    assert missing_options(README, MqttConfig) == []
    assert missing_options(README, BrokerConfig) == []
    line = LocalBroker(LineId("local"), checked(BrokerConfig, {}))
    groups = built(line, "air-1").groups
    assert missing_points(README, groups) == []
