"""What readers share: a card that stays, keys that become a PIN, the desk that tells."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.access.credential import Credential
from drivers.access.reader import Desk, Keypad, Presence, ReaderConfig
from gateway.model.errors import FrameError
from gateway.model.ids import PERSONAL
from tests.access_keys import credential_key, digest
from tests.listening_ear import ListeningEar
from tests.virtual_time import VirtualClock, run

CARD = Credential.raw("raw", 40, 1)
OTHER = Credential.raw("raw", 40, 2)


def typed(keys: str, *, length: int | None = None, pauses_s: float = 0.0) -> list[bytes]:
    async def scene(_clock: VirtualClock) -> list[bytes]:
        pins: list[bytes] = []
        keypad = Keypad(lambda pin: pins.append(pin.canonical), length=length, timeout_s=10)
        for key in keys:
            keypad.press(key)
            await asyncio.sleep(pauses_s)
        keypad.forget()
        return pins

    return run(scene)


@pytest.mark.parametrize(
    ("keys", "length", "pins"),
    [
        ("1234#", None, ["1234"]),
        ("12*34#", None, ["34"]),
        ("#", None, []),
        ("*#", None, []),
        ("1234", None, []),
        ("12341234", 4, ["1234", "1234"]),
        ("12#", 4, ["12"]),
        ("1" * 17 + "#", None, ["1"]),
    ],
)
def test_keys_become_pins(keys: str, length: int | None, pins: list[str]) -> None:
    assert typed(keys, length=length) == [b"pin:" + pin.encode() for pin in pins]


def test_a_pin_that_was_left_is_forgotten() -> None:
    assert typed("12#", pauses_s=9) == [b"pin:12"]
    assert typed("12#", pauses_s=11) == []


def test_a_card_that_stays_is_one_and_comes_again_once_it_was_gone() -> None:
    async def scene(_clock: VirtualClock) -> list[bool]:
        presence = Presence(1.0)
        new = []
        for pause_s in (0.0, 0.2, 0.9, 0.9, 1.1):
            await asyncio.sleep(pause_s)
            new.append(presence.is_new(CARD))
        new.append(presence.is_new(OTHER))
        presence.end()
        return new

    assert run(scene) == [True, False, False, False, True, True]


def test_the_desk_tells_persons_to_those_who_may_see_them_and_counts(tmp_path: Path) -> None:
    desk = Desk(ReaderConfig(credential_key=credential_key(tmp_path), reader="gate", carrier="fob"))
    ear = ListeningEar()
    desk.credential(CARD)  # nobody attends yet
    desk.refuse("nobody hears")
    desk.attend(ear)
    desk.credential(CARD)
    desk.refuse("a word of 25 bits")
    (told,) = ear.happenings
    assert told.audience == PERSONAL
    assert told.args == {
        "digest": digest(b"raw-40:1"),
        "format": "raw",
        "bits": 40,
        "reader": "gate",
        "medium": "fob",
    }
    (mistake,) = ear.mistakes
    assert isinstance(mistake, FrameError)
    assert (str(mistake), mistake.answer) == ("a word of 25 bits", b"")
    assert (desk.credentials, desk.refusals) == (2, 2)
