"""A site as a flat list of tables with their effective values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel

from gateway.config.positions import KeyPath
from gateway.config.site import Site


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


def parts_of(site: Site, plugin_options: Mapping[KeyPath, BaseModel]) -> tuple[Part, ...]:
    """Return every table of a site.

    Args:
        site: the site.
        plugin_options: the checked options of media and drivers, by the path of their table.
    """
    return tuple(_parts(site, plugin_options))


def _parts(site: Site, plugin_options: Mapping[KeyPath, BaseModel]) -> Iterator[Part]:
    for section in type(site).model_fields:
        value = getattr(site, section)
        if isinstance(value, BaseModel):
            yield Part(section, "", dict(_flat(value, (section,))))
            continue
        uplinks = section == "uplink"
        paths: list[KeyPath] = (
            site.uplink_paths if uplinks else [(section, place) for place in range(len(value))]
        )
        for path, table in zip(paths, value, strict=True):
            options = dict(_flat(table, path))
            if path in plugin_options:
                options |= dict(_flat(plugin_options[path], path))
            yield Part(section, table.consumer if uplinks else table.id, options)


def _flat(model: BaseModel, path: KeyPath) -> Iterator[tuple[str, Effective]]:
    for name in type(model).model_fields:
        yield from _flat_value(getattr(model, name), name, (*path, name))


def _flat_value(value: object, name: str, path: KeyPath) -> Iterator[tuple[str, Effective]]:
    inner: Iterable[tuple[str | int, object]]
    match value:
        case BaseModel():
            inner = [(each, getattr(value, each)) for each in type(value).model_fields]
        case dict() if value:
            inner = value.items()
        case list() | tuple() if any(isinstance(each, BaseModel) for each in value):
            inner = list(enumerate(value))
        case _:
            yield name, Effective(value, path)
            return
    for step, each in inner:
        yield from _flat_value(each, f"{name}.{step}", (*path, step))
