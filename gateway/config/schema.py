"""JSON Schemas for editors: the site file with the options of everything installed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel

from gateway.config.site import DeviceOptions, LineOptions, Site
from gateway.model.driver import Manifest, MediumManifest

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/"

Schema = dict[str, Any]  # Any: a JSON Schema


def site_schema(media: Sequence[MediumManifest], drivers: Sequence[Manifest]) -> Schema:
    """Return the schema of a site file.

    A line is one of the kinds that `medium` names, a device one of those that `driver` names.
    """
    schema = Site.model_json_schema()
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

    A driver with profiles names their model in an attribute `profile` of its manifest.
    """
    models: list[type[BaseModel]] = [
        model
        for model in (getattr(manifest, "profile", None) for manifest in drivers)
        if isinstance(model, type) and issubclass(model, BaseModel)
    ]
    if not models:
        return None
    if len(models) == 1:
        return {"$schema": DIALECT, **models[0].model_json_schema()}
    definitions: Schema = {}
    kinds = [_included(model, model.__name__, definitions) for model in models]
    return {"$schema": DIALECT, "oneOf": kinds, "$defs": definitions}


def _kind(
    section: str,
    option: str,
    common: type[BaseModel],
    manifest: MediumManifest | Manifest,
    definitions: Schema,
) -> Schema:
    """Return the schema of one table: the common options and those of the plugin."""
    prefix = f"{section}_{manifest.name}"
    ours = _included(common, prefix, definitions)
    theirs = _included(manifest.config, prefix, definitions)
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


def _included(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """Return a model's schema; its definitions go to the shared ones under names of their own."""
    schema = model.model_json_schema()
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
