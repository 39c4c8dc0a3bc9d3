"""The options of one Modbus device, and the poll groups that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from drivers.modbus.fields import MAX_REGISTERS
from drivers.modbus.profile import Profile, load_profile
from gateway.model.driver import PollGroup
from gateway.model.ids import PointId
from gateway.model.reading import PointTable

Period = Annotated[float, Field(gt=0, le=86_400)]


class ModbusConfig(BaseModel):
    """Options of one device, validated with `context={"site_dir": Path}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str = Field(
        min_length=1,
        description="register map: profiles/NAME.toml beside the site file, or one of Mayak's own",
    )
    unit: int = Field(
        default=1,
        ge=0,
        le=255,
        description="unit identifier, 1 to 247; over Modbus TCP also 0 and 255",
    )
    response_timeout_s: float = Field(
        default=0.5,
        gt=0,
        le=30,
        description="silence after a request that means no answer, in seconds",
    )
    max_registers: int | None = Field(
        default=None,
        ge=1,
        le=MAX_REGISTERS,
        description="registers in one read; left out: the profile's limit",
    )
    max_gap: int | None = Field(
        default=None,
        ge=0,
        le=MAX_REGISTERS,
        description="unwanted registers read along to save a request; left out: the profile's",
    )
    framing: Literal["auto", "mbap", "rtu"] = Field(
        default="auto",
        description="auto: mbap over tcp, rtu over serial; rtu over tcp: serial behind an adapter",
    )
    period_s: Period | None = Field(
        default=None, description="poll period of the profile's first group, in seconds"
    )
    periods: Mapping[str, Period] = Field(
        default_factory=dict,
        description="poll periods in seconds, by name of a group or of a single point",
    )

    _map: Profile = PrivateAttr()

    @field_validator("profile")
    @classmethod
    def _can_be_used(cls, profile: str, info: ValidationInfo) -> str:
        load_profile(profile, _site_dir(info))
        return profile

    @field_validator("periods")
    @classmethod
    def _name_something(
        cls, periods: Mapping[str, float], info: ValidationInfo
    ) -> Mapping[str, float]:
        if "profile" not in info.data:
            return periods  # the profile has its own mistakes; they come first
        profile = load_profile(info.data["profile"], _site_dir(info))
        unknown = [
            name for name in periods if name not in profile.periods and name not in profile.points
        ]
        if unknown:
            groups = ", ".join(profile.periods)
            msg = f"{', '.join(unknown)}: neither a group of {profile.name} ({groups}) nor a point"
            raise ValueError(msg)
        return periods

    @model_validator(mode="after")
    def _keep_profile(self, info: ValidationInfo) -> Self:
        self._map = load_profile(self.profile, _site_dir(info))
        return self

    @property
    def map(self) -> Profile:
        """Return the register map that `profile` names."""
        return self._map


def _site_dir(info: ValidationInfo) -> Path | None:
    context = info.context if isinstance(info.context, Mapping) else {}
    site_dir = context.get("site_dir")
    return site_dir if isinstance(site_dir, Path) else None


def poll_groups(config: ModbusConfig) -> tuple[PollGroup, ...]:
    """Return the groups of the profile that have points, with the periods of the site.

    A point that the site gives a period of its own makes a group under its own name.
    """
    profile = config.map
    periods = dict(profile.periods)
    if config.period_s is not None:
        periods[next(iter(periods))] = config.period_s
    members: dict[str, list[PointId]] = {name: [] for name in periods}
    for name, group in profile.groups.items():
        own = name in config.periods and name not in profile.periods
        members.setdefault(name if own else group, []).append(name)
    periods.update(config.periods)
    return tuple(
        PollGroup(
            group, PointTable(*(profile.points[name].point for name in names)), periods[group]
        )
        for group, names in members.items()
        if names
    )
