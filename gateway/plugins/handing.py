"""Hands a checked site from the process that checked it to the one that runs it.

What a driver or medium is (its manifest) is code: its place goes over, and it is imported there.
All the rest is plain data and goes over as a pickle, between two processes of one program.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any, Final

from gateway.model.errors import GatewayError
from gateway.plugins.assembly import Assembly
from gateway.plugins.places import Place


class NotHandedError(GatewayError):
    """The other process did not hand over a site."""


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, places: Mapping[int, str]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._places: Final = places

    def persistent_id(self, thing: Any) -> str | None:
        """Return the place of a manifest."""
        return self._places.get(id(thing))


class _Unpacker(pickle.Unpickler):
    def persistent_load(self, place: str) -> object:
        """Import a manifest."""
        return Place(place)()


def pack(assembly: Assembly, places: Mapping[int, str]) -> bytes:
    """Return an assembly as bytes.

    Args:
        assembly: the checked site.
        places: where each of its manifests stands, by `id` of the manifest.
    """
    file = io.BytesIO()
    _Packer(file, places).dump(assembly)
    return file.getvalue()


def unpack(packed: bytes) -> Assembly:
    """Return what was packed by this very program.

    Raises:
        NotHandedError: it is something else.
    """
    assembly = _Unpacker(io.BytesIO(packed)).load()
    if not isinstance(assembly, Assembly):
        msg = f"expected a checked site, got {type(assembly).__name__}"
        raise NotHandedError(msg)
    return assembly
