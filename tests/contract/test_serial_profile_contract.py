"""The serial-profile driver keeps a driver's promises against its twins."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from drivers.serial_profile import driver
from drivers.serial_profile.config import SerialProfileConfig, prepare
from drivers.serial_profile.driver import SerialProfile
from drivers.telegrams import frame_schema, schema
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import PointId
from gateway.model.options import Options
from simulators.faults import (
    Crc,
    Echo,
    Fault,
    Flood,
    Liar,
    Noise,
    Reboot,
    Refuse,
    Short,
    Silent,
    Slow,
    WrongUnit,
)
from simulators.serial_profile.demo import SerialDemoTwin
from tests.checked_options import checked
from tests.listening_ear import ListeningEar, Told, told
from tests.serial_site import SerialSite, serial_site

DEMO = '[[twin]]\nid = "pit"\nline = "line"\nkind = "serial-demo"\nseed = 7\n'
TIMEOUT_S = 0.15
README = Path(driver.__file__).parent / "README.md"
SETPOINT = PointId("setpoint")
MODE = PointId("mode")
BY_PROFILE = ("vaisala-wxt530", "mettler-sics", "demo-ascii")
TOLD = ("dfrobot-a02yyuw", "benewake-tfmini-s")


def by_profile(profile: str) -> str:
    return (
        f'[[twin]]\nid = "pit"\nline = "line"\nkind = "serial-profile"\nprofile = "{profile}"\n'
        "tells_every_s = 0.05\n"
    )


def build(site: SerialSite, **options: object) -> SerialProfile:
    given = {"profile": "demo-ascii", "response_timeout_s": TIMEOUT_S, **options}
    return SerialProfile(prepare(checked(SerialProfileConfig, given), None), site.line)


@dataclass
class Site:
    """The driver, its twin and their line."""

    serial: SerialSite
    driver: SerialProfile
    twin: SerialDemoTwin

    async def poll(self, group: int = 0) -> Told:
        asked = self.driver.groups[group]
        return told(asked, await self.driver.poll(asked))

    async def until_good(self) -> Told:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    found = await self.poll()
                    if not found.causes:
                        return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_site(*, echo: bool = False, **options: object) -> AsyncIterator[Site]:
    async with serial_site(DEMO, echo=echo) as site:
        twin = site.running.twin("pit")
        assert isinstance(twin, SerialDemoTwin)
        yield Site(site, build(site, **options), twin)


async def test_it_agrees_with_its_twin_on_every_point() -> None:
    async with open_site() as site:
        found = await site.poll()
        assert found.values == {
            "level": pytest.approx(site.twin.level_cm, abs=0.06),
            "door": False,
            "answers": 1,
        }
        assert (await site.poll(1)).values == {"setpoint": 200.0, "mode": 1}


async def test_what_is_set_is_proved_by_asking_or_by_the_answer() -> None:
    async with open_site() as site:
        assert await site.driver.write(SETPOINT, 250.5) == 250.5
        assert site.twin.setpoint_cm == 250.5
        assert await site.driver.write(MODE, "manual") == 2
        assert site.twin.mode == "MAN"


@pytest.mark.parametrize(
    ("point", "value"),
    [("setpoint", 401.0), ("setpoint", "high"), ("mode", "boost"), ("level", 3.0), ("none", 1)],
)
async def test_what_cannot_be_set_is_refused_before_anything_is_sent(
    point: str, value: float
) -> None:
    async with open_site() as site:
        with pytest.raises(CommandRefusedError):
            await site.driver.write(PointId(point), value)
        assert site.serial.line.statistics.exchanges == 0


async def test_a_refusal_of_the_device_has_its_code() -> None:
    async with open_site() as site:
        site.serial.running.apply("pit", Refuse(code=4))
        with pytest.raises(DeviceRejectedError) as refused:
            await site.driver.write(SETPOINT, 100.0)
        assert refused.value.code == 4
        assert site.twin.setpoint_cm == 200.0


async def test_two_of_a_kind_on_one_line_are_told_apart_by_address() -> None:
    second = DEMO.replace('"pit"', '"tank"') + "address = 42\n"
    async with serial_site(DEMO + second) as site:
        one, other = build(site), build(site, address=42)
        await other.write(SETPOINT, 33.0)
        values = [told(d.groups[1], await d.poll(d.groups[1])).values for d in (one, other)]
        assert [each["setpoint"] for each in values] == [200.0, 33.0]


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, SOUND)),
    "another address": (WrongUnit(), (FrameError,)),
    "exception": (Refuse(code=4), (DeviceRejectedError,)),
    "short": (Short(), (FrameError,)),
    "a byte too few": (Liar(how="count"), (FrameError,)),
    "a byte too many": (Liar(how="length"), (FrameError,)),
    "impossible values": (Liar(how="values"), (SOUND,)),
    "noise": (Noise(flips=1), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(name: str) -> None:
    fault, allowed = FAULTS[name]
    async with open_site() as site:
        await site.until_good()
        site.serial.running.apply("pit", fault)
        for _ in range(3):
            try:
                found = await site.poll()
            except DeviceError as error:
                assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
            else:
                assert SOUND in allowed
                assert name != "impossible values" or found.causes["level"] == "OUT_OF_RANGE"
        site.serial.running.clear("pit")
        await site.until_good()


async def test_a_write_that_is_not_answered_is_unknown_even_if_it_was_done() -> None:
    async with open_site() as site:
        site.serial.running.apply("pit", Silent(obeys=True))
        with pytest.raises(NoResponseError):
            await site.driver.write(SETPOINT, 111.0)
        assert site.twin.setpoint_cm == 111.0


async def test_cancel_in_mid_request_leaves_the_line_usable() -> None:
    async with open_site() as site:
        await site.poll()
        site.serial.running.apply("pit", Slow(delay_s=0.1))
        asked = asyncio.get_running_loop().create_task(site.poll())
        await asyncio.sleep(0.02)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        site.serial.running.clear("pit")
        await site.until_good()


async def test_an_echo_of_the_adapter_is_taken_off() -> None:
    async with open_site(echo=True) as site:
        site.serial.running.apply("pit", Echo())
        assert not (await site.poll()).causes


async def test_an_adapter_unplugged_is_said_and_back_when_it_is_plugged() -> None:
    async with open_site() as site:
        await site.poll()
        site.serial.running.unplug("line")
        with pytest.raises(BusUnavailableError):
            await site.poll()
        with pytest.raises(BusUnavailableError, match="plug the adapter in"):
            await site.poll()
        site.serial.running.plug("line")
        await site.until_good()


@pytest.mark.parametrize("profile", BY_PROFILE)
async def test_every_group_of_a_profile_is_read_from_a_twin_made_of_it(profile: str) -> None:
    async with serial_site(by_profile(profile)) as site:
        device = build(site, profile=profile)
        for group in device.groups:
            assert told(group, await device.poll(group)).values


@pytest.mark.parametrize("profile", TOLD)
async def test_what_a_device_tells_by_itself_is_heard(profile: str) -> None:
    async with serial_site(by_profile(profile)) as site:
        device = build(site, profile=profile, least_interval_s=0)
        ear = ListeningEar()
        device.attend(ear)
        await site.line.open()
        await ear.until(lambda ear: len(ear.samples) >= 2)
        first, second = ear.samples[:2]
        assert first.values["distance"] in {1953, 121}
        assert second.causes["distance"] in {"OUT_OF_RANGE", "NO_VALUE"}
        assert not ear.mistakes


@pytest.mark.parametrize("fault", [Crc(), Short(), Noise(flips=1), Liar(how="count")])
async def test_a_listener_mishears_and_hears_again(fault: Fault) -> None:
    async with serial_site(by_profile("benewake-tfmini-s")) as site:
        device = build(site, profile="benewake-tfmini-s", least_interval_s=0)
        ear = ListeningEar()
        device.attend(ear)
        await site.line.open()
        await ear.until(lambda ear: bool(ear.samples))
        site.running.apply("pit", fault)
        before = site.running.twin("pit").counts.answered
        await ear.until(lambda _: site.running.twin("pit").counts.answered >= before + 4)
        site.running.clear("pit")
        count = len(ear.samples)
        await ear.until(lambda ear: len(ear.samples) > count + 1)
        assert ear.mistakes
        assert {sample.values["strength"] for sample in ear.samples} <= {500, 32}


async def test_a_talker_is_taken_no_more_often_than_asked_for() -> None:
    async with serial_site(by_profile("benewake-tfmini-s")) as site:
        device = build(site, profile="benewake-tfmini-s", least_interval_s=3600)
        ear = ListeningEar()
        device.attend(ear)
        await site.line.open()
        await ear.until(lambda _: site.running.twin("pit").counts.answered >= 5)
        assert len(ear.samples) == 1


async def test_a_talker_has_the_speed_of_its_line() -> None:
    async with serial_site(by_profile("benewake-tfmini-s")) as site:
        with pytest.raises(ValueError, match="speed of its line"):
            build(site, profile="benewake-tfmini-s", baud_rate=9600)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"profile": "demo-ascii", "colour": "red"}, "colour"),
        ({"profile": "demo-asci"}, "did you mean demo-ascii"),
        ({"profile": "demo-ascii", "address": 100}, "1 to 99"),
        ({"profile": "mettler-sics", "address": 1}, "no address"),
        ({"profile": "vaisala-wxt530", "address": "ab"}, "no address of this model"),
        ({"profile": "demo-ascii", "periods": {"nothing": 1.0}}, "no group"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        checked(SerialProfileConfig, options)


@pytest.mark.parametrize(
    "model",
    [
        SerialProfileConfig,
        schema.SerialModel,
        schema.GroupModel,
        schema.PointModel,
        schema.WriteModel,
        schema.VectorModel,
        frame_schema.FrameModel,
        frame_schema.LineModel,
        frame_schema.ChecksumModel,
        frame_schema.CrcModel,
        frame_schema.AddressModel,
        frame_schema.RefusalModel,
    ],
)
def test_the_page_lists_every_option_with_its_description(model: type[BaseModel | Options]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", README.read_text(), re.MULTILINE)
    for name, option in TypeAdapter(model).json_schema()["properties"].items():
        assert any(row == name and option["description"] in text for row, text in rows), name


def test_the_driver_loads_alone() -> None:
    code = (
        "import sys; import drivers.serial_profile.driver; "
        "print([m for m in ('serial', 'simulators', 'pydantic_core', 'tomllib', 'pymodbus') "
        "if m in sys.modules])"
    )
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=unmeasured,
    )
    assert ran.stdout.strip() == "[]"
