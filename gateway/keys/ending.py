"""Says that a certificate of the gateway runs out, while there is time to renew it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.model.clock import Clock, Trust
from gateway.model.errors import ConfigError, Mistake
from gateway.model.event import Event, Scalar, Severity

LOOK_EVERY_S: Final = 600.0
DAY_MS: Final = 86_400_000
ENDS_MS: Final = 30 * DAY_MS
"""From so long before its end on a certificate is told of ..."""
WELL_MS: Final = 37 * DAY_MS
"""... and no more once there is this again: a clock that is set back and forth tells nothing."""
BACK_MS: Final = DAY_MS
"""A certificate that had ended has not, when a clock put right leaves it this."""


class Stage(IntEnum):
    """How a certificate is."""

    WELL = 0
    ENDS = 1
    ENDED = 2


_TOLD: Final = {
    Stage.WELL: ("certificate-valid", Severity.INFO),
    Stage.ENDS: ("certificate-ends", Severity.WARNING),
    Stage.ENDED: ("certificate-ended", Severity.ALARM),
}


def stage_after(before: Stage, left_ms: int) -> Stage:
    """Return how a certificate is, given how it was and how long it has left."""
    if left_ms <= 0 or (before is Stage.ENDED and left_ms < BACK_MS):
        return Stage.ENDED
    if left_ms <= ENDS_MS or (before > Stage.WELL and left_ms < WELL_MS):
        return Stage.ENDS
    return Stage.WELL


@dataclass(slots=True)
class Watched:
    """One certificate."""

    name: str
    """Of its file, for people."""
    ends_ms: int
    stage: Stage = Stage.WELL


@dataclass(slots=True)
class CertificateWatch:
    """Looks at certificates from time to time."""

    clock: Clock
    happened: Callable[[Event], None]
    watched: list[Watched] = field(default_factory=list)

    @classmethod
    def over(
        cls, files: Iterable[Path], clock: Clock, happened: Callable[[Event], None]
    ) -> CertificateWatch:
        """Watch the certificates in files, each once.

        Raises:
            ConfigError: a file is missing, or is not a PEM certificate.
        """
        watched = [Watched(file.name, _ends_ms(file)) for file in dict.fromkeys(files)]
        return cls(clock, happened, watched)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Tell each certificate that is not as it was; a clock that was never set says nothing."""
        now = self.clock.now()
        if now.trust is Trust.UNSET:
            return
        for each in self.watched:
            left_ms = each.ends_ms - now.wall_ms
            stage = stage_after(each.stage, left_ms)
            if stage is each.stage:
                continue
            each.stage = stage
            args: dict[str, Scalar] = {"certificate": each.name}
            if stage is Stage.ENDS:
                args["left_s"] = left_ms // 1000
            key, severity = _TOLD[stage]
            self.happened(Event(key, now, severity, args=args))


def _ends_ms(file: Path) -> int:
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError([Mistake(file, 0, "certificate", f"{error}")]) from error
    return round(certificate.not_valid_after_utc.timestamp() * 1000)
