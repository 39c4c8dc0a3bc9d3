"""Any bytes as packets of a local broker, and as documents of every MQTT profile of ours."""

from __future__ import annotations

from contextlib import suppress

from drivers.localnet.packets import PacketReader
from drivers.localnet.points import sample_of
from drivers.localnet.profile import load_mqtt
from drivers.profiles.reading import SHIPPED, protocol_of
from gateway.model.errors import FrameError

GROUPS = [
    group
    for path in sorted(SHIPPED.glob("*.toml"))
    if protocol_of(path) == "mqtt"
    for group in load_mqtt(path.stem, None).groups
]


def one(data: bytes) -> None:
    """Feed one input."""
    with suppress(FrameError):
        for _ in PacketReader(64).feed(data):
            pass
    for group in GROUPS:
        for retained in (False, True):
            with suppress(FrameError):
                sample_of(group, data, "device", retained=retained)
