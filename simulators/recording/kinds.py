"""A recorded line as a scene knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from simulators.grounds import Grounds, Kind
from simulators.lines.kinds import RunningSerial
from simulators.lines.stream import stream
from simulators.options import TwinOptions
from simulators.recording.replay import ReplaySlave, ReplayTwin, Speech
from simulators.recording.tape import read_tape
from simulators.twin import Twin

SAYS_NOTHING_OF_IT: Final = frozenset(
    {"noise", "crc", "wrong_unit", "exception", "liar", "echo", "short"}
)
"""Faults that want to know what the bytes mean."""


class ReplayOptions(TwinOptions):
    """All devices of one recorded line."""

    kind: Literal["replay"] = "replay"
    tape: Path = Field(description="the recording")
    of: str = Field(description="id of the line in the recording")
    speech: Speech = Field(default=Speech.BYTES, description="what is known of its frames")


def _hang(spec: ReplayOptions, grounds: Grounds) -> Twin:
    with spec.tape.open(encoding="utf-8") as text:
        pieces = read_tape(text, str(spec.tape)).of(spec.of)
    line = grounds.line(spec.line)
    if isinstance(line, RunningSerial):
        hub = line.hub
        char_s = hub.byte_s(hub.baud_rate)
        twin = ReplayTwin(spec.id, pieces, grounds.truth, speech=spec.speech, char_s=char_s)
        slave = ReplaySlave(hub, twin)
        line.server.join(twin, slave)
    else:
        there = stream(line)
        twin = ReplayTwin(spec.id, pieces, grounds.truth, speech=spec.speech)
        there.join(twin, twin.hear)
        twin.talk(there.say)
    grounds.stack.callback(twin.fall_silent)
    return twin


KINDS: Final = (
    Kind(ReplayOptions, frozenset({"serial", "stream"}), _hang, without=SAYS_NOTHING_OF_IT),
)
