"""What advertisers put on the air. Pure; shares nothing with the driver that reads it.

Source: bthome.io, BTHome v2 reference and "Encryption"; docs.ruuvi.com, data formats 3, 5, 6, E1;
Apple, Proximity Beacon Specification R1; google/eddystone, eddystone-uid and tlm-plain; Bluetooth
Core Specification, Vol 3 Part C, 11, and Vol 4 Part E, 7.7.65.2 and 7.7.65.13.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

FLAGS: Final = bytes.fromhex("020106")
"""LE General Discoverable, no BR/EDR."""
LEGACY_AT_MOST: Final = 31


def raw_address(address: str) -> bytes:
    """Return six bytes, the most significant first."""
    return bytes(int(part, 16) for part in address.split(":"))


def structure(kind: int, body: bytes) -> bytes:
    """Return one AD structure."""
    return bytes((len(body) + 1, kind)) + body


def service(uuid: int, body: bytes) -> bytes:
    """Return service data of a UUID of 16 bits."""
    return structure(0x16, struct.pack("<H", uuid) + body)


def manufacturer(company: int, body: bytes) -> bytes:
    """Return manufacturer data."""
    return structure(0xFF, struct.pack("<H", company) + body)


def report(address: bytes, rssi: int, payload: bytes, *, random: bool, extended: bool) -> bytes:
    """Return the HCI event with which a controller tells one advertisement.

    Args:
        address: six bytes, the most significant first.
        rssi: in dBm.
        payload: AD structures.
        random: the address is a random one.
        extended: as the newer of the two events; the older one carries at most 31 bytes.
    """
    place = bytes((random,)) + address[::-1]
    if not extended:
        body = b"\x02\x01\x00" + place + bytes((len(payload),)) + payload + struct.pack("b", rssi)
        return bytes((0x04, 0x3E, len(body))) + body
    kind = 0x0013 if len(payload) <= LEGACY_AT_MOST else 0x0000
    head = struct.pack("<H", kind) + place
    body = head + struct.pack("<BBBbbHB6xB", 1, 0, 0xFF, 127, rssi, 0, 0, len(payload)) + payload
    return bytes((0x04, 0x3E, len(body) + 2, 0x0D, 1)) + body


# BTHome


def bthome(objects: bytes, *, triggered: bool = False) -> bytes:
    """Return the payload of a plain frame; `triggered`: it is sent when something happens."""
    return FLAGS + service(0xFCD2, bytes((0x44 if triggered else 0x40,)) + objects)


def bthome_sealed(objects: bytes, key: bytes, address: bytes, counter: int) -> bytes:
    """Return the payload of an encrypted frame."""
    info, uuid, count = b"\x41", b"\xd2\xfc", struct.pack("<I", counter)
    sealed = AESCCM(key, tag_length=4).encrypt(address + uuid + info + count, objects, None)
    return FLAGS + service(0xFCD2, info + sealed[:-4] + count + sealed[-4:])


# Ruuvi


def ruuvi_3(celsius: float, percent: float, hectopascal: float, volt: float) -> bytes:
    """Return a frame of format 3, at rest."""
    hundredths = round(abs(celsius) * 100)
    whole = hundredths // 100 | (0x80 if celsius < 0 else 0)
    return struct.pack(
        ">BBBBHhhhH",
        3,
        round(percent * 2),
        whole,
        hundredths % 100,
        round(hectopascal * 100) - 50_000,
        0,
        0,
        1000,
        round(volt * 1000),
    )


def ruuvi_5(
    celsius: float,
    percent: float,
    hectopascal: float,
    volt: float,
    sequence: int,
    address: bytes,
) -> bytes:
    """Return a frame of format 5, at rest, sent with +4 dBm."""
    power = round(volt * 1000 - 1600) << 5 | 22
    climate = (round(celsius * 200), round(percent * 400), round(hectopascal * 100) - 50_000)
    rest = (0, 0, 1000, power, 0, sequence % 65_535)
    return struct.pack(">BhHHhhhHBH", 5, *climate, *rest) + address


def ruuvi_6(
    climate: tuple[float, float, float], dust: float, co2: int, lux: float, sequence: int
) -> bytes:
    """Return the first 17 bytes of a frame of format 6: the address follows."""
    code = round(math.log(lux + 1) / (math.log(65_536) / 254))
    celsius, percent, hectopascal = climate
    return struct.pack(
        ">BhHHHHBBBBBB",
        6,
        round(celsius * 200),
        round(percent * 400),
        round(hectopascal * 100) - 50_000,
        round(dust * 10),
        co2,
        50,
        1,
        code,
        0xFF,
        sequence % 256,
        0,
    )


def ruuvi_e1(
    climate: tuple[float, float, float],
    dust: Sequence[float],
    co2: int,
    lux: float,
    sequence: int,
) -> bytes:
    """Return the first 34 bytes of a frame of format E1: the address follows."""
    celsius, percent, hectopascal = climate
    head = struct.pack(
        ">BhHH4HHBB",
        0xE1,
        round(celsius * 200),
        round(percent * 400),
        round(hectopascal * 100) - 50_000,
        *(round(each * 10) for each in dust),
        co2,
        50,
        1,
    )
    counted = (sequence % 16_777_215).to_bytes(3, "big")
    light = round(lux * 100).to_bytes(3, "big")
    return head + light + b"\xff" * 3 + counted + b"\x00" + b"\xff" * 5


# Beacons


def ibeacon(uuid: bytes, major: int, minor: int, power_1m: int) -> bytes:
    """Return Apple's manufacturer data of a proximity beacon."""
    return manufacturer(0x004C, b"\x02\x15" + uuid + struct.pack(">HHb", major, minor, power_1m))


def eddystone_uid(namespace: bytes, instance: bytes, power_1m: int) -> bytes:
    """Return the structures of a frame that says who the beacon is."""
    body = struct.pack(">Bb", 0, power_1m + 41) + namespace + instance + bytes(2)
    return bytes.fromhex("0303aafe") + service(0xFEAA, body)


def eddystone_tlm(volt: float, celsius: float, adverts: int, uptime_s: float) -> bytes:
    """Return the structures of a frame about the beacon itself."""
    body = struct.pack(
        ">BBHhII", 0x20, 0, round(volt * 1000), round(celsius * 256), adverts, round(uptime_s * 10)
    )
    return bytes.fromhex("0303aafe") + service(0xFEAA, body)
