"""The JSON Schema for editors holds the site and the options of everything installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from gateway.config.schema import DIALECT, profile_schema, site_schema
from gateway.model.driver import Manifest, MediumManifest
from gateway.model.options import Limits, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth(Options):
    """A table inside the options of a plugin."""

    value_m: Annotated[float, Limits(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireOptions(Options):
    """Options of a medium."""

    port: str
    depth: Depth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LampOptions(Options):
    """Options of a driver."""

    unit: Annotated[int, Limits(ge=1, le=247)]
    mode: Literal["auto", "off"] = "auto"
    depth: list[Depth] = field(default_factory=list)


def _map_schema() -> dict[str, Any]:
    properties = {"name": {"$ref": "#/$defs/Name"}}
    names = {"Name": {"type": "string"}}
    return {"title": "MapModel", "type": "object", "properties": properties, "$defs": names}


def _never(*_: object) -> Any:
    raise AssertionError


WIRE = MediumManifest("wire", WireOptions, _never, _never, _never)
AIR = MediumManifest("air", WireOptions, _never, _never, _never)
LAMP = Manifest("lamp", ["wire"], LampOptions, _never, _never)
METER = replace(LAMP, name="meter", profile_schema=_map_schema)
SCHEMA = site_schema([AIR, WIRE], [LAMP, METER])


def _refs(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            yield from _refs(value)
    elif isinstance(part, list):
        for each in part:
            yield from _refs(each)


def test_the_schema_is_json_and_every_reference_leads_somewhere() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    refs = set(_refs(SCHEMA))
    assert refs
    assert {ref.removeprefix("#/$defs/") for ref in refs} == set(SCHEMA["$defs"])
    assert SCHEMA["$schema"] == DIALECT


def test_a_line_is_one_of_the_installed_kinds_with_its_own_options() -> None:
    air, wire = SCHEMA["properties"]["line"]["items"]["oneOf"]
    assert air["properties"]["medium"]["const"] == "air"
    assert wire["properties"]["medium"]["const"] == "wire"
    assert list(wire["properties"]) == ["id", "medium", "port", "depth"]
    assert wire["required"] == ["id", "medium", "port"]
    assert wire["additionalProperties"] is False


def test_a_device_has_the_common_options_and_those_of_its_driver() -> None:
    lamp, _ = SCHEMA["properties"]["device"]["items"]["oneOf"]
    assert set(lamp["properties"]) >= {"id", "line", "driver", "retries", "heartbeat_s", "unit"}
    assert lamp["properties"]["unit"]["maximum"] == 247
    assert lamp["required"] == ["id", "line", "driver", "unit"]
    assert lamp["description"] == "Options of a driver."


def test_definitions_of_one_name_in_two_plugins_stay_apart() -> None:
    assert {"line_wire_Depth", "line_air_Depth", "device_lamp_Depth"} <= set(SCHEMA["$defs"])


def test_a_profile_has_the_schema_its_driver_names_in_its_manifest() -> None:
    assert profile_schema([LAMP]) is None
    one = profile_schema([LAMP, METER])
    assert one is not None
    assert one["title"] == "MapModel"
    two = profile_schema([METER, METER])
    assert two is not None
    assert len(two["oneOf"]) == 2
    assert two["oneOf"][0]["properties"]["name"]["$ref"] == "#/$defs/MapModel_Name"
    assert two["$defs"] == {"MapModel_Name": {"type": "string"}}
