"""The OSDP driver keeps a driver's promises against a reader that shares no code with libosdp."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import osdp_sys
import pytest
from pydantic import ValidationError

from drivers.access.osdp import bus as osdp_bus
from drivers.access.osdp import driver, kinds
from drivers.access.osdp.bus import OsdpBus
from drivers.access.osdp.driver import Osdp, OsdpConfig
from drivers.access.osdp.forgetting import forget
from drivers.access.osdp.wire import OsdpLineConfig
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceRejectedError,
    NoResponseError,
)
from gateway.model.event import Severity
from gateway.model.ids import OPERATIONS, PERSONAL, LineId, PointId
from simulators.access.osdp.frames import next_command
from simulators.access.osdp.reader import Reader
from simulators.access.osdp.twin import OsdpTwin
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
from simulators.lines.kinds import serial
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.access_keys import READER_KEYS, credential_key, digest, reader_key
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told

README = Path(driver.__file__).parent / "README.md"
WITHIN_S = 10.0


def twin_of(address: int, **options: object) -> str:
    table = {"key": READER_KEYS[address].hex(), "outputs": 2} | options
    lines = "".join(f"{name} = {as_toml(value)}\n" for name, value in table.items())
    return (
        f'[[twin]]\nid = "reader-{address}"\nline = "line"\nkind = "osdp-reader"\n'
        f"address = {address}\n{lines}"
    )


def as_toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@dataclass
class Site:
    """Readers on one line, their drivers and ears."""

    running: Running
    bus: OsdpBus
    drivers: dict[int, Osdp]
    ears: dict[int, ListeningEar]

    def twin(self, address: int) -> OsdpTwin:
        found = self.running.twin(f"reader-{address}")
        assert isinstance(found, OsdpTwin)
        return found

    async def poll(self, address: int = 1) -> Told:
        (group,) = self.drivers[address].groups
        return told(group, await self.drivers[address].poll(group))

    async def until_good(self, address: int = 1) -> Told:
        async with asyncio.timeout(WITHIN_S):
            while True:
                with suppress(DeviceError):
                    await self.bus.open()
                    return await self.poll(address)
                await asyncio.sleep(0.05)

    async def until_lost(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    await self.poll()
                except NoResponseError:
                    return
                except DeviceRejectedError:
                    await asyncio.sleep(0.05)

    def credentials(self, address: int = 1) -> list[object]:
        return [
            each.args["digest"]
            for each in self.ears[address].happenings
            if each.key == "credential"
        ]


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    addresses: Sequence[int] = (1,),
    twin: dict[str, object] | None = None,
    **options: object,
) -> AsyncIterator[Site]:
    twins = "\n".join(twin_of(address, **(twin or {})) for address in addresses)
    scene = f'[[line]]\nid = "line"\nmedium = "serial"\nbaud_rate = 115200\n{twins}'
    async with run_scene(parse_scene(scene, "test")) as running:
        path = serial(running.lines["line"]).address.path
        line = checked(OsdpLineConfig, {"port": path, "baud_rate": 115_200, "retry_s": 1})
        bus = OsdpBus(LineId("line"), line)
        drivers, ears = {}, {}
        for address in addresses:
            settings = {
                "credential_key": str(credential_key(folder)),
                "key": str(reader_key(folder, address)),
                "address": address,
                "outputs": 2,
                "response_timeout_s": 1.0,
            } | options
            settings = {name: value for name, value in settings.items() if value is not None}
            drivers[address] = Osdp(checked(OsdpConfig, settings), bus)
            ears[address] = ListeningEar()
            drivers[address].attend(ears[address])
        try:
            await bus.open()
            yield Site(running, bus, drivers, ears)
        finally:
            await bus.close()


async def test_it_agrees_with_its_twin_on_every_point(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        reader = site.twin(1).reader
        found = await site.poll()
        assert reader.secure
        assert found.values == {
            "credentials": 0, "refused": 0, "tamper": False, "power_fault": False,
            "led": None, "buzzer": None, "text": None, "output_1": False, "output_2": False,
        }  # fmt: skip
        assert set(found.causes) == {"led", "buzzer", "text"}  # OSDP has no reading back of these
        reader.tamper = reader.power_fault = True
        found = await site.poll()
        assert (found.values["tamper"], found.values["power_fault"]) == (True, True)


async def test_a_card_is_told_once_as_a_digest_to_those_who_may_see_persons(tmp_path: Path) -> None:
    async with open_site(tmp_path, reader="entrance", carrier="bracelet") as site:
        await site.poll()
        site.twin(1).card(12, 3456)
        ear = site.ears[1]
        await ear.until(lambda ear: bool(ear.happenings))
        (told_,) = ear.happenings
        assert told_.key == "credential"
        assert told_.audience == PERSONAL
        assert told_.args == {
            "digest": digest(b"facility-16:12:3456"),
            "format": "w26", "bits": 26, "reader": "entrance", "medium": "bracelet",
        }  # fmt: skip
        assert (await site.poll()).values["credentials"] == 1


async def test_keys_become_a_pin_and_no_digit_is_told(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.poll()
        site.twin(1).reader.press("99*4711#")
        await site.ears[1].until(lambda ear: bool(ear.happenings))
        (told_,) = site.ears[1].happenings
        assert told_.args["digest"] == digest(b"pin:4711")
        assert (told_.args["format"], told_.args["bits"], told_.args["medium"]) == ("pin", 0, "pin")
        assert "4711" not in repr(told_)


async def test_no_start_begins_with_the_challenge_of_another(tmp_path: Path) -> None:
    """Libosdp takes `rand` of the C library as it is: the same after each start."""
    challenges = set()
    for _ in range(2):
        ctypes.CDLL(None).srand(1)
        async with open_site(tmp_path) as site:
            await site.poll()
            session = site.twin(1).reader._session
            assert session is not None
            challenges.add(session._panel)
    assert len(challenges) == 2


async def test_several_readers_on_a_line_each_with_its_key(tmp_path: Path) -> None:
    async with open_site(tmp_path, addresses=(0, 1, 2)) as site:
        for address in (0, 1, 2):
            await site.poll(address)
            site.twin(address).card(1, 100 + address)
        for address in (0, 1, 2):
            await site.ears[address].until(lambda ear: bool(ear.happenings))
            canonical = b"facility-16:1:%d" % (100 + address)
            assert site.credentials(address) == [digest(canonical)]


async def test_tamper_is_told_at_once_and_when_it_is_over(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.poll()
        site.twin(1).reader.open_case(opened=True)
        ear = site.ears[1]
        await ear.until(lambda ear: len(ear.happenings) == 1)
        site.twin(1).reader.open_case(opened=False)
        await ear.until(lambda ear: len(ear.happenings) == 2)
        assert [(each.key, each.severity) for each in ear.happenings] == [
            ("reader-tamper", Severity.ALARM),
            ("reader-tamper-over", Severity.INFO),
        ]
        assert {each.audience for each in ear.happenings} == {OPERATIONS}


async def test_orders_are_carried_out_and_outputs_read_back(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        write, panel = site.drivers[1].write, site.twin(1).reader.panel
        assert await write(PointId("output_2"), value=True) is True
        assert panel.outputs == [False, True]
        assert await write(PointId("output_2"), value=False) is False
        assert panel.outputs == [False, False]
        assert await write(PointId("led"), "green") == 2
        assert panel.led == 2
        assert await write(PointId("buzzer"), 3) == 3
        assert panel.beeps == 3
        assert await write(PointId("text"), "Welcome") == "Welcome"
        assert panel.text == "Welcome"
        assert (await site.poll()).values["led"] == 2


async def test_what_it_cannot_take_is_refused(tmp_path: Path) -> None:
    impossible: list[tuple[str, float | str]] = [
        ("led", "pink"),
        ("led", 9),
        ("buzzer", 99),
        ("buzzer", "loud"),
        ("text", "слово"),
        ("text", "x" * 33),
        ("output_1", "on"),
        ("output_3", True),
        ("credentials", 0),
    ]
    async with open_site(tmp_path) as site:
        for point, value in impossible:
            with pytest.raises(CommandRefusedError):
                await site.drivers[1].write(PointId(point), value)


async def test_a_reader_with_another_key_is_not_believed(tmp_path: Path) -> None:
    async with open_site(tmp_path, twin={"key": "00" * 16}) as site:
        with pytest.raises(NoResponseError, match="another key"):
            await site.poll()
        site.twin(1).card(12, 3456)
        with pytest.raises(NoResponseError, match="another key"):
            await site.poll()
        assert site.credentials() == []


async def test_a_reader_with_the_factory_key_is_not_believed(tmp_path: Path) -> None:
    async with open_site(tmp_path, twin={"fresh": True}) as site:
        with pytest.raises(NoResponseError, match="open install mode"):
            await site.poll()
        assert site.twin(1).reader.key is None
        assert [each.key for each in site.ears[1].happenings] == []


async def test_install_mode_is_loud_and_ends_with_a_key_of_its_own(tmp_path: Path) -> None:
    async with open_site(tmp_path, twin={"fresh": True}, install_for_s=30) as site:
        await site.poll()
        assert site.twin(1).reader.key == READER_KEYS[1]
        assert [(each.key, each.severity) for each in site.ears[1].happenings] == [
            ("reader-install", Severity.ALARM),
            ("reader-installed", Severity.INFO),
        ]
        # another one with the factory key is not taken any more, though the time is not over
        site.twin(1).reader.key = None
        site.twin(1).reader.power_on()
        await site.until_lost()
        assert site.twin(1).reader.key is None


async def test_install_mode_ends_by_itself(tmp_path: Path) -> None:
    async with open_site(tmp_path, install_for_s=0.3) as site:
        site.running.apply("reader-1", Silent())
        await asyncio.sleep(0.5)
        site.twin(1).reader.key = None
        site.running.clear("reader-1")
        with pytest.raises(NoResponseError):
            await site.poll()
        assert site.twin(1).reader.key is None


async def test_a_plain_reader_is_believed_only_where_the_site_says_so(tmp_path: Path) -> None:
    plain: dict[str, object] = {"secure_only": False}
    async with open_site(tmp_path, twin=plain, key=None, secure="off") as site:
        await site.poll()
        site.twin(1).card(12, 3456)
        await site.ears[1].until(lambda ear: len(ear.happenings) == 2)
        assert [each.key for each in site.ears[1].happenings] == ["reader-insecure", "credential"]
        assert not site.twin(1).reader.secure


FAULTS: dict[str, Fault] = {
    "silent": Silent(),
    "slow": Slow(delay_s=0.4),
    "another reader": WrongUnit(),
    "short": Short(),
    "a byte too few": Liar(how="count"),
    "a length that lies": Liar(how="length"),
    "noise": Noise(),
    "checksum": Crc(),
    "only an echo": Echo(answers=False),
    "refusal": Refuse(code=3),
    "flood": Flood(every_s=0.02),
    "reboot": Reboot(),
}


async def test_every_fault_passes_without_trace_and_nothing_false_is_told(tmp_path: Path) -> None:
    """Each fault has a line of its own; all are played at once."""
    async with asyncio.TaskGroup() as tasks:
        for name, fault in FAULTS.items():
            folder = tmp_path / name
            folder.mkdir()
            tasks.create_task(play(folder, fault), name=name)


async def play(folder: Path, fault: Fault) -> None:
    async with open_site(folder, addresses=(1, 2), response_timeout_s=0.3) as site:
        await site.until_good(1)
        await site.until_good(2)
        site.running.apply("reader-1", fault)
        for _ in range(3):
            try:
                found = await site.poll(1)
            except DeviceError as error:
                assert isinstance(error, (NoResponseError, DeviceRejectedError)), error  # noqa: PT017
            else:
                assert (found.values["tamper"], found.values["power_fault"]) == (False, False)
        site.running.clear("reader-1")
        await site.until_good(1)
        await site.until_good(2)
        site.twin(1).card(7, 7)
        site.twin(2).card(8, 8)
        for address, canonical in ((1, b"facility-16:7:7"), (2, b"facility-16:8:8")):
            await site.ears[address].until(lambda ear: bool(ear.happenings))
            assert site.credentials(address) == [digest(canonical)]


async def test_an_echo_before_the_answers_does_not_matter(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        site.running.apply("reader-1", Echo())
        await site.until_good()


async def test_what_a_lying_reader_says_of_itself_is_taken_as_it_says(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.poll()
        site.running.apply("reader-1", Liar(how="values"))
        found = await site.poll()
        assert (found.values["tamper"], found.values["power_fault"]) == (True, True)


async def test_a_silent_reader_costs_its_neighbour_nothing(tmp_path: Path) -> None:
    async with open_site(tmp_path, addresses=(1, 2)) as site:
        await site.until_good(2)
        site.running.apply("reader-1", Silent())
        await site.until_lost()
        for number in range(5):
            site.twin(2).card(1, number)
            count = number + 1
            await site.ears[2].until(lambda ear, count=count: len(ear.happenings) == count)  # type: ignore[misc]
        await site.poll(2)


async def test_cancel_in_mid_order_leaves_the_line_usable(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.poll()
        asked = asyncio.get_running_loop().create_task(site.poll())
        await asyncio.sleep(0.001)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await site.poll()
        assert await site.drivers[1].write(PointId("output_1"), value=True) is True


async def test_an_adapter_unplugged_is_told_and_readers_are_back_when_it_is_plugged(
    tmp_path: Path,
) -> None:
    async with open_site(tmp_path) as site:
        lost: list[BusUnavailableError] = []
        site.bus.when_lost(lost.append)
        await site.poll()
        site.running.unplug("line")
        async with asyncio.timeout(WITHIN_S):
            while not lost:  # noqa: ASYNC110 - the medium tells by a callback
                await asyncio.sleep(0.01)
        with pytest.raises(BusUnavailableError):
            await site.poll()
        with pytest.raises(BusUnavailableError, match="plug the adapter in"):
            await site.bus.open()
        site.running.plug("line")
        await site.until_good()


async def test_the_figures_of_the_line_count(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site:
        await site.poll()
        statistics = site.bus.statistics
        assert statistics.exchanges > 4
        assert statistics.bytes_sent > 40
        assert statistics.bytes_received > 40


async def test_a_reader_behind_a_network_adapter(tmp_path: Path) -> None:
    reader = Reader(1, READER_KEYS[1], outputs=0, seed=1)

    class Adapter(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            self.heard = bytearray()

        def data_received(self, data: bytes) -> None:
            self.heard += data
            while (command := next_command(self.heard)) is not None:
                self.transport.write(reader.answer(command) or b"")

    server = await asyncio.get_running_loop().create_server(Adapter, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = OsdpBus(LineId("net"), checked(OsdpLineConfig, {"host": "127.0.0.1", "tcp_port": port}))
    options = {"credential_key": credential_key(tmp_path), "key": reader_key(tmp_path, 1)}
    made = Osdp(checked(OsdpConfig, options | {"address": 1}), bus)
    ear = ListeningEar()
    made.attend(ear)
    try:
        await bus.open()
        await made.poll(made.groups[0])
        reader.show("1" * 40)
        await ear.until(lambda ear: bool(ear.happenings))
        assert ear.happenings[0].args["digest"] == digest(b"raw-40:ffffffffff")
    finally:
        await bus.close()
        server.close()


async def test_events_leave_nothing_in_memory(tmp_path: Path) -> None:
    """The binding of libosdp keeps each event for ever, with the number of the card in it."""
    async with open_site(tmp_path, outputs=0) as site:
        grown = []
        for _ in range(4):
            before = sys.getallocatedblocks()
            for _ in range(20):
                await site.poll()
            gc.collect()
            grown.append(sys.getallocatedblocks() - before)
        assert sorted(grown)[1] < 28  # an order makes two events; the first window warms up


def test_an_event_is_emptied_and_one_that_others_hold_is_left_to_them() -> None:
    event = {"data": b"card"}
    others = [event, event]
    forget(event)
    assert others == [{}, {}]
    assert sys.getrefcount(event) == 4


def test_two_readers_with_one_address_are_refused(tmp_path: Path) -> None:
    bus = OsdpBus(LineId("line"), OsdpLineConfig(port="/dev/null"))
    options = {"credential_key": credential_key(tmp_path), "key": reader_key(tmp_path, 1)}
    Osdp(checked(OsdpConfig, options), bus)
    with pytest.raises(ValueError, match="taken"):
        Osdp(checked(OsdpConfig, options), bus)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"colour": "red"}, "colour"),
        ({"key": None}, "wants the key"),
        ({"secure": "off"}, "has no key"),
        ({"install_for_s": 3600}, "less than or equal to 600"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    options = {"credential_key": str(credential_key(tmp_path)), "key": str(reader_key(tmp_path, 1))}
    with pytest.raises(ValidationError, match=says):
        checked(OsdpConfig, options | change)


@pytest.mark.parametrize("content", [b"", b"x" * 15, b"zz" * 16, bytes(range(0x30, 0x40))])
def test_no_key_and_the_key_of_the_factory_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ValidationError, match=r"bad\.key"):
        checked(OsdpConfig, {"credential_key": str(credential_key(tmp_path)), "key": str(path)})


def test_a_line_has_one_way() -> None:
    for options in ({}, {"port": "/dev/ttyUSB0", "host": "127.0.0.1"}):
        with pytest.raises(ValidationError, match="either a port or a host"):
            checked(OsdpLineConfig, options)
    assert osdp_bus.MANIFEST.resource(OsdpLineConfig(host="a", tcp_port=5)) == ("a", 5)


def test_the_numbers_are_those_of_the_library() -> None:
    assert kinds.Order.OUTPUT == osdp_sys.CMD_OUTPUT
    assert kinds.Order.LED == osdp_sys.CMD_LED
    assert kinds.Order.BUZZER == osdp_sys.CMD_BUZZER
    assert kinds.Order.TEXT == osdp_sys.CMD_TEXT
    assert kinds.Order.STATUS == osdp_sys.CMD_STATUS
    assert kinds.Event.CARD == osdp_sys.EVENT_CARDREAD
    assert kinds.Event.KEYS == osdp_sys.EVENT_KEYPRESS
    assert kinds.Event.STATUS == osdp_sys.EVENT_STATUS
    assert kinds.Event.NOTICE == osdp_sys.EVENT_NOTIFICATION
    assert kinds.Status.OUTPUTS == osdp_sys.STATUS_REPORT_OUTPUT
    assert kinds.Status.LOCAL == osdp_sys.STATUS_REPORT_LOCAL
    assert kinds.Notice.CHANNEL == osdp_sys.EVENT_NOTIFICATION_SC_STATUS
    assert kinds.Notice.PRESENCE == osdp_sys.EVENT_NOTIFICATION_PD_STATUS
    assert kinds.Capability.LED == osdp_sys.CAP_READER_LED_CONTROL
    assert kinds.Capability.SOUND == osdp_sys.CAP_READER_AUDIBLE_OUTPUT
    assert kinds.Capability.TEXT == osdp_sys.CAP_READER_TEXT_OUTPUT


def test_the_page_lists_every_point_and_option(tmp_path: Path) -> None:
    assert missing_options(README, OsdpConfig) == []
    assert missing_options(README, OsdpLineConfig) == []
    bus = OsdpBus(LineId("line"), OsdpLineConfig(port="/dev/null"))
    options = {"credential_key": credential_key(tmp_path), "key": reader_key(tmp_path, 1)}
    groups = Osdp(checked(OsdpConfig, options | {"outputs": 1}), bus).groups
    assert missing_points(README, groups) == []
