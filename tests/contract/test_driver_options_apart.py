"""An option of a driver that is named like one of every device would never reach the driver."""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import entry_points

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
