"""Faults as data: what can be wrong with a device, how it shows on the wire, and for which twins.

Nothing happens here: a fault is a frozen value with its numbers and its seed. The servers carry
it out (`simulators/modbus/spoil.py` says how it looks in Modbus).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from simulators.sentences import sentences


class Medium(StrEnum):
    """What most twins hang on; other kinds of line are named by their families."""

    TCP = "tcp"
    SERIAL = "serial"
    STREAM = "stream"


_CONFIG: Final = ConfigDict(extra="forbid")
WIRES: Final[frozenset[str]] = frozenset(Medium)
"""Lines of bytes: request and answer."""

Probability = Annotated[float, Field(ge=0, le=1, description="of answers it strikes")]
Seed = Annotated[int, Field(ge=0, description="of its random numbers")]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Fault:
    """One way in which a device goes wrong; strikes each answer with a probability."""

    name: ClassVar[str]
    ru: ClassVar[str]
    en: ClassVar[str]
    media: ClassVar[frozenset[str] | None] = WIRES
    kinds: ClassVar[frozenset[str] | None] = None
    """Kinds of twins that know it; None: all."""
    """Kinds of line on which it means something; None: on every one."""

    probability: Probability = 1.0
    seed: Seed = 1

    @classmethod
    def fits(cls, medium: str) -> bool:
        """Say whether it means something on a line of that kind."""
        return cls.media is None or medium in cls.media

    @property
    def spoils(self) -> bool:
        """Say whether nobody can take an answer it strikes for one: its number is not counted."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Silent(Fault):
    """The device says nothing."""

    name: ClassVar[str] = "silent"
    ru: ClassVar[str] = "Прибор не отвечает."
    en: ClassVar[str] = "The device does not answer."
    media: ClassVar[frozenset[str] | None] = None

    obeys: Annotated[
        bool, Field(description="carries out what it is told, though it says nothing")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Noise(Fault):
    """Interference: bits fall over and stray bytes come first."""

    name: ClassVar[str] = "noise"
    ru: ClassVar[str] = "Помехи: перед ответом лишние байты, в ответе перевёрнуты биты."
    en: ClassVar[str] = "Interference: stray bytes before the answer, flipped bits inside it."
    media: ClassVar[frozenset[str] | None] = frozenset({Medium.SERIAL})

    stray: Annotated[int, Field(ge=0, le=64, description="stray bytes before it, at most")] = 4
    flips: Annotated[int, Field(ge=0, le=3, description="bits flipped (CRC-16 finds up to 3)")] = 2

    @property
    def spoils(self) -> bool:
        """Without a flipped bit a clever reader may still find the answer."""
        return self.flips > 0


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Crc(Fault):
    """The checksum is wrong."""

    name: ClassVar[str] = "crc"
    ru: ClassVar[str] = "Контрольная сумма ответа не сходится."
    en: ClassVar[str] = "The checksum of the answer is wrong."
    media: ClassVar[frozenset[str] | None] = frozenset({Medium.SERIAL, "kernel"})


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class WrongUnit(Fault):
    """The answer carries the address of another device."""

    name: ClassVar[str] = "wrong_unit"
    ru: ClassVar[str] = "В ответе адрес другого прибора."
    en: ClassVar[str] = "The answer carries the address of another device."

    offset: Annotated[int, Field(ge=1, le=246, description="added to its own address")] = 1


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Refuse(Fault):
    """The device refuses with an exception code."""

    name: ClassVar[str] = "exception"
    ru: ClassVar[str] = "Прибор отвечает отказом."
    en: ClassVar[str] = "The device answers with a refusal."
    media: ClassVar[frozenset[str] | None] = WIRES | {"radio", "gpio", "kernel", "http-local"}

    code: Annotated[int, Field(ge=1, le=11, description="exception code of V1.1b3, 7")] = 4


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Slow(Fault):
    """The answer comes late."""

    name: ClassVar[str] = "slow"
    ru: ClassVar[str] = "Прибор отвечает с задержкой."
    en: ClassVar[str] = "The device answers late."
    media: ClassVar[frozenset[str] | None] = WIRES | {"radio", "gpio", "kernel", "http-local"}

    delay_s: Annotated[float, Field(gt=0, le=60, description="before the answer starts")] = 1.5
    jitter_s: Annotated[float, Field(ge=0, le=60, description="more, at random")] = 0.0

    @property
    def spoils(self) -> bool:
        """Only the other end knows whether it was still waiting."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Flood(Fault):
    """The device talks without being asked."""

    name: ClassVar[str] = "flood"
    ru: ClassVar[str] = "Прибор говорит без спроса и перебивает остальных."
    en: ClassVar[str] = "The device talks without being asked and over the others."
    media: ClassVar[frozenset[str] | None] = WIRES | {"radio", "gpio", "mqtt-local", "http-local"}

    every_s: Annotated[float, Field(ge=0.001, le=60, description="between bursts")] = 0.05
    size: Annotated[int, Field(ge=1, le=240, description="bytes of a burst")] = 24

    @property
    def spoils(self) -> bool:
        """The answers themselves are sound; what they run into is another matter."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Reboot(Fault):
    """The device starts anew: gone for as long as the fault lasts, then as after power-up."""

    name: ClassVar[str] = "reboot"
    ru: ClassVar[str] = "Прибор перезапускается: соединения рвутся, реле и настройки сброшены."
    en: ClassVar[str] = "The device restarts: connections break, relays and settings are reset."
    media: ClassVar[frozenset[str] | None] = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Liar(Fault):
    """The frame is sound, what it says cannot be."""

    name: ClassVar[str] = "liar"
    ru: ClassVar[str] = "Кадр верный, содержание невозможное: не та длина или не те величины."
    en: ClassVar[str] = "A sound frame with impossible content: wrong length or wrong values."
    media: ClassVar[frozenset[str] | None] = WIRES | {
        "radio",
        "gpio",
        "kernel",
        "mqtt-local",
        "http-local",
    }

    how: Annotated[
        Literal["count", "length", "values"],
        Field(description="fewer registers; a byte count that does not fit; all bits set"),
    ] = "count"

    @property
    def spoils(self) -> bool:
        """Impossible values stand beside a true counter: such an answer is sound as a frame."""
        return self.how != "values"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Echo(Fault):
    """The adapter hears what it sends."""

    name: ClassVar[str] = "echo"
    ru: ClassVar[str] = "Адаптер слышит собственный запрос, потом ответ."
    en: ClassVar[str] = "The adapter hears its own request, then the answer."
    media: ClassVar[frozenset[str] | None] = frozenset({Medium.SERIAL})

    answers: Annotated[bool, Field(description="the answer follows the echo")] = True

    @property
    def spoils(self) -> bool:
        """A reader may know its echo and find the answer behind it."""
        return not self.answers


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Short(Fault):
    """The end of the answer is missing."""

    name: ClassVar[str] = "short"
    ru: ClassVar[str] = "Ответ обрывается."
    en: ClassVar[str] = "The answer breaks off."
    media: ClassVar[frozenset[str] | None] = WIRES | {
        "radio",
        "gpio",
        "kernel",
        "mqtt-local",
        "http-local",
    }

    missing: Annotated[int, Field(ge=1, le=255, description="bytes; one always comes")] = 3


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Stuck(Fault):
    """What it shows stays as it is, whatever happens."""

    name: ClassVar[str] = "stuck"
    ru: ClassVar[str] = "Показание застыло: контакт залип, датчик повторяет одно и то же."
    en: ClassVar[str] = (
        "What it shows stays as it is: a contact that sticks, a sensor that repeats itself."
    )
    media: ClassVar[frozenset[str] | None] = frozenset({"gpio", "kernel"})

    @property
    def spoils(self) -> bool:
        """It answers soundly; what it says is another matter."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Weak(Fault):
    """The device is hardly heard."""

    name: ClassVar[str] = "weak"
    ru: ClassVar[str] = "Сигнал слабый: часть кадров теряется."
    en: ClassVar[str] = "The signal is weak: some frames are lost."
    media: ClassVar[frozenset[str] | None] = frozenset({"radio"})

    loss: Annotated[float, Field(ge=0, le=1, description="of frames that are lost")] = 0.8
    weaker_db: Annotated[int, Field(ge=0, le=60, description="than before, in dB")] = 25


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Replay(Fault):
    """Somebody sends recorded frames of the device again."""

    name: ClassVar[str] = "replay"
    ru: ClassVar[str] = "Кто-то повторяет записанные кадры прибора, сам он молчит."
    en: ClassVar[str] = "Somebody repeats recorded frames of the device; itself it is silent."
    media: ClassVar[frozenset[str] | None] = frozenset({"radio", "mqtt-local"})


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Impostor(Fault):
    """Somebody else speaks."""

    name: ClassVar[str] = "impostor"
    ru: ClassVar[str] = "Говорит чужой прибор: в своей теме или в теме этого."
    en: ClassVar[str] = "Another device speaks: in a topic of its own, or in that of this one."
    media: ClassVar[frozenset[str] | None] = frozenset({"mqtt-local"})

    same_topic: Annotated[bool, Field(description="in the topic of this device")] = True


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Redirect(Fault):
    """The device sends who asks elsewhere."""

    name: ClassVar[str] = "redirect"
    ru: ClassVar[str] = "Прибор отсылает спрашивающего по другому адресу."
    en: ClassVar[str] = "The device sends whoever asks to another address."
    media: ClassVar[frozenset[str] | None] = frozenset({"http-local"})


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class NewAddress(Fault):
    """The device has another address."""

    name: ClassVar[str] = "new_address"
    ru: ClassVar[str] = "У прибора другой адрес."
    en: ClassVar[str] = "The device has another address."
    media: ClassVar[frozenset[str] | None] = frozenset({"radio"})

    address: Annotated[
        str, Field(pattern="^[0-9A-F]{2}(:[0-9A-F]{2}){5}$", description="the other one")
    ] = "C0:FF:EE:00:00:01"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class StuckAdapter(Fault):
    """The adapter on whose line the device is takes no orders and tells nothing."""

    name: ClassVar[str] = "stuck_adapter"
    ru: ClassVar[str] = "Радиоадаптер завис: не отвечает и ничего не слышит."
    en: ClassVar[str] = "The radio adapter is stuck: it does not answer and hears nothing."
    media: ClassVar[frozenset[str] | None] = frozenset({"radio"})

    deaf: Annotated[
        bool, Field(description="it still answers, and hears nothing until it is reset")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Drop(Fault):
    """Connections to the device do not hold."""

    name: ClassVar[str] = "drop"
    ru: ClassVar[str] = "Соединение с прибором рвётся."
    en: ClassVar[str] = "Connections to the device break."
    media: ClassVar[frozenset[str] | None] = frozenset({"radio"})

    at: Annotated[
        Literal["connect", "read"],
        Field(description="it does not let itself be connected to; it hangs up when asked"),
    ] = "read"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Jammed(Fault):
    """What is driven by a motor does not move on."""

    name: ClassVar[str] = "jammed"
    ru: ClassVar[str] = "Стрелу заклинило: привод включён, движения нет."
    en: ClassVar[str] = "The boom is jammed: the motor runs, nothing moves."
    kinds: ClassVar[frozenset[str] | None] = frozenset({"barrier"})

    @property
    def spoils(self) -> bool:
        """It answers soundly."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Forced(Fault):
    """Somebody moves it by hand."""

    name: ClassVar[str] = "forced"
    ru: ClassVar[str] = "Стрелу подняли руками и держат."
    en: ClassVar[str] = "The boom is lifted by hand and held."
    kinds: ClassVar[frozenset[str] | None] = frozenset({"barrier"})

    @property
    def spoils(self) -> bool:
        """It answers soundly."""
        return False


FAULTS: Final[Mapping[str, type[Fault]]] = {
    kind.name: kind
    for kind in (
        Silent,
        Noise,
        Crc,
        WrongUnit,
        Refuse,
        Slow,
        Flood,
        Reboot,
        Liar,
        Echo,
        Short,
        Weak,
        Replay,
        Impostor,
        Redirect,
        NewAddress,
        StuckAdapter,
        Drop,
        Stuck,
        Jammed,
        Forced,
    )
}
"""Every fault by its name."""


class FaultError(ValueError):
    """A fault that does not exist, does not fit its twin, or has options it does not take."""


def read_fault(name: str, options: Mapping[str, object]) -> Fault:
    """Return the fault of that name.

    Args:
        name: one of FAULTS.
        options: its numbers; what is left out has its default.

    Raises:
        FaultError: no such fault, an unknown option, or a value outside its range.
    """
    kind = FAULTS.get(name)
    if kind is None:
        msg = f"no fault {name!r}; there are: {', '.join(sorted(FAULTS))}"
        raise FaultError(msg)
    try:
        return TypeAdapter(kind).validate_python(dict(options))
    except ValidationError as error:
        msg = f"fault {name}: {'; '.join(sentences(error))}"
        raise FaultError(msg) from error


def options_of(fault: Fault) -> dict[str, object]:
    """Return the numbers of a fault by their names."""
    return {item.name: getattr(fault, item.name) for item in fields(fault)}


def catalogue() -> list[dict[str, object]]:
    """Return every fault as plain values: name, both sentences, media, options with defaults."""
    return [
        {
            "fault": name,
            "ru": kind.ru,
            "en": kind.en,
            "media": ["any"] if kind.media is None else sorted(kind.media),
            "options": options_of(kind()),
        }
        for name, kind in FAULTS.items()
    ]
