"""Kinds of advertisers: sensors, tags, beacons."""

from __future__ import annotations

import math
import struct
from typing import Final, Literal

from pydantic import Field

from simulators.ble import encoding
from simulators.ble.advertiser import Advertiser, AdvertiserOptions
from simulators.truth import TruthJournal

DAY_S: Final = 86_400.0


class ThermometerOptions(AdvertiserOptions):
    """Options of a BTHome thermometer in a scene."""

    kind: Literal["bthome-thermometer"] = "bthome-thermometer"
    mean: float = Field(default=18.0, ge=-40, le=60, description="mean temperature, in degrees")
    presses_per_hour: float = Field(
        default=0.0, ge=0, le=3600, description="how often somebody presses its button"
    )


class Thermometer(Advertiser):
    """A BTHome sensor of temperature and humidity with a button, unencrypted."""

    def __init__(self, options: ThermometerOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        self._options = options
        self._time_s = 0.0
        self._packet = 0
        self._button = 0
        self.presses = 0
        self.temperature = options.mean
        self.humidity = 55.0

    def step(self, dt_s: float) -> None:
        """Follow the day."""
        self._time_s += dt_s
        phase = 2 * math.pi * self._time_s / DAY_S
        noise = self.rng.gauss(0, 0.02)
        self.temperature = round(self._options.mean + 4 * math.sin(phase) + noise, 2)
        self.humidity = round(55 - 10 * math.sin(phase), 2)
        if self.rng.random() < self._options.presses_per_hour * dt_s / 3600:
            self.press()

    def press(self) -> None:
        """Press the button: it goes out with the next frames."""
        self._button = 3
        self.presses += 1
        self._packet = (self._packet + 1) % 256

    def payload(self) -> bytes:
        """Return packet id, battery, temperature and humidity, and for a while the button."""
        if self._button:
            self._button -= 1
            objects = struct.pack("<BBBB", 0x00, self._packet, 0x3A, 0x01)
            return encoding.bthome(objects, triggered=True)
        self._packet = (self._packet + 1) % 256
        return encoding.bthome(
            struct.pack(
                "<BBBBBhBH",
                0x00,
                self._packet,
                0x01,
                93,
                0x02,
                round(self.temperature * 100),
                0x03,
                round(self.humidity * 100),
            )
        )

    def liar(self, how: str) -> bytes:
        """Return a frame whose object breaks off, or all bits of which are set."""
        if how == "values":
            return encoding.bthome(bytes.fromhex("01ff02ffff03ffff"))
        return encoding.bthome(bytes.fromhex("0202"))


class DoorOptions(AdvertiserOptions):
    """Options of a BTHome door contact in a scene."""

    kind: Literal["bthome-door"] = "bthome-door"
    key: str = Field(
        default="231d39c1d7cc1ab1aee224cd096db932",
        pattern="^[0-9a-f]{32}$",
        description="its key; the default is the one of the format's own example",
    )
    openings_per_hour: float = Field(
        default=30.0, ge=0, le=3600, description="how often somebody opens the door"
    )


class Door(Advertiser):
    """A BTHome door contact, encrypted."""

    def __init__(self, options: DoorOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        self._options = options
        self._key = bytes.fromhex(options.key)
        self.counter = 1000
        self._open_s = 0.0
        self.open = False

    def step(self, dt_s: float) -> None:
        """Let somebody come, and go."""
        self._open_s = max(0.0, self._open_s - dt_s)
        if not self._open_s and self.rng.random() < self._options.openings_per_hour * dt_s / 3600:
            self._open_s = self.rng.uniform(4, 25)
        self.open = self._open_s > 0

    def payload(self) -> bytes:
        """Return battery and door under the next counter."""
        return self._sealed(bytes((0x01, 88, 0x1A, self.open)))

    def _sealed(self, objects: bytes) -> bytes:
        self.counter += 1
        return encoding.bthome_sealed(objects, self._key, self.address, self.counter)

    def liar(self, how: str) -> bytes:
        """Return a well encrypted frame with a state that is none, or one that breaks off."""
        return self._sealed(b"\x01\xff\x1a\xff" if how == "values" else b"\x02\x01")


class RuuviOptions(AdvertiserOptions):
    """Options of a Ruuvi tag in a scene."""

    kind: Literal["ruuvi"] = "ruuvi"
    format: Literal["3", "5", "6", "e1"] = Field(default="5", description="what it sends")


class Ruuvi(Advertiser):
    """A RuuviTag (formats 3 and 5) or a Ruuvi Air (6 and E1)."""

    def __init__(self, options: RuuviOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        self._format = options.format
        self._time_s = 0.0
        self.sequence = 0
        self.temperature = 5.0
        self.humidity = 70.0
        self.pressure = 1013.0
        self.co2 = 600

    def step(self, dt_s: float) -> None:
        """Follow the day."""
        self._time_s += dt_s
        self.sequence += 1
        phase = 2 * math.pi * self._time_s / DAY_S
        self.temperature = round((5 + 3 * math.sin(phase)) * 200) / 200
        self.humidity = round((70 - 8 * math.sin(phase)) * 2) / 2
        self.co2 = 600 + round(150 * math.sin(phase))

    def payload(self) -> bytes:
        """Return a frame in its format."""
        climate = (self.temperature, self.humidity, self.pressure)
        match self._format:
            case "3":
                frame = encoding.ruuvi_3(*climate, 2.95)
            case "5":
                frame = encoding.ruuvi_5(*climate, 2.95, self.sequence, self.address)
            case "6":
                frame = encoding.ruuvi_6(climate, 11.2, self.co2, 120.0, self.sequence)
                frame += self.address[3:]
            case _:
                dust = (5.0, 11.2, 12.0, 14.5)
                frame = encoding.ruuvi_e1(climate, dust, self.co2, 120.0, self.sequence)
                frame += self.address
        return encoding.FLAGS + encoding.manufacturer(0x0499, frame)

    def liar(self, how: str) -> bytes:
        """Return a frame in which nothing is available, or one of the wrong length."""
        if how != "values":
            return encoding.FLAGS + encoding.manufacturer(0x0499, bytes.fromhex("05ffff"))
        if self._format == "3":
            return encoding.FLAGS + encoding.manufacturer(0x0499, b"\x03" + b"\xff" * 13)
        body = bytes.fromhex("058000ffffffff800080008000ffffffffff") + self.address
        return encoding.FLAGS + encoding.manufacturer(0x0499, body)


class BeaconOptions(AdvertiserOptions):
    """Options of a beacon that passes by in a scene."""

    passes_every_s: float = Field(
        default=0.0, ge=0, le=86_400, description="how often it passes, in seconds; 0: it stays"
    )
    stays_s: float = Field(default=30.0, gt=0, le=86_400, description="for how long it is heard")


class PassingBeacon(Advertiser):
    """A beacon: on a bus that comes and goes, or on a wall."""

    def __init__(self, options: BeaconOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        self._passing = options
        self._time_s = 0.0
        self.uptime_s = 0.0
        self.here = True

    def step(self, dt_s: float) -> None:
        """Come and go."""
        self._time_s += dt_s
        self.uptime_s += dt_s
        every_s = self._passing.passes_every_s
        self.here = not every_s or self._time_s % every_s < self._passing.stays_s

    def strength(self) -> int:
        """Return a strength that grows and falls while it passes."""
        if not self._passing.passes_every_s:
            return self._passing.rssi
        place = (self._time_s % self._passing.passes_every_s) / self._passing.stays_s
        return round(self._passing.rssi - 25 * abs(2 * min(place, 1.0) - 1))

    def liar(self, how: str) -> bytes:
        """Return a frame of the wrong length."""
        del how
        return encoding.FLAGS + encoding.manufacturer(0x004C, b"\x02\x15\x00")

    def payload(self) -> bytes | None:
        """Return nothing while it is away."""
        return self.frame() if self.here else None

    def frame(self) -> bytes:
        """Return what it sends while it is here."""
        raise NotImplementedError


class IBeaconOptions(BeaconOptions):
    """Options of an iBeacon in a scene."""

    kind: Literal["ibeacon"] = "ibeacon"
    uuid: str = Field(
        default="c0ffee00-1234-4abc-8def-0123456789ab",
        pattern="^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$",
        description="its proximity UUID",
    )
    major: int = Field(default=1, ge=0, le=65_535)
    minor: int = Field(default=1, ge=0, le=65_535)
    power_1m: int = Field(default=-59, ge=-100, le=20, description="strength at 1 m, in dBm")


class IBeacon(PassingBeacon):
    """An iBeacon."""

    def __init__(self, options: IBeaconOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        uuid = bytes.fromhex(options.uuid.replace("-", ""))
        self._frame = encoding.ibeacon(uuid, options.major, options.minor, options.power_1m)

    def frame(self) -> bytes:
        """Return who it is."""
        return encoding.FLAGS + self._frame


class EddystoneOptions(BeaconOptions):
    """Options of an Eddystone beacon in a scene."""

    kind: Literal["eddystone"] = "eddystone"
    namespace: str = Field(
        default="8b0ca750095477cb3e77", pattern="^[0-9a-f]{20}$", description="its namespace"
    )
    instance: str = Field(
        default="000000000001", pattern="^[0-9a-f]{12}$", description="its instance"
    )
    power_1m: int = Field(default=-59, ge=-100, le=20, description="strength at 1 m, in dBm")


class Eddystone(PassingBeacon):
    """An Eddystone beacon: each fourth frame is about itself."""

    def __init__(self, options: EddystoneOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        self._uid = encoding.eddystone_uid(
            bytes.fromhex(options.namespace), bytes.fromhex(options.instance), options.power_1m
        )
        self.adverts = 0

    def frame(self) -> bytes:
        """Return who it is, or how it is."""
        self.adverts += 1
        if self.adverts % 4:
            return encoding.FLAGS + self._uid
        return encoding.FLAGS + encoding.eddystone_tlm(2.9, 12.5, self.adverts, self.uptime_s)

    def liar(self, how: str) -> bytes:
        """Return a frame of the wrong length for the beacon's name."""
        del how
        return encoding.FLAGS + encoding.service(0xFEAA, self._uid[8:24])


class TankOptions(AdvertiserOptions):
    """Options of a tank level sensor in a scene."""

    kind: Literal["ble-tank"] = "ble-tank"
    full: float = Field(default=60.0, ge=0, le=100, description="how full it is at first, in %")


class Tank(Advertiser):
    """A sensor with a frame of its own: what a profile describes (`demo-ble-tank`).

    Manufacturer data of company 0xFFFF (for tests): "TL", version 1, level in half percents,
    temperature in tenths of a degree (big endian, signed), voltage in mV (big endian), flags.
    """

    def __init__(self, options: TankOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options, truth)
        self.level = options.full
        self.temperature = 4.0

    def step(self, dt_s: float) -> None:
        """Let somebody use it up, and fill it again."""
        self.level = round((self.level - dt_s * 0.01) % 100 * 2) / 2

    def payload(self) -> bytes:
        """Return level, temperature, battery and whether it is nearly empty."""
        body = struct.pack(
            ">2sBBhHB",
            b"TL",
            1,
            round(self.level * 2),
            round(self.temperature * 10),
            2980,
            self.level < 10,  # noqa: PLR2004 - nearly empty
        )
        return encoding.FLAGS + encoding.manufacturer(0xFFFF, body)

    def liar(self, how: str) -> bytes:
        """Return a level that is none, or a frame of the wrong length."""
        body = b"TL\x01\xff\x80\x00\xff\xff\x00" if how == "values" else b"TL\x01\x01"
        return encoding.FLAGS + encoding.manufacturer(0xFFFF, body)
