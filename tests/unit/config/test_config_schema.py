"""The JSON Schema for editors holds the site and the options of everything installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.schema import DIALECT, profile_schema, site_schema
from gateway.model.driver import Manifest, MediumManifest


class Depth(BaseModel):
    """A table inside the options of a plugin."""

    value_m: float = Field(gt=0)


class WireOptions(BaseModel):
    """Options of a medium."""

    model_config = ConfigDict(extra="forbid")

    port: str
    depth: Depth | None = None


class LampOptions(BaseModel):
    """Options of a driver."""

    unit: int = Field(ge=1, le=247)
    mode: Literal["auto", "off"] = "auto"
    depth: list[Depth] = []


class MapModel(BaseModel):
    """A profile."""

    name: str


@dataclass(frozen=True, slots=True)
class ManifestWithProfiles(Manifest):
    """A manifest of a driver that has profiles."""

    profile: type[BaseModel] = MapModel


def _never(*_: object) -> Any:
    raise AssertionError


WIRE = MediumManifest("wire", WireOptions, _never, _never, _never)
AIR = MediumManifest("air", WireOptions, _never, _never, _never)
LAMP = Manifest("lamp", ["wire"], LampOptions, _never, _never)
METER = ManifestWithProfiles("meter", ["wire"], LampOptions, _never, _never)
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
