"""The medium `gpio`: a board that fails, goes and comes back; its options and its page."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.gpio import chip as medium
from drivers.gpio import counter, output, pwm
from drivers.gpio import input as contact
from drivers.gpio.chip import GpioChip
from drivers.gpio.config import GpioConfig
from gateway.model.driver import Manifest, PollGroup
from gateway.model.errors import (
    BusUnavailableError,
    ConfigError,
    DeviceError,
    DeviceRejectedError,
)
from gateway.model.ids import LineId, PointId
from gateway.plugins.assembling import assemble_file
from simulators.faults import (
    Fault,
    Liar,
    Reboot,
    Refuse,
    Short,
    Silent,
    Slow,
)
from simulators.gpio.twins import Relay
from tests.checked_options import checked
from tests.gpio_site import GpioSite, gpio_site, poll, until
from tests.listening_ear import ListeningEar

README = Path(medium.__file__).parent / "README.md"
MANIFESTS = (contact.MANIFEST, counter.MANIFEST, output.MANIFEST, pwm.MANIFEST)


@pytest.fixture
async def site() -> AsyncIterator[GpioSite]:
    async with gpio_site() as opened:
        yield opened


# The board


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Silent(), BusUnavailableError),
        (Slow(delay_s=5), BusUnavailableError),
        (Short(missing=4), BusUnavailableError),
        (Refuse(), DeviceRejectedError),
        (Liar(), DeviceRejectedError),
        (Reboot(), BusUnavailableError),
    ],
    ids=lambda each: each.name if isinstance(each, Fault) else "",
)
async def test_board_that_fails_is_told_in_time_and_usable_again(
    fault: Fault, error: type[DeviceError]
) -> None:
    async with gpio_site(check_s=60) as site:
        driver = site.make(output.MANIFEST, pin=22, back="last")
        await site.chip.open()
        async with site.fault("board", fault), asyncio.timeout(5):
            with pytest.raises(error):
                await driver.write(PointId("on"), True)
        assert len(site.losses) == (error is BusUnavailableError)
        await site.opened()
        assert await driver.write(PointId("on"), True) is True
        assert site.twin("relay", Relay).pulled


async def test_board_that_goes_is_noticed_though_nobody_asks(site: GpioSite) -> None:
    ears = site.make(contact.MANIFEST, pin=17)
    ears.attend(ListeningEar())
    await site.chip.open()
    async with site.fault("board", Silent()):
        await until(lambda: site.losses)
    assert "no answer" in str(site.losses[0])
    await site.opened()
    async with site.fault("board", Reboot()):
        await until(lambda: len(site.losses) == 2)
    assert site.chip.generation == 2


async def test_board_that_is_silent_from_the_beginning_cannot_be_opened() -> None:
    async with gpio_site(connect_timeout_s=0.2) as site:
        site.make(contact.MANIFEST, pin=17)
        async with site.fault("board", Silent()):
            with pytest.raises(BusUnavailableError, match="pigpiod"):
                await site.chip.open()
        await site.opened()


async def test_board_whose_pin_is_forbidden_cannot_be_opened(site: GpioSite) -> None:
    site.make(output.MANIFEST, pin=22)
    async with site.fault("board", Refuse()):
        with pytest.raises(BusUnavailableError):
            await site.chip.open()
    await site.opened()


async def test_cancelled_request_leaves_the_chip_usable(site: GpioSite) -> None:
    driver = site.make(output.MANIFEST, pin=22)
    await site.chip.open()
    async with site.fault("board", Slow(delay_s=0.1)):
        for wait_s in (0, 0.02, 0.05):
            writing = asyncio.ensure_future(driver.write(PointId("on"), True))  # noqa: TID251 - cancelled
            await asyncio.sleep(wait_s)
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
    assert (await poll(driver))["on"] in {True, False}
    assert await driver.write(PointId("on"), False) is False


async def test_cancelled_opening_leaves_nothing_behind(site: GpioSite) -> None:
    driver = site.make(output.MANIFEST, pin=22)
    async with site.fault("board", Slow(delay_s=0.05)):
        opening = asyncio.ensure_future(site.chip.open())  # noqa: TID251 - cancelled
        await until(lambda: site.line.daemon.clients)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    await until(lambda: not site.line.daemon.clients)
    await site.opened()
    assert (await poll(driver))["on"] is False


async def test_nobody_there_is_told_with_what_to_look_at(unused_tcp_port: int) -> None:
    config = checked(GpioConfig, {"factory": "pigpio", "port": unused_tcp_port})
    reason = medium.MANIFEST.probe(config)
    assert reason is not None
    assert "is pigpiod running" in reason


async def test_another_service_is_told_apart(unused_tcp_port: int) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready for some commands\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", unused_tcp_port)
    chip = GpioChip(
        LineId("pins"), checked(GpioConfig, {"factory": "pigpio", "port": unused_tcp_port})
    )
    with pytest.raises(BusUnavailableError, match="no pigpio service"):
        await chip.open()
    await chip.close()
    server.close()
    await server.wait_closed()


async def test_board_without_a_chip_of_its_own_says_so() -> None:
    chip = GpioChip(LineId("pins"), checked(GpioConfig, {"chip": 250}))
    with pytest.raises(BusUnavailableError, match="/dev/gpiochip250"):
        await chip.open()
    await chip.close()
    assert medium.MANIFEST.probe(checked(GpioConfig, {"chip": 250})) is not None


# Configuration

SITE = """
[site]
id = "cabinet"
name = "Cabinet"

