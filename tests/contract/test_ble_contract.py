"""The radio and its drivers keep a driver's promises: bleak's client code on a virtual radio."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from bleak import BleakClient, BleakScanner
from pydantic import ValidationError

from drivers.ble import adapters
from drivers.ble import radio as radio_module
from drivers.ble.beacon.driver import (
    EddystoneConfig,
    EddystoneDevice,
    IBeaconConfig,
    IBeaconDevice,
)
from drivers.ble.bthome.driver import Bthome, BthomeConfig
from drivers.ble.bumble_back_ends import BumbleClient, BumbleScanner
from drivers.ble.bumble_stack import BumbleStack
from drivers.ble.config import BleConfig
from drivers.ble.healing import Step
from drivers.ble.listening import ListeningDevice
from drivers.ble.profiled.config import (
    FrameConfig,
    GattConfig,
    prepare_frame,
    prepare_gatt,
)
from drivers.ble.profiled.driver import Framed, Gatt
from drivers.ble.radio import BleRadio
from drivers.ble.ruuvi.driver import Ruuvi, RuuviConfig
from gateway.model.driver import PollGroup
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from gateway.model.options import Options
from simulators.ble.gatt import GattTwin
from simulators.ble.line import RunningRadio
from simulators.ble.twins import Door, Tank, Thermometer
from simulators.ble.twins import Ruuvi as RuuviTwin
from simulators.faults import (
    Drop,
    Fault,
    Flood,
    Liar,
    NewAddress,
    Reboot,
    Refuse,
    Replay,
    Short,
    Silent,
    Slow,
    StuckAdapter,
    Weak,
)
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.ble_air import HandAir
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar

EVERY_S = 0.03
TIMEOUT_S = 0.6
WITHIN_S = 20.0
KINDS = {
    "thermometer": ("bthome-thermometer", ""),
    "door": ("bthome-door", ""),
    "tag": ("ruuvi", ""),
    "air": ("ruuvi", 'format = "e1"'),
    "bus": ("ibeacon", "rssi = -58"),
    "shelf": ("eddystone", ""),
    "tank": ("ble-tank", ""),
    "climate": ("ble-climate", ""),
}
ADDRESS = {name: f"C0:00:00:00:00:{place:02X}" for place, name in enumerate(KINDS)}
SCENE = '[[line]]\nid = "air"\nmedium = "radio"\nstrangers = 5\n' + "".join(
    f'[[twin]]\nid = "{name}"\nline = "air"\nkind = "{kind}"\naddress = "{ADDRESS[name]}"\n'
    f"interval_s = {EVERY_S}\n{more}\n"
    for name, (kind, more) in KINDS.items()
)
RELAY, SET_POINT = PointId("relay"), PointId("set_point")


@dataclass
class Site:
    """A radio on the virtual air, with the twins it hears."""

    running: Running
    radio: BleRadio
    key: Path
    losses: list[BusUnavailableError]

    def device(self, name: str) -> ListeningDevice:  # noqa: PLR0911 - one for each kind
        """Return the driver for a twin."""
        where = {"address": ADDRESS[name], "lost_after_s": 60, "signal_period_s": 0.1}
        timing = {"lost_after_s": 60, "signal_period_s": 0.1, "absent_after_s": 0.3}
        match name:
            case "thermometer":
                frames = [["battery", "temperature", "humidity"]]
                return Bthome(checked(BthomeConfig, {**where, "frames": frames}), self.radio)
            case "door":
                options = {**where, "frames": [["battery", "door"]], "key_file": str(self.key)}
                return Bthome(checked(BthomeConfig, options), self.radio)
            case "tag" | "air":
                return Ruuvi(checked(RuuviConfig, {**where, "model": name}), self.radio)
            case "bus":
                uuid = "c0ffee00-1234-4abc-8def-0123456789ab"
                options = {**timing, "uuid": uuid, "major": 1, "minor": 1}
                return IBeaconDevice(checked(IBeaconConfig, options), self.radio)
            case "shelf":
                names = {"namespace": "8b0ca750095477cb3e77", "instance": "000000000001"}
                options = {**timing, **names, "telemetry": True}
                return EddystoneDevice(checked(EddystoneConfig, options), self.radio)
            case "tank":
                frame = checked(FrameConfig, {**where, "profile": "demo-ble-tank"})
                return Framed(prepare_frame(frame, None), self.radio)
            case _:
                options = {"profile": "demo-ble-climate", "response_timeout_s": TIMEOUT_S}
                config = checked(GattConfig, {**where, **options})
                return Gatt(prepare_gatt(config, None), self.radio)

    def attended(self, name: str) -> ListeningEar:
        """Return an ear for a twin."""
        ear = ListeningEar()
        self.device(name).attend(ear)
        return ear

    def gatt(self) -> tuple[Gatt, GattTwin]:
        """Return the device one connects to, and its twin."""
        device, twin = self.device("climate"), self.running.twin("climate")
        assert isinstance(device, Gatt)
        assert isinstance(twin, GattTwin)
        return device, twin

    @property
    def line(self) -> RunningRadio:
        line = self.running.lines["air"]
        assert isinstance(line, RunningRadio)
        return line

    @property
    def transport(self) -> str:
        return f"tcp-client:{self.line.address.host}:{self.line.address.port}"


@asynccontextmanager
async def a_site(tmp_path: Path, scene: str = SCENE, **options: object) -> AsyncIterator[Site]:
    key = tmp_path / "key"
    key.write_text("231d39c1d7cc1ab1aee224cd096db932")
    async with run_scene(parse_scene(scene, "scene.toml")) as running:
        line = running.lines["air"]
        assert isinstance(line, RunningRadio)
        controller = f"tcp-client:{line.address.host}:{line.address.port}"
        config = checked(BleConfig, {"controller": controller, "adapter_timeout_s": 1, **options})
        radio = BleRadio(LineId("air"), config)
        site = Site(running, radio, key, [])
        radio.when_lost(site.losses.append)
        try:
            yield site
        finally:
            await radio.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with a_site(tmp_path) as made:
        yield made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.005)


def group_of(device: Gatt, name: str) -> PollGroup:
    return next(group for group in device.groups if group.name == name)


# What is heard agrees with who sends it


async def test_sensors_are_heard_as_they_are(site: Site) -> None:
    names = ("thermometer", "door", "tag", "air", "tank")
    ears = {name: site.attended(name) for name in names}
    await site.radio.open()
    for ear in ears.values():
        await ear.until(lambda told: bool(told.of("data")) and bool(told.of("signal")))
    thermometer, tag = site.running.twin("thermometer"), site.running.twin("tag")
    door, tank = site.running.twin("door"), site.running.twin("tank")
    assert isinstance(thermometer, Thermometer)
    assert isinstance(tag, RuuviTwin)
    assert isinstance(door, Door)
    assert isinstance(tank, Tank)
    first = {name: ear.of("data")[-1].values for name, ear in ears.items()}
    assert first["thermometer"]["battery"] == 93
    assert first["thermometer"]["temperature"] == pytest.approx(thermometer.temperature, abs=0.3)
    assert first["tag"]["pressure"] == tag.pressure
    assert first["air"]["pm10"] == 14.5
    assert first["door"]["door"] in {True, False}
    assert first["tank"]["level"] == pytest.approx(tank.level, abs=1)
    assert not any(ear.mistakes for ear in ears.values())
    assert ears["tag"].of("signal")[0].values["rssi"] == -60


async def test_beacons_come_and_go(site: Site) -> None:
    ears = {name: site.attended(name) for name in ("bus", "shelf")}
    await site.radio.open()
    for name, ear in ears.items():
        await ear.until(lambda told: told.of("presence")[-1:] != [])
        assert ear.of("presence")[-1].values["present"] is True
        held = site.running.apply(name, Silent())
        await ear.until(lambda told: told.of("presence")[-1].values["present"] is False)
        site.running.end(name, held)
        await ear.until(lambda told: told.of("presence")[-1].values["present"] is True)
    await ears["shelf"].until(lambda told: bool(told.of("telemetry")))
    assert ears["shelf"].of("telemetry")[0].values["battery_voltage"] == 2.9


async def test_button_is_told(site: Site) -> None:
    ear = site.attended("thermometer")
    await site.radio.open()
    await ear.until(lambda told: bool(told.of("data")))
    twin = site.running.twin("thermometer")
    assert isinstance(twin, Thermometer)
    twin.press()
    await ear.until(lambda told: bool(told.happenings))
    assert ear.happenings[0].args["event"] == "press"
    had = len(ear.of("data"))
    await ear.until(lambda told: len(told.of("data")) > had)
    assert len(ear.happenings) == 1


# Faults of who sends


@pytest.mark.parametrize("fault", [Silent(), Reboot()], ids=lambda fault: fault.name)
async def test_device_that_sends_nothing_tells_nothing(site: Site, fault: Fault) -> None:
    ear, other = site.attended("thermometer"), site.attended("tag")
    await site.radio.open()
    await ear.until(lambda told: bool(told.of("data")))
    held = site.running.apply("thermometer", fault)
    await asyncio.sleep(3 * EVERY_S)  # what is on its way
    had, had_other = len(ear.samples), len(other.of("data"))
    await other.until(lambda told: len(told.of("data")) > had_other + 5)
    assert len(ear.samples) == had
    site.running.end("thermometer", held)
    await ear.until(lambda told: len(told.samples) > had)


@pytest.mark.parametrize("name", ["thermometer", "door", "tag", "tank"])
@pytest.mark.parametrize("how", ["count", "values"])
async def test_frame_that_cannot_be_is_bad_or_misheard(site: Site, name: str, how: str) -> None:
    ear = site.attended(name)
    site.running.apply(name, Liar(how=how))  # type: ignore[arg-type]  # one of its words
    await site.radio.open()
    if how == "count":
        await ear.until(lambda told: len(told.mistakes) > 3)
        assert not ear.of("data")
        assert all(isinstance(error, FrameError) and error.answer for error in ear.mistakes)
    else:
        await ear.until(lambda told: len(told.of("data")) > 3)
        assert not ear.mistakes


async def test_payload_that_breaks_off_is_counted_and_the_others_go_on(site: Site) -> None:
    ear, other = site.attended("thermometer"), site.attended("tag")
    site.running.apply("thermometer", Short(missing=3))
    await site.radio.open()
    await other.until(lambda told: len(told.of("data")) > 5)
    assert not ear.samples


async def test_weak_device_has_longer_gaps_and_less_strength(site: Site) -> None:
    ear = site.attended("thermometer")
    site.running.apply("thermometer", Weak(loss=0.7, weaker_db=25))
    await site.radio.open()
    await ear.until(lambda told: len(told.of("signal")) > 5)
    assert {told.values["rssi"] for told in ear.of("signal")} == {-85}
    gaps = [told.values["gap"] for told in ear.of("signal")]
    assert max(gap for gap in gaps if isinstance(gap, float)) >= 0.1


async def test_replayed_frames_are_refused_and_prove_nothing(site: Site) -> None:
    ear = site.attended("door")
    await site.radio.open()
    await ear.until(lambda told: len(told.of("data")) > 5)
    held = site.running.apply("door", Replay())
    await asyncio.sleep(3 * EVERY_S)  # what is on its way
    had, signals, refused = len(ear.of("data")), len(ear.of("signal")), len(ear.mistakes)
    await ear.until(lambda told: len(told.mistakes) > refused + 8)
    assert (len(ear.of("data")), len(ear.of("signal"))) == (had, signals)
    site.running.end("door", held)
    await ear.until(lambda told: len(told.of("data")) > had)


async def test_new_address_is_told_of_what_names_itself(site: Site) -> None:
    tag, bus = site.attended("tag"), site.attended("bus")
    await site.radio.open()
    await tag.until(lambda told: bool(told.of("data")))
    await bus.until(lambda told: bool(told.of("presence")))
    for name, ear in (("tag", tag), ("bus", bus)):
        site.running.apply(name, NewAddress())
        await ear.until(lambda told: bool(told.happenings))
        assert ear.happenings[0].args["address"] == "C0:FF:EE:00:00:01"
    had = len(tag.of("data"))
    await tag.until(lambda told: len(told.of("data")) > had)


async def test_crowd_of_strangers_costs_nobody_a_frame(site: Site) -> None:
    ear = site.attended("tag")
    await site.radio.open()
    site.running.apply("thermometer", Flood(every_s=0.002))
    await ear.until(lambda told: len(told.of("data")) > 10)
    await until(lambda: site.radio.statistics.adverts > 300)
    assert not ear.mistakes


# The adapter


async def test_deaf_adapter_is_healed_and_nothing_is_called_absent(tmp_path: Path) -> None:
    async with a_site(tmp_path, quiet_limit_s=0.5) as site:
        bus = site.attended("bus")
        await site.radio.open()
        await bus.until(lambda told: bool(told.of("presence")))
        site.running.apply("bus", StuckAdapter(deaf=True))
        await until(lambda: site.radio.heals[Step.POWER] > 0)
        had = site.radio.statistics.adverts
        await until(lambda: site.radio.statistics.adverts > had + 20)
        assert site.radio.heals == {Step.RESTART: 1, Step.POWER: 1, Step.RESET: 0, Step.GIVE_UP: 0}
        assert all(told.values["present"] for told in bus.of("presence"))
        assert not site.losses


async def test_stuck_adapter_is_given_up_and_opened_anew(tmp_path: Path) -> None:
    async with a_site(tmp_path, quiet_limit_s=0.3, adapter_timeout_s=0.2) as site:
        ear = site.attended("tag")
        await site.radio.open()
        await ear.until(lambda told: bool(told.of("data")))
        held = site.running.apply("tag", StuckAdapter())
        await until(lambda: bool(site.losses))
        assert "hears nothing" in str(site.losses[0])
        assert all(count == 1 for count in site.radio.heals.values())
        with pytest.raises(BusUnavailableError):
            await site.radio.open()
        site.running.end("tag", held)
        had = len(ear.of("data"))
        await site.radio.open()
        await ear.until(lambda told: len(told.of("data")) > had)
        assert len(site.losses) == 1


async def test_adapter_that_goes_away_is_told_at_once(site: Site) -> None:
    await site.radio.open()
    await until(lambda: site.radio.statistics.adverts > 0)
    site.line.adapter.close()
    await until(lambda: bool(site.losses))
    assert "far end" in str(site.losses[0])
    with pytest.raises(BusUnavailableError):
        await site.radio.open()
    await site.line.adapter.listen()
    await site.radio.open()
    had = site.radio.statistics.adverts
    await until(lambda: site.radio.statistics.adverts > had)
    assert site.radio.generation == 2


async def test_radio_listens_in_the_rhythm_of_the_site(tmp_path: Path) -> None:
    async with a_site(tmp_path, scan_window_s=0.1, scan_interval_s=0.4) as site:
        ear = site.attended("tag")
        await site.radio.open()
        await ear.until(lambda told: len(told.of("signal")) > 3)
        gaps = [told.values["gap"] for told in ear.of("signal")]
        assert max(gap for gap in gaps if isinstance(gap, float)) >= 0.2
        assert site.radio.listened_s > 0


async def test_radio_closes_twice_and_opens_again(site: Site) -> None:
    for _ in range(2):
        await site.radio.open()
        await site.radio.open()
        await site.radio.close()
        await site.radio.close()
    assert site.radio.generation == 2
    device, _ = site.gatt()
    with pytest.raises(BusUnavailableError):
        await device.poll(group_of(device, "climate"))


def test_radio_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drivers.ble.bumble_stack", None)
    with pytest.raises(BusUnavailableError, match=r"mayak\[ble-virtual\]"):
        adapters.load_stack(BleConfig(controller="tcp-client:127.0.0.1:1"))


def test_agent_without_a_radio_loads_no_bluetooth() -> None:
    code = (
        "import sys, drivers.ble.radio, drivers.ble.bthome.driver, drivers.ble.beacon.driver, "
        "drivers.ble.ruuvi.driver, drivers.ble.profiled.driver; "
        "print([name for name in ('bleak', 'bumble', 'dbus_fast', 'pydantic') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Devices one connects to


async def test_gatt_is_read_and_written_with_proof(site: Site) -> None:
    device, twin = site.gatt()
    await site.radio.open()
    group = group_of(device, "climate")
    sample = await device.poll(group)
    assert sample.cells[2] == 87
    assert sample.cells[0] == pytest.approx(twin.temperature, abs=0.1)
    assert await device.write(RELAY, 1) == 1
    assert await device.write(SET_POINT, 23.5) == 23.5
    assert (twin.relay, twin.set_point) == (1, 235)
    assert (await device.poll(group_of(device, "relay"))).cells == (1, 23.5)


async def test_gatt_tells_on_subscription(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    text = Path(radio_module.__file__).parents[1].joinpath("profiles/demo-ble-climate.toml")
    changed = text.read_text().replace('uuid = "2A6E"', 'uuid = "2A6E"\nhow = "notify"')
    (folder / "mine.toml").write_text(changed.replace('name = "demo-ble-climate"', 'name = "mine"'))
    options = {"address": ADDRESS["climate"], "profile": "mine", "response_timeout_s": TIMEOUT_S}
    config = checked(GattConfig, options, tmp_path)
    device = Gatt(prepare_gatt(config, tmp_path), site.radio)
    await site.radio.open()
    sample = await device.poll(group_of(device, "climate"))
    assert sample.cells[0] == pytest.approx(21.0, abs=0.5)


@pytest.mark.parametrize(
    ("point", "value"),
    [("relay", 2), ("relay", "on"), ("set_point", 99), ("temperature", 1), ("nothing", 1)],
)
async def test_gatt_refuses_what_it_cannot_write(
    site: Site, point: str, value: float | str
) -> None:
    device, _ = site.gatt()
    with pytest.raises(CommandRefusedError):
        await device.write(PointId(point), value)
    assert site.radio.statistics.exchanges == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Silent(), NoResponseError),
        (Reboot(), NoResponseError),
        (Drop(at="connect"), NoResponseError),
        (Drop(at="read"), NoResponseError),
        (Slow(delay_s=5), NoResponseError),
        (Refuse(code=5), DeviceRejectedError),
        (Short(missing=2), FrameError),
    ],
    ids=lambda case: getattr(case, "name", ""),
)
async def test_gatt_faults_have_names_and_pass(
    site: Site, fault: Fault, error: type[DeviceError]
) -> None:
    device, _ = site.gatt()
    await site.radio.open()
    group = group_of(device, "climate")
    await device.poll(group)
    held = site.running.apply("climate", fault)
    with pytest.raises(error):
        await device.poll(group)
    site.running.end("climate", held)
    async with asyncio.timeout(WITHIN_S):
        while True:  # an attempt under way when the fault ended may still fail
            with suppress(NoResponseError):
                sample = await device.poll(group)
                break
    assert sample.cells[2] == 87
    assert site.radio.statistics.errors >= 1
    assert not site.losses


async def test_gatt_value_that_cannot_be_is_refused_or_bad(site: Site) -> None:
    device, _ = site.gatt()
    await site.radio.open()
    site.running.apply("climate", Liar(how="values"))
    sample = await device.poll(group_of(device, "relay"))
    assert 0 in sample.flags


async def test_cancelled_conversation_leaves_the_radio_usable(site: Site) -> None:
    device, _ = site.gatt()
    ear = site.attended("tag")
    await site.radio.open()
    group = group_of(device, "climate")
    await device.poll(group)
    for delay_s in (0.0, 0.01, 0.03, 0.06):
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await device.poll(group)
    async with asyncio.timeout(WITHIN_S):
        while True:  # the device may take a moment to notice that nobody is there
            with suppress(NoResponseError):
                sample = await device.poll(group)
                break
    assert sample.cells[2] == 87
    had = len(ear.of("data"))
    await ear.until(lambda told: len(told.of("data")) > had)


async def test_command_goes_before_polls(site: Site) -> None:
    device, twin = site.gatt()
    await site.radio.open()
    group = group_of(device, "climate")
    await device.poll(group)
    order: list[str] = []

    async def poll() -> None:
        await device.poll(group)
        order.append("poll")

    async def write() -> None:
        await device.write(RELAY, 1)
        order.append("command")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(poll())
        await asyncio.sleep(0)
        tasks.create_task(write())
    assert order == ["poll", "command", "poll", "poll"]
    assert twin.relay == 1


# bleak's own client code


async def test_bleak_itself_scans_and_connects(site: Site) -> None:
    stack = BumbleStack(site.transport)
    await stack.open()
    try:
        async with BleakScanner(backend=BumbleScanner, stack=stack) as scanner:
            await until(
                lambda: ADDRESS["climate"] in scanner.discovered_devices_and_advertisement_data
            )
            device, _ = scanner.discovered_devices_and_advertisement_data[ADDRESS["climate"]]
        async with BleakClient(device, backend=BumbleClient, stack=stack) as client:
            assert await client.read_gatt_char("2A19") == bytearray((87,))
            assert {service.uuid[4:8] for service in client.services} >= {"181a", "180f"}
        assert not client.is_connected
    finally:
        await stack.close()


# Pages and options


def test_radio_refuses_options_that_do_not_fit() -> None:
    for options in (
        {"scan_window_s": 20, "scan_interval_s": 10},
        {"controller": "telepathy:1"},
        {"adapter": "eth0"},
        {"quiet": 1},
    ):
        with pytest.raises(ValidationError):
            checked(BleConfig, options)


PAGES: dict[str, tuple[str, type[Options]]] = {
    "radio": ("", BleConfig),
    "bthome": ("bthome", BthomeConfig),
    "ruuvi": ("ruuvi", RuuviConfig),
    "ibeacon": ("beacon", IBeaconConfig),
    "eddystone": ("beacon", EddystoneConfig),
    "ble-manufacturer": ("profiled", FrameConfig),
    "ble-gatt": ("profiled", GattConfig),
}
FAMILY = Path(radio_module.__file__).parent


@pytest.mark.parametrize("name", PAGES)
def test_page_lists_every_option(name: str) -> None:
    folder, options = PAGES[name]
    assert missing_options(FAMILY / folder / "README.md", options) == []


@pytest.mark.parametrize("name", ["thermometer", "tag", "air", "bus", "shelf"])
def test_page_lists_every_point(name: str, tmp_path: Path) -> None:
    folder = {"thermometer": "bthome", "tag": "ruuvi", "air": "ruuvi"}.get(name, "beacon")
    lone = Site.__new__(Site)
    lone.radio = HandAir()  # type: ignore[assignment]  # enough to be built
    lone.key = tmp_path
    assert missing_points(FAMILY / folder / "README.md", lone.device(name).groups) == []
