"""Keeps out of the agent's memory what it has no use for."""

from __future__ import annotations

import ctypes
import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_M_ARENA_MAX: Final = -8
"""mallopt(3)."""


def one_heap() -> None:
    """Have all threads take memory from one heap; call it before there are any.

    glibc gives threads heaps of their own, each of which keeps what it once needed. The agent's
    threads take turns anyway. Other C libraries have one heap, and no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def when_used(name: str) -> None:
    """Have a module loaded when something of it is used, not when it is imported.

    For what a library imports for a case that is not the agent's: paho-mqtt imports
    `urllib.request`, and with it an HTTP client, for proxies.
    """
    if name in sys.modules:
        return
    sys.modules[name] = later = _Later(name)
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(import_module(parent), last, later)


class _Later(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system looks at these
            raise AttributeError(name)
        own = self.__name__
        if sys.modules.get(own) is self:
            del sys.modules[own]
        return getattr(import_module(own), name)
