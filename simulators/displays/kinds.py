"""Boards of light as a scene knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.displays.boards import (
    AlphaSignOptions,
    AlphaSignTwin,
    Am03127Options,
    Am03127Twin,
    BoardTwin,
    DemoBoardOptions,
    DemoBoardTwin,
)
from simulators.grounds import Grounds, Kind
from simulators.lines.byte_slave import ByteSlave
from simulators.lines.kinds import serial
from simulators.truth import TruthJournal
from simulators.twin import Twin

MEDIA: Final = frozenset({"serial"})
NO_ADDRESS: Final = frozenset({"wrong_unit"})
REFUSES_NOTHING: Final = frozenset({"wrong_unit", "exception"})


def _hanging(
    build: Callable[[Any, TruthJournal], BoardTwin],  # Any: options of the kind
) -> Callable[[Any, Grounds], Twin]:
    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: likewise
        twin = build(spec, grounds.truth)
        ByteSlave(serial(grounds.line(spec.line)).server, twin)
        return twin

    return hang


KINDS: Final = (
    Kind(Am03127Options, MEDIA, _hanging(Am03127Twin), NO_ADDRESS),
    Kind(AlphaSignOptions, MEDIA, _hanging(AlphaSignTwin), REFUSES_NOTHING),
    Kind(DemoBoardOptions, MEDIA, _hanging(DemoBoardTwin)),
)
