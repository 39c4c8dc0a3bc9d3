"""The M-Bus driver keeps a driver's promises against its twins on an RS-485 line."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.mbus import commissioning, driver
from drivers.mbus.archive import Archive
from drivers.mbus.config import MbusConfig, MbusPoint
from drivers.mbus.describe import as_toml, describe
from drivers.mbus.driver import Mbus
from drivers.mbus.readout import Asking, Meter
from drivers.mbus.search import Came, WildcardSearch, scan, search
from drivers.media.characters import Characters
from gateway.model.discovery import Looked, Scope
from gateway.model.errors import (
    CommandRefusedError,
    DeviceError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
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
from simulators.mbus.meters import Electricity, Heat, Water
from simulators.mbus.twin import MbusTwin
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told
from tests.serial_site import SerialSite, serial_site

TWINS = """
[[twin]]
id = "water"
line = "line"
kind = "mbus-water"
address = 1
ident = "12345678"
stores = 0

[[twin]]
id = "heat"
line = "line"
kind = "mbus-heat"
address = 2
ident = "19345678"
stores = 0

[[twin]]
id = "power"
line = "line"
kind = "mbus-electricity"
address = 3
ident = "87654321"
maker = "ABB"
stores = 0
"""
ALONE = '[[twin]]\nid = "water"\nline = "line"\nkind = "mbus-water"\naddress = 1\n'
ANSWERS = {"name": "answers", "quantity": "dimensionless", "unit": "{count}"}
WATER = (
    {"name": "volume", "quantity": "volume", "resolution": 0.001},
    {"name": "back", "quantity": "volume", "qualifiers": ["backward"]},
    {"name": "flow", "quantity": "volume_flow", "unit": "L/h"},
    {"name": "flow_max", "quantity": "volume_flow", "function": "maximum"},
    {"name": "clock", "quantity": "datetime"},
    {"name": "number", "quantity": "fabrication_number"},
    {"name": "battery", "quantity": "battery_days_left", "unit": "d"},
    ANSWERS,
)
HEAT = (
    {"name": "heat", "quantity": "energy", "unit": "GJ"},
    {"name": "heat_kwh", "quantity": "energy"},
    {"name": "power", "quantity": "power"},
    {"name": "flow_temperature", "quantity": "flow_temperature", "resolution": 0.1},
    {"name": "difference", "quantity": "temperature_difference", "resolution": 0.1},
    {"name": "running", "quantity": "operating_time"},
    {"name": "firmware", "quantity": "firmware_version"},
    ANSWERS,
)
POWER = (
    {"name": "energy", "quantity": "energy", "resolution": 0.01},
    {"name": "energy_day", "quantity": "energy", "tariff": 1, "resolution": 0.01},
    {"name": "energy_night", "quantity": "energy", "tariff": 2, "resolution": 0.01},
    {"name": "power_l2", "quantity": "power", "qualifiers": ["maker-02"]},
    {"name": "voltage", "quantity": "voltage", "resolution": 0.1},
    {"name": "current", "quantity": "current", "unit": "mA"},
    {"name": "frequency", "quantity": "frequency"},
    ANSWERS,
)
POINTS = {"water": WATER, "heat": HEAT, "power": POWER}
ADDRESSES = {"water": 1, "heat": 2, "power": 3}
TIMEOUT_S = 0.25
SEARCH_S = 0.08
MARGIN_S = 0.35
README = Path(driver.__file__).parent / "README.md"


@dataclass
class Site:
    """The twins and their line, and a driver for each."""

    serial: SerialSite
    drivers: dict[str, Mbus]

    def twin(self, name: str) -> MbusTwin:
        twin = self.serial.running.twin(name)
        assert isinstance(twin, MbusTwin)
        return twin

    @property
    def asking(self) -> Asking:
        return Asking(self.serial.line, SEARCH_S)

    async def poll(self, name: str) -> Told:
        mbus = self.drivers[name]
        [group] = mbus.groups
        return told(group, await mbus.poll(group))

    async def until_good(self, name: str) -> Told:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    found = await self.poll(name)
                    if not found.causes:
                        return found
                await asyncio.sleep(0.02)


def meter(site: SerialSite, points: object, **options: object) -> Mbus:
    given = {"points": points, "response_timeout_s": TIMEOUT_S, **options}
    return Mbus(checked(MbusConfig, given), site.line)


@asynccontextmanager
async def open_site(
    twins: str = TWINS, *, echo: bool = False, **options: object
) -> AsyncIterator[Site]:
    async with serial_site(twins, echo=echo) as serial:
        drivers = {
            name: meter(serial, points, address=ADDRESSES[name], **options)
            for name, points in POINTS.items()
        }
        yield Site(serial, drivers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


OWN = {
    "power_low": False,
    "permanent_error": False,
    "temporary_error": False,
    "application": 0,
    "maker_status": 0,
}


async def test_it_agrees_with_a_water_meter_on_every_point(site: Site) -> None:
    found = await site.poll("water")
    water = site.twin("water").meter
    assert isinstance(water, Water)
    assert found.causes == {}
    assert found.values == pytest.approx(
        OWN
        | {
            "volume": water.counted / 1000,
            "back": 0.002,
            "flow": round(water.flow_l_h),
            "flow_max": round(water.highest_l_h) / 1000,
            "clock": water.clock.now.strftime("%Y-%m-%dT%H:%M"),
            "number": "12345678",
            "battery": 2555,
            "answers": 1,
        }
    )


async def test_it_agrees_with_a_heat_meter_over_several_telegrams(site: Site) -> None:
    found = await site.poll("heat")
    heat = site.twin("heat").meter
    assert isinstance(heat, Heat)
    assert len(heat.telegrams()) == 2
    assert found.causes == {}
    assert found.values == pytest.approx(
        OWN
        | {
            "heat": heat.counted * 3.6 / 1000,
            "heat_kwh": heat.counted,
            "power": round(heat.power_w),
            "flow_temperature": round(heat.flow_cel, 1),
            "difference": round(heat.flow_cel - heat.return_cel, 1),
            "running": int(heat.running_s / 3600),
            "firmware": "2.14",
            "answers": 1,
        }
    )


async def test_it_agrees_with_an_electricity_meter_on_tariffs_and_phases(site: Site) -> None:
    found = await site.poll("power")
    power = site.twin("power").meter
    assert isinstance(power, Electricity)
    assert found.causes == {}
    assert found.values == pytest.approx(
        OWN
        | {
            "energy": power.counted / 100,
            "energy_day": int(power.day_wh / 10) / 100,
            "energy_night": int(power.night_wh / 10) / 100,
            "power_l2": round(power.watts * 10 / 3) / 10,
            "voltage": round(power.volts * 10) / 10,
            "current": round(power.watts / power.volts * 1000),
            "frequency": 49.98,
            "answers": 1,
        }
    )


async def test_no_readout_of_a_healthy_meter_is_lost_or_doubled(site: Site) -> None:
    for name in POINTS:
        counts = [(await site.poll(name)).values["answers"] for _ in range(5)]
        assert counts == [1, 2, 3, 4, 5]
    assert site.serial.line.statistics.errors == 0
    noted = [entry for entry in site.serial.running.truth.entries() if entry.certain]
    assert len(noted) == 15


async def test_without_resets_a_meter_goes_on_by_the_frame_count_bit() -> None:
    async with open_site(reset_link=False) as site:
        for name in ("water", "heat"):
            counts = [(await site.poll(name)).values["answers"] for _ in range(4)]
            assert counts == [1, 2, 3, 4]


async def test_an_application_reset_goes_before_the_readout() -> None:
    async with open_site(application_reset=0) as site:
        assert (await site.poll("heat")).values["answers"] == 1


SECONDARY: dict[str, dict[str, object]] = {
    "its identification": {"secondary": "12345678"},
    "with its maker, version and type": {
        "secondary": "12345678",
        "manufacturer": "MAY",
        "version": 1,
        "device_type": 7,
    },
    "wildcards": {"secondary": "1234567F"},
}


@pytest.mark.parametrize("case", SECONDARY)
async def test_a_meter_is_found_by_its_secondary_address(site: Site, case: str) -> None:
    mbus = meter(site.serial, WATER, **SECONDARY[case])
    [group] = mbus.groups
    assert told(group, await mbus.poll(group)).values["number"] == "12345678"
    assert not site.twin("water").selected  # it was let go
    other = meter(site.serial, HEAT, secondary="19345678")
    [group] = other.groups
    assert told(group, await other.poll(group)).causes == {}


async def test_a_wildcard_that_means_several_is_no_answer(site: Site) -> None:
    mbus = meter(site.serial, WATER, secondary="1FFFFFFF")
    with pytest.raises(FrameError):
        await mbus.poll(mbus.groups[0])
    await site.until_good("water")


async def test_nobody_is_meant_by_another_identification(site: Site) -> None:
    mbus = meter(site.serial, WATER, secondary="00000000")
    with pytest.raises(NoResponseError):
        await mbus.poll(mbus.groups[0])


STATES: dict[str, tuple[dict[str, object], str]] = {
    "battery_low": ({"power_low": True}, ""),
    "temporary_error": ({"temporary_error": True}, "DEVICE_FAULT"),
    "permanent_error": ({"permanent_error": True}, "DEVICE_FAULT"),
    "alarm": ({"application": 3}, ""),
}


@pytest.mark.parametrize("state", STATES)
async def test_a_meter_that_calls_itself_broken_is_doubted(state: str) -> None:
    values, doubt = STATES[state]
    twins = (
        f'[[twin]]\nid = "water"\nline = "line"\nkind = "mbus-water"\naddress = 1\n{state} = true\n'
    )
    async with open_site(twins) as site:
        found = await site.poll("water")
        assert {name: found.values[name] for name in OWN} == OWN | values
        names = [str(point["name"]) for point in WATER]
        assert found.causes == (dict.fromkeys(names, doubt) if doubt else {})
        assert found.values["volume"] is not None


async def test_encrypted_data_is_refused_by_name() -> None:
    async with open_site(f"{ALONE}encrypted = true\n") as site:
        with pytest.raises(DeviceRejectedError, match="encrypts"):
            await site.poll("water")


async def test_what_a_meter_does_not_tell_is_bad_and_the_rest_is_good(site: Site) -> None:
    points = [
        {"name": "volume", "quantity": "volume"},
        {"name": "pressure", "quantity": "pressure"},
        {"name": "older", "quantity": "volume", "storage": 3},
        {"name": "second", "quantity": "volume", "which": 1},
    ]
    mbus = meter(site.serial, points, address=1)
    found = told(mbus.groups[0], await mbus.poll(mbus.groups[0]))
    assert found.causes == dict.fromkeys(("pressure", "older", "second"), "REJECTED")


async def test_silence_is_no_response_in_time(site: Site) -> None:
    await site.poll("water")
    site.serial.running.apply("water", Silent())
    began = time.monotonic()
    with pytest.raises(NoResponseError):
        await site.poll("water")
    assert TIMEOUT_S <= time.monotonic() - began <= TIMEOUT_S + MARGIN_S


async def test_cancel_in_mid_request_leaves_the_line_usable(site: Site) -> None:
    await site.poll("water")
    site.serial.running.apply("water", Slow(delay_s=0.1))
    asked = asyncio.get_running_loop().create_task(site.poll("water"))
    await asyncio.sleep(0.02)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert (await site.poll("heat")).causes == {}
    site.serial.running.clear("water")
    await site.until_good("water")


SOUND = type(None)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, FrameError, SOUND)),
    "another meter": (WrongUnit(), (FrameError,)),
    "a refusal": (Refuse(code=4), (DeviceRejectedError,)),
    "busy": (Refuse(code=8), (NoResponseError,)),
    "short": (Short(), (FrameError,)),
    "a record breaks off": (Liar(how="count"), (FrameError,)),
    "a length that does not fit": (Liar(how="length"), (FrameError,)),
    "nothing but errors": (Liar(how="values"), (SOUND,)),
    # an 8-bit sum does not find every pair of flipped bits; the parity of the line would
    "noise": (Noise(flips=1), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, SOUND)),
    "reboot": (Reboot(), (NoResponseError,)),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(
    site: Site, name: str
) -> None:
    fault, allowed = FAULTS[name]
    good = await site.until_good("water")
    site.serial.running.apply("water", fault)
    for _ in range(2):
        try:
            found = await site.poll("water")
        except DeviceError as error:
            assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
        else:
            assert SOUND in allowed
            if name == "nothing but errors":
                assert found.causes["volume"] == "NO_VALUE"
                assert found.causes["clock"] == "REJECTED"
    site.serial.running.clear("water")
    after = await site.until_good("water")
    assert after.values["number"] == good.values["number"]
    assert (await site.poll("heat")).causes == {}


@pytest.mark.parametrize("answers", [True, False])
async def test_an_adapter_with_echo_is_a_matter_of_an_option(answers: bool) -> None:
    async with open_site(echo=True) as site:
        site.serial.running.apply("water", Echo())
        if answers:
            assert (await site.poll("water")).causes == {}
        else:
            with pytest.raises(DeviceError):
                await site.poll("heat")  # this twin has no echo


async def test_the_search_finds_every_meter_once(site: Site) -> None:
    state = WildcardSearch()
    steps = [step async for step in search(site.asking, state)]
    found = [step.found for step in steps if step.found is not None]
    assert sorted(header.ident for header in found) == ["12345678", "19345678", "87654321"]
    assert {header.manufacturer for header in found} == {"MAY", "ABB"}
    assert sorted(step.primary for step in steps if step.primary is not None) == [1, 2, 3]
    assert steps[-1].share == 1
    assert [step.share for step in steps] == sorted(step.share for step in steps)
    assert state.alike == []


async def test_a_search_goes_on_where_it_was_broken_off(site: Site) -> None:
    state = WildcardSearch("1")
    found = []
    for _ in range(4):
        steps = search(site.asking, state)
        async for step in steps:
            found += [step.found.ident] if step.found is not None else []
            break
        await steps.aclose()  # type: ignore[attr-defined]  # a generator has it
        state = WildcardSearch(state.prefix, state.todo, state.alike, state.looked_through)
    steps = search(site.asking, state)
    found += [step.found.ident async for step in steps if step.found is not None]
    assert found == ["12345678", "19345678"]


async def test_two_meters_with_one_identification_are_told_of() -> None:
    one = '[[twin]]\nid = "a"\nline = "line"\nkind = "mbus-water"\nident = "00000007"\n'
    async with open_site(one + one.replace('"a"', '"b"') + 'maker = "ABB"\n') as site:
        state = WildcardSearch("0000000")
        steps = [step async for step in search(site.asking, state)]
        assert state.alike == ["00000007"]
        assert steps[-1].share == 1
        first = meter(site.serial, WATER, secondary="00000007", manufacturer="ABB")
        assert told(first.groups[0], await first.poll(first.groups[0])).causes == {}


SPEEDS = """
[[twin]]
id = "water"
line = "line"
kind = "mbus-water"
ident = "20000001"

