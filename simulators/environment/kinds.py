"""Sensors of air and weather as a scene knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.environment.mh_z19 import MhZ19Options, MhZ19Twin
from simulators.environment.pms5003 import Pms5003Options, Pms5003Twin
from simulators.environment.sdi12 import Sdi12Options, Sdi12Twin
from simulators.environment.sds011 import Sds011Options, Sds011Twin
from simulators.grounds import Grounds, Kind
from simulators.lines.byte_slave import ByteSlave, ByteTwin
from simulators.lines.kinds import serial
from simulators.truth import TruthJournal
from simulators.twin import Twin

MEDIA: Final = frozenset({"serial"})
REFUSES_NOTHING: Final = frozenset({"exception"})
HAS_NO_ADDRESS: Final = frozenset({"exception", "wrong_unit"})


def hanging(
    build: Callable[[Any, TruthJournal], ByteTwin],  # Any: options of the kind
) -> Callable[[Any, Grounds], Twin]:
    """Return what hangs such a twin on its line, given what builds it."""

    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: likewise
        twin = build(spec, grounds.truth)
        ByteSlave(serial(grounds.line(spec.line)).server, twin)
        return twin

    return hang


KINDS: Final = (
    Kind(Sds011Options, MEDIA, hanging(Sds011Twin), REFUSES_NOTHING),
    Kind(Pms5003Options, MEDIA, hanging(Pms5003Twin), HAS_NO_ADDRESS),
    Kind(MhZ19Options, MEDIA, hanging(MhZ19Twin), HAS_NO_ADDRESS),
    Kind(Sdi12Options, MEDIA, hanging(Sdi12Twin), REFUSES_NOTHING),
)
