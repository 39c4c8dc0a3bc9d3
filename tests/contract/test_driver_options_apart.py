"""An option of a driver that is named like one of every device would never reach the driver."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway.config.site import DeviceOptions
from gateway.model.driver import Manifest

DRIVERS = {found.name: found for found in entry_points(group="gateway.drivers")}


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_no_option_of_a_driver_hides_behind_one_of_every_device(name: str) -> None:
    manifest = DRIVERS[name].load()
    assert isinstance(manifest, Manifest)
    shared = {option.name for option in fields(DeviceOptions)}
    own = {option.name for option in fields(manifest.config)}  # type: ignore[arg-type]
    assert own & shared == set()


ALONE = ("sds011", "pms5003", "mh_z19", "sdi12", "nmea0183")


@pytest.mark.parametrize("name", ALONE)
def test_a_sensor_loads_nothing_but_what_it_needs(name: str) -> None:
    others = ["serial", "simulators", "gateway.config", "pydantic_core", "pymodbus", "paho"]
    loaded = f"print([m for m in {others} if m in sys.modules])"
    code = f"import sys; import {DRIVERS[name].module}; {loaded}"
    unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=unmeasured,
    )
    assert ran.stdout.strip() == "[]"
