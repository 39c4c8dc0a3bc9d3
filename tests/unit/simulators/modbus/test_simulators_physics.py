"""The physics of the twins, and where their numbers stand in the tables."""

from __future__ import annotations

import struct
from itertools import pairwise
from random import Random

import pytest

from simulators.modbus import bank, door, light, meter_3p, relay_4
from simulators.modbus.bank import Bank, BankOptions
from simulators.modbus.door import Door, DoorOptions
from simulators.modbus.light import Light, LightOptions
from simulators.modbus.meter_3p import Meter3p, MeterOptions, MeterState
from simulators.modbus.relay_4 import Relay, Relay4, RelayOptions

ALL = (True, True, True, True)


def metered(
    state: MeterState, seconds: int, options: MeterOptions, on: tuple[bool, ...]
) -> list[MeterState]:
    rng, states = Random(5), [state]
    for _second in range(seconds):
        wanted = meter_3p.load(on, options.lamps_a)
        states.append(meter_3p.step(states[-1], 1.0, rng, wanted, options))
    return states


def test_meter_voltages_wander_about_230_volts() -> None:
    states = metered(MeterState(), 3600, MeterOptions(id="m", line="l"), ALL)
    volts = [value for state in states for value in state.voltages]
    assert 215 < min(volts) < 229
    assert 231 < max(volts) < 245


def test_meter_current_follows_the_relays() -> None:
    options = MeterOptions(id="m", line="l", lamps_a=4.0)
    lit = metered(MeterState(), 30, options, (True, False, False, False))[-1]
    assert lit.currents[0] == pytest.approx(4.25, rel=0.05)
    assert lit.currents[1] == pytest.approx(0.25, rel=0.05)
    dark = metered(lit, 30, options, (False, False, False, False))[-1]
    assert dark.currents[0] == pytest.approx(0.25, rel=0.05)


def test_meter_energy_grows_with_power() -> None:
    states = metered(MeterState(), 600, MeterOptions(id="m", line="l"), ALL)
    assert all(after.energy_wh > before.energy_wh for before, after in pairwise(states))
    mean_w = sum(state.active for state in states) / len(states)
    assert states[-1].energy_wh == pytest.approx(mean_w * 600 / 3600, rel=0.02)


def test_meter_temperature_rises_with_the_load() -> None:
    options = MeterOptions(id="m", line="l", lamps_a=20.0)
    assert metered(MeterState(), 3000, options, ALL)[-1].temperature > 30


def test_meter_without_a_phase_says_so() -> None:
    options = MeterOptions(id="m", line="l", lost_phase=2, tamper=True, start_hour=12.0)
    state = metered(MeterState(hour=12.0), 2, options, ALL)[-1]
    assert state.voltages[1] == state.currents[1] == 0
    assert meter_3p.status(state, tamper=True) == 0b0001_0011


def test_meter_status_has_the_tariff_in_bits_4_to_7() -> None:
    assert meter_3p.status(MeterState(hour=12.0), tamper=False) >> 4 == 1
    assert meter_3p.status(MeterState(hour=3.0), tamper=False) >> 4 == 2


def test_meter_registers_hold_what_it_measures() -> None:
    meter = Meter3p(MeterOptions(id="m", line="l", seed=42))
    meter.advance(60)
    state, image = meter.state, meter.memory.inputs
    volts = struct.unpack(">3H", image.read(0, 3))
    assert volts == tuple(round(value * 10) for value in state.voltages)
    amperes = struct.unpack(">3H", image.read(3, 3))
    assert amperes == tuple(round(value * 100) for value in state.currents)
    assert struct.unpack(">ii", image.read(6, 4)) == (round(state.active), round(state.reactive))
    assert struct.unpack(">Hh", image.read(10, 2)) == (
        round(state.frequency * 100),
        round(state.power_factor * 1000),
    )
    assert image.read(12, 8) == bytes(16)
    assert struct.unpack(">Q", image.read(20, 4)) == (int(state.energy_wh),)
    cdab = image.read(24, 2)
    assert struct.unpack(">f", cdab[2:] + cdab[:2])[0] == pytest.approx(state.temperature)
    assert image.read(40, 8) == b"MY3P-00000000042"
    assert image.read(32, 8) == bytes(16)
    assert image.read(48, 2) == bytes(4)


def test_relay_contact_follows_its_coil_after_80_ms() -> None:
    relay, passed = Relay(), 0.0
    while not relay.contact:
        relay = relay_4.step(relay, 0.01, coil=True, pulse_ms=0, stuck=False)
        passed += 0.01
    assert passed == pytest.approx(0.08)


