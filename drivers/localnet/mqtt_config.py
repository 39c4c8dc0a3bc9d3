"""Options of an MQTT device."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from drivers.localnet.language import MqttLanguage
from drivers.localnet.templates import fill_topic
from gateway.model.options import About, Checked, Limits, Options

Silence = Annotated[float, Limits(gt=0, le=604_800)]


def _can_be_used(profile: str, _before: Mapping[str, Any], site_dir: Path | None) -> None:
    language(profile, site_dir)


def _known_parameters(
    parameters: Mapping[str, str], before: Mapping[str, Any], site_dir: Path | None
) -> None:
    if "profile" not in before or "device_id" not in before:
        return
    known = language(before["profile"], site_dir)
    unknown = sorted(parameters.keys() - known.parameters.keys())
    if unknown:
        allowed = ", ".join(known.parameters) or "none"
        msg = f"{', '.join(unknown)}: no parameter of {known.name}; {allowed}"
        raise ValueError(msg)
    values = {**known.parameters, **parameters, "id": before["device_id"]}
    for topics in known.topics.values():
        for topic in topics:
            fill_topic(topic, values)


def _name_groups(
    silences: Mapping[str, float], before: Mapping[str, Any], site_dir: Path | None
) -> None:
    if "profile" not in before:
        return
    known = language(before["profile"], site_dir).topics
    unknown = [name for name in silences if name not in known]
    if unknown:
        msg = f"{', '.join(unknown)}: no group of {before['profile']}; {', '.join(known)}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig(Options):
    """Options of one device."""

    profile: Annotated[
        str,
        Limits(min_length=1),
        Checked(_can_be_used),
        About("messages: profiles/NAME.toml beside the site file, or one of Mayak's own"),
    ]
    device_id: Annotated[
        str,
        Limits(pattern=r"^[^+#\x00-\x1f]{1,200}$"),
        About("what stands for {id} in the topics of its profile"),
    ]
    parameters: Annotated[
        Mapping[str, str],
        Checked(_known_parameters),
        About("what stands for the other placeholders, where it is not as in the profile"),
    ] = field(default_factory=dict)
    longest_silence_s: Annotated[
        Mapping[str, Silence],
        Checked(_name_groups),
        About("silence after which points are BAD, in seconds, by name of a group"),
    ] = field(default_factory=dict)
    most_per_s: Annotated[
        float, Limits(gt=0, le=1000), About("messages a second that it may send on average")
    ] = 5.0
    burst: Annotated[int, Limits(ge=1, le=10_000), About("messages that it may send at once")] = 30
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=120),
        About("how long it may take to tell what it was set to, in seconds"),
    ] = 5.0


@dataclass(frozen=True, slots=True)
class MqttDevice:
    """What the driver is built from: the options, and what the profile says."""

    options: MqttConfig
    language: MqttLanguage

    @property
    def values(self) -> Mapping[str, str]:
        """Return what stands for each placeholder."""
        own = self.options
        return {**self.language.parameters, **own.parameters, "id": own.device_id}


def prepare(options: MqttConfig, site_dir: Path | None) -> MqttDevice:
    """Return the options with what their profile says.

    Raises:
        ValueError: the profile cannot be used.
    """
    return MqttDevice(options, language(options.profile, site_dir))


def address(options: MqttConfig) -> Hashable:
    """Return the model and the id; what else is shared shows when the topics are taken."""
    return (options.profile, options.device_id, *sorted(options.parameters.items()))


def language(profile: str, site_dir: Path | None) -> MqttLanguage:
    """Return what a profile says.

    Raises:
        ValueError: it cannot be used.
    """
    from drivers.localnet.profile import load_mqtt  # noqa: PLC0415 - never in the agent

    return load_mqtt(profile, site_dir)


def profile_schema() -> dict[str, Any]:  # Any: a JSON Schema
    """Return what a profile may hold, for editors."""
    from drivers.localnet.schema import MqttProfileModel  # noqa: PLC0415 - never in the agent

    return MqttProfileModel.model_json_schema()
