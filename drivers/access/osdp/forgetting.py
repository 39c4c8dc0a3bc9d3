"""Events of libosdp hold numbers of cards, and its binding forgets to let go of them.

`pyosdp_cp_event_cb` (libosdp 3.2, python/osdp_sys/cp.c) makes a dict for each event and never gives
its own reference back. So each is emptied here, and that reference given back when it is there:
counted against a dict of our own that took the same way, so that a version that mends it is left
alone.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final


def _references(event: dict[str, Any]) -> int:  # Any: whatever libosdp tells
    return sys.getrefcount(event)


def _usual() -> int:
    held: list[tuple[int, dict[str, Any]]] = [(0, {})]  # Any: likewise
    _, event = held.pop(0)
    return _through(event)


def _through(event: dict[str, Any]) -> int:  # Any: likewise
    return _references(event)


_USUAL: Final = _usual()


def forget(event: dict[str, Any]) -> None:  # Any: likewise
    """Empty an event that was handed on, and let it go; nobody else may hold it by now."""
    event.clear()
    if _references(event) == _USUAL + 1:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(event))
