"""What can be measured, by the name that `--only` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simulators.bench.alarm import alarm
from simulators.bench.alone import acquisition, drain, store
from simulators.bench.ble import ble
from simulators.bench.figures import at_most
from simulators.bench.form import Measurement
from simulators.bench.line import busy
from simulators.bench.neighbour import neighbour
from simulators.bench.outages import outages
from simulators.bench.scan import scan
from simulators.bench.site_file import Load
from simulators.bench.whole import idle, start, whole, wire

_ALL: Final = (
    Measurement(
        "agent-20x50",
        "the whole agent, 20 devices of 50 registers at 1 s",
        "devices",
        whole("agent-20x50", Load(20, 50), at_most(0.7)),
    ),
    Measurement(
        "agent-40x100",
        "the whole agent, 40 devices of 100 registers at 1 s",
        "devices",
        whole("agent-40x100", Load(40, 100), at_most(0.30)),
        in_quick=False,
    ),
    Measurement(
        "agent-separate",
        "the whole agent, 20 devices of 50 registers, a port for each",
        "devices",
        whole("agent-separate", Load(20, 50, separate=True), None),
        runs=1,
        in_quick=False,
    ),
    Measurement("start", "from start to the first acknowledged reading", "devices", start, runs=5),
    Measurement("idle", "an idle agent", "devices", idle, runs=1, in_quick=False),
    Measurement("wire", "bytes on the wire", "devices", wire, runs=1),
    Measurement("alarm", "a fault from the wire to the broker", "registers", alarm, runs=1),
    Measurement("drain", "a backlog handed over", "backlog", drain),
    Measurement("store", "sealing and store alone", "devices", store),
    Measurement("acquisition", "acquisition alone", "devices", acquisition),
    Measurement("dead-device", "one dead device of ten", "registers", neighbour, runs=1),
    Measurement("line", "a slow line under full load", "registers", busy, runs=1),
    Measurement("ble", "Bluetooth advertisers around one adapter", "advertisers", ble, runs=1),
    Measurement("scan", "a line searched at four speeds", "addresses", scan, runs=1),
    Measurement("outages", "the link goes, the agent is killed", "seconds", outages, runs=1),
)
MEASUREMENTS: Final[Mapping[str, Measurement]] = {each.name: each for each in _ALL}
