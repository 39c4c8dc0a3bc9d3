"""The outputs and inputs over which a barrier stands, whatever they are."""

from __future__ import annotations

from typing import Protocol

from drivers.barriers.config import BarrierConfig
from drivers.barriers.machine import Inputs
from gateway.model.driver import Priority


class Contacts(Protocol):
    """Outputs and inputs of some other device."""

    async def look(self, priority: Priority) -> Inputs:
        """Return what the inputs say now.

        Raises:
            DeviceError: as the tree in `gateway.model.errors` says.
        """
        ...

    async def put(self, output: int, *, on: bool) -> None:
        """Switch an output, ahead of all polls.

        Raises:
            DeviceError: likewise; after a NoResponseError nobody knows whether it was done.
        """
        ...


def inputs_of(config: BarrierConfig, level: dict[int, bool]) -> Inputs:
    """Return the inputs by name, given which of their places are on."""

    def says(name: str, place: int | None) -> bool:
        return place is not None and level[place] != (name in config.inverted)

    return Inputs(
        says("opened", config.opened_input),
        says("closed", config.closed_input),
        says("loop", config.loop_input),
        says("photo", config.photo_input),
    )


def input_places(config: BarrierConfig) -> tuple[int, ...]:
    """Return the places of the inputs that there are, in rising order."""
    places = (config.opened_input, config.closed_input, config.loop_input, config.photo_input)
    return tuple(sorted(place for place in places if place is not None))
