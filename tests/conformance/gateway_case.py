"""One epoch and one batch as the gateway seals them, from fixed inputs: what the vector holds."""

from __future__ import annotations

from collections.abc import Callable

from gateway.keys.device import KeyStore
from gateway.keys.platform import Recipient
from gateway.model.clock import Instant, Trust
from gateway.model.ids import (
    OPERATIONS,
    BootId,
    DeviceId,
    GatewayId,
    Incarnation,
    PointId,
)
from gateway.model.reading import (
    Cause,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Reading,
    all_bad,
)
from gateway.model.stream import Stream
from gateway.store.batches import pack_readings, references_of
from gateway.store.catalogue import Catalogue
from gateway.store.sealing import Epoch, Identity, open_epoch

AT = Instant(93_211, 1_764_000_000_000, Trust.HOLDOVER)
KEY = bytes(range(32))
EPOCH = b"epoch-01"
SEQUENCE = 258
GATEWAY = GatewayId("nvr-lenina-12")

METER = PointTable(
    Point(PointId("voltage"), "V", Kind.NUMBER, 0.1),
    Point(PointId("energy"), "W.h", Kind.COUNTER),
    Point(PointId("temperature"), "Cel", Kind.FLOAT32),
    Point(PointId("power"), "W", Kind.FLOAT64),
    Point(PointId("door"), kind=Kind.BOOL),
    Point(PointId("mode"), kind=Kind.STATE, states={0: "off", 7: "auto"}),
    Point(PointId("label"), kind=Kind.TEXT),
)
LIGHT = PointTable(Point(PointId("illuminance"), "lx", Kind.NUMBER))


def _after(ms: int) -> Instant:
    return Instant(AT.mono_ms + ms, AT.wall_ms + ms, AT.trust)


SILENT = all_bad(LIGHT, Cause.NO_RESPONSE)
READINGS = [
    Reading(DeviceId("meter-1"), METER, AT, (230 * 0.1, 2**63 + 5, 21.5, 0.1, True, 7, "щит")),
    Reading(DeviceId("light-1"), LIGHT, _after(20), (417,)),
    Reading(
        DeviceId("meter-1"),
        METER,
        _after(250),
        (231 * 0.1, 2**63 + 6, None, None, False, 3, None),
        {
            2: Flag(Quality.BAD, Cause.NO_VALUE),
            5: Flag(Quality.UNCERTAIN, Cause.UNKNOWN_STATE),
        },
    ),
    Reading(DeviceId("light-1"), LIGHT, _after(900), SILENT.cells, SILENT.flags),
]
BEFORE = (228 * 0.1, 2**63, 20.0, 0.0, True, 7, "")
"""The last values of the meter when the epoch began."""


def told() -> dict[tuple[str, str, int], tuple[object, int, int]]:
    """Return every cell of READINGS: (device, point, mono) to (value, quality, cause)."""
    cells: dict[tuple[str, str, int], tuple[object, int, int]] = {}
    for reading in READINGS:
        for place, (point, value) in enumerate(zip(reading.table, reading.cells, strict=True)):
            quality, cause = reading.flags.get(place, (Quality.GOOD, Cause.NONE))
            if value is not None or place in reading.flags:
                key = str(reading.device), str(point.name), reading.at.mono_ms
                cells[key] = value, int(quality), int(cause)
    return cells


def seal(
    device_key: KeyStore, recipients: list[Recipient], random: Callable[[int], bytes]
) -> tuple[Epoch, bytes]:
    """Return the epoch and the sealed batch."""
    identity = Identity(GATEWAY, Incarnation(b"life-001"), BootId(bytes(range(16))), device_key)
    catalogue = Catalogue(OPERATIONS)
    placed = catalogue.place(DeviceId("meter-1"), METER)
    catalogue.place(DeviceId("light-1"), LIGHT)
    if placed is None:
        msg = "the meter has no point of the audience"
        raise ValueError(msg)
    references = {placed.number: references_of(placed.shape, BEFORE)}
    epoch = open_epoch(identity, catalogue, recipients, AT, references, random)
    body = pack_readings(READINGS, catalogue, references)
    if body is None:
        msg = "no reading is of the audience"
        raise ValueError(msg)
    return epoch, epoch.seal(body, Stream.DATA, SEQUENCE)