[[twin]]
id = "other"
line = "line"
kind = "mbus-heat"
ident = "10000002"
maker = "KAM"
address = 9
baud_rate = 9600
"""


async def test_scan_finds_meters_at_every_speed_once_and_goes_on_where_it_was() -> None:
    discover = driver.MANIFEST.discover
    assert discover is not None
    async with open_site(SPEEDS) as site:
        settings = ({"baud_rate": 115_200}, {"baud_rate": 9600}, {"baud_rate": 38_400})
        scope = Scope((), settings, timeout_s=TIMEOUT_S)
        state: dict[str, object] = {}
        looked: list[Looked] = []
        while not looked or looked[-1].share < 1:
            async for each in discover(site.serial.line, scope, state):
                looked.append(each)
                state = json.loads(json.dumps(each.state))  # as it is kept in a file
                break
        found = [each.found for each in looked if each.found is not None]
        assert [each.options for each in found] == [
            {
                "secondary": "20000001",
                "manufacturer": "MAY",
                "version": 1,
                "device_type": 7,
                "baud_rate": 115_200,
            },
            {
                "secondary": "10000002",
                "manufacturer": "KAM",
                "version": 1,
                "device_type": 4,
                "baud_rate": 9600,
            },
        ]
        assert [each.identity.get("address") for each in found] == [None, "9"]
        assert [each.share for each in looked] == sorted(each.share for each in looked)
        for one in found:
            mbus = meter(site.serial, [ANSWERS], **one.options)
            assert told(mbus.groups[0], await mbus.poll(mbus.groups[0])).causes == {}


async def test_scan_tells_of_meters_that_cannot_be_told_apart() -> None:
    discover = driver.MANIFEST.discover
    assert discover is not None
    one = '[[twin]]\nid = "a"\nline = "line"\nkind = "mbus-water"\nident = "00000007"\n'
    async with open_site(one + one.replace('"a"', '"b"')) as site:
        scope = Scope((), ({"baud_rate": 115_200},), timeout_s=SEARCH_S)
        state = {"setting": 0, "todo": ["0000000"], "alike": [], "through": 1}
        steps = discover(site.serial.line, scope, state)
        troubles = {each.words: each.trouble async for each in steps if each.trouble}
        assert troubles == {"115200 8N1, 00000007": "scan-garbled"}


async def test_primary_addresses_are_looked_at_one_by_one(site: Site) -> None:
    looked = [step async for step in scan(site.asking, range(5))]
    assert [step.came for step in looked] == [
        Came.NOTHING,
        Came.ONE,
        Came.ONE,
        Came.ONE,
        Came.NOTHING,
    ]
    assert [step.found.ident for step in looked if step.found] == [
        "12345678",
        "19345678",
        "87654321",
    ]


async def test_what_a_meter_tells_is_proposed_and_the_proposal_reads_it(site: Site) -> None:
    for name, address in ADDRESSES.items():
        whole, described = await describe(site.asking, Meter(address))
        assert whole.header.ident == site.twin(name).meter.options.ident
        proposed = [each.point for each in described if each.point is not None]
        assert len({point.name for point in proposed}) == len(proposed)
        config = MbusConfig(address=address, points=tuple(proposed), response_timeout_s=TIMEOUT_S)
        mbus = Mbus(config, site.serial.line)
        found = told(mbus.groups[0], await mbus.poll(mbus.groups[0]))
        assert found.causes == {}
        text = as_toml(described)
        assert text.count("name =") == len(proposed)


KEPT = [{"name": "volume_kept", "quantity": "volume", "unit": "L", "resolution": 1}]


async def test_what_a_meter_kept_during_an_outage_is_handed_over_after_it() -> None:
    twin = f"{ALONE}stores = 20\nstores_every_s = 600\n"
    async with open_site(twin) as site:
        water = site.twin("water").meter
        mbus = meter(site.serial, WATER, address=1, archive=KEPT)
        ear = ListeningEar()
        mbus.attend(ear)
        now, past = mbus.groups
        for _ in range(3):
            water.advance(600)
        await mbus.poll(now)
        assert [sample.values["archive_at"] for sample in ear.samples] == [
            f"2026-03-01T06:{minute}" for minute in ("10", "20", "30")
        ]
        site.serial.running.apply("water", Silent())
        with pytest.raises(NoResponseError):
            await mbus.poll(now)
        for _ in range(12):
            water.advance(600)
        site.serial.running.clear("water")
        ear.samples.clear()
        found = told(now, await mbus.poll(now))
        assert found.causes == {}
        assert [sample.group for sample in ear.samples] == [past.name] * 12
        assert ear.samples[-1].values == {
            "archive_at": "2026-03-01T08:30",
            "volume_kept": water.archive[-1].value,
        }
        assert [sample.sample.flags for sample in ear.samples] == [{}] * 12
        assert mbus.learned
        again = meter(site.serial, WATER, address=1, archive=KEPT)
        again.recall(mbus.memory())
        ear.samples.clear()
        again.attend(ear)
        await again.poll(now)
        assert len(ear.samples) == 12  # the last readout is not known to lie on the card


async def test_the_manufacturer_s_own_is_shown_and_never_a_point(site: Site) -> None:
    _, described = await describe(site.asking, Meter(2))
    [opaque] = [each for each in described if each.point is None]
    assert (opaque.words, opaque.value) == ("opaque maker", "10 b5")


async def test_a_meter_is_given_another_speed_and_proves_it(site: Site) -> None:
    asking = site.asking
    await commissioning.set_speed(asking, 1, 38_400)
    fast = meter(site.serial, WATER, address=1, baud_rate=38_400)
    assert told(fast.groups[0], await fast.poll(fast.groups[0])).causes == {}
    with pytest.raises(DeviceError):
        await site.poll("water")
    back = Asking(site.serial.line, TIMEOUT_S, Characters(baud_rate=38_400))
    with pytest.raises(DeviceError):
        await commissioning.set_speed(back, 2, 9600)  # it talks at another one


async def test_a_meter_is_given_another_address(site: Site) -> None:
    await commissioning.set_address(site.asking, 1, 7)
    assert site.twin("water").address == 7
    for taken in (2, 0, 251):
        with pytest.raises(CommandRefusedError):
            await commissioning.set_address(site.asking, 7, taken)


WRONG: dict[str, dict[str, object]] = {
    "no address": {},
    "both addresses": {"address": 1, "secondary": "12345678"},
    "no identification": {"secondary": "1234567"},
    "a maker without an identification": {"address": 1, "manufacturer": "KAM"},
    "an unknown option": {"address": 1, "unit": 1},
    "an unknown quantity": {"address": 1, "points": [{"name": "a", "quantity": "enrgy"}]},
    "a wrong unit": {"address": 1, "points": [{"name": "a", "quantity": "energy", "unit": "W"}]},
    "a resolution of a date": {
        "address": 1,
        "points": [{"name": "a", "quantity": "date", "resolution": 1}],
    },
    "a name twice": {"address": 1, "points": [WATER[0], WATER[0]]},
    "a name of its own": {"address": 1, "points": [{"name": "power_low", "quantity": "volume"}]},
    "an archive with a storage number": {
        "address": 1,
        "archive": [{"name": "a", "quantity": "volume", "storage": 1}],
    },
    "a name twice, in the archive": {"address": 1, "points": [WATER[0]], "archive": [WATER[0]]},
    "too hasty at 300 Bd": {"address": 1, "baud_rate": 300},
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_refused(case: str) -> None:
    with pytest.raises(ValidationError):
        checked(MbusConfig, WRONG[case])


def test_the_page_lists_every_option_and_every_point_of_its_own() -> None:
    assert missing_options(README, MbusConfig) == []
    assert missing_options(README, MbusPoint) == []
    config = checked(MbusConfig, {"address": 1})
    now = Mbus(config, None).groups[0]  # type: ignore[arg-type]
    assert missing_points(README, [now, Archive((), 1).group]) == []
