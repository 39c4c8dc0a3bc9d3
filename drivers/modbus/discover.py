"""Looks for Modbus devices on a line, and for the profiles that they may be.

An address is taken when it answers a read of one holding register, with a value or a refusal. Then
the device identification is read, and of the profiles that still may be, what tells one model from
others. Nothing is ever written.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from drivers.modbus.codec import compile_decoder
from drivers.modbus.fields import Span, Table
from drivers.modbus.identify import OBJECTS, Confidence, believable, named, overall, signed
from drivers.modbus.naming import MOST_ROUNDS, Naming, names
from drivers.modbus.profile import Profile, read_profile
from drivers.profiles.reading import SHIPPED, protocol_of
from drivers.telegrams.modbus import Question, Speech
from gateway.model.discovery import Found, Looked, Match, Scope, State, Sureness
from gateway.model.errors import BusUnavailableError, FrameError, NoResponseError
from gateway.model.ids import PointId
from gateway.model.reading import Value

PRESENCE: Final = Span(Table.HOLDING, 0, 1)
COMMON: Final = tuple(
    {"baud_rate": speed, "parity": parity, "stop_bits": 1}
    for parity in ("none", "even")
    for speed in (9600, 19_200, 38_400, 115_200, 57_600, 4800, 2400)
)
"""Settings that are met, the usual ones first (V1.02, 2.5.1: 19200 even is the standard's)."""
NOT_THERE: Final = frozenset({0x0A, 0x0B})
"""Exceptions with which a gateway says that its device is not there (V1.1b3, 7)."""
STRANGE_UNITS: Final = (231, 239, 247)
"""A TCP device that answers to all of these answers to every address: it looks at none."""

_NUMBERS: Final = itertools.count(1)
_PARITIES: Final = {"none": "N", "even": "E", "odd": "O"}
_SURE: Final = {
    Confidence.UNKNOWN: Sureness.POSSIBLE,
    Confidence.PLAUSIBLE: Sureness.PLAUSIBLE,
    Confidence.SIGNATURE: Sureness.LIKELY,
    Confidence.NAMED: Sureness.CERTAIN,
}
_IDENTITY: Final = {0: "maker", 1: "product", 2: "revision", 4: "product_name", 5: "model"}


async def discover(line: ByteLine, scope: Scope, state: State) -> AsyncIterator[Looked]:
    """Look at each address at each setting of the line; see `gateway.model.discovery.Discover`.

    Raises:
        BusUnavailableError: the line is gone.
    """
    profiles = known_profiles(scope.site_dir)
    default = ({},) if line.medium == "tcp" else COMMON
    wanted = list(itertools.product(scope.characters or default, scope.addresses))
    cannot: list[Mapping[str, Any]] = []  # Any: values of options
    for place, (settings, unit) in enumerate(wanted):
        if place < int(state.get("next", 0)) or settings in cannot:
            continue
        looking = _Looking(line, scope, unit, settings)
        words = f"{_words(settings)}, unit {unit}".removeprefix(", ")
        share, after = (place + 1) / len(wanted), {"next": place + 1}
        try:
            there = await looking.is_there()
        except FrameError:
            yield Looked(words, share, after, trouble="scan-garbled")
            continue
        except BusUnavailableError:
            await line.open()  # still there: only this setting is not to be had
            cannot.append(settings)
            yield Looked(_words(settings), share, after, trouble="scan-setting")
            continue
        if not there:
            yield Looked(words, share, after)
            continue
        found = await looking.identify(profiles)
        if line.medium == "tcp" and await _looks_at_no_address(line, scope):
            everybody = Found(
                found.driver, found.options, found.identity, found.matches, "scan-any-address"
            )
            yield Looked(words, 1.0, {"next": len(wanted)}, everybody)
            return
        yield Looked(words, share, after, found)


async def _looks_at_no_address(line: ByteLine, scope: Scope) -> bool:
    for unit in STRANGE_UNITS:
        try:
            if not await _Looking(line, scope, unit, {}).is_there():
                return False
        except FrameError:
            return False
    return True


def known_profiles(site_dir: Path | None) -> list[Profile]:
    """Return all profiles of Modbus devices that can be used; a spoilt one is none."""
    folders = [SHIPPED] if site_dir is None else [site_dir / "profiles", SHIPPED]
    files = {
        path.stem: path
        for folder in reversed(folders)
        for path in sorted(folder.glob("*.toml"))
        if protocol_of(path) == "modbus"
    }
    found = []
    for path in files.values():
        try:
            found.append(read_profile(path))
        except ValueError:  # told by whoever checks profiles
            continue
    return found


def _of_another_maker(profile: Profile, objects: Mapping[int, bytes]) -> bool:
    """Say whether the device names a maker that is not that of the profile."""
    says = objects.get(OBJECTS["vendor_name"], b"").decode("ascii", "replace").casefold()
    maker = profile.model.maker.casefold()
    return bool(says) and says not in maker and (not maker or maker not in says)


def _words(settings: Mapping[str, Any]) -> str:  # Any: values of options
    if not settings:
        return ""
    parity = _PARITIES[settings.get("parity", "none")]
    return f"{settings['baud_rate']} 8{parity}{settings.get('stop_bits', 1)}"


@dataclass(slots=True)
class _Looking:
    """One address at one setting."""

    line: ByteLine
    scope: Scope
    unit: int
    settings: Mapping[str, Any]  # Any: values of options
    _characters: Characters | None = field(init=False)
    _mbap: bool = field(init=False)
    _speech: Speech = field(init=False)
    _read: dict[Span, bytes | None] = field(default_factory=dict)
    """What came of a read; None: refused."""

    def __post_init__(self) -> None:
        self._characters = Characters(**self.settings).characters
        self._mbap = self.line.medium == "tcp"
        self._speech = Speech(self.unit, mbap=self._mbap)

    async def is_there(self) -> bool:
        """Say whether somebody answers.

        Raises:
            FrameError: something came that is no answer: several at once, another speed, noise.
        """
        question = self._speech.read(PRESENCE)
        try:
            frame = await self._ask(question)
        except NoResponseError:
            return False
        return question.refusal(frame) not in NOT_THERE

    async def _ask(self, question: Question) -> bytes:
        await self.scope.ready()
        request, answer = question.ask()
        return await self.line.exchange(
            request, answer, timeout_s=self.scope.timeout_s, characters=self._characters
        )

    async def identify(self, profiles: Iterable[Profile]) -> Found:
        """Find out what it is, as far as it lets us."""
        objects = await self._objects()
        told = [(profile, named(profile.identification, objects)) for profile in profiles]
        sure = [each for each in told if each[1] is Confidence.NAMED]
        matches = []
        for profile, name in sure or told:
            if name is Confidence.NO:
                continue
            confidence = overall(name, await self._fits(profile))
            if confidence > Confidence.UNKNOWN and (
                confidence >= Confidence.SIGNATURE or not _of_another_maker(profile, objects)
            ):
                matches.append(Match(profile.map.name, _SURE[confidence]))
        matches.sort(key=lambda match: -match.sureness)
        texts = {key: data.decode("ascii", "replace").strip("\0 ") for key, data in objects.items()}
        named_so = {name: texts.get(key, "") for key, name in _IDENTITY.items()}
        identity = {name: said for name, said in named_so.items() if said and said.isprintable()}
        return Found("modbus", {"unit": self.unit, **self.settings}, identity, tuple(matches))

    async def _objects(self) -> dict[int, bytes]:
        """Return the device identification; empty when the device has none."""
        objects: dict[int, bytes] = {}
        first: int | None = 0
        for _ in range(MOST_ROUNDS):
            if first is None:
                break
            naming = Naming(self.unit, self._mbap, first, next(_NUMBERS) & 0xFFFF)
            try:
                await self.scope.ready()
                frame = await self.line.exchange(
                    naming.request,
                    naming.answer,
                    timeout_s=self.scope.timeout_s,
                    characters=self._characters,
                )
                told = names(frame, mbap=self._mbap)
            except (NoResponseError, FrameError):
                break
            if told is None:
                break
            objects.update(told.objects)
            first = told.more_from
        return {key: data for key, data in objects.items() if key in OBJECTS.values()}

    async def _fits(self, profile: Profile) -> Confidence:
        """Hold the signature and a few values of a profile against the device."""
        identification = profile.identification
        answers = {}
        for signature in identification.signatures:
            answers[signature.span] = await self._data(signature.span)
            if signed(identification, answers) is Confidence.NO:
                return Confidence.NO
        values: dict[PointId, Value] = {}
        for plausible in identification.plausible:
            mapped = profile.map.points[plausible.point]
            data = await self._data(mapped.field.span)
            if data is None:
                return Confidence.NO
            cell = compile_decoder(mapped.field.span, [mapped]).decode(data, 0)[0][0]
            if cell is not None:
                values[plausible.point] = cell
            if believable(identification, values) is Confidence.NO:
                return Confidence.NO
        return overall(signed(identification, answers), believable(identification, values))

    async def _data(self, span: Span) -> bytes | None:
        """Return what a span holds, read once; None where the device does not give it."""
        if span not in self._read:
            question = self._speech.read(span)
            try:
                frame = await self._ask(question)
            except (NoResponseError, FrameError):
                self._read[span] = None
            else:
                refused = question.refusal(frame) is not None
                self._read[span] = None if refused else frame[question.data_at :]
                size = (span.length + 7) // 8 if span.table.bits else span.length * 2
                data = self._read[span]
                self._read[span] = None if data is None else data[:size]
        return self._read[span]
