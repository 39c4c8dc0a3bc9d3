"""Places the readings of a boot whose clock was not set, or wrong, on the true time line.

Source: `gateway/sync/README.md` §4.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from simulators.platform.columns import TimePair
from simulators.platform.database import Database, Stretch
from simulators.platform.wire import Moment

APART_MS: Final = 60_000
"""Two clocks further apart do not tell one time."""
HEARD_MS: Final = 1000
"""A hello that was under way for so much less than another moves its boot."""
UNSET: Final = 0
HOLDOVER: Final = 1
SYNCED: Final = 2


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a batch was made, as the board saw it, and when it came."""

    start: Moment
    length: int
    arrived_ms: int

    @property
    def of_the_future(self) -> bool:
        """Say whether it came before it was made, so that its clock was wrong."""
        return self.start.wall + self.length > self.arrived_ms + APART_MS

    @property
    def doubtful(self) -> bool:
        """Say whether a time pair may move it."""
        return self.start.trust < SYNCED or self.of_the_future


@dataclass(frozen=True, slots=True)
class Pair:
    """What a boot is placed by."""

    at: Moment
    uncertainty: int | None = None

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Return how good it is.

        The more trusted, then the one that says how far it may be off, then the later one, which
        corrects. Of those that our own clock gave a hello, the one that was the least under way.
        """
        at, vouched = self.at, self.uncertainty is not None
        return (at.trust, vouched, at.mono if at.trust else (at.mono - at.wall) // HEARD_MS)

    def outdoes(self, start: Moment) -> bool:
        """Say whether it is to be believed more than the clock of a batch."""
        vouched = self.uncertainty is not None and self.at.trust == start.trust == HOLDOVER
        return self.at.trust > start.trust or vouched


def offset_of(span: Span, pair: Pair | None) -> int:
    """Return what is to be added to a monotonic time of a batch to have the true one.

    Args:
        span: of the batch.
        pair: the best of its boot.
    """
    start = span.start
    own = start.wall - start.mono
    if pair is None:
        return own
    true = pair.at.wall - pair.at.mono
    outdone = pair.outdoes(start) and abs(own - true) > APART_MS
    return true if start.trust == UNSET or span.of_the_future or outdone else own


def best_pair(db: Database, boot: int) -> Pair | None:
    """Return the pair by which a boot is placed, or None when none came."""
    [(mono, wall, trust, uncertainty)] = db.rows(
        "SELECT pair_mono_ms, pair_wall_ms, pair_trust, pair_uncertainty_ms FROM boot WHERE id = ?",
        boot,
    )
    return None if mono is None else Pair(Moment(mono, wall, trust), uncertainty)


def place(db: Database, boot: int, told: TimePair, arrived_ms: int) -> bool:
    """Place a boot by a pair that is better than the one it has; say whether it can be believed.

    A pair of a time that has not come yet places nothing: the clock was wrong, and a corrected one
    comes when it is put right.
    """
    if told.at.wall > arrived_ms + APART_MS:
        return False
    before, pair = best_pair(db, boot), Pair(told.at, told.uncertainty)
    if before is not None and pair.rank <= before.rank:
        return True
    db.rows(
        "UPDATE boot SET pair_mono_ms = ?, pair_wall_ms = ?, pair_trust = ?,"
        " pair_uncertainty_ms = ? WHERE id = ?",
        *(pair.at.mono, pair.at.wall, pair.at.trust, pair.uncertainty, boot),
    )
    _move(db, boot, before, pair)
    return True


def _move(db: Database, boot: int, before: Pair | None, after: Pair) -> None:
    moved: dict[int, list[Stretch]] = defaultdict(list)
    for mono, wall, trust, length, batch, arrived, first_row, rows in db.rows(
        "SELECT mono_ms, wall_ms, trust, length_ms, id, arrived_ms, first_row, rows FROM batch"
        " WHERE boot = ? AND (trust < 2 OR wall_ms + length_ms > arrived_ms + 60000)",
        boot,
    ):
        span = Span(Moment(mono, wall, trust), length, arrived)
        offset = offset_of(span, after)
        if offset != offset_of(span, before):
            moved[offset].append(Stretch(batch, arrived, first_row, rows))
    for offset, stretches in moved.items():
        db.place(stretches, offset)
        db.many(
            "UPDATE event SET wall_ms = mono_ms + ? WHERE batch = ?",
            [(offset, stretch.batch) for stretch in stretches],
        )
