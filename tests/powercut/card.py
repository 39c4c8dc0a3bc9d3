"""What lies on the card of a recording, and who is entitled to it."""

from __future__ import annotations

import hashlib
from typing import Final

from gateway.model.ids import OPERATIONS, ConsumerId

CITY: Final = ConsumerId("city")
ENTITLED: Final = {OPERATIONS: frozenset({CITY})}
ROOM: Final = 2**26
STORE: Final = "store.db"
ROWS: Final = "rows.db"
STATE_FILE: Final = "state.bin"
EVERYTHING: Final = (1 << 40) - 1
"""The highest sequence."""


def content(number: int) -> bytes:
    """Return the bytes of a row or a version: of a length and a look of its own."""
    seed = hashlib.blake2b(number.to_bytes(8, "big")).digest()
    return seed * (1 + number * 37 % 150)
