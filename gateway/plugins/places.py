"""Where a thing stands in installed code, as entry points write it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from importlib import import_module


@dataclass(frozen=True, slots=True)
class Place:
    """A module and a name in it: `drivers.modbus.driver:MANIFEST`."""

    value: str

    def __call__(self) -> object:
        """Import the module and return what stands there.

        Raises:
            ImportError: there is no such module, or it does not load.
            AttributeError: there is no such name in it.
        """
        module, _, name = self.value.partition(":")
        return reduce(getattr, name.strip().split("."), import_module(module.strip()))
