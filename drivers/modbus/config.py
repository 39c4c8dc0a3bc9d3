"""The options of one Modbus device, and the poll groups that follow from them.

The running agent loads this page and is handed what `prepare` made; what reads and checks profiles
is imported where a site is checked, and there only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from drivers.media.characters import Characters
from drivers.modbus.fields import MAX_REGISTERS
from drivers.modbus.register_map import RegisterMap
from gateway.model.driver import PollGroup
from gateway.model.ids import PointId
from gateway.model.options import About, Checked, Limits

Period = Annotated[float, Limits(gt=0, le=86_400)]


def _can_be_used(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    _map(profile, site_dir)


def _name_something(
    periods: Mapping[str, float], before: Mapping[str, Any], site_dir: Path | None
) -> None:
    if "profile" not in before:
        return  # the profile has its own mistakes; they come first
    known = _map(before["profile"], site_dir)
    unknown = [name for name in periods if name not in known.periods and name not in known.points]
    if unknown:
        groups = ", ".join(known.periods)
        msg = f"{', '.join(unknown)}: neither a group of {known.name} ({groups}) nor a point"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusConfig(Characters):
    """Options of one device."""

    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_can_be_used),
        About("register map: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]
    unit: Annotated[
        int,
        Limits(ge=0, le=255),
        About("unit identifier, 1 to 247; over Modbus TCP also 0 and 255"),
    ] = 1
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a request that means no answer, in seconds"),
    ] = 0.5
    max_registers: Annotated[
        Annotated[int, Limits(ge=1, le=MAX_REGISTERS)] | None,
        About("registers in one read; left out: the profile's limit"),
    ] = None
    max_gap: Annotated[
        Annotated[int, Limits(ge=0, le=MAX_REGISTERS)] | None,
        About("unwanted registers read along to save a request; left out: the profile's"),
    ] = None
    framing: Annotated[
        Literal["auto", "mbap", "rtu"],
        About("auto: mbap over tcp, rtu over serial; rtu over tcp: serial behind an adapter"),
    ] = "auto"
    period_s: Annotated[
        Period | None, About("poll period of the profile's first group, in seconds")
    ] = None
    periods: Annotated[
        Mapping[str, Period],
        Checked(_name_something),
        About("poll periods in seconds, by name of a group or of a single point"),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModbusDevice:
    """What the driver is built from: the options, and the register map that `profile` names."""

    options: ModbusConfig
    map: RegisterMap


def prepare(options: ModbusConfig, site_dir: Path | None) -> ModbusDevice:
    """Return the options with their register map.

    Raises:
        ValueError: the profile cannot be used; `Checked` has told so before, unless the file was
            changed in between.
    """
    return ModbusDevice(options, _map(options.profile, site_dir))


def poll_groups(device: ModbusDevice) -> tuple[PollGroup, ...]:
    """Return the groups of the profile that have points, with the periods of the site.

    A point that the site gives a period of its own makes a group under its own name.
    """
    options, known = device.options, device.map
    periods = dict(known.periods)
    if options.period_s is not None:
        periods[next(iter(periods))] = options.period_s
    members: dict[str, list[PointId]] = {name: [] for name in periods}
    for name, group in known.groups.items():
        own = name in options.periods and name not in known.periods
        members.setdefault(name if own else group, []).append(name)
    periods.update(options.periods)
    return tuple(
        PollGroup(group, known.table(tuple(names)), periods[group])
        for group, names in members.items()
        if names
    )


def _map(profile: str, site_dir: Path | None) -> RegisterMap:
    from drivers.modbus.profile import load_profile  # noqa: PLC0415 - never in the agent

    return load_profile(profile, site_dir).map
