"""What is installed: drivers and media by entry point.

An entry point under `gateway.drivers` names a `Manifest`, one under `gateway.media` a
`MediumManifest`; nothing here knows any of them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Final, TypeVar

from gateway.model.driver import Manifest, MediumManifest
from gateway.model.errors import GatewayError
from gateway.plugins.places import Place

DRIVERS: Final = "gateway.drivers"
MEDIA: Final = "gateway.media"

ManifestT = TypeVar("ManifestT", Manifest, MediumManifest)
Loader = Callable[[], object]


class PluginError(GatewayError):
    """A driver or medium is installed and cannot be loaded; told as a mistake of the site file."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is installed, by name; each is loaded when it is asked for."""

    drivers: Mapping[str, Loader]
    """Loaders; each returns a `Manifest`."""
    media: Mapping[str, Loader]
    """Loaders; each returns a `MediumManifest`."""

    @classmethod
    def installed(cls) -> Catalogue:
        """Return what the entry points name, loading none of it."""
        return cls(
            {entry.name: Place(entry.value) for entry in entry_points(group=DRIVERS)},
            {entry.name: Place(entry.value) for entry in entry_points(group=MEDIA)},
        )

    def driver(self, name: str) -> Manifest:
        """Load one driver.

        Raises:
            KeyError: there is none of that name.
            PluginError: it is installed and cannot be loaded.
        """
        return _loaded(self.drivers[name], Manifest)

    def medium(self, name: str) -> MediumManifest:
        """Load one medium.

        Raises:
            KeyError: there is none of that name.
            PluginError: it is installed and cannot be loaded.
        """
        return _loaded(self.media[name], MediumManifest)

    def load_all(self) -> tuple[tuple[MediumManifest, ...], tuple[Manifest, ...]]:
        """Load all that is installed: for the schema, never at agent start.

        Raises:
            PluginError: one of it cannot be loaded.
        """
        media = tuple(self.medium(name) for name in sorted(self.media))
        return media, tuple(self.driver(name) for name in sorted(self.drivers))


def _loaded(load: Loader, kind: type[ManifestT]) -> ManifestT:
    try:
        manifest = load()
    except (ImportError, AttributeError) as error:
        raise PluginError(str(error)) from error
    if not isinstance(manifest, kind):
        msg = f"it is a {type(manifest).__name__}, not a {kind.__name__}"
        raise PluginError(msg)
    return manifest
