"""One readout of a meter: reset or selection, then telegram after telegram until it has no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from drivers.mbus import codec, link
from drivers.mbus.address import SELECTED, SecondaryAddress
from drivers.mbus.link import Acknowledgement, Response
from drivers.mbus.telegram import Telegram, joined
from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from gateway.model.discovery import at_once
from gateway.model.driver import Priority
from gateway.model.errors import FrameError, NoResponseError


@dataclass(frozen=True, slots=True)
class Asking:
    """A line, and how meters on it are asked."""

    line: ByteLine
    timeout_s: float = 0.5
    characters: Characters | None = None
    priority: Priority = Priority.POLL
    ready: Callable[[], Awaitable[None]] = at_once
    """Waits until a question may be asked."""

    async def acknowledged(self, request: bytes) -> None:
        """Send what a meter acknowledges.

        Raises:
            NoResponseError: nobody did.
            FrameError: something else came.
            BusUnavailableError: the line is gone.
        """
        await self._exchange(request, Acknowledgement())

    async def answered(self, request: bytes, answer: Response) -> bytes:
        """Send what a meter answers with data; return its frame.

        Raises:
            NoResponseError: it said nothing.
            FrameError: what came is no answer of it.
            BusUnavailableError: the line is gone.
        """
        return await self._exchange(request, answer)

    async def _exchange(self, request: bytes, answer: Acknowledgement | Response) -> bytes:
        await self.ready()
        return await self.line.exchange(
            request,
            answer,
            timeout_s=self.timeout_s,
            priority=self.priority,
            characters=self.characters,
        )


@dataclass(frozen=True, slots=True)
class Meter:
    """Whom to read, and how.

    Args:
        address: primary address; 253 for one that is selected by `who`.
        who: secondary address; None: none is selected.
        reset_link: begin with SND_NKE, so that the first telegram comes first.
        application_reset: subcode of an application reset after that; None: none.
        most_telegrams: more than these are a fault.
    """

    address: int
    who: SecondaryAddress | None = None
    reset_link: bool = True
    application_reset: int | None = None
    most_telegrams: int = 16

    def __str__(self) -> str:
        """Return it as people say it."""
        return f"meter {self.address}" if self.who is None else f"meter {self.who}"


@dataclass(slots=True)
class CountBit:
    """The frame count bit of the next request: with the same one again a meter repeats itself."""

    next: bool = True

    def take(self) -> bool:
        """Return it, and turn it over."""
        self.next = not self.next
        return not self.next


async def read_out(asking: Asking, meter: Meter, count: CountBit | None = None) -> Telegram:
    """Read a meter whole, without retries.

    Args:
        asking: its line.
        meter: whom to read, and how.
        count: for a meter whose link is not reset: it goes on where the last readout ended.

    Raises:
        NoResponseError: it says nothing, or that it is busy.
        FrameError: what came is no answer of it, or it never comes to an end.
        DeviceRejectedError: it refuses, encrypts, or speaks what is not understood here.
        BusUnavailableError: the line is gone.
    """
    if meter.who is not None:
        await asking.acknowledged(link.select(meter.who))
    elif meter.reset_link:
        await asking.acknowledged(link.reset_link(meter.address))
    if count is None or meter.who is not None or meter.reset_link:
        count = CountBit()  # EN 13757-2: after a reset, and after a selection, it is set
    if meter.application_reset is not None:
        reset = link.reset_application(meter.address, meter.application_reset)
        await asking.acknowledged(reset)
    told = await _telegrams(asking, meter, count)
    if meter.who is not None:
        await _deselect(asking)
    return joined(told)


async def _telegrams(asking: Asking, meter: Meter, count: CountBit) -> list[Telegram]:
    """Take telegrams until no more records follow, with the frame count bit turned for each."""
    told: list[Telegram] = []
    last = b""
    answer = Response(meter.address, meter.who)
    while len(told) < meter.most_telegrams:
        request = link.request_data(meter.address, fcb=count.take())
        frame = await asking.answered(request, answer)
        if frame == last:
            msg = f"{meter} says the same telegram again instead of the next one"
            raise FrameError(msg, answer=frame)
        last = frame
        told.append(codec.decode(*link.user_data(frame)))
        if told[0].header.address != told[-1].header.address:
            msg = f"another meter goes on where {meter} began"
            raise FrameError(msg, answer=frame)
        if not told[-1].more:
            return told
    msg = f"{meter} has more than {meter.most_telegrams} telegrams: set most_telegrams"
    raise FrameError(msg, answer=last)


async def _deselect(asking: Asking) -> None:
    """Let it go; one that does not acknowledge that is let go by the next selection anyway."""
    with suppress(NoResponseError, FrameError):
        await asking.acknowledged(link.reset_link(SELECTED))
