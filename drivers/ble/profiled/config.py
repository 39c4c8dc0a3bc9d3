"""Options of devices that a profile describes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from drivers.ble.advert import Address
from drivers.ble.listening import ListeningConfig
from drivers.ble.profiled.fields import FrameProfile, GattProfile
from gateway.model.options import About, Checked, Limits


def _of_a_frame(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    _built(profile, site_dir, FrameProfile)


def _of_characteristics(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    _built(profile, site_dir, GattProfile)


def _built(profile: str, site_dir: Path | None, kind: type[Any]) -> Any:  # Any: of that kind
    from drivers.ble.profiled.profile import load_profile  # noqa: PLC0415 - never in the agent

    built = load_profile(profile, site_dir).built
    if not isinstance(built, kind):
        other = "ble-gatt" if kind is FrameProfile else "ble-manufacturer"
        msg = f"profile {profile} is one for driver {other}"
        raise ValueError(msg)  # noqa: TRY004 - an option that is wrong
    return built


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameConfig(ListeningConfig):
    """Options of a device that advertises a frame of its own."""

    address: Annotated[Address, About("its Bluetooth address, capital letters")]
    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_of_a_frame),
        About("frame: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class GattConfig(ListeningConfig):
    """Options of a device one connects to."""

    address: Annotated[Address, About("its Bluetooth address, capital letters")]
    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_of_characteristics),
        About("characteristics: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=60),
        About("how long connecting, a read or a write may take, each, in seconds"),
    ] = 10.0
    notify_timeout_s: Annotated[
        float,
        Limits(gt=0, le=600),
        About("how long a characteristic that tells by itself may take, in seconds"),
    ] = 10.0


@dataclass(frozen=True, slots=True)
class FrameDevice:
    """What the driver is built from."""

    options: FrameConfig
    profile: FrameProfile


@dataclass(frozen=True, slots=True)
class GattDevice:
    """What the driver is built from."""

    options: GattConfig
    profile: GattProfile


def prepare_frame(options: FrameConfig, site_dir: Path | None) -> FrameDevice:
    """Return the options with their profile.

    Raises:
        ValueError: the profile cannot be used.
    """
    return FrameDevice(options, _built(options.profile, site_dir, FrameProfile))


def prepare_gatt(options: GattConfig, site_dir: Path | None) -> GattDevice:
    """Return the options with their profile.

    Raises:
        ValueError: the profile cannot be used.
    """
    return GattDevice(options, _built(options.profile, site_dir, GattProfile))


def address(options: FrameConfig | GattConfig) -> Hashable:
    """Return the address."""
    return options.address


def profile_schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return what a profile may hold, for editors."""
    from drivers.ble.profiled.kind import schema  # noqa: PLC0415 - never in the agent

    return schema()
