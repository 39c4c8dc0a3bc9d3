"""A site as a flat list of tables with their effective values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.config.checking import names_of
from gateway.config.crosscheck import uplink_paths
from gateway.config.document import Document
from gateway.config.site import Site
from gateway.model.errors import KeyPath
from gateway.model.options import Options


class Effective(NamedTuple):
    """The value that counts, written or by default."""

    value: Any  # Any: whatever an option can be
    path: KeyPath
    """Where it stands in the file when it is written there."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a site."""

    section: str
    name: str
    """The id, of an uplink its consumer; empty for a table that stands once."""
    options: Mapping[str, Effective]

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells it from other tables."""
        return self.section, self.name


def parts_of(
    site: Site, document: Document, plugin_options: Mapping[KeyPath, Options]
) -> tuple[Part, ...]:
    """Return every table of a site.

    Args:
        site: the site.
        document: the file it was read from.
        plugin_options: the checked options of media and drivers, by the path of their table.
    """
    return tuple(_parts(site, document, plugin_options))


def _parts(
    site: Site, document: Document, plugin_options: Mapping[KeyPath, Options]
) -> Iterator[Part]:
    for section in names_of(type(site)):
        value = getattr(site, section)
        if isinstance(value, Options):
            yield Part(section, "", dict(_flat(value, (section,))))
            continue
        uplinks = section == "uplink"
        paths: list[KeyPath] = (
            uplink_paths(site, document)
            if uplinks
            else [(section, place) for place in range(len(value))]
        )
        for path, table in zip(paths, value, strict=True):
            options = dict(_flat(table, path))
            if path in plugin_options:
                options |= dict(_flat(plugin_options[path], path))
            yield Part(section, table.consumer if uplinks else table.id, options)


def _flat(options: Options, path: KeyPath) -> Iterator[tuple[str, Effective]]:
    for name in names_of(type(options)):
        yield from _flat_value(getattr(options, name), name, (*path, name))


def _flat_value(value: object, name: str, path: KeyPath) -> Iterator[tuple[str, Effective]]:
    inner: Iterable[tuple[str | int, object]]
    match value:
        case Options():
            inner = [(each, getattr(value, each)) for each in names_of(type(value))]
        case dict() if value:
            inner = value.items()
        case list() | tuple() if any(isinstance(each, Options) for each in value):
            inner = list(enumerate(value))
        case _:
            yield name, Effective(value, path)
            return
    for step, each in inner:
        yield from _flat_value(each, f"{name}.{step}", (*path, step))
