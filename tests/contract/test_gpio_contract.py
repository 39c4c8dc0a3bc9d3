"""The drivers of pins keep a driver's promises, over pigpio's own client, against a twin.

gpiozero and pigpio's client are independent of both sides: the twin is checked by them as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drivers.gpio import counter, output, pwm
from drivers.gpio import input as contact
from gateway.model.errors import (
    CommandRefusedError,
)
from gateway.model.ids import PointId
from gateway.model.reading import Value
from simulators.faults import (
    Flood,
    Reboot,
    Silent,
    Stuck,
)
from simulators.gpio.twins import Contact, Lamp, Pulses, Relay
from tests.gpio_site import WITHIN_S, GpioSite, gpio_site, poll, until
from tests.listening_ear import ListeningEar, told


@pytest.fixture
async def site() -> AsyncIterator[GpioSite]:
    async with gpio_site() as opened:
        yield opened


# A contact


async def test_contact_that_bounces_is_told_once(site: GpioSite) -> None:
    driver, ear = site.make(contact.MANIFEST, pin=17), ListeningEar()
    driver.attend(ear)
    await site.chip.open()
    assert ear.samples[-1].values == {"active": True, "changes": 0, "lasted": 0}
    door = site.twin("door", Contact)
    for moves in range(1, 4):
        door.move(closed=not door.closed)
        await ear.until(lambda ear, moves=moves: ear.samples[-1].values["changes"] == moves)  # type: ignore[misc]
        assert ear.samples[-1].values["active"] is door.closed
    assert [sample.values["changes"] for sample in ear.samples] == [0, 1, 2, 3]
    values = await poll(driver)
    assert values["level"] is not door.closed
    assert values["unnoticed"] == 0
    assert isinstance(values["held"], float)
    assert 0 <= values["held"] < WITHIN_S
    lasted = ear.samples[-1].values["lasted"]
    assert isinstance(lasted, float)
    assert 0 < lasted < WITHIN_S


async def test_contact_is_told_again_at_each_look(site: GpioSite) -> None:
    driver, ear = site.make(contact.MANIFEST, pin=17, active_low=False), ListeningEar()
    driver.attend(ear)
    await site.chip.open()
    await poll(driver)
    assert [sample.values["active"] for sample in ear.samples] == [False, False]


async def test_contact_whose_wire_is_cut_is_open(site: GpioSite) -> None:
    driver, ear = site.make(contact.MANIFEST, pin=17), ListeningEar()
    driver.attend(ear)
    await site.chip.open()
    async with site.fault("door", Silent()):
        await ear.until(lambda ear: ear.samples[-1].values["active"] is False)
    await ear.until(lambda ear: ear.samples[-1].values["active"] is True)


async def test_contact_that_sticks_stays(site: GpioSite) -> None:
    driver, ear = site.make(contact.MANIFEST, pin=17), ListeningEar()
    driver.attend(ear)
    await site.chip.open()
    async with site.fault("door", Stuck()):
        site.twin("door", Contact).move(closed=False)
        assert (await poll(driver))["level"] is False
    assert ear.samples[-1].values["changes"] == 0


async def test_contact_that_flutters_is_not_counted_and_the_others_are_read(site: GpioSite) -> None:
    driver, ear = site.make(contact.MANIFEST, pin=17, debounce_ms=200), ListeningEar()
    relay = site.make(output.MANIFEST, pin=22)
    driver.attend(ear)
    await site.chip.open()
    async with site.fault("door", Flood(every_s=0.001)):
        await until(lambda: site.chip.statistics.bytes_received > 200)
        assert await relay.write(PointId("on"), True) is True
    assert ear.samples[-1].values["changes"] == 0


async def test_contact_whose_change_was_not_told_is_found_at_the_next_look(site: GpioSite) -> None:
    driver, ear = site.make(contact.MANIFEST, pin=17, debounce_ms=1), ListeningEar()
    driver.attend(ear)
    await site.chip.open()
    for client in site.line.daemon.handles.values():
        client.bits = 0  # the board forgets whom to tell
    site.line.chip.drive(17, None)
    assert (await poll(driver))["unnoticed"] == 1
    await ear.until(lambda ear: ear.samples[-1].values["active"] is False)


async def test_contact_is_left_out_by_the_chip_when_it_is_shorter_than_a_glitch() -> None:
    async with gpio_site() as site:
        driver, ear = site.make(contact.MANIFEST, pin=17, debounce_ms=0, glitch_us=20_000), None
        ear = ListeningEar()
        driver.attend(ear)
        await site.chip.open()
        assert site.line.chip.pins[17].filter_us == 20_000
        site.twin("door", Contact).move(closed=False)
        await ear.until(lambda ear: ear.samples[-1].values["active"] is False)
        assert ear.samples[-1].values["changes"] == 1


# Pulses


async def test_pulses_are_all_counted(site: GpioSite) -> None:
    driver = site.make(
        counter.MANIFEST,
        pin=27,
        debounce_ms=3,
        pulses_per_unit=1000,
        unit="kW.h",
        initial=12.5,
    )
    await site.chip.open()
    meter = site.twin("meter", Pulses)
    assert (await poll(driver))["rate"] is None
    meter.pulse(40)
    await until(lambda: driver.memory()["pulses"] == 40)
    values = await poll(driver)
    assert values["total"] == pytest.approx(12.54)
    assert (values["pulses"], values["gaps"], values["unnoticed"]) == (meter.total, 0, 0)
    assert isinstance(values["rate"], float)
    assert 0 < values["rate"] <= 1000 / 12 * 1.01


async def test_pulses_go_on_from_what_was_kept(site: GpioSite) -> None:
    driver = site.make(counter.MANIFEST, pin=27, debounce_ms=3)
    driver.recall({"pulses": 100, "gaps": 2})
    assert not driver.learned
    await site.chip.open()
    site.twin("meter", Pulses).pulse(3)
    await until(lambda: driver.memory()["pulses"] == 103)
    assert (await poll(driver))["gaps"] == 3
    assert driver.memory() == {"pulses": 103, "gaps": 3}
    assert not driver.learned


@pytest.mark.parametrize("kept", [{}, {"pulses": -1, "gaps": 0}, {"pulses": "9", "gaps": True}])
async def test_pulses_pass_over_a_memory_that_is_none(site: GpioSite, kept: dict[str, Any]) -> None:
    driver = site.make(counter.MANIFEST, pin=27)
    driver.recall(kept)
    assert driver.memory() == {"pulses": 0, "gaps": 0}


async def test_pulses_say_that_some_may_be_missing_after_the_board_was_away(site: GpioSite) -> None:
    driver = site.make(counter.MANIFEST, pin=27, debounce_ms=3)
    await site.chip.open()
    site.twin("meter", Pulses).pulse(2)
    await until(lambda: driver.memory()["pulses"] == 2)
    async with site.fault("board", Reboot()):
        await until(lambda: site.losses)
    await site.opened()
    values = await poll(driver)
    assert (values["pulses"], values["gaps"]) == (2, 1)


# Outputs


async def test_output_switches_with_proof(site: GpioSite) -> None:
    driver = site.make(output.MANIFEST, pin=22, proof_pin=23)
    await site.chip.open()
    relay = site.twin("relay", Relay)
    assert await poll(driver) == {"on": False, "pulse": 0, "proof": False}
    assert await driver.write(PointId("on"), True) is True
    assert relay.closed
    assert await poll(driver) == {"on": True, "pulse": 0, "proof": True}
    assert await driver.write(PointId("on"), 0) is False
    assert not relay.closed


async def test_output_whose_contact_does_not_follow_says_so(site: GpioSite) -> None:
    driver = site.make(output.MANIFEST, pin=22, proof_pin=23, proof_timeout_s=0.1)
    await site.chip.open()
    async with site.fault("relay", Stuck()):
        assert await driver.write(PointId("on"), True) is False
        [group] = driver.groups
        sample = told(group, await driver.poll(group))
        assert sample.values == {"on": True, "pulse": 0, "proof": False}
        assert sample.causes == {"proof": "IMPLAUSIBLE"}


async def test_output_falls_off_after_its_pulse(site: GpioSite) -> None:
    driver = site.make(output.MANIFEST, pin=22, proof_pin=23, active_low=False)
    await site.chip.open()
    relay = site.twin("relay", Relay)
    assert await driver.write(PointId("pulse"), 0.2) == 0.2
    assert relay.closed
    left = (await poll(driver))["pulse"]
    assert isinstance(left, float)
    assert 0 < left <= 0.2
    await until(lambda: not relay.closed)
    assert relay.moves == 2
    assert (await poll(driver))["pulse"] == 0


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ("on", "yes"),
        ("on", 2),
        ("pulse", 0),
        ("pulse", 10.1),
        ("pulse", True),
        ("proof", True),
        ("colour", 1),
    ],
)
async def test_output_refuses(site: GpioSite, point: str, value: Value) -> None:
    driver = site.make(output.MANIFEST, pin=22, proof_pin=23)
    await site.chip.open()
    with pytest.raises(CommandRefusedError, match=point):
        await driver.write(PointId(point), value)
    assert not site.twin("relay", Relay).closed


@pytest.mark.parametrize(
    ("options", "started", "stopped"),
    [
        ({}, False, False),
        ({"start": "on", "stop": "hold"}, True, True),
        ({"start": "off", "stop": "on"}, False, True),
        ({"active_low": True}, True, True),
    ],
)
async def test_output_is_safe_at_start_and_stop(
    site: GpioSite, options: dict[str, object], *, started: bool, stopped: bool
) -> None:
    driver = site.make(output.MANIFEST, pin=22, **options)
    await site.chip.open()
    relay = site.twin("relay", Relay)
    await until(lambda: relay.closed is started)
    await poll(driver)
    await site.chip.close()
    await until(lambda: relay.closed is stopped)
    assert site.line.chip.pins[22].mode == 1


@pytest.mark.parametrize(("back", "closed"), [("off", False), ("on", True), ("last", True)])
async def test_output_is_safe_when_the_board_is_back(
    site: GpioSite, back: str, *, closed: bool
) -> None:
    driver = site.make(output.MANIFEST, pin=22, back=back)
    await site.chip.open()
    relay = site.twin("relay", Relay)
    await driver.write(PointId("on"), True)
    async with site.fault("board", Reboot()):
        await until(lambda: site.losses)
        await until(lambda: not relay.closed)
    await site.opened()
    await until(lambda: relay.closed is closed)
    assert (await poll(driver))["on"] is closed


async def test_output_pulse_does_not_go_on_when_the_board_is_back(site: GpioSite) -> None:
    driver = site.make(output.MANIFEST, pin=22, back="last")
    await site.chip.open()
    await driver.write(PointId("pulse"), 10)
    async with site.fault("board", Reboot()):
        await until(lambda: site.losses)
    await site.opened()
    assert await poll(driver) == {"on": False, "pulse": 0}


# Pulse width


async def test_lamp_is_dimmed(site: GpioSite) -> None:
    driver = site.make(pwm.MANIFEST, pin=12, frequency_hz=240, start=5)
    await site.chip.open()
    lamp = site.twin("lamp", Lamp)
    assert await poll(driver) == {"duty": 5, "target": 5, "frequency": 250}
    for percent in (29, 57.25, 0, 100, 0.01):
        assert await driver.write(PointId("duty"), percent) == percent
        assert lamp.percent == pytest.approx(percent)
    await site.chip.close()
    assert lamp.percent == 0


async def test_lamp_turned_round_is_dimmed(site: GpioSite) -> None:
    driver = site.make(pwm.MANIFEST, pin=12, inverted=True, start=10, stop=None)
    await site.chip.open()
    lamp = site.twin("lamp", Lamp)
    assert lamp.percent == 90
    assert await driver.write(PointId("duty"), 30) == 30
    assert lamp.percent == 70
    await site.chip.close()
    assert lamp.percent == 70


async def test_lamp_goes_over_a_ramp(site: GpioSite) -> None:
    driver = site.make(pwm.MANIFEST, pin=12, ramp_s=0.5)
    await site.chip.open()
    lamp, seen = site.twin("lamp", Lamp), []
    site.line.chip.watch(12, lambda *_: seen.append(lamp.percent))
    assert await driver.write(PointId("duty"), 80) == 80
    assert seen == sorted(seen)
    assert any(0 < percent < 80 for percent in seen)
    assert lamp.percent == 80


async def test_lamp_goes_on_to_its_target_when_nobody_waits(site: GpioSite) -> None:
    driver = site.make(pwm.MANIFEST, pin=12, ramp_s=0.5)
    await site.chip.open()
    lamp = site.twin("lamp", Lamp)
    writing = asyncio.ensure_future(driver.write(PointId("duty"), 100))  # noqa: TID251 - cancelled
    await until(lambda: lamp.percent > 0)
    writing.cancel()
    await until(lambda: lamp.percent == 100)
    assert (await poll(driver))["target"] == 100


async def test_lamp_takes_the_later_of_two_targets(site: GpioSite) -> None:
    driver = site.make(pwm.MANIFEST, pin=12, ramp_s=0.5)
    await site.chip.open()
    lamp = site.twin("lamp", Lamp)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(driver.write(PointId("duty"), 100))
        await until(lambda: lamp.percent > 0)
        second = tasks.create_task(driver.write(PointId("duty"), 0))
    assert first.result() < 100
    assert second.result() == lamp.percent == 0


@pytest.mark.parametrize(
    ("point", "value"), [("duty", 100.1), ("duty", -1), ("duty", "x"), ("frequency", 1), ("x", 1)]
)
async def test_lamp_refuses(site: GpioSite, point: str, value: Value) -> None:
    driver = site.make(pwm.MANIFEST, pin=12)
    await site.chip.open()
    with pytest.raises(CommandRefusedError, match=point):
        await driver.write(PointId(point), value)
