"""What a driver needs of a profile: plain data that pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.localnet.points import Group


@dataclass(frozen=True, slots=True)
class Availability:
    """Where the broker says whether the device is there: its birth message and its will."""

    topic: str
    online: frozenset[str]
    offline: frozenset[str]
    steps: tuple[str, ...] | None = None
    """Where it stands, if the message is JSON."""


@dataclass(frozen=True, slots=True)
class MqttOrder:
    """How a point is set."""

    topic: str
    payload: str
    plain: bool
    ask_topic: str = ""
    """What makes the device say how it is now; empty: it does so by itself."""
    ask_payload: str = ""


@dataclass(frozen=True, slots=True)
class MqttLanguage:
    """A device that speaks MQTT."""

    name: str
    parameters: Mapping[str, str]
    groups: tuple[Group, ...]
    topics: Mapping[str, tuple[str, ...]]
    """Of each group, with placeholders."""
    orders: Mapping[str, MqttOrder] = field(default_factory=dict)
    availability: Availability | None = None


@dataclass(frozen=True, slots=True)
class HttpOrder:
    """How a point is set."""

    method: str
    path: str
    payload: str
    """JSON; empty: none."""


@dataclass(frozen=True, slots=True)
class HttpLanguage:
    """A device that speaks HTTP."""

    name: str
    parameters: Mapping[str, str]
    groups: tuple[Group, ...]
    paths: Mapping[str, str]
    """Of each group that is asked, with placeholders; the others come by web hook."""
    orders: Mapping[str, HttpOrder] = field(default_factory=dict)

    @property
    def hooked(self) -> tuple[Group, ...]:
        """Return the groups that come by web hook."""
        return tuple(group for group in self.groups if group.name not in self.paths)