[[line]]
id = "pins"
medium = "gpio"
"""


def mistakes(tmp_path: Path, devices: str) -> str:
    path = tmp_path / "site.toml"
    path.write_text(SITE + devices, "utf-8")
    with pytest.raises(ConfigError) as raised:
        assemble_file(path)
    return str(raised.value)


def device(name: str, driver: str, **options: object) -> str:
    lines = [f"{key} = {value!r}" for key, value in options.items()]
    return "\n".join(
        ["", "[[device]]", f'id = "{name}"', 'line = "pins"', f'driver = "{driver}"', *lines, ""]
    )


def test_two_devices_on_one_pin_are_a_mistake(tmp_path: Path) -> None:
    said = mistakes(
        tmp_path, device("door", "gpio-input", pin=17) + device("lamp", "gpio-pwm", pin=17)
    )
    assert "17" in said
    assert "site.toml:" in said


def test_a_proof_on_a_pin_that_is_used_is_a_mistake(tmp_path: Path) -> None:
    said = mistakes(
        tmp_path,
        device("door", "gpio-input", pin=17) + device("gate", "gpio-output", pin=22, proof_pin=17),
    )
    assert "proof_pin: pin 17 is used already" in said


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda each: str(each.name))
def test_unknown_options_are_refused(manifest: Manifest) -> None:
    with pytest.raises(ValidationError):
        checked(manifest.config, {"pin": 4, "colour": "red"})
    with pytest.raises(ValidationError):
        checked(manifest.config, {"pin": 54})


def test_counter_refuses_a_unit_nobody_knows() -> None:
    with pytest.raises(ValidationError, match="UCUM"):
        checked(counter.CounterConfig, {"pin": 4, "unit": "furlong"})


@pytest.mark.parametrize("manifest", [medium.MANIFEST, *MANIFESTS], ids=lambda each: str(each.name))
def test_page_lists_every_option(manifest: Manifest) -> None:
    page = README.read_text("utf-8")
    start = page.index(f"### `{manifest.name}`")
    part = page[start : page.find("\n### ", start + 1)]
    for name in manifest.config.__dataclass_fields__:  # type: ignore[attr-defined]
        assert re.search(rf"^\| `{name}` \|", part, re.MULTILINE), name


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda each: str(each.name))
def test_page_lists_every_point(manifest: Manifest) -> None:
    page = README.read_text("utf-8")
    chip = GpioChip(LineId("pins"), checked(GpioConfig, {}))
    options: dict[str, object] = {"pin": 4}
    if manifest.name == "gpio-output":
        options["proof_pin"] = 5
    groups: tuple[PollGroup, ...] = tuple(
        manifest.build(checked(manifest.config, options), chip).groups
    )
    for group in groups:
        for point in group.table:
            assert re.search(
                rf"^\| {manifest.name} \| `{point.name}` \| {group.name}", page, re.MULTILINE
            ), point.name


def test_agent_without_pins_does_not_load_their_libraries() -> None:
    code = (
        "import sys\n"
        "from drivers.gpio import chip, counter, input, output, pwm\n"
        "print([name for name in ('gpiozero', 'pigpio', 'lgpio', 'pydantic')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
