"""The options of one device, and the poll groups that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from drivers.media.characters import Characters
from drivers.telegrams.language import Language
from gateway.model.driver import PollGroup
from gateway.model.options import About, Checked, Limits
from gateway.model.reading import PointTable

Period = Annotated[float, Limits(gt=0, le=86_400)]
Address = int | str


def _can_be_used(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    language(profile, site_dir)


def _is_one(address: Address | None, before: Mapping[str, Any], site_dir: Path | None) -> None:
    if address is not None and "profile" in before:
        language(before["profile"], site_dir).address.check(address)


def _name_groups(
    periods: Mapping[str, float], before: Mapping[str, Any], site_dir: Path | None
) -> None:
    if "profile" not in before:
        return
    known = language(before["profile"], site_dir).topics
    unknown = [name for name in periods if name not in known]
    if unknown:
        msg = f"{', '.join(unknown)}: no group of {before['profile']}; {', '.join(known)}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialProfileConfig(Characters):
    """Options of one device."""

    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_can_be_used),
        About("telegrams: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]
    address: Annotated[
        Address | None,
        Checked(_is_one),
        About("address of the device; left out: the one of the profile"),
    ] = None
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=60),
        About("silence after a request that means no answer, in seconds"),
    ] = 1.0
    least_interval_s: Annotated[
        float,
        Limits(ge=0, le=3600),
        About("of what the device tells by itself, at most one a so many seconds is taken"),
    ] = 0.2
    periods: Annotated[
        Mapping[str, Period],
        Checked(_name_groups),
        About("periods in seconds, by name of a group"),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SerialProfileDevice:
    """What the driver is built from: the options, and what the profile says."""

    options: SerialProfileConfig
    language: Language

    @property
    def address(self) -> Address:
        """Return the address as the driver uses it."""
        known = self.language.address
        own = self.options.address
        return known.check(known.default if own is None else own)


def prepare(options: SerialProfileConfig, site_dir: Path | None) -> SerialProfileDevice:
    """Return the options with what their profile says.

    Raises:
        ValueError: the profile cannot be used.
    """
    return SerialProfileDevice(options, language(options.profile, site_dir))


def poll_groups(device: SerialProfileDevice) -> tuple[PollGroup, ...]:
    """Return the groups of the profile, with the periods of the site."""
    known = device.language
    return tuple(
        PollGroup(
            topic.name,
            PointTable(
                *(known.points[name][0] for name, of in known.topic_of.items() if of == topic.name)
            ),
            device.options.periods.get(topic.name, topic.period_s),
            told=topic.request is None,
        )
        for topic in known.topics.values()
    )


def language(profile: str, site_dir: Path | None) -> Language:
    """Return what a profile says.

    Raises:
        ValueError: it cannot be used.
    """
    from drivers.telegrams.profile import load_profile  # noqa: PLC0415 - never in the agent

    return load_profile(profile, site_dir).language
