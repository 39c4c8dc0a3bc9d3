"""BTHome v2: service data to values and events. Pure.

Source: bthome.io, BTHome v2 reference and "Encryption", as of 2026-04-30.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from drivers.ble.advert import uuid_of
from drivers.ble.bthome.objects import (
    BUTTON,
    BUTTON_EVENTS,
    COMMAND,
    COMMANDS,
    DIMMER,
    DIMMER_EVENTS,
    FIRMWARE_3,
    FIRMWARE_4,
    NUMBERS,
    PACKET_ID,
    STATES,
    TEXT,
    TEXTS,
    VERSION,
)
from gateway.model.errors import FrameError
from gateway.model.reading import Value

UUID: Final = uuid_of(0xFCD2)
_UUID_ON_AIR: Final = bytes.fromhex("d2fc")
KEY_LENGTH: Final = 16
_MIC_LENGTH: Final = 4
_COUNTER_LENGTH: Final = 4
_ENCRYPTED: Final = 0x01
_VERSION_SHIFT: Final = 5
_VERSION: Final = 2
_ARGUMENTS: Final = 0x1F
"""Of the byte after a command: how many bytes of arguments follow its opcode."""


class Occurrence(NamedTuple):
    """An event in a frame: which of its sources, and what."""

    source: str
    number: int
    """Counts from 1 among the sources of its kind."""
    event: str
    steps: int | None = None


@dataclass(slots=True)
class Frame:
    """What one frame says."""

    values: dict[str, Value | None] = field(default_factory=dict)
    """By name of the point; None: a state that the format does not know."""
    occurrences: list[Occurrence] = field(default_factory=list)
    packet_id: int | None = None
    unknown: int | None = None
    """The first object that is not known here: nothing behind it can be read."""


class Sealed(NamedTuple):
    """An encrypted frame that was opened."""

    objects: bytes
    counter: int


def is_encrypted(service_data: bytes) -> bool:
    """Say whether a frame is encrypted.

    Raises:
        FrameError: it is not of version 2.
    """
    if not service_data or service_data[0] >> _VERSION_SHIFT != _VERSION:
        msg = "not a frame of BTHome version 2"
        raise FrameError(msg, answer=service_data)
    return bool(service_data[0] & _ENCRYPTED)


def open_sealed(service_data: bytes, cipher: AESCCM, address: bytes) -> Sealed:
    """Decrypt a frame and check that its sender has the key.

    Args:
        service_data: without the UUID: device information, cipher text, counter, integrity check.
        cipher: AES-CCM with the key of the device and a tag of 4 bytes (`cipher_of`).
        address: six bytes, the most significant first: part of the nonce.

    Raises:
        FrameError: too short, or made with another key, address or counter.

    Source:
        "Encryption", "Decrypting your messages".
    """
    body = service_data[1 : -_COUNTER_LENGTH - _MIC_LENGTH]
    if len(service_data) < 1 + _COUNTER_LENGTH + _MIC_LENGTH:
        msg = "an encrypted frame without counter and check"
        raise FrameError(msg, answer=service_data)
    counter = service_data[-_COUNTER_LENGTH - _MIC_LENGTH : -_MIC_LENGTH]
    nonce = address + _UUID_ON_AIR + service_data[:1] + counter
    try:
        objects = cipher.decrypt(nonce, body + service_data[-_MIC_LENGTH:], None)
    except InvalidTag as error:
        msg = "the frame was not made with the key of this device"
        raise FrameError(msg, answer=service_data) from error
    return Sealed(objects, int.from_bytes(counter, "little"))


def cipher_of(key: bytes) -> AESCCM:
    """Return the cipher for a key of 16 bytes."""
    return AESCCM(key, tag_length=_MIC_LENGTH)


def decode(objects: bytes) -> Frame:
    """Return what the objects of a frame say.

    Args:
        objects: all behind the device information, in plain.

    Raises:
        FrameError: an object breaks off, or a text is none.

    Source:
        "Sensor data" to "Misc data". An object that is not known ends the reading ("Humidity
        measurement", last paragraph); what stands before it counts.
    """
    frame = Frame()
    values = frame.values
    place, end = 0, len(objects)
    while place < end:
        kind = objects[place]
        place += 1
        number = NUMBERS.get(kind)
        if number is not None:
            following = place + number.size
            raw = int.from_bytes(objects[place:following], "little", signed=number.signed)
            value: Value | None = raw if number.over == 1 else raw * number.times / number.over
            name = number.name
        elif kind in STATES:
            following = place + 1
            name, count = STATES[kind]
            raw = objects[place] if following <= end else 0
            value = None if raw >= count else raw if count > 2 else bool(raw)  # noqa: PLR2004
        elif kind == PACKET_ID:
            following = place + 1
            frame.packet_id = objects[place] if following <= end else None
            name = ""
            value = None
        else:
            following = _rest(kind, objects, place, frame)
            place = following if following <= end else place
            if following > end:
                break_off(objects)
            if frame.unknown is not None:
                break
            continue
        if following > end:
            break_off(objects)
        place = following
        if name:
            values[name if name not in values else _numbered(name, frame)] = value
    return frame


def break_off(objects: bytes) -> None:
    """Refuse a frame whose last object is not whole.

    Raises:
        FrameError: always.
    """
    msg = "an object breaks off"
    raise FrameError(msg, answer=objects)


def _rest(kind: int, objects: bytes, place: int, frame: Frame) -> int:
    """Take one of the rarer objects; return where the next one begins."""
    end = len(objects)
    if kind in TEXTS:
        following = place + 1 + (objects[place] if place < end else 0)
        body = objects[place + 1 : following]
        text = _text(body) if kind == TEXT else body.hex()
        name = TEXTS[kind]
        frame.values[name if name not in frame.values else _numbered(name, frame)] = text
        return max(following, place + 1)
    if kind in {FIRMWARE_4, FIRMWARE_3}:
        size = 4 if kind == FIRMWARE_4 else 3
        frame.values[VERSION] = ".".join(map(str, objects[place : place + size][::-1]))
        return place + size
    if kind in {BUTTON, DIMMER, COMMAND}:
        return _occurrence(kind, objects, place, frame)
    frame.unknown = kind
    return place


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        msg = "a text that is not UTF-8"
        raise FrameError(msg, answer=body) from error


def _occurrence(kind: int, objects: bytes, place: int, frame: Frame) -> int:
    body = objects[place:]
    source = {BUTTON: "button", DIMMER: "dimmer", COMMAND: "command"}[kind]
    sized = 1 if kind == BUTTON else 2
    if kind == COMMAND and body:
        sized += body[0] & _ARGUMENTS
    if len(body) < sized:
        break_off(objects)
    steps: int | None = None
    if kind == BUTTON:
        event = BUTTON_EVENTS.get(body[0], f"0x{body[0]:02x}")
    elif kind == DIMMER:
        event = DIMMER_EVENTS.get(body[0], f"0x{body[0]:02x}")
        steps = body[1]
    else:
        event = COMMANDS.get(body[1], f"0x{body[1]:02x}")
        steps = body[2] if sized > 2 else None  # noqa: PLR2004 - one byte of arguments or more
    number = 1 + sum(1 for other in frame.occurrences if other.source == source)
    frame.occurrences.append(Occurrence(source, number, event, steps))
    return place + sized


def _numbered(name: str, frame: Frame) -> str:
    """Return the name for one more of a kind: `temperature_2`."""
    count = 2
    while f"{name}_{count}" in frame.values:
        count += 1
    return f"{name}_{count}"
