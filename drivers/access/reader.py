"""What all readers tell, and the options they share: one event for a credential, counters beside.

A reader that hears nothing for a day is well: nobody came. So its points are asked for (from
memory, nothing goes over a wire) and never grow stale by silence; what happens is told at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from drivers.access.credential import Credential
from drivers.access.secret_file import is_credential_key, read_credential_key
from gateway.model.driver import Ear, Happening, PollGroup
from gateway.model.errors import FrameError
from gateway.model.event import Scalar, Severity
from gateway.model.ids import NAME_PATTERN, PERSONAL, PointId
from gateway.model.options import About, Checked, Limits, Options, SitePath
from gateway.model.reading import Kind, Point, PointTable, Sample

CREDENTIALS: Final = Point(PointId("credentials"), "{count}", Kind.COUNTER)
REFUSED: Final = Point(PointId("refused"), "{count}", Kind.COUNTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderConfig(Options):
    """Options that every reader has."""

    credential_key: Annotated[
        SitePath,
        Checked(is_credential_key),
        About("file with the site's key for digests of credentials: 32 bytes or more, mode 600"),
    ]
    reader: Annotated[
        str,
        Limits(pattern=NAME_PATTERN),
        About("what this reader is called in events, for example entrance or exit"),
    ] = "reader"
    carrier: Annotated[
        Literal["card", "bracelet", "fob", "any"],
        About("what people hold to it; told with the event"),
    ] = "any"
    period_s: Annotated[
        float, Limits(gt=0, le=3600), About("how often the counters are taken, in seconds")
    ] = 5.0


class Desk:
    """Where a reader hands in what it got: makes events, keeps counters, and no numbers.

    `counters` may be read at any time; what comes before somebody attends is counted and lost, as
    nobody is there to hear it.
    """

    def __init__(self, config: ReaderConfig) -> None:
        """Read the key of the site.

        Raises:
            ValueError: it cannot be used; the message says why.
        """
        self._key: Final = read_credential_key(config.credential_key)
        self._reader: Final = config.reader
        self._carrier: Final = config.carrier
        self._ear: Ear | None = None
        self.credentials = 0
        self.refusals = 0

    def attend(self, ear: Ear) -> None:
        """Tell the ear from now on."""
        self._ear = ear

    def credential(self, shown: Credential) -> None:
        """Tell a credential as its digest, to those who may see persons."""
        self.credentials += 1
        args: dict[str, Scalar] = {
            "digest": self._key.digest(shown),
            "format": shown.format,
            "bits": shown.bits,
            "reader": self._reader,
            "medium": "pin" if shown.format == "pin" else self._carrier,
        }
        self._tell(Happening("credential", args=args, audience=PERSONAL))

    def refuse(self, reason: str) -> None:
        """Count what makes no sense, and say why, without a bit of it."""
        self.refusals += 1
        if self._ear is not None:
            self._ear.misheard(FrameError(reason))

    def state(self, key: str, severity: Severity = Severity.INFO, **args: Scalar) -> None:
        """Tell a change of the reader itself."""
        self._tell(Happening(key, severity, {"reader": self._reader, **args}))

    def _tell(self, happening: Happening) -> None:
        if self._ear is not None:
            self._ear.happened(happening)


class Presence:
    """One event for a card that stays: a repetition within `gap_s` of the last one is none."""

    def __init__(self, gap_s: float) -> None:
        """Take the silence, by the clock of the event loop, after which a card has gone."""
        self._gap_s: Final = gap_s
        self._held: Credential | None = None
        self._gone: asyncio.TimerHandle | None = None

    def is_new(self, shown: Credential) -> bool:
        """Say whether this was not here a moment ago."""
        known = shown == self._held
        self.end()
        self._held = shown
        self._gone = asyncio.get_running_loop().call_later(self._gap_s, self._forget)
        return not known

    def end(self) -> None:
        """Stop waiting."""
        if self._gone is not None:
            self._gone.cancel()
        self._forget()

    def _forget(self) -> None:
        self._gone = None
        self._held = None


class Keypad:
    """Keys to PINs: `*` begins anew, `#` ends; nothing of it is kept once it was handed over."""

    LONGEST: Final = 16

    def __init__(
        self, typed: Callable[[Credential], None], *, length: int | None, timeout_s: float
    ) -> None:
        """Take who gets a PIN.

        Args:
            typed: called with a whole PIN.
            length: so many digits are a PIN without `#`; None: `#` always ends it.
            timeout_s: silence after which what was typed is forgotten.
        """
        self._typed: Final = typed
        self._length: Final = length
        self._timeout_s: Final = timeout_s
        self._digits = ""
        self._timer: asyncio.TimerHandle | None = None

    def press(self, key: str) -> None:
        """Take one key: a digit, `*` or `#`."""
        digits = self._digits
        self.forget()
        if key == "*":
            return
        if key != "#":
            digits += key
        if digits and (key == "#" or len(digits) == self._length):
            self._typed(Credential.pin(digits))
        elif len(digits) < self.LONGEST and digits:
            self._digits = digits
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._timeout_s, self.forget)

    def forget(self) -> None:
        """Forget what was typed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._digits = ""


def one_group(config: ReaderConfig, *points: Point) -> PollGroup:
    """Return the poll group of a reader: the counters, then `points`."""
    return PollGroup("reader", PointTable(CREDENTIALS, REFUSED, *points), config.period_s)


def sample_of(desk: Desk, *cells: bool | float | str) -> Sample:
    """Return the cells of `one_group`."""
    return Sample((desk.credentials, desk.refusals, *cells))
