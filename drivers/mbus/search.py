"""Finds the meters of a line: by wildcards over their identifications, or address by address.

The search itself decides in a pure object (`WildcardSearch`): it says whom to select next and is
told what came. `search` and `scan` carry it out, step by step, so that whoever shows progress can
stop in between and go on later.

A selection with wildcards is acknowledged by every meter it means, at once: what comes may be the
one character, or whatever becomes of several. Then they are asked for data: one meter answers with
a sound frame, several spoil each other's. Then the next digit is fixed (EN 13757-3; "The M-Bus: A
Documentation", Rev. 4.8, 7.3).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from drivers.mbus import codec, link
from drivers.mbus.address import (
    FIRST_PRIMARY,
    LAST_PRIMARY,
    SELECTED,
    WILDCARD,
    SecondaryAddress,
)
from drivers.mbus.link import Response
from drivers.mbus.readout import Asking
from drivers.mbus.telegram import Header
from gateway.model.errors import DeviceRejectedError, FrameError, NoResponseError

DIGITS: Final = 8


class Came(Enum):
    """What came of one step."""

    NOTHING = "nothing"
    ONE = "one"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, done."""

    who: SecondaryAddress
    """Whom was asked for."""
    came: Came
    share: float
    """How much of all identifications is looked through, 0 to 1."""
    found: Header | None = None
    primary: int | None = None
    """The primary address of who was found: 0 until somebody has set it."""


@dataclass(slots=True)
class WildcardSearch:
    """Whom to select next. Pure; `todo` and `alike` are all there is to keep of it.

    Args:
        prefix: the first digits, where only some meters are looked for.
    """

    prefix: str = ""
    todo: list[str] = field(default_factory=list)
    """Prefixes that are still to be asked for, the next one last."""
    alike: list[str] = field(default_factory=list)
    """Identifications that several meters have: they are told apart by maker and type only."""
    looked_through: int = 0

    def __post_init__(self) -> None:
        """Begin, unless something is left to do.

        Raises:
            ValueError: the prefix is none.
        """
        if not (self.prefix.isdecimal() or not self.prefix) or len(self.prefix) > DIGITS:
            msg = f"{self.prefix!r} are no first digits of an identification"
            raise ValueError(msg)
        if not self.todo and not self.looked_through:
            self.todo.append(self.prefix)

    @property
    def next(self) -> SecondaryAddress | None:
        """Return whom to select; None: it is done."""
        return SecondaryAddress(self.todo[-1].ljust(DIGITS, WILDCARD)) if self.todo else None

    @property
    def share(self) -> float:
        """Return how much is looked through, 0 to 1."""
        whole: int = 10 ** (DIGITS - len(self.prefix))
        return self.looked_through / whole

    def took(self, came: Came) -> None:
        """Take what came of selecting `next`; several are taken apart by the next digit."""
        prefix = self.todo.pop()
        if came is Came.SEVERAL and len(prefix) < DIGITS:
            self.todo.extend(f"{prefix}{digit}" for digit in "9876543210")
            return
        self.looked_through += 10 ** (DIGITS - len(prefix))
        if came is Came.SEVERAL:
            self.alike.append(prefix)


async def search(
    asking: Asking, state: WildcardSearch | None = None, *, tries: int = 2
) -> AsyncIterator[Step]:
    """Find the meters of a line by wildcards.

    Args:
        asking: the line.
        state: where to begin; None: with all wild.
        tries: so often nobody must acknowledge before nobody is there: one frame may be lost.

    Raises:
        BusUnavailableError: the line is gone. The state is as before the step: go on with it.
    """
    state = state or WildcardSearch()
    while (who := state.next) is not None:
        came, header, primary = await _ask_for(asking, who)
        for _ in range(tries - 1):
            if came is not Came.NOTHING:
                break
            came, header, primary = await _ask_for(asking, who)
        state.took(came)
        yield Step(who, came, state.share, header, primary)


async def _ask_for(asking: Asking, who: SecondaryAddress) -> tuple[Came, Header | None, int | None]:
    try:
        await asking.acknowledged(link.select(who))
    except NoResponseError:
        return Came.NOTHING, None, None
    except FrameError:
        pass  # several acknowledgements over one another, or noise: the next question tells
    try:
        frame = await asking.answered(
            link.request_data(SELECTED, fcb=True), Response(SELECTED, who)
        )
    except NoResponseError:
        return Came.NOTHING, None, None
    except FrameError:
        return Came.SEVERAL, None, None
    return Came.ONE, _header(frame), frame[5]


def _header(frame: bytes) -> Header | None:
    """Return who tells, also when what it tells is refused here."""
    try:
        return codec.decode(*link.user_data(frame)).header
    except (FrameError, DeviceRejectedError, NoResponseError):
        information, data = link.user_data(frame)
        known = information == link.CI_LONG_HEADER and len(data) >= codec.HEADER_SIZE
        return Header(data[:8], data[8], data[9]) if known else None


@dataclass(frozen=True, slots=True)
class Looked:
    """One primary address, looked at."""

    address: int
    came: Came
    share: float
    found: Header | None = None


async def scan(
    asking: Asking,
    addresses: Iterable[int] = range(FIRST_PRIMARY, LAST_PRIMARY + 1),
    *,
    tries: int = 2,
) -> AsyncIterator[Looked]:
    """Look at one primary address after the other; who does not acknowledge is not asked further.

    Args:
        asking: the line.
        addresses: which ones.
        tries: so often one must not acknowledge before nobody is there.

    Raises:
        BusUnavailableError: the line is gone.
    """
    wanted = tuple(addresses)
    for place, address in enumerate(wanted, 1):
        came, header = await _look_at(asking, address)
        for _ in range(tries - 1):
            if came is not Came.NOTHING:
                break
            came, header = await _look_at(asking, address)
        yield Looked(address, came, place / len(wanted), header)


async def _look_at(asking: Asking, address: int) -> tuple[Came, Header | None]:
    try:
        await asking.acknowledged(link.reset_link(address))
    except NoResponseError:
        return Came.NOTHING, None
    except FrameError:
        return Came.SEVERAL, None
    try:
        frame = await asking.answered(link.request_data(address, fcb=True), Response(address))
    except NoResponseError:
        return Came.ONE, None
    except FrameError:
        return Came.SEVERAL, None
    return Came.ONE, _header(frame)
