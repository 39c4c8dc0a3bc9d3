"""Options of the twin that can be connected to; what it does is loaded with it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from simulators.ble.advertiser import AdvertiserOptions


class GattOptions(AdvertiserOptions):
    """Options of a GATT device in a scene."""

    kind: Literal["ble-climate"] = "ble-climate"
    mean: float = Field(default=21.0, ge=-40, le=60, description="mean temperature, in degrees")
