"""Access readers as a scene knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.access.osdp.twin import OsdpOptions, OsdpTwin
from simulators.access.rdm6300 import Rdm6300Options, Rdm6300Twin
from simulators.access.wiegand import WiegandOptions, WiegandTwin
from simulators.gpio.kinds import ON_A_PIN, on_a_pin
from simulators.grounds import Grounds, Kind
from simulators.lines.byte_slave import ByteSlave, ByteTwin
from simulators.lines.kinds import serial
from simulators.truth import TruthJournal
from simulators.twin import Twin

SERIAL: Final = frozenset({"serial"})
NEVER_ASKED: Final = frozenset({"exception", "wrong_unit", "echo"})


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
    Kind(OsdpOptions, SERIAL, hanging(OsdpTwin)),
    Kind(Rdm6300Options, SERIAL, hanging(Rdm6300Twin), NEVER_ASKED),
    Kind(WiegandOptions, frozenset({"gpio"}), on_a_pin(WiegandTwin), ON_A_PIN),
)
