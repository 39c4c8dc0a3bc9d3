"""One OSDP reader: cards, keys, tamper and power, and what it can be told to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from drivers.access.credential import Credential
from drivers.access.osdp.bus import OsdpBus
from drivers.access.osdp.kinds import Capability, Event, Order, Status
from drivers.access.osdp.station import Station, Told
from drivers.access.reader import Desk, Keypad, ReaderConfig, one_group, sample_of
from drivers.access.secret_file import read_secret
from drivers.access.wiegand.codec import STANDARD, decode
from gateway.model.discovery import Looked, Scope, State
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.errors import CommandRefusedError, DeviceRejectedError, FrameError
from gateway.model.event import Severity
from gateway.model.ids import PointId
from gateway.model.options import About, Checked, Limits, SitePath
from gateway.model.reading import Cause, Flag, Kind, Point, Quality, Sample, Value

KEY_BYTES: Final = 16
FACTORY_KEY: Final = bytes(range(0x30, 0x40))
"""SCBK-D, which every reader has from the factory: it protects nothing."""
COLOURS: Final = dict(
    enumerate(("off", "red", "green", "amber", "blue", "magenta", "cyan", "white"))
)
LONGEST_TEXT: Final = 32
MOST_BEEPS: Final = 10
MOST_OUTPUTS: Final = 8
REFUSALS: Final = 2
"""So often in a row a reader may refuse to tell its state; then it is asked no more."""
_UNASKED: Final = Flag(Quality.BAD, Cause.NO_VALUE)

TAMPER: Final = Point(PointId("tamper"), kind=Kind.BOOL)
POWER: Final = Point(PointId("power_fault"), kind=Kind.BOOL)
LED: Final = Point(PointId("led"), kind=Kind.STATE, states=COLOURS, writable=True)
BUZZER: Final = Point(
    PointId("buzzer"), "{count}", Kind.NUMBER, low=0, high=MOST_BEEPS, writable=True
)
TEXT: Final = Point(PointId("text"), kind=Kind.TEXT, writable=True)


def read_key(path: Path) -> bytes:
    """Return the secure channel base key (SCBK) in a file: 16 bytes, or 32 hex digits.

    Raises:
        ValueError: it cannot be read, others can read it, it is no key or that of the factory.
    """
    content = read_secret(path)
    if len(content) != KEY_BYTES:
        try:
            content = bytes.fromhex(content.decode("ascii"))
        except ValueError:
            content = b""
    if len(content) != KEY_BYTES:
        msg = f"{path}: a reader's key has 16 bytes, or 32 hex digits: openssl rand -hex 16"
        raise ValueError(msg)
    if content == FACTORY_KEY:
        msg = f"{path} is the key that every reader has from the factory: make one of your own"
        raise ValueError(msg)
    return content


def _is_key(path: Any, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    if path is not None:
        read_key(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class OsdpConfig(ReaderConfig):
    """Options of one reader."""

    address: Annotated[int, Limits(ge=0, le=126), About("address of the reader on its line")] = 0
    key: Annotated[
        SitePath | None,
        Checked(_is_key),
        About("file with the key of this reader (SCBK): 16 bytes or 32 hex digits, mode 600"),
    ] = None
    secure: Annotated[
        Literal["required", "off"],
        About("required: nothing is believed without a secure channel; off: readable on the wire"),
    ] = "required"
    install_for_s: Annotated[
        float,
        Limits(ge=0, le=600),
        About(
            "DANGER: so long after opening the line the factory key is taken, and `key` written "
            "into the reader; 0: never"
        ),
    ] = 0.0
    response_timeout_s: Annotated[
        float, Limits(gt=0, le=30), About("how long an order may take, in seconds")
    ] = 3.0
    outputs: Annotated[
        int, Limits(ge=0, le=MOST_OUTPUTS), About("outputs (relays) of the reader that are used")
    ] = 0
    pin_length: Annotated[
        Annotated[int, Limits(ge=1, le=Keypad.LONGEST)] | None,
        About("so many digits are a PIN; left out: the key # ends it"),
    ] = None
    pin_timeout_s: Annotated[
        float, Limits(gt=0, le=120), About("silence after which a begun PIN is forgotten")
    ] = 10.0

    def __post_init__(self) -> None:
        """Refuse half a security.

        Raises:
            ValueError: the key and `secure` do not go together.
        """
        if self.secure == "required" and self.key is None:
            msg = 'secure = "required" wants the key of the reader: key = "reader.key"'
            raise ValueError(msg)
        if self.secure == "off" and (self.key is not None or self.install_for_s):
            msg = 'secure = "off" has no key and nothing to install'
            raise ValueError(msg)


class Osdp:
    """One reader. A `ListeningDriver`, polled for its state, and a `CommandableDriver`."""

    def __init__(self, config: OsdpConfig, bus: OsdpBus) -> None:
        """Take the options and the line.

        Raises:
            ValueError: a key cannot be used, or the address is taken.
        """
        self._config: Final = config
        self._bus: Final = bus
        self._desk: Final = Desk(config)
        self._keypad: Final = Keypad(
            self._desk.credential, length=config.pin_length, timeout_s=config.pin_timeout_s
        )
        key = read_key(config.key) if config.key is not None else None
        self._station: Final = Station(config.address, key, config.install_for_s, self)
        bus.join(self._station)
        self._outputs: Final = tuple(
            Point(PointId(f"output_{number + 1}"), kind=Kind.BOOL, writable=True)
            for number in range(config.outputs)
        )
        self._group: Final = one_group(config, TAMPER, POWER, LED, BUZZER, TEXT, *self._outputs)
        self._states: Final[dict[PointId, Value]] = {}
        """What is known of the reader, and what it was told."""
        self._refusals = 0

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    def attend(self, ear: Ear) -> None:
        """Tell the ear what the reader tells, and that its wire can be read, when it can."""
        self._desk.attend(ear)
        if self._config.secure == "off":
            self._desk.state("reader-insecure", Severity.WARNING)

    # Polling

    async def poll(self, _group: PollGroup) -> Sample:
        """Ask the reader for tamper and power, and its outputs where it has some.

        Raises:
            NoResponseError: it is not there, or has no secure channel.
            DeviceRejectedError: it does not tell its state.
            BusUnavailableError: the line is gone.
        """
        if self._refusals < REFUSALS:
            try:
                await self._ask_status(Status.LOCAL)
            except DeviceRejectedError:
                # libosdp restarts a reader that refused something: it is not asked for ever
                self._refusals += 1
                raise
            self._refusals = 0
        else:
            await self._bus.ready(self._station, self._config.response_timeout_s)
        if self._outputs:
            await self._ask_status(Status.OUTPUTS)
        known = [self._states.get(point.name) for point in tuple(self._group.table)[2:]]
        sample = sample_of(self._desk)
        cells = sample.cells + tuple(known)
        flags = {place: _UNASKED for place, cell in enumerate(cells) if cell is None}
        return Sample(cells, flags)

    async def _ask_status(self, kind: Status) -> None:
        await self._order({"command": Order.STATUS, "type": kind})

    async def _order(self, order: Mapping[str, Any]) -> None:
        await self._bus.command(self._station, order, self._config.response_timeout_s)

    # Listening

    def told(self, event: Told) -> None:
        """Take an event of libosdp."""
        match event["event"]:
            case Event.CARD:
                self._card(event["data"], event.get("length", 0))
            case Event.KEYS:
                self._keys(event["data"])
            case Event.STATUS if event["type"] == Status.LOCAL:
                tamper, power = event["report"][:2]
                self._changed(TAMPER, "reader-tamper", bad=bool(tamper))
                self._changed(POWER, "reader-power", bad=bool(power))
            case Event.STATUS if event["type"] == Status.OUTPUTS:
                for point, level in zip(self._outputs, event["report"], strict=False):
                    self._states[point.name] = bool(level)
            case _:
                pass  # inputs, manufacturers' own replies: nothing we offer

    def installing(self) -> None:
        """Take that anybody with the factory key is let in for a while: loudly, each time."""
        self._desk.state("reader-install", Severity.ALARM, duration_s=self._config.install_for_s)

    def installed(self) -> None:
        """Take that the reader has its own key."""
        self._desk.state("reader-installed")

    def _card(self, data: bytes, bits: int) -> None:
        word = "".join(f"{byte:08b}" for byte in data)[:bits]
        if not word:
            self._refuse("a card without bits")
            return
        layouts = tuple(STANDARD.values())
        if not any(layout.bits == len(word) for layout in layouts):
            self._desk.credential(Credential.raw("raw", len(word), int(word, 2)))
            return
        try:
            shown = decode(word, layouts)
        except FrameError as error:
            self._refuse(str(error))
        else:
            self._desk.credential(shown)

    def _keys(self, data: bytes) -> None:
        for code in data:
            key = _KEYS.get(code)
            if key is None:
                self._keypad.forget()
                self._refuse("a key that no keypad has")
            else:
                self._keypad.press(key)

    def _refuse(self, reason: str) -> None:
        self._desk.refuse(f"reader {self._config.reader}: {reason}")

    def _changed(self, point: Point, key: str, *, bad: bool) -> None:
        was = self._states.get(point.name, False)
        self._states[point.name] = bad
        if bad and not was:
            self._desk.state(key, Severity.ALARM if point is TAMPER else Severity.WARNING)
        elif was and not bad:
            self._desk.state(f"{key}-over")

    # Writing

    async def write(self, point: PointId, value: Value) -> Value:
        """Tell the reader what to do, ahead of its polls.

        An output is read back. For light, sound and text OSDP has no reading back: what returns is
        what the reader acknowledged.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not one it can take.
            DeviceRejectedError: the reader did not take it.
            NoResponseError: nobody knows whether it was done.
            BusUnavailableError: the line is gone.
        """
        if point in [each.name for each in self._outputs]:
            return await self._write_output(point, value)
        if point == LED.name:
            colour = _colour(value)
            order: dict[str, Any] = {"command": Order.LED, "reader": 0, "led_number": 0}
            order |= {"temporary": False, "control_code": 1, "on_count": 1, "off_count": 0}
            order |= {"on_color": colour, "off_color": colour}
            return await self._acknowledged(LED, colour, order, capability=Capability.LED)
        if point == BUZZER.name:
            if isinstance(value, str) or not 0 <= value <= MOST_BEEPS or value != int(value):
                msg = f"buzzer: a number of beeps from 0 to {MOST_BEEPS}"
                raise CommandRefusedError(msg)
            order = {"command": Order.BUZZER, "reader": 0, "control_code": 2 if value else 1}
            order |= {"on_count": 1, "off_count": 1, "rep_count": int(value)}
            return await self._acknowledged(BUZZER, int(value), order, capability=Capability.SOUND)
        if point == TEXT.name:
            if not isinstance(value, str) or not value.isascii() or len(value) > LONGEST_TEXT:
                msg = f"text: up to {LONGEST_TEXT} characters of ASCII"
                raise CommandRefusedError(msg)
            order = {"command": Order.TEXT, "reader": 0, "control_code": 1, "temp_time": 0}
            order |= {"offset_row": 1, "offset_col": 1, "data": value}
            return await self._acknowledged(TEXT, value, order, capability=Capability.TEXT)
        msg = f"{point}: there is no such point that can be written"
        raise CommandRefusedError(msg)

    async def _write_output(self, point: PointId, value: Value) -> Value:
        if isinstance(value, str) or value not in {0, 1}:
            msg = f"{point}: true or false"
            raise CommandRefusedError(msg)
        place = [each.name for each in self._outputs].index(point)
        code = 2 if value else 1
        order = {"command": Order.OUTPUT, "output_no": place, "control_code": code}
        await self._order(order | {"timer_count": 0})
        self._states.pop(point, None)
        await self._ask_status(Status.OUTPUTS)
        return self._states.get(point, not value)

    async def _acknowledged(
        self, point: Point, value: Value, order: Mapping[str, Any], *, capability: Capability
    ) -> Value:
        await self._bus.ready(self._station, self._config.response_timeout_s)
        if not self._bus.capability(self._station, capability):
            msg = f"{point.name}: this reader has none"
            raise CommandRefusedError(msg)
        await self._order(order)
        self._states[point.name] = value
        return value


_KEYS: Final[Mapping[int, str]] = {
    **{ord(digit): digit for digit in "0123456789"},
    **dict.fromkeys((ord("*"), 0x7F), "*"),
    **dict.fromkeys((ord("#"), 0x0D), "#"),
}


def _colour(value: Value) -> int:
    """Return the number of a colour.

    Raises:
        CommandRefusedError: there is no such colour.
    """
    for number, name in COLOURS.items():
        if value == name or (value == number and not isinstance(value, bool)):
            return number
    msg = f"led: one of {', '.join(COLOURS.values())}"
    raise CommandRefusedError(msg)


def _address(config: OsdpConfig) -> Hashable:
    return config.address


def _discover(bus: OsdpBus, scope: Scope, state: State) -> AsyncIterator[Looked]:
    from drivers.access.osdp.discover import discover  # noqa: PLC0415 - never in the agent

    return discover(bus, scope, state)


MANIFEST: Final = Manifest(
    name="osdp",
    media=("osdp",),
    config=OsdpConfig,
    build=Osdp,
    address=_address,
    discover=_discover,
)
