"""What drivers make of what they hear: replay, repeats, events, presence, changed addresses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.ble.advert import uuid_of
from drivers.ble.attention import Attention
from drivers.ble.beacon.driver import (
    EddystoneConfig,
    EddystoneDevice,
    IBeaconConfig,
    IBeaconDevice,
)
from drivers.ble.beacon.presence import FAR, MEDIUM, NEAR, Presence
from drivers.ble.bthome.driver import Bthome, BthomeConfig
from drivers.ble.healing import Ladder, Step
from drivers.ble.profiled.config import FrameConfig, prepare_frame
from drivers.ble.profiled.driver import Framed
from drivers.ble.ruuvi.driver import Ruuvi, RuuviConfig
from drivers.ble.signal import NO_RSSI, Signal
from gateway.model.errors import FrameError
from simulators.ble import encoding
from tests.ble_air import HandAir
from tests.checked_options import checked
from tests.listening_ear import ListeningEar

ADDRESS = "54:48:E6:8F:80:A5"
RAW = bytes.fromhex("5448e68f80a5")
KEY = "231d39c1d7cc1ab1aee224cd096db932"
BTHOME = uuid_of(0xFCD2)
OBJECTS = bytes.fromhex("1a01")


@pytest.fixture
def air() -> HandAir:
    return HandAir()


@pytest.fixture
def ear() -> ListeningEar:
    return ListeningEar()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    return file


def sealed(counter: int, objects: bytes = OBJECTS) -> dict[str, bytes]:
    payload = encoding.bthome_sealed(objects, bytes.fromhex(KEY), RAW, counter)
    return {BTHOME: payload[7:]}


def plain(objects: str) -> dict[str, bytes]:
    return {BTHOME: b"\x40" + bytes.fromhex(objects)}


# BTHome


def sensor(air: HandAir, ear: ListeningEar, **options: object) -> Bthome:
    config = checked(BthomeConfig, {"address": ADDRESS, **options})
    device = Bthome(config, air)
    device.attend(ear)
    return device


def test_bthome_tells_each_kind_of_frame_as_a_group(air: HandAir, ear: ListeningEar) -> None:
    sensor(air, ear, frames=[["temperature", "humidity"], ["voltage"]])
    air.send(ADDRESS, services=plain("02ca0903bf13"))
    air.send(ADDRESS, services=plain("0c020c"))
    assert [told.group for told in ear.samples] == ["data", "signal", "data_2"]
    assert ear.of("data")[0].values == {"temperature": 25.06, "humidity": 50.55}
    assert ear.of("data_2")[0].values == {"voltage": 3.074}


def test_bthome_object_that_is_missing_is_bad_and_one_that_is_none_too(
    air: HandAir, ear: ListeningEar
) -> None:
    sensor(air, ear, frames=[["battery", "door", "humidity"]])
    air.send(ADDRESS, services=plain("01611a07"))
    assert ear.of("data")[0].values == {"battery": 97, "door": None, "humidity": None}
    assert ear.of("data")[0].causes == {"door": "UNKNOWN_STATE", "humidity": "NO_VALUE"}


def test_bthome_neighbour_is_not_heard(air: HandAir, ear: ListeningEar) -> None:
    sensor(air, ear, frames=[["temperature"]])
    air.send("54:48:E6:8F:80:A6", services=plain("02ca09"))
    assert not ear.samples


def test_bthome_sealed_frames_count_only_forward(
    air: HandAir, ear: ListeningEar, key_file: Path
) -> None:
    sensor(air, ear, frames=[["door"]], key_file=str(key_file))
    for counter in (5, 6, 5, 6, 4):
        air.send(ADDRESS, services=sealed(counter))
    assert len(ear.of("data")) == 2
    # the last one again is what a sensor does; an older one is somebody else
    assert len(ear.mistakes) == 2
    assert all("counter" in str(error) for error in ear.mistakes)


def test_bthome_replayed_frame_is_no_sign_of_life(
    air: HandAir, ear: ListeningEar, key_file: Path
) -> None:
    sensor(air, ear, frames=[["door"]], key_file=str(key_file), signal_period_s=10)
    air.send(ADDRESS, services=sealed(5))
    for _ in range(20):
        air.pass_time(10)
        air.send(ADDRESS, services=sealed(5))
        air.send(ADDRESS, services=sealed(4))
    assert len(ear.of("data")) == len(ear.of("signal")) == 1


def test_bthome_plain_frame_of_a_sealed_sensor_is_refused(
    air: HandAir, ear: ListeningEar, key_file: Path
) -> None:
    sensor(air, ear, frames=[["door"]], key_file=str(key_file))
    air.send(ADDRESS, services=plain("1a01"))
    assert not ear.samples
    assert "has a key" in str(ear.mistakes[0])


def test_bthome_sealed_frame_without_a_key_is_refused(air: HandAir, ear: ListeningEar) -> None:
    sensor(air, ear, frames=[["door"]])
    air.send(ADDRESS, services=sealed(5))
    assert "no key_file" in str(ear.mistakes[0])


def test_bthome_counter_outlives_a_restart_and_ends_with_its_generation(
    air: HandAir, ear: ListeningEar, key_file: Path
) -> None:
    options = {"frames": [["door"]], "key_file": str(key_file)}
    first = sensor(air, ear, **options)
    assert not first.learned
    air.send(ADDRESS, services=sealed(500))
    assert first.learned
    memory = json.loads(json.dumps(first.memory()))
    assert not first.learned
    for generation, heard in ((1, 0), (2, 1)):
        other_air, other_ear = HandAir(), ListeningEar()
        again = sensor(other_air, other_ear, counter_generation=generation, **options)
        again.recall(memory)
        other_air.send(ADDRESS, services=sealed(400))
        assert len(other_ear.of("data")) == heard
        assert len(other_ear.mistakes) == 1 - heard


@pytest.mark.parametrize("memory", [{}, {"counter": "x", "generation": 1}, {"counter": 9}])
def test_bthome_memory_that_no_longer_fits_is_ignored(
    air: HandAir, ear: ListeningEar, key_file: Path, memory: dict[str, object]
) -> None:
    device = sensor(air, ear, frames=[["door"]], key_file=str(key_file))
    device.recall(memory)
    air.send(ADDRESS, services=sealed(1))
    assert len(ear.of("data")) == 1


def test_bthome_button_is_told_once_for_each_packet(air: HandAir, ear: ListeningEar) -> None:
    sensor(air, ear)
    for packet in ("0007", "0007", "0008"):
        air.send(ADDRESS, services=plain(packet + "3a003a01"))
    assert [dict(event.args) for event in ear.happenings] == [
        {"source": "button", "number": 2, "event": "press"}
    ] * 2


def test_bthome_button_without_packets_is_the_same_for_a_moment(
    air: HandAir, ear: ListeningEar
) -> None:
    sensor(air, ear)
    for pause_s in (0, 0.3, 0.3, 10):
        air.pass_time(pause_s)
        air.send(ADDRESS, services=plain("3c0103"))
    assert len(ear.happenings) == 2
    assert ear.happenings[0].args["steps"] == 3


def test_bthome_key_is_never_told(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY[:-2])
    with pytest.raises(ValidationError) as caught:
        checked(BthomeConfig, {"address": ADDRESS, "key_file": str(file)})
    assert "15 bytes" in str(caught.value)
    assert KEY[:8] not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"frames": [["warmth"]]}, "warmth: no object of BTHome"),
        ({"frames": [["door"], ["door"]]}, "door: stands twice"),
        ({"frames": [[]]}, "at least 1"),
        ({"address": "54:48:e6:8f:80:a5"}, "capital letters"),
        ({"key_file": "nowhere"}, "cannot be read"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bthome_mistakes_in_a_site_are_told(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        checked(BthomeConfig, {"address": ADDRESS, **options})


def test_listening_device_refuses_a_radio_that_listens_too_rarely() -> None:
    config = BthomeConfig(address=ADDRESS, lost_after_s=60)
    with pytest.raises(ValueError, match="lost_after_s"):
        Bthome(config, HandAir(scan_interval_s=60))


@given(st.lists(st.binary(max_size=24), max_size=5))
def test_bthome_any_service_data_is_told_or_misheard(frames: list[bytes]) -> None:
    air, ear = HandAir(), ListeningEar()
    sensor(air, ear, frames=[["temperature"]])
    for frame in frames:
        air.send(ADDRESS, services={BTHOME: b"\x40" + frame})
        air.send(ADDRESS, services={BTHOME: frame})
    assert all(isinstance(error, FrameError) for error in ear.mistakes)


# Ruuvi


def tag(air: HandAir, ear: ListeningEar, **options: object) -> Ruuvi:
    device = Ruuvi(checked(RuuviConfig, {"address": ADDRESS, **options}), air)
    device.attend(ear)
    return device


def test_ruuvi_is_known_by_the_address_inside_and_a_new_one_outside_is_told(
    air: HandAir, ear: ListeningEar
) -> None:
    tag(air, ear)
    frame = encoding.ruuvi_5(21.5, 40.0, 1013.25, 2.9, 1, RAW)
    air.send(ADDRESS, manufacturer={0x0499: frame})
    air.send("C0:00:00:00:00:99", manufacturer={0x0499: frame})
    assert [told.values["temperature"] for told in ear.of("data")] == [21.5, 21.5]
    [event] = ear.happenings
    assert event.key == "ble-address-changed"
    assert event.args == {"before": ADDRESS, "address": "C0:00:00:00:00:99"}


def test_ruuvi_frame_of_another_tag_is_refused(air: HandAir, ear: ListeningEar) -> None:
    tag(air, ear)
    frame = encoding.ruuvi_5(21.5, 40.0, 1013.25, 2.9, 1, bytes(6))
    air.send(ADDRESS, manufacturer={0x0499: frame})
    assert not ear.samples
    assert len(ear.mistakes) == 1


def test_ruuvi_long_frame_goes_before_the_short_one(air: HandAir, ear: ListeningEar) -> None:
    tag(air, ear, model="air")
    climate = (21.5, 40.0, 1013.25)
    short = encoding.ruuvi_6(climate, 11.2, 600, 100.0, 3) + RAW[3:]
    long = encoding.ruuvi_e1(climate, (1, 2, 3, 4), 600, 100.0, 3) + RAW
    air.send(ADDRESS, manufacturer={0x0499: short})
    assert ear.of("data")[-1].causes.keys() == {"pm1_0", "pm4_0", "pm10"}
    air.send(ADDRESS, manufacturer={0x0499: long})
    air.send(ADDRESS, manufacturer={0x0499: short})
    assert len(ear.of("data")) == 2
    assert not ear.of("data")[-1].causes


def test_ruuvi_of_the_other_model_is_refused(air: HandAir, ear: ListeningEar) -> None:
    tag(air, ear, model="air")
    air.send(ADDRESS, manufacturer={0x0499: encoding.ruuvi_3(1.0, 40.0, 1000.0, 2.9)})
    assert len(ear.mistakes) == 1


# Presence


UUID = "c0ffee00-1234-4abc-8def-0123456789ab"
BEACON = encoding.ibeacon(bytes.fromhex(UUID.replace("-", "")), 1, 2, -59)[4:]


def bus(air: HandAir, ear: ListeningEar, **options: object) -> IBeaconDevice:
    config = checked(IBeaconConfig, {"uuid": UUID, "major": 1, "minor": 2, **options})
    device = IBeaconDevice(config, air)
    device.attend(ear)
    return device


def test_beacon_is_present_after_enough_and_absent_after_silence(
    air: HandAir, ear: ListeningEar
) -> None:
    bus(air, ear, absent_after_s=30)
    air.send("C0:00:00:00:00:01", manufacturer={0x004C: BEACON})
    assert not ear.of("presence")
    air.send("C0:00:00:00:00:01", manufacturer={0x004C: BEACON})
    assert ear.of("presence")[-1].values == {"present": True, "distance": NEAR}
    air.pass_time(29)
    assert len(ear.of("presence")) == 1
    air.pass_time(2)
    assert ear.of("presence")[-1].values == {"present": False, "distance": None}


def test_beacon_is_not_absent_while_nobody_listens(air: HandAir, ear: ListeningEar) -> None:
    bus(air, ear, absent_after_s=30)
    for _ in range(2):
        air.send("C0:00:00:00:00:01", manufacturer={0x004C: BEACON})
    air.pass_time(1000, listening=False)
    assert len(ear.of("presence")) == 1
    air.pass_time(31)
    assert ear.of("presence")[-1].values["present"] is False


def test_beacon_that_never_came_is_absent_and_told_again(air: HandAir, ear: ListeningEar) -> None:
    bus(air, ear, absent_after_s=30, signal_period_s=60)
    air.pass_time(31 + 60 * 5)
    assert [told.values["present"] for told in ear.of("presence")] == [False] * 6
    air.pass_time(60, listening=False)  # of what was still listened to
    told = len(ear.of("presence"))
    air.pass_time(600, listening=False)
    assert len(ear.of("presence")) == told


def test_beacon_of_another_number_is_not_heard(air: HandAir, ear: ListeningEar) -> None:
    bus(air, ear, adverts_to_appear=1)
    air.send("C0:00:00:00:00:01", manufacturer={0x004C: BEACON[:-2] + b"\x03\xc5"})
    air.send("C0:00:00:00:00:01", manufacturer={0x004C: b"\x10\x05\x01"})
    assert not ear.samples


def test_beacon_whose_frame_is_too_long_is_misheard(air: HandAir, ear: ListeningEar) -> None:
    bus(air, ear, adverts_to_appear=1)
    air.send("C0:00:00:00:00:01", manufacturer={0x004C: BEACON + b"x"})
    assert (len(ear.samples), len(ear.mistakes)) == (0, 1)


def test_beacon_that_hides_behind_rotating_addresses_is_nothing_to_tell(
    air: HandAir, ear: ListeningEar
) -> None:
    bus(air, ear)
    for address in ("4A:00:00:00:00:01", "5B:00:00:00:00:01", "C0:00:00:00:00:01"):
        air.send(address, manufacturer={0x004C: BEACON})
    assert [event.args["address"] for event in ear.happenings] == ["C0:00:00:00:00:01"]


def test_eddystone_telemetry_follows_the_name(air: HandAir, ear: ListeningEar) -> None:
    options = {"namespace": "8b0ca750095477cb3e77", "instance": "000000000001", "telemetry": True}
    device = EddystoneDevice(checked(EddystoneConfig, options), air)
    device.attend(ear)
    uid = encoding.eddystone_uid(
        bytes.fromhex("8b0ca750095477cb3e77"), bytes.fromhex("000000000001"), -59
    )
    tlm = encoding.eddystone_tlm(2.9, 12.5, 44, 99.0)
    service = uuid_of(0xFEAA)
    air.send("C0:00:00:00:00:07", services={service: tlm[8:]})
    assert not ear.samples
    air.send("C0:00:00:00:00:01", services={service: uid[8:]})
    air.send("C0:00:00:00:00:01", services={service: tlm[8:]})
    air.send("C0:00:00:00:00:07", services={service: tlm[8:]})
    [told] = ear.of("telemetry")
    assert told.values == {
        "battery_voltage": 2.9,
        "temperature": 12.5,
        "adverts": 44,
        "uptime": 99.0,
    }


def test_presence_needs_strength_to_come_and_less_to_stay() -> None:
    state = Presence(absent_after_s=30, enough=1, enter_dbm=-70, hysteresis_db=6)
    state.begin(0)
    state.heard(-75, -59, 1)
    assert state.present is None
    state.heard(-50, -59, 2)
    state.heard(-60, -59, 2)
    assert state.present
    for second in range(3, 8):
        state.heard(-75, -59, second)
    assert state.present  # the mean is still above -76
    for second in range(8, 60):
        state.heard(-90, -59, second)
        state.passed(second)
    assert state.present is False


def test_presence_distance_has_soft_bounds() -> None:
    state = Presence(absent_after_s=30, enough=1, enter_dbm=-127, hysteresis_db=0)
    state.begin(0)
    for rssi, distance in ((-60, NEAR), (-67, NEAR), (-75, MEDIUM), (-63, MEDIUM), (-100, FAR)):
        for _ in range(30):
            state.heard(rssi, -59, 1)
        assert state.distance == distance, rssi


# Small parts


def test_signal_sums_up_strength_and_longest_silence() -> None:
    signal = Signal(60)
    assert signal.heard(-60, 0.0) is not None
    for at_s in (1.0, 2.0, 10.0, 11.0):
        assert signal.heard(-70, at_s) is None
    sample = signal.heard(-70, 61.0)
    assert sample is not None
    assert sample.cells == (-70, 50.0)


def test_signal_without_strength_has_no_value() -> None:
    sample = Signal(60).heard(NO_RSSI, 0.0)
    assert sample is not None
    assert sample.cells == (None, 0.0)
    assert 0 in sample.flags


def test_attention_counts_only_what_was_listened() -> None:
    attention = Attention()
    attention.begin(100.0)
    attention.alive(110.0)
    attention.end(115.0)
    attention.begin(200.0)
    assert (attention.total_s(203.0), attention.certain_s) == (18.0, 10.0)
    assert attention.quiet_s(203.0) == 8.0
    attention.healed(203.0)
    attention.alive(204.0)
    assert attention.certain_s == 11.0  # what was silent before the healing was no listening


def test_ladder_climbs_and_falls() -> None:
    ladder = Ladder()
    assert [ladder.climb() for _ in range(4)] == list(Step)
    assert ladder.climb() is Step.RESTART
    ladder.heard()
    assert ladder.climb() is Step.RESTART
    assert ladder.counts[Step.RESTART] == 3


def test_frame_by_profile_is_told(air: HandAir, ear: ListeningEar) -> None:
    options = checked(FrameConfig, {"address": ADDRESS, "profile": "demo-ble-tank"})
    device = Framed(prepare_frame(options, None), air)
    device.attend(ear)
    air.send(ADDRESS, manufacturer={0xFFFF: bytes.fromhex("544c017800280ba400")})
    air.send(ADDRESS, manufacturer={0xFFFF: bytes.fromhex("544d01")})
    air.send(ADDRESS, manufacturer={0xFFFF: bytes.fromhex("544c01")})
    assert ear.of("data")[0].values["level"] == 60.0
    assert (len(ear.of("data")), len(ear.mistakes)) == (1, 1)
