"""Whether a beacon is there, and how far roughly. Pure: it is told the time.

Source of the distance: the loss of free space, 20 dB for ten times the distance, against the
strength at 1 m that the beacon itself tells. A body, a wall or a bus in between costs as much as
the step to the next class: the classes are wide, and the bounds soft.
"""

from __future__ import annotations

from typing import Final

NEAR: Final = 1
MEDIUM: Final = 2
FAR: Final = 3
DISTANCES: Final = {NEAR: "near", MEDIUM: "medium", FAR: "far"}
"""Below about 2 m, below about 10 m, beyond."""

_BOUNDS_DB: Final = (6.0, 20.0)
_SOFT_DB: Final = 3.0
_WEIGHT: Final = 0.3
"""Of the newest strength in the mean."""


class Presence:
    """One beacon. Times are those for which the radio has certainly listened, in seconds."""

    __slots__ = (
        "_absent_after_s",
        "_count",
        "_enough",
        "_first_s",
        "_last_s",
        "_leave_dbm",
        "_loss_db",
        "_rssi",
        "distance",
        "present",
    )

    def __init__(
        self, *, absent_after_s: float, enough: int, enter_dbm: float, hysteresis_db: float
    ) -> None:
        """Take when a beacon counts as there.

        Args:
            absent_after_s: silence after which it is gone.
            enough: of its advertisements must have been heard, strong enough.
            enter_dbm: how strong that is.
            hysteresis_db: so much weaker it may become and still be there.
        """
        self._absent_after_s = absent_after_s
        self._enough = enough
        self._leave_dbm = (enter_dbm - hysteresis_db, enter_dbm)
        self._count = 0
        self._rssi: float | None = None
        self._loss_db: float | None = None
        self._first_s: float | None = None
        self._last_s = 0.0
        self.present: bool | None = None
        """None: not heard, and not listened for long enough."""
        self.distance: int | None = None
        """One of DISTANCES; None: nobody can say."""

    def begin(self, listened_s: float) -> None:
        """Start to wait for it."""
        self._last_s = listened_s

    def heard(self, rssi: float, power_1m: int, listened_s: float) -> None:
        """Take one advertisement: its strength, and what the beacon tells of it, in dBm."""
        if listened_s - self._last_s >= self._absent_after_s:
            self._forget()
            self.present = False
        self._rssi = rssi if self._rssi is None else self._rssi + _WEIGHT * (rssi - self._rssi)
        if self._rssi >= self._leave_dbm[not self.present]:
            self._last_s = listened_s
            self._count += 1
            if self._count >= self._enough:
                self.present = True
                self._classify(power_1m - self._rssi)
        elif not self.present:
            self._count = 0

    def _classify(self, loss_db: float) -> None:
        """Say how far it is; a class is left only when its bound is clearly crossed."""
        crossed = sum(
            loss_db > bound + self._soft_db(index) for index, bound in enumerate(_BOUNDS_DB)
        )
        self.distance = (NEAR, MEDIUM, FAR)[crossed]

    def _soft_db(self, bound: int) -> float:
        """Return by how much a bound is moved away from where the beacon is now."""
        now = self.distance
        if now is None:
            return 0.0
        return _SOFT_DB if now <= bound + 1 else -_SOFT_DB

    def passed(self, listened_s: float) -> float:
        """Take that time has passed.

        Returns:
            For how many more seconds the radio must listen before the beacon counts as gone; 0: it
            does.
        """
        left_s = self._absent_after_s - (listened_s - self._last_s)
        if left_s <= 0:
            self._forget()
            self.present = False
            return 0.0
        return left_s

    def _forget(self) -> None:
        self._count = 0
        self._rssi = None
        self.distance = None
