"""What happens to a site, as data: which part is killed when, and what the link does. Pure.

The same seed gives the same plan; what the parts were just doing when a blow falls is up to the
machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final

PAUSE_S: Final = (0.2, 2.2)
"""Between two blows."""
AT_ONCE: Final = 0.15
"""How often several parts are struck in the same instant."""
LINK_SHARE: Final = 0.3
"""How often a blow comes with a fault of the link; every fourth of these comes alone."""
DOWN_AT_ONCE: Final = 0.6
"""How often a part is started again at once."""
DOWN_MOST_S: Final = 1.5
FAULT_S: Final = (0.2, 3.0)
BANKS: Final = 4
DEVICE_SHARE: Final = 0.3
"""How often a device breaks with a blow."""
FAULTY_S: Final = 0.6


class Role(StrEnum):
    """What a part is to the site."""

    AGENT = "agent"
    BROKER = "broker"
    RECEIVER = "receiver"


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to one part, which is started again after `down_s`."""

    part: str
    down_s: float


@dataclass(frozen=True, slots=True)
class Blow:
    """What strikes in one instant, `after_s` after the one before."""

    after_s: float
    kills: tuple[Kill, ...]
    link: Mapping[str, Any] | None  # Any: JSON values, an order for `mayak sim proxy`
    device: int | None = None
    """This bank, from 0, says for FAULTY_S that it is broken: the agent has an event to tell."""

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as it stands in the journal of a site."""
        kills = [{"part": kill.part, "down_s": kill.down_s} for kill in self.kills]
        told = {"after_s": self.after_s, "kills": kills, "link": self.link}
        return told if self.device is None else {**told, "device": self.device}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a site is made of."""

    broker: str = "mosquitto"
    persistent: bool = False
    """The broker saves what it holds, and comes back with what it saved last."""
    receivers: int = 1
    """On one database, sharing one subscription."""
    postgres: bool = False
    """That database is one of a PostgreSQL server; else a file."""

    @property
    def parts(self) -> Mapping[str, Role]:
        """Return what may be killed."""
        names = [f"receiver-{number}" for number in range(1, self.receivers + 1)]
        return {
            "agent": Role.AGENT,
            "broker": Role.BROKER,
            **dict.fromkeys(names, Role.RECEIVER),
        }

    def __str__(self) -> str:
        """Return it as people write it."""
        kept = " that saves" if self.persistent else ""
        on = " on PostgreSQL" if self.postgres else ""
        return f"{self.broker}{kept}, {self.receivers} receiver{'s'[: self.receivers > 1]}{on}"


def setups(brokers: Sequence[str], *, postgres: bool = False) -> list[Setup]:
    """Return the kinds of sites a campaign goes through, over and over.

    Args:
        brokers: those that are installed, of `mosquitto` and `iotcore`.
        postgres: whether there is a PostgreSQL server.
    """
    every = [Setup(broker, persistent=False) for broker in brokers]
    if "mosquitto" in brokers:
        every += [Setup("mosquitto", persistent=True), Setup("mosquitto", receivers=2)]
        if postgres:
            every.insert(1, Setup("mosquitto", receivers=2, postgres=True))
    return every


def blows(seed: str, setup: Setup, pace: float = 1.0) -> Iterator[Blow]:
    """Yield blows without end.

    Each role is struck as often as the others, however many parts it has.

    Args:
        seed: the same gives the same blows.
        setup: what there is to strike.
        pace: how long pauses are, as a share of the usual.
    """
    rng = Random(seed)
    roles = list(Role)
    parts = {role: [name for name, of in setup.parts.items() if of is role] for role in roles}
    while True:
        struck = rng.sample(roles, rng.randint(2, len(roles)) if rng.random() < AT_ONCE else 1)
        link = _fault(rng) if rng.random() < LINK_SHARE else None
        alone = link is not None and rng.random() < 1 / 4
        kills = [] if alone else [Kill(rng.choice(parts[role]), _down(rng)) for role in struck]
        device = rng.randrange(BANKS) if rng.random() < DEVICE_SHARE else None
        yield Blow(round(pace * rng.uniform(*PAUSE_S), 3), tuple(kills), link, device)


def _down(rng: Random) -> float:
    return 0.0 if rng.random() < DOWN_AT_ONCE else round(rng.uniform(0, DOWN_MOST_S), 3)


def _fault(rng: Random) -> dict[str, Any]:  # Any: JSON values
    """Return a fault of the link with its options (`simulators/lines/README.md`)."""
    seed = rng.randrange(1, 1_000_000)
    modes: list[dict[str, Any]] = [  # Any: JSON values
        {"mode": "cut"},
        {"mode": "black_hole"},
        {"mode": "delay", "ms": rng.randint(20, 400), "jitter_ms": rng.randint(0, 300)},
        {"mode": "loss", "probability": round(rng.uniform(0.02, 0.3), 2), "seed": seed},
        {"mode": "half", "passes": rng.choice(["up", "down"])},
    ]
    return {**rng.choice(modes), "for_s": round(rng.uniform(*FAULT_S), 2)}