def test_relay_that_is_stuck_does_not_follow() -> None:
    relay = Relay()
    for _step in range(100):
        relay = relay_4.step(relay, 0.1, coil=True, pulse_ms=0, stuck=True)
    assert relay.coil
    assert not relay.contact


def test_relay_with_a_pulse_falls_off_by_itself() -> None:
    module = Relay4(RelayOptions(id="r", line="l"))
    module.memory.holding.write(1, (500).to_bytes(2, "big"))
    module.memory.coils.write(1, 1, b"\x01")
    module.advance(0.3)
    assert module.switched == [False, True, False, False]
    module.advance(0.3)
    module.advance(0.3)
    assert module.switched == [False] * 4
    assert module.memory.coils.read(0, 4) == b"\x00"


def test_relay_module_is_at_power_up_as_the_scene_says() -> None:
    module = Relay4(RelayOptions(id="r", line="l", on=(2, 4)))
    assert module.memory.discrete.read(0, 4) == b"\x0a"
    module.memory.coils.write(0, 4, b"\x05")
    module.advance(1)
    assert module.memory.discrete.read(0, 4) == b"\x05"
    module.power_on()
    assert module.memory.discrete.read(0, 4) == b"\x0a"


def test_light_follows_the_sun() -> None:
    heights = [light.sun(hour, 80, 55.75) for hour in range(24)]
    assert max(heights) == heights[12]
    assert heights[0] < 0
    noon = light.illuminance(light.LightState(12.0), heights[12])
    night = light.illuminance(light.LightState(0.0), heights[0])
    assert noon > 5000
    assert night < 10


def test_light_registers_hold_values_or_the_sentinels() -> None:
    sensor = Light(LightOptions(id="s", line="l", start_hour=12.0, gaps_per_hour=0))
    lux, air = struct.unpack(">Hh", sensor.memory.inputs.read(0, 2))
    assert lux < 0xFFFF
    assert air == round(sensor.state.air * 10)
    gappy = Light(LightOptions(id="s", line="l", gaps_per_hour=3600))
    gappy.advance(600)
    assert gappy.memory.inputs.read(0, 2) == b"\xff\xff\x80\x00"
    gappy.advance(light.GAP_S)
    assert gappy.state.gap_s in {0, light.GAP_S}


def test_light_day_can_be_hurried() -> None:
    options = LightOptions(id="s", line="l", start_hour=23.0, day_s=24)
    state = light.step(light.LightState(23.0), 2.0, Random(1), options)
    assert state.hour == pytest.approx(1.0)


def test_door_opens_now_and_then_and_closes_again() -> None:
    rng, state, opened, steps = Random(3), door.DoorState(), 0, 0
    for _step in range(3600):
        before = state.open_s > 0
        state = door.step(state, 1.0, rng, 30.0)
        opened += state.open_s > 0 and not before
        steps += state.open_s > 0
    assert 10 < opened < 60
    assert steps < 3600 / 2


def test_door_tells_contact_and_lamp() -> None:
    contact = Door(DoorOptions(id="d", line="l", tamper=True, openings_per_hour=0))
    assert contact.memory.discrete.read(0, 2) == b"\x02"
    contact.memory.holding.write(0, b"\x00\x02")
    contact.power_on()
    assert contact.memory.holding.read(0, 1) == b"\x00\x00"


def test_bank_moves_every_register_within_its_bounds() -> None:
    rng, values = Random(1), [bank.LOW, bank.HIGH] * 25
    for _step in range(200):
        after = bank.step(values, rng)
        assert all(abs(b - a) <= bank.STRIDE for a, b in zip(values, after, strict=True))
        values = after
    assert all(bank.LOW <= value <= bank.HIGH for value in values)


def test_bank_packs_its_registers_and_leaves_the_counter_alone() -> None:
    box = Bank(BankOptions(id="b", line="l", registers=3, seed=9))
    box.memory.holding.image[6:] = b"\x00\x00\x00\x07"
    box.advance(1.0)
    assert box.memory.holding.read(3, 2) == b"\x00\x00\x00\x07"
    values = struct.unpack(">3H", box.memory.holding.read(0, 3))
    assert all(bank.LOW <= value <= bank.HIGH for value in values)


def test_twins_with_one_seed_do_the_same() -> None:
    twins = [Meter3p(MeterOptions(id="m", line="l", seed=4)) for _twice in range(2)]
    for meter in twins:
        meter.advance(10)
    assert twins[0].memory.inputs.image == twins[1].memory.inputs.image
