"""A campaign: several sites at a time, one round after the other, until there were enough kills."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.model.clock import Clock
from simulators.programs.broker import find_mosquitto
from tests import postgres
from tests.soak.judging import Verdict, together
from tests.soak.plan import Role, Setup, setups
from tests.soak.site import SoakSite

ROUND_KILLS: Final = 70
"""Of one site before it is judged and another takes its place."""
ENDING_S: Final = 20.0
"""What a site takes at its end to be judged; no blow falls in the last seconds of a campaign."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One site and how it came out."""

    name: str
    seed: str
    setup: Setup
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as plain JSON values."""
        named = {"name": self.name, "seed": self.seed, "setup": str(self.setup)}
        return {**named, **self.verdict.as_json()}


@dataclass(slots=True)
class Campaign:
    """What is to be played, and what came of it."""

    folder: Path
    seed: int
    kills: int
    for_s: float
    at_once: int
    """Sites that are played at the same time."""
    clock: Clock
    told: Callable[[], None] = lambda: None
    """Called after each blow."""
    setups: list[Setup] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    running: list[SoakSite] = field(default_factory=list)
    _server: postgres.Postgres | None = None
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time starts the server."""
    _next: int = 0
    _promised: int = 0
    """Kills of sites that were started."""

    def __post_init__(self) -> None:
        """Find out what there is to play with."""
        if not self.setups:
            installed = ["iotcore"] if find_mosquitto() is None else ["mosquitto", "iotcore"]
            self.setups = setups(installed, postgres=postgres.find() is not None)

    @property
    def verdict(self) -> Verdict:
        """Return the sum over the sites that were judged."""
        return together(each.verdict for each in self.judged)

    @property
    def killed(self) -> int:
        """Return how many SIGKILLs there were so far."""
        return self.verdict.killed + sum(site.kills.total() for site in self.running)

    @property
    def link_faults(self) -> int:
        """Return how many faults of links there were so far."""
        running = sum(site.link_faults.total() for site in self.running)
        return self.verdict.link_faults.total() + running

    async def run(self) -> Verdict:
        """Play it all; the files of sites that came out clean are deleted."""
        until_s = self.clock.monotonic_s() + self.for_s - ENDING_S
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self.at_once):
                    tasks.create_task(self._play(until_s))
        finally:
            if self._server is not None:
                await asyncio.to_thread(self._server.remove)
        return self.verdict

    def database(self, setup: Setup) -> str:
        """Return the connection string of an empty database, if the site is to have one.

        Raises:
            RuntimeError: the server does not start.
        """
        if not setup.postgres:
            return ""
        if self._server is None:
            programs = postgres.find()
            assert programs is not None  # else there is no such setup
            self._server = postgres.Postgres(programs)
            self._server.make()
        return self._server.database()

    async def _play(self, until_s: float) -> None:
        """Play one site after the other."""
        while self._promised < self.kills and self.clock.monotonic_s() < until_s:
            number, self._next = self._next, self._next + 1
            setup = self.setups[number % len(self.setups)]
            quota = min(ROUND_KILLS, self.kills - self._promised)
            self._promised += quota
            folder = self.folder / f"site-{number}"
            folder.mkdir()
            seed = f"{self.seed}:{number}"
            async with self._one:
                server = await asyncio.to_thread(self.database, setup)
            site = SoakSite(folder, setup, seed, self.clock, self.told, server)
            self.running.append(site)
            # The end of a site kills each of its parts once more.
            verdict = await site.run(max(1, quota - len(setup.parts)), until_s)
            self._promised += verdict.killed - quota
            self.running.remove(site)
            self.judged.append(Judged(folder.name, seed, setup, verdict))
            if verdict.clean:
                shutil.rmtree(folder)
            self.told()

    def report(self) -> dict[str, Any]:  # Any: JSON values
        """Return all of it as plain JSON values."""
        asked = {"seed": self.seed, "kills": self.kills, "for_s": self.for_s}
        return {
            "asked": {**asked, "sites_at_once": self.at_once},
            "total": self.verdict.as_json(),
            "sites": [each.as_json() for each in self.judged],
        }

    def counts(self) -> str:
        """Return one line that says how far it is."""
        roles = together(
            [self.verdict, *(Verdict(kills=site.kills) for site in self.running)]
        ).kills
        shown = ", ".join(f"{role} {roles[role.value]}" for role in Role)
        total = self.verdict
        bad = total.lost + total.duplicated + total.reordered + len(total.findings)
        return (
            f"{shown}; link {self.link_faults}; sites judged {len(self.judged)}: "
            f"stored {total.stored} of {total.served}, wrong {bad}"
        )
