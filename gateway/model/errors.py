"""Errors, named by what the caller does next.

GatewayError
├─ ConfigError               say which line; exit 78; systemd does not restart us
├─ DeviceError               carries device, what was asked and the bytes that came
│  ├─ BusUnavailableError    the port is gone: every point of this line BAD, reopen with back-off
│  ├─ NoResponseError        retry within the poll's budget, then BAD; the others on the line go on
│  ├─ FrameError             as above, and empty the line first
│  ├─ DeviceRejectedError    a valid refusal: the link is well, no retry, unsupported till reconnect
│  └─ DeviceFaultError       the device says that it is broken: BAD with its code, one event
├─ CommandRefusedError       expired, replayed, forbidden, interlocked: REFUSED, audited, no retry
├─ LinkDownError             keep recording, reconnect with jitter
├─ IdentityRejectedError     tell the technician, no storm of attempts
├─ KeyUnavailableError       go on with what is signed already, ask again after a while
│  └─ KeyRefusedError        only a person can mend it: ask no more
├─ StoreFullError            give up the oldest raw batches, record the gap, never stop acting
└─ StoreCorruptError         set the file aside, start a new one, report

Library errors become ours at the boundary, `from error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class GatewayError(Exception):
    """The root: whatever Mayak raises on purpose."""


KeyPath = tuple[str | int, ...]
"""Where an option stands in a file: names of tables and keys, and places in arrays."""


def option_name(path: KeyPath) -> str:
    """Return an option as a person names it: `line.baud_rate`, without places in arrays."""
    return ".".join(part for part in path if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a configuration: where, which option, what was found, what is allowed."""

    file: Path
    line: int
    option: str
    message: str

    def __str__(self) -> str:
        """Return it as compilers do: `file:line: option: message`."""
        return f"{self.file}:{self.line}: {self.option}: {self.message}"


class ConfigError(GatewayError):
    """The configuration cannot be used: say every mistake, then exit with 78 (EX_CONFIG)."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """Keep all the mistakes; a person mends them in one go."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


class DeviceError(GatewayError):
    """A device could not be asked. `answer` holds the bytes that came, if any."""

    def __init__(self, message: str, *, answer: bytes = b"") -> None:
        """Take the sentence a person reads and the bytes it is about."""
        self.answer = answer
        super().__init__(f"{message} [{answer.hex(' ')}]" if answer else message)


class BusUnavailableError(DeviceError):
    """The port or connection is gone: every point of the line goes BAD; reopen with back-off."""


class NoResponseError(DeviceError):
    """Nothing came in time: retry within the poll's budget, then BAD. Others on the line go on."""


class FrameError(DeviceError):
    """What came is no answer to what was asked: as no response, and the line is emptied first."""


class DeviceRejectedError(DeviceError):
    """A valid refusal with the device's own `code`: no retry, unsupported until reconnect."""

    def __init__(self, message: str, *, code: int, answer: bytes = b"") -> None:
        """Take the code of the refusal beside the sentence."""
        self.code = code
        super().__init__(message, answer=answer)


class DeviceFaultError(DeviceError):
    """The device says that it is broken, with its own `code`: BAD, one event."""

    def __init__(self, message: str, *, code: int, answer: bytes = b"") -> None:
        """Take the code of the fault beside the sentence."""
        self.code = code
        super().__init__(message, answer=answer)


class CommandRefusedError(GatewayError):
    """The command may not be carried out: REFUSED, audited, never retried."""


class LinkDownError(GatewayError):
    """The platform cannot be reached: keep recording, reconnect with jitter."""


class IdentityRejectedError(GatewayError):
    """The platform does not accept who we are: tell the technician, and ask again slowly."""


class KeyUnavailableError(GatewayError):
    """The device key cannot be used now: go on with what is signed already, and ask again."""


class KeyRefusedError(KeyUnavailableError):
    """Only a person can mend it, and a wrong PIN counts each time: do not ask again by itself."""

    def __init__(self, message: str, *, option: str) -> None:
        """Take the sentence, and the option under `[keys]` that is to be looked at."""
        self.option = option
        super().__init__(message)


class StoreFullError(GatewayError):
    """No room: give up the oldest raw batches, record the gap, never stop acting."""


class StoreCorruptError(GatewayError):
    """The file is damaged: set it aside, start a new one, report the loss."""
