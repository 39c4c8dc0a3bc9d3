"""Names of things, each a type of its own: a line is never passed where a device belongs."""

from __future__ import annotations

import re
from typing import Final, NewType

GatewayId = NewType("GatewayId", str)
LineId = NewType("LineId", str)
DeviceId = NewType("DeviceId", str)
PointId = NewType("PointId", str)
Audience = NewType("Audience", str)
ConsumerId = NewType("ConsumerId", str)
CommandId = NewType("CommandId", str)

BootId = NewType("BootId", bytes)
"""16 bytes, other at every boot of the board."""

EpochId = NewType("EpochId", bytes)
"""8 random bytes that name the life of one epoch key."""

Incarnation = NewType("Incarnation", bytes)
"""8 random bytes that name the life of one store file: sequences count from 1 within it."""

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
"""What a gateway, line or device may be called: it stands in topics, file names and URLs."""

POINT_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"

OPERATIONS: Final = Audience("operations")
PERSONAL: Final = Audience("personal")


def is_name(text: str) -> bool:
    """Say whether `text` may name a gateway, a line or a device."""
    return re.fullmatch(NAME_PATTERN, text) is not None
