"""What charts are drawn from: the last hours by the minute, before them quarters of an hour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from gateway.model.clock import Clock
from gateway.model.errors import GatewayError
from gateway.model.ids import DeviceId, PointId
from gateway.store.history import Minutes, Sample, joined, kept


@dataclass(frozen=True, slots=True)
class Charts:
    """The local history as one."""

    store: Path
    minutes: Minutes
    clock: Clock

    async def of(self, device: DeviceId, point: PointId, since_s: float) -> list[Sample]:
        """Return what is known of a point over the last seconds, the oldest first.

        While the card does not tell, the minutes in memory are all there is.
        """
        since_ms = self.clock.now().wall_ms - round(since_s * 1000)
        try:
            quarters = await asyncio.to_thread(kept, self.store, device, point, since_ms)
        except GatewayError:
            quarters = []
        return joined(quarters, self.minutes.of(device, point, since_ms))
