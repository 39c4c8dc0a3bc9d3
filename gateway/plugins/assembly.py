"""A site, checked: plain data that the agent is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.config.site import Site
from gateway.model.driver import Manifest, MediumManifest
from gateway.model.ids import DeviceId, LineId
from gateway.model.options import Options


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line, checked."""

    id: LineId
    manifest: MediumManifest
    config: Options
    """An instance of `manifest.config`."""


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device, checked."""

    id: DeviceId
    line: LineId
    manifest: Manifest
    config: Options
    """An instance of `manifest.config`."""
    prepared: Any  # Any: what `manifest.prepare` made of `config`; `manifest.build` takes it
    retries: int
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class Assembly:
    """A whole site, checked: what the agent is built from."""

    site: Site
    lines: tuple[LineSpec, ...]
    """In the order of `site.line`."""
    devices: tuple[DeviceSpec, ...]
    """Those that are enabled."""
    resting: tuple[DeviceSpec, ...] = ()
    """Those that are not: checked, and left alone."""

    def count_points(self) -> int:
        """Return how many points the devices have; builds the drivers, opens nothing."""
        media = {line.id: line.manifest.build(line.id, line.config) for line in self.lines}
        return sum(
            len(group.table)
            for device in self.devices
            for group in device.manifest.build(device.prepared, media[device.line]).groups
        )
