"""JSON Schemas for editors: the site file with the options of everything installed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.config.checking import adapter
from gateway.config.site import DeviceOptions, LineOptions, Site
from gateway.model.driver import Manifest, MediumManifest
from gateway.model.options import Options

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/"

Schema = dict[str, Any]  # Any: a JSON Schema


def site_schema(media: Sequence[MediumManifest], drivers: Sequence[Manifest]) -> Schema:
    """Return the schema of a site file.

    A line is one of the kinds that `medium` names, a device one of those that `driver` names.
    """
    schema = adapter(Site).json_schema()
    definitions: Schema = schema.setdefault("$defs", {})
    definitions.pop(LineOptions.__name__, None)
    definitions.pop(DeviceOptions.__name__, None)
    for section, option, common, manifests in (
        ("line", "medium", LineOptions, media),
        ("device", "driver", DeviceOptions, drivers),
    ):
        kinds = [_kind(section, option, common, each, definitions) for each in manifests]
        schema["properties"][section]["items"] = {"oneOf": kinds}
    return {"$schema": DIALECT, **schema}


def profile_schema(drivers: Sequence[Manifest]) -> Schema | None:
    """Return the schema of a profile, or None when no driver has profiles.

    A driver with profiles names their schema in its manifest.
    """
    schemas = [manifest.profile_schema() for manifest in drivers if manifest.profile_schema]
    if not schemas:
        return None
    if len(schemas) == 1:
        return {"$schema": DIALECT, **schemas[0]}
    definitions: Schema = {}
    kinds = [_included(schema, str(schema["title"]), definitions) for schema in schemas]
    return {"$schema": DIALECT, "oneOf": kinds, "$defs": definitions}


def _kind(
    section: str,
    option: str,
    common: type[Options],
    manifest: MediumManifest | Manifest,
    definitions: Schema,
) -> Schema:
    """Return the schema of one table: the common options and those of the plugin."""
    prefix = f"{section}_{manifest.name}"
    ours = _included(adapter(common).json_schema(), prefix, definitions)
    theirs = _included(adapter(manifest.config).json_schema(), prefix, definitions)
    properties = {**ours["properties"], **theirs.get("properties", {})}
    properties[option] = {**properties[option], "const": manifest.name}
    properties[option].pop("pattern", None)
    return {
        "title": f"{section} ({manifest.name})",
        "description": theirs.get("description", ""),
        "type": "object",
        "properties": properties,
        "required": [*ours["required"], *theirs.get("required", ())],
        "additionalProperties": False,
    }


def _included(schema: Schema, prefix: str, definitions: Schema) -> Schema:
    """Return a schema whose definitions went to the shared ones under names of their own."""
    schema = dict(schema)
    inner: Schema = schema.pop("$defs", {})
    names = {name: f"{prefix}_{name}" for name in inner}
    for name, definition in inner.items():
        definitions[names[name]] = _renamed(definition, names)
    renamed: Schema = _renamed(schema, names)
    return renamed


def _renamed(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, list):
        return [_renamed(each, names) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: f"{_REF}{names[value.removeprefix(_REF)]}"
        if key == "$ref" and isinstance(value, str)
        else _renamed(value, names)
        for key, value in part.items()
    }
