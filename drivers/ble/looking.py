"""What a manifest of this family says of looking for its devices; what looks is loaded then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway.model.discovery import Discover, Looked, Scope, State


def looks_for(kind: str) -> Discover:
    """Return what looks for devices of one driver: `bthome`, `ruuvi`, `ibeacon`, `eddystone`."""

    def look(air: Any, scope: Scope, state: State) -> AsyncIterator[Looked]:  # Any: an Air
        from drivers.ble import discover  # noqa: PLC0415 - never in the agent

        return discover.discover(getattr(discover, f"as_{kind}"), air, scope, state)

    return look
