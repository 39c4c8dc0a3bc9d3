"""What was seen of a line and of each device on it. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.model.discovery import Found
from gateway.model.ids import DeviceId, LineId


class End(Enum):
    """How one question ended."""

    ANSWERED = "answered"
    SILENT = "silent"
    GARBLED = "garbled"
    """Something came that is no answer."""
    REFUSED = "refused"
    FAULT = "fault"
    """The device says that it is broken."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of one device, as it went over the line."""

    end: End
    sent: bytes = b""
    heard: bytes = b""
    delay_s: float | None = None
    """From the last byte of the question to the first of what was heard."""
    words: str = ""
    """What the driver said of it."""
    doubtful: int = 0
    """Values of the answer that cannot be: out of range, unknown state, no value."""
    values: int = 0


@dataclass(frozen=True, slots=True)
class Examined:
    """One device, asked several times."""

    id: DeviceId
    asks: Sequence[Ask]
    timeout_s: float | None = None
    """How long the driver waits for it, where it has such an option."""
    profile: str | None = None
    elsewhere: Found | None = None
    """It answers with other settings of the line than the site file has."""
    identified: Found | None = None
    """What it turned out to be."""

    def count(self, *ends: End) -> int:
        """Return how many questions ended so."""
        return sum(ask.end in ends for ask in self.asks)

    @property
    def late(self) -> bool:
        """Say whether an answer came when nobody waited for it any more."""
        return any(
            ask.end is End.SILENT and ask.heard and ask.heard[:1] == ask.sent[:1]
            for ask in self.asks
        )

    @property
    def there(self) -> bool:
        """Say whether it gave a sound answer at least once."""
        return bool(self.count(End.ANSWERED, End.REFUSED, End.FAULT))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of one line."""

    line: LineId
    medium: str
    port: str = ""
    unavailable: str = ""
    """Why it could not be opened."""
    idle: bytes = b""
    """What came while nobody asked, in LISTENS_S."""
    devices: Sequence[Examined] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)  # Any: values of options


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or that all is well."""

    key: str
    """Text of the catalogue with the next action, `doctor-...`."""
    args: Mapping[str, str | int | float] = field(default_factory=dict)
    device: DeviceId | None = None
    wrong: bool = True
