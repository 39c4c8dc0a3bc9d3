"""A reader with a Wiegand output on two pins: words become credentials, keys become PINs.

A word has no end mark: `word_gap_ms` of silence ends it. What ends the waiting is a timer of the
event loop; what bits there are is decided by the ticks of the edges alone (`pulses.words`), so a
loop that is late splits and loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from drivers.access.credential import Credential
from drivers.access.reader import Desk, Keypad, ReaderConfig, one_group, sample_of
from drivers.access.wiegand.codec import KEY_BITS, STANDARD, Field, Layout, decode, decode_key
from drivers.access.wiegand.pulses import LONGEST_WORD, Pulse, Timing, Torn, words
from drivers.media.edges import EdgeSource, Pull
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.errors import FrameError
from gateway.model.event import Severity
from gateway.model.ids import NAME_PATTERN, PointId
from gateway.model.options import About, Checked, Limits, OneOrSeveral, Options
from gateway.model.reading import Kind, Point, Sample

Pin = Annotated[int, Limits(ge=0, le=1023)]
Bits = Annotated[tuple[int, int], Limits(min_length=2, max_length=2)]
_MOST_EDGES: Final = 4 * LONGEST_WORD
CABLE: Final = Point(PointId("cable_fault"), kind=Kind.BOOL)
TAMPER: Final = Point(PointId("tamper"), kind=Kind.BOOL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutConfig(Options):
    """A layout that only this site has. Bits are counted from 1; a pair is first and last."""

    name: Annotated[str, Limits(pattern=NAME_PATTERN), About("what it is called in events")]
    bits: Annotated[int, Limits(ge=9, le=LONGEST_WORD), About("length of the word")]
    number: Annotated[Bits, About("bits of the number")]
    facility: Annotated[Bits | None, About("bits of the facility code")] = None
    even: Annotated[
        tuple[Bits, ...], About("runs of bits with an even number of ones, parity bit included")
    ] = ()
    odd: Annotated[tuple[Bits, ...], About("likewise with an odd number of ones")] = ()

    @property
    def layout(self) -> Layout:
        """Return it as the codec has it."""
        return Layout(
            self.name,
            self.bits,
            Field(*self.number),
            None if self.facility is None else Field(*self.facility),
            tuple(Field(*field) for field in self.even),
            tuple(Field(*field) for field in self.odd),
        )


def _sound(layouts: Any, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    for config in layouts:
        problem = config.layout.problem()
        if problem is not None:
            msg = f"{config.name}: {problem}"
            raise ValueError(msg)
        if config.name in STANDARD:
            msg = f"{config.name} is taken by a standard format: call it otherwise"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class WiegandConfig(ReaderConfig):
    """Options of one reader."""

    d0: Annotated[Pin, About("pin of Data 0 (often the green wire)")]
    d1: Annotated[Pin, About("pin of Data 1 (often the white wire)")]
    pull: Annotated[
        Pull, About("resistor of the board; none where the interface circuit has its own")
    ] = Pull.UP
    formats: Annotated[
        tuple[Literal["w26", "w34", "w37"], ...],
        About("standard formats that this reader sends"),
    ] = ("w26", "w34", "w37")
    layout: Annotated[
        tuple[LayoutConfig, ...],
        OneOrSeveral(),
        Checked(_sound),
        About("formats that only this site has; each goes before a standard one of its length"),
    ] = ()
    keypad_bits: Annotated[
        Literal[4, 8] | None, About("length of a key of the keypad; left out: it has none")
    ] = None
    pin_length: Annotated[
        Annotated[int, Limits(ge=1, le=Keypad.LONGEST)] | None,
        About("so many digits are a PIN; left out: the key # ends it"),
    ] = None
    pin_timeout_s: Annotated[
        float, Limits(gt=0, le=120), About("silence after which a begun PIN is forgotten")
    ] = 10.0
    word_gap_ms: Annotated[
        float, Limits(ge=2, le=1000), About("silence that ends a word, in milliseconds")
    ] = 25.0
    tamper: Annotated[Pin | None, About("pin of the tamper switch of the reader")] = None
    tamper_level: Annotated[
        Literal["high", "low"], About("level of that pin when the reader is opened")
    ] = "high"

    def __post_init__(self) -> None:
        """Refuse what cannot be wired.

        Raises:
            ValueError: one pin has two uses.
        """
        pins = [self.d0, self.d1] + ([self.tamper] if self.tamper is not None else [])
        if len(set(pins)) != len(pins):
            msg = "d0, d1 and tamper are different pins"
            raise ValueError(msg)


class Wiegand:
    """One reader. A `ListeningDriver`; its counters are polled from memory."""

    def __init__(self, config: WiegandConfig, pins: EdgeSource) -> None:
        """Take the options and the pins.

        Raises:
            ValueError: the credential key cannot be used.
        """
        self._config: Final = config
        self._pins: Final = pins
        self._desk: Final = Desk(config)
        own = tuple(each.layout for each in config.layout)
        standard = tuple(STANDARD[name] for name in config.formats)
        self._layouts: Final = own + standard
        self._timing: Final = Timing(gap_ns=round(config.word_gap_ms * 1_000_000))
        self._keypad: Final = Keypad(
            self._desk.credential, length=config.pin_length, timeout_s=config.pin_timeout_s
        )
        points = (CABLE, TAMPER) if config.tamper is not None else (CABLE,)
        self._group: Final = one_group(config, *points)
        self._edges: list[Pulse] = []
        self._levels = {0: True, 1: True}
        self._silence: asyncio.TimerHandle | None = None
        self._cable_fault = False
        self._tamper = False

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, _group: PollGroup) -> Sample:
        """Return the counters and states; nothing goes over a wire."""
        tamper = (self._tamper,) if self._config.tamper is not None else ()
        return sample_of(self._desk, self._cable_fault, *tamper)

    def attend(self, ear: Ear) -> None:
        """Tell the ear every credential from now on."""
        config = self._config
        self._desk.attend(ear)
        self._pins.watch(config.d0, partial(self._edge, 0), pull=config.pull)
        self._pins.watch(config.d1, partial(self._edge, 1), pull=config.pull)
        if config.tamper is not None:
            self._pins.watch(config.tamper, self._tamper_edge, pull=config.pull)

    def _edge(self, line: int, tick_ns: int, level: bool, *, first: bool) -> None:  # noqa: FBT001
        self._levels[line] = level
        if first:
            self._edges.clear()  # what came before the pins were opened anew is torn
        else:
            self._edges.append(Pulse(tick_ns, line, level))
        if self._silence is None:
            self._wait()
        if len(self._edges) > _MOST_EDGES:
            self._edges.clear()
            self._desk.refuse(f"reader {self._config.reader}: {Torn.FLOOD}")

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(
            self._config.word_gap_ms / 1000, self._silent, len(self._edges)
        )

    def _silent(self, seen: int) -> None:
        """See whether anything has come since the timer was set; if not, the burst is over."""
        self._silence = None
        if len(self._edges) != seen:
            self._wait()
            return
        edges, self._edges = self._edges, []
        stuck = [f"D{line}" for line, level in self._levels.items() if not level]
        if bool(stuck) != self._cable_fault:
            self._cable_fault = bool(stuck)
            if stuck:
                self._desk.state("reader-cable", Severity.WARNING, lines=" ".join(stuck))
            else:
                self._desk.state("reader-cable-well")
        for found in words(edges, self._timing):
            try:
                self._understand(found)
            except FrameError as error:
                self._desk.refuse(f"reader {self._config.reader}: {error}")

    def _understand(self, word: str | Torn) -> None:
        """Take one word.

        Raises:
            FrameError: it is none.
        """
        if isinstance(word, Torn):
            raise FrameError(word)
        if len(word) == self._config.keypad_bits and len(word) in KEY_BITS:
            self._keypad.press(decode_key(word))
            return
        shown: Credential = decode(word, self._layouts)
        self._desk.credential(shown)

    def _tamper_edge(self, _tick_ns: int, level: bool, *, first: bool) -> None:  # noqa: FBT001
        del first
        tamper = level is (self._config.tamper_level == "high")
        if tamper is not self._tamper:
            self._tamper = tamper
            if tamper:
                self._desk.state("reader-tamper", Severity.ALARM)
            else:
                self._desk.state("reader-tamper-over")


def _address(config: WiegandConfig) -> Hashable:
    return config.d0


MANIFEST: Final = Manifest(
    name="wiegand",
    media=("gpio",),
    config=WiegandConfig,
    build=Wiegand,
    address=_address,
)
