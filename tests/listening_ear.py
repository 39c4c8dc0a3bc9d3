"""An ear that remembers what it was told, and waits for more. Nothing here is a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.model.driver import Happening, PollGroup
from gateway.model.errors import DeviceError
from gateway.model.reading import Sample, Value

WITHIN_S = 10.0


@dataclass
class Told:
    """Values and causes of one sample by the names of its points."""

    group: str
    sample: Sample
    values: dict[str, Value | None]
    causes: dict[str, str]


def told(group: PollGroup, sample: Sample) -> Told:
    """Return a sample by the names of its points."""
    names = [str(point.name) for point in group.table]
    assert len(names) == len(sample.cells)
    causes = {names[place]: flag.cause.name for place, flag in sample.flags.items()}
    return Told(group.name, sample, dict(zip(names, sample.cells, strict=True)), causes)


@dataclass
class ListeningEar:
    """A `gateway.model.driver.Ear`."""

    samples: list[Told] = field(default_factory=list)
    mistakes: list[DeviceError] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)

    def heard(self, group: PollGroup, sample: Sample) -> None:
        assert group.told
        self.samples.append(told(group, sample))

    def misheard(self, error: DeviceError) -> None:
        self.mistakes.append(error)

    def happened(self, happening: Happening) -> None:
        self.happenings.append(happening)

    def of(self, group: str) -> list[Told]:
        """Return what was told of one group."""
        return [sample for sample in self.samples if sample.group == group]

    async def until(self, condition: Callable[[ListeningEar], bool]) -> None:
        """Return as soon as that is so."""
        async with asyncio.timeout(WITHIN_S):
            while not condition(self):  # noqa: ASYNC110 - the condition is anything
                await asyncio.sleep(0.005)
