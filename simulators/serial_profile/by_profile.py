"""A twin made of a profile: it is asked what a test vector asks and says what that vector says.

Of several vectors of one group it begins with the first that is no refusal; what is set moves it
to the vector of a group that has the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field, field_validator

from simulators.faults import Liar, Refuse
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.options import SerialTwinOptions
from simulators.serial_profile.script import Line, Script, read_script
from simulators.truth import TruthJournal
from simulators.twin import Struck


class SerialProfileOptions(SerialTwinOptions):
    """Options of a device by profile in a scene."""

    kind: Literal["serial-profile"] = "serial-profile"
    profile: str = Field(description="one of Mayak's own, or the file of another")
    tells_every_s: float | None = Field(
        default=None, gt=0, description="when it tells by itself, seconds; left out: the profile's"
    )

    @field_validator("profile")
    @classmethod
    def _there(cls, profile: str) -> str:
        read_script(profile)
        return profile


class SerialProfileTwin(ByteTwin):
    """The device."""

    def __init__(
        self, options: SerialProfileOptions, truth: TruthJournal, vector: int | None = None
    ) -> None:
        """Take the scene's options.

        Args:
            options: of the scene.
            truth: where it would note what it served; it has no counter.
            vector: say this one (from 0) of its group, whatever comes first; None: the first.
        """
        super().__init__(options.id, truth, options.baud_rate)
        self.script: Final[Script] = read_script(options.profile)
        self._every_s: Final = options.tells_every_s or self.script.tells_every_s
        self._first: Final = vector
        self.now: dict[str, Line] = {}
        """What is said of each group."""
        self._told = 0
        self.power_on()

    def power_on(self) -> None:
        """Say what stands first."""
        self.now = {}
        for line in self.script.lines:
            if line.group and line.refused is None:
                self.now.setdefault(line.group, line)
        if self._first is not None and self.script.lines[self._first].group:
            chosen = self.script.lines[self._first]
            self.now[chosen.group] = chosen

    def about(self) -> dict[str, object]:
        """Return the profile."""
        return {"profile": self.script.name}

    def step(self, dt_s: float) -> None:
        """Stand still: what it says is written down."""

    def cut(self, heard: bytearray) -> bytes | None:
        """Find the first request that a vector asks."""
        found = [
            (at, line.asked)
            for line in self.script.lines
            if line.asked and (at := heard.find(line.asked)) >= 0
        ]
        if not found:
            return None
        at, asked = min(found, key=lambda each: (each[0], -len(each[1])))
        del heard[: at + len(asked)]
        return asked

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Say what the vector of this request says, and set what it sets."""
        lines = [line for line in self.script.lines if line.asked == request]
        if any(isinstance(fault, Refuse) for fault, _rng in struck):
            refusals = [line for line in self.script.lines if line.refused is not None]
            return [Said(refusals[0].said)] if refusals else []
        line = next((each for each in lines if self.now.get(each.group) is each), lines[0])
        if line.sets and line.refused is None:
            self._set(line)
        return [Said(_bent(line.said, struck))]

    def _set(self, order: Line) -> None:
        for line in self.script.lines:
            if line.group and line.values.get(order.sets) == order.value:
                self.now[line.group] = line

    @property
    def talks_every_s(self) -> float | None:
        """Return how often it tells by itself."""
        return self._every_s

    def talk(self, struck: Sequence[Struck]) -> bytes:
        """Say what it tells, one vector after the other."""
        told = [line for line in self.script.lines if not line.asked and line.said]
        if self._first is not None:
            told = [line for line in told if line is self.script.lines[self._first]]
        if not told:
            return b""
        self._told += 1
        return _bent(told[(self._told - 1) % len(told)].said, struck)


def _bent(said: bytes, struck: Sequence[Struck]) -> bytes:
    """Return what a liar makes of it: a byte too few or too many in the middle."""
    for fault, _rng in struck:
        if isinstance(fault, Liar) and fault.how == "count":
            said = said[: len(said) // 2] + said[len(said) // 2 + 1 :]
        if isinstance(fault, Liar) and fault.how == "length":
            said = said[: len(said) // 2] + b"0" + said[len(said) // 2 :]
    return said
