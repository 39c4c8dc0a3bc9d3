"""What may be asked of the running agent on the spot: status, values, one probe, one write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.acquisition.poller import Poller
from gateway.health.self_metrics import GATEWAY
from gateway.local_api.charts import Charts
from gateway.local_api.control import Answer, Handler
from gateway.local_api.latest import Latest, as_rows
from gateway.local_api.taps import Taps
from gateway.model.clock import Clock
from gateway.model.errors import GatewayError
from gateway.model.ids import PERSONAL, DeviceId, LineId, PointId

WRITE_WITHIN_S = 10.0
SPAN_MOST_S = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Handlers:
    """Answers requests of the command line."""

    pollers: Mapping[DeviceId, Poller]
    latest: Latest
    clock: Clock
    counters: Callable[[], Answer]
    """The agent's own counters."""
    charts: Charts | None = None
    taps: Taps = field(init=False)

    def __post_init__(self) -> None:
        """Let every line be looked at."""
        lines = {poller.line.id: poller for poller in self.pollers.values()}
        object.__setattr__(self, "taps", Taps(lines.values()))

    def by_name(self) -> Mapping[str, Handler]:
        """Return every request there is."""
        return {
            "status": self.status,
            "values": self.values,
            "plan": self.plan,
            "read": self.read,
            "write": self.write,
            "history": self.history,
            "tap": self.tap,
            "lend": self.lend,
        }

    async def status(self, _request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Return the counters."""
        return self.counters()

    async def values(self, _request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Return the last value of every point."""
        rows = [
            row
            for device in self.latest.devices()
            for reading in self.latest.of(device)
            for row in as_rows(reading, self.clock)
        ]
        return {"values": rows}

    async def plan(self, request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Return what is asked of a device in one poll, as learned so far."""
        device = DeviceId(str(request.get("device")))
        return {"plan": self._poller(device).plan(device)}

    async def read(self, request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Ask one device now, between the polls."""
        device = DeviceId(str(request.get("device")))
        readings = await self._poller(device).probe(device)
        return {"values": [row for r in readings for row in as_rows(r, self.clock)]}

    async def write(self, request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Set one point now, ahead of the polls."""
        device = DeviceId(str(request.get("device")))
        value = request.get("value")
        if not isinstance(value, bool | int | float | str):
            msg = f"{value!r} is no value: allowed are numbers, true, false and text"
            raise GatewayError(msg)
        point = PointId(str(request.get("point")))
        result = await self._poller(device).write(
            device,
            point,
            value,
            deadline_s=self.clock.monotonic_s() + WRITE_WITHIN_S,
        )
        return {
            "id": result.id,
            "outcome": result.outcome.value,
            "reason": result.reason,
            "read_back": None if self._is_personal(device, point) else result.read_back,
        }

    async def history(self, request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Return what one point said lately; nothing is kept of a personal one."""
        device = DeviceId(str(request.get("device")))
        point, since_s = PointId(str(request.get("point"))), request.get("since_s")
        if device != GATEWAY:
            self._poller(device)
        if self.charts is None or not isinstance(since_s, int) or not 0 < since_s <= SPAN_MOST_S:
            msg = f"{since_s!r} is no span: since_s is a whole number up to {SPAN_MOST_S}"
            raise GatewayError(msg)
        if self._is_personal(device, point):
            msg = f"{device}.{point} is personal: there is no history of it here"
            raise GatewayError(msg)
        found = await self.charts.of(device, point, since_s)
        return {"history": [asdict(sample) for sample in found]}

    async def tap(self, request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Return what went over a line since the last time; with `end` true, look no more."""
        line = LineId(str(request.get("line")))
        return self.taps.end(line) if request.get("end") else self.taps.take(line)

    async def lend(self, request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        """Lend a line for `for_s` seconds; returns once its port is free. 0: take it back."""
        name, for_s = request.get("line"), request.get("for_s")
        lines = {str(poller.line.id): poller for poller in self.pollers.values()}
        if not isinstance(for_s, int | float) or name not in lines:
            msg = f"lend one of {', '.join(sorted(lines))} for so many seconds (for_s)"
            raise GatewayError(msg)
        if for_s > 0:
            await lines[str(name)].lease.lend(for_s)
        else:
            lines[str(name)].lease.take_back()
        return {}

    def _is_personal(self, device: DeviceId, name: PointId) -> bool:
        points = (point for reading in self.latest.of(device) for point in reading.table)
        return any(point.name == name and point.audience == PERSONAL for point in points)

    def _poller(self, device: DeviceId) -> Poller:
        if device not in self.pollers:
            msg = f"there is no device {device!r}; known: {', '.join(sorted(self.pollers))}"
            raise GatewayError(msg)
        return self.pollers[device]
