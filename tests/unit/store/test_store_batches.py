"""Readings into a sealed batch, opened and read by the platform's own code."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import count
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.clock import Instant, Trust
from gateway.model.event import Event, Severity
from gateway.model.ids import (
    OPERATIONS,
    PERSONAL,
    Audience,
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
    Value,
    all_bad,
)
from gateway.model.stream import Stream
from gateway.store.batches import Body, GapRecord, cut, pack_events, pack_readings, references_of
from gateway.store.catalogue import INTEGER_KINDS, Catalogue, References
from gateway.store.sealing import Epoch, Identity, open_epoch
from simulators.platform.catalogue import Catalogue as PlatformCatalogue
from simulators.platform.catalogue import open_catalogue
from simulators.platform.columns import Contents, parse_contents
from simulators.platform.wire import open_batch, parse_batch

AT = Instant(5_000_000, 1_764_000_000_000, Trust.SYNCED)
GATEWAY = GatewayId("nvr-lenina-12")
KEY = bytes(range(32))
NOTHING: References = {}


class Signer:
    """A device key of its own."""

    certificate = b"none: nobody checks it here"

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, data: bytes) -> bytes:
        self.key.sign(data, ec.ECDSA(SHA256()))
        return bytes(64)


IDENTITY = Identity(GATEWAY, Incarnation(bytes(8)), BootId(bytes(16)), Signer())


def epoch_of(catalogue: Catalogue, references: References) -> Epoch:
    given_out = iter((KEY, b"epoch-01"))
    return open_epoch(IDENTITY, catalogue, [], AT, references, lambda _n: next(given_out))


def opened(
    body: Body,
    catalogue: Catalogue,
    stream: Stream = Stream.DATA,
    references: References = NOTHING,
) -> tuple[Contents, PlatformCatalogue]:
    """Seal, then open with what the platform has."""
    epoch = epoch_of(catalogue, references)
    sealed = parse_batch(epoch.seal(body, stream, 7))
    record = cbor2.loads(cbor2.loads(epoch.record).value[2])
    named: PlatformCatalogue = open_catalogue(record[9], record[3], KEY)
    return parse_contents(open_batch(sealed, KEY), named, sealed), named


def cells_of(
    contents: Contents, named: PlatformCatalogue
) -> dict[tuple[str, str, int], tuple[Any, Any]]:
    """Return (value, flag) by device, point and monotonic milliseconds after the first row."""
    found = {}
    for block in contents.blocks:
        for column in block.columns:
            point = named.shapes[block.shape][column.point]
            for row, value in zip(column.rows, column.values, strict=True):
                device, _ = named.sources[block.sources[row]]
                found[device, point.name, block.times[row]] = (value, column.flags.get(row))
    return found


def expected(readings: Sequence[Reading]) -> dict[tuple[str, str, int], tuple[Any, Any]]:
    first = min(r.at.mono_ms for r in readings)
    return {
        (r.device, point.name, r.at.mono_ms - first): (value, r.flags.get(place))
        for r in readings
        for place, (point, value) in enumerate(zip(r.table, r.cells, strict=True))
        if value is not None or place in r.flags
    }


def kinds(table: PointTable) -> list[Kind]:
    return [point.kind for point in table]


VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.NUMBER: st.integers(-(2**63), 2**63 - 1),
    Kind.COUNTER: st.integers(0, 2**64 - 1),
    Kind.FLOAT32: st.floats(width=32, allow_nan=False, allow_infinity=False),
    Kind.FLOAT64: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOL: st.booleans(),
    Kind.STATE: st.integers(0, 20),
    Kind.TEXT: st.text(max_size=8),
}
FLAGS = st.builds(Flag, st.just(Quality.UNCERTAIN), st.sampled_from(list(Cause)))
BAD = st.builds(Flag, st.just(Quality.BAD), st.sampled_from(list(Cause)))


@st.composite
def tables(draw: st.DrawFn, of: Collection[Kind]) -> PointTable:
    kinds = draw(st.lists(st.sampled_from(sorted(of)), min_size=1, max_size=6))
    return PointTable(*(Point(PointId(f"p{i}"), kind=kind) for i, kind in enumerate(kinds)))


@st.composite
def some_readings(
    draw: st.DrawFn, of: Collection[Kind] = frozenset(Kind), *, whole: bool = False
) -> list[Reading]:
    devices = draw(st.lists(tables(of), min_size=1, max_size=4))
    readings, clock = [], count(AT.mono_ms)
    for number in draw(st.lists(st.integers(0, len(devices) - 1), min_size=1, max_size=12)):
        table = devices[number]
        cells, flags = [], {}
        for place, point in enumerate(table):
            value = draw(VALUES[point.kind] if whole else st.none() | VALUES[point.kind])
            if value is None and draw(st.booleans()):
                flags[place] = draw(BAD)
            elif value is not None and draw(st.integers(0, 4)) == 0:
                flags[place] = draw(FLAGS)
            cells.append(value)
        at = AT._replace(mono_ms=next(clock) + draw(st.integers(0, 3)) * 250)
        readings.append(Reading(DeviceId(f"d{number}"), table, at, tuple(cells), flags))
    unique = {(r.device, r.at.mono_ms): r for r in readings}
    return list(unique.values())


@given(some_readings(), some_readings())
def test_what_is_sealed_is_what_the_platform_reads(
    readings: list[Reading], earlier: list[Reading]
) -> None:
    is_read_as_it_was(readings, earlier)


@given(some_readings(INTEGER_KINDS, whole=True), some_readings(INTEGER_KINDS))
def test_whole_rows_of_integers_are_read_as_they_were(
    readings: list[Reading], earlier: list[Reading]
) -> None:
    is_read_as_it_was(readings, earlier)


def is_read_as_it_was(readings: list[Reading], earlier: list[Reading]) -> None:
    """Pack with references to what was before, and read it back."""
    catalogue = Catalogue(OPERATIONS)
    references: dict[int, list[int]] = {}
    for reading in readings:
        placed = catalogue.place(reading.device, reading.table)
        for before in earlier:
            if placed is not None and kinds(before.table) == kinds(reading.table):
                references[placed.number] = references_of(placed.shape, before.cells)
    body = pack_readings(readings, catalogue, references)
    assert body is not None

    contents, named = opened(body, catalogue, references=references)

    assert cells_of(contents, named) == expected(readings)
    assert body.count == sum(reading.count for reading in readings)


@pytest.mark.parametrize("value", [230.4, 0.0, -12.7, 6553.5])
def test_a_scaled_value_comes_back_as_the_same_float(value: float) -> None:
    table = PointTable(Point(PointId("voltage"), unit="V", kind=Kind.NUMBER, scale=0.1))
    catalogue = Catalogue(OPERATIONS)
    raw = round(value / 0.1) * 0.1
    body = pack_readings([Reading(DeviceId("m"), table, AT, (raw,))], catalogue, {})
    assert body is not None

    contents, named = opened(body, catalogue)

    assert cells_of(contents, named) == {("m", "voltage", 0): (raw, None)}


BROKEN: dict[str, tuple[Kind, Value]] = {
    "not a number": (Kind.NUMBER, math.nan),
    "infinite": (Kind.NUMBER, math.inf),
    "beyond 64 bits": (Kind.NUMBER, 2**63),
    "a negative counter": (Kind.COUNTER, -1),
    "infinite, as binary64": (Kind.FLOAT64, -math.inf),
    "not a number, as binary32": (Kind.FLOAT32, math.nan),
    "too large for binary32": (Kind.FLOAT32, 1e300),
    "a text where a number belongs": (Kind.NUMBER, "on"),
    "a number where a text belongs": (Kind.TEXT, 1),
}


@pytest.mark.parametrize(("kind", "value"), BROKEN.values(), ids=BROKEN.keys())
def test_a_value_no_batch_can_carry_is_told_as_bad_and_costs_no_other(
    kind: Kind, value: Value
) -> None:
    table = PointTable(Point(PointId("odd"), kind=kind), Point(PointId("even"), kind=Kind.BOOL))
    catalogue = Catalogue(OPERATIONS)
    body = pack_readings([Reading(DeviceId("m"), table, AT, (value, True))], catalogue, {})
    assert body is not None

    contents, named = opened(body, catalogue)

    assert cells_of(contents, named) == {
        ("m", "odd", 0): (None, (Quality.BAD, Cause.OUT_OF_RANGE)),
        ("m", "even", 0): (1, None),
    }


def test_a_device_that_is_lost_is_told_with_one_flag_for_the_row() -> None:
    table = PointTable(*(Point(PointId(f"p{i}"), kind=Kind.NUMBER) for i in range(50)))
    catalogue = Catalogue(OPERATIONS)
    sample = all_bad(table, Cause.NO_RESPONSE)
    body = pack_readings(
        [Reading(DeviceId("m"), table, AT, sample.cells, sample.flags)], catalogue, {}
    )
    assert body is not None

    contents, named = opened(body, catalogue)

    assert set(cells_of(contents, named).values()) == {(None, (Quality.BAD, Cause.NO_RESPONSE))}
    assert body.count == len(table)


def test_differences_to_the_last_values_make_a_second_small() -> None:
    table = PointTable(*(Point(PointId(f"p{i}"), kind=Kind.NUMBER) for i in range(100)))
    catalogue = Catalogue(OPERATIONS)
    placed = catalogue.place(DeviceId("m"), table)
    assert placed is not None
    then, now = tuple(range(10**6, 10**6 + 100)), tuple(range(10**6 + 2, 10**6 + 102))
    reading = Reading(DeviceId("m"), table, AT, now)

    from_nothing = pack_readings([reading], catalogue, {})
    from_then = pack_readings([reading], catalogue, {0: references_of(placed.shape, then)})

    assert from_nothing is not None
    assert from_then is not None
    assert len(from_then.packed) < len(from_nothing.packed) / 2


def test_points_go_to_their_own_audience_only() -> None:
    table = PointTable(
        Point(PointId("power"), kind=Kind.NUMBER),
        Point(PointId("badge"), kind=Kind.TEXT, audience=PERSONAL),
    )
    reading = Reading(DeviceId("gate"), table, AT, (5, "0011223344"))
    seen = {}
    for audience in (OPERATIONS, PERSONAL):
        catalogue = Catalogue(audience)
        body = pack_readings([reading], catalogue, {})
        assert body is not None
        contents, named = opened(body, catalogue)
        seen[audience] = set(cells_of(contents, named))

    assert seen == {OPERATIONS: {("gate", "power", 0)}, PERSONAL: {("gate", "badge", 0)}}


def test_nothing_of_an_audience_makes_no_batch() -> None:
    table = PointTable(Point(PointId("power"), kind=Kind.NUMBER))
    catalogue = Catalogue(Audience("emergency"))

    assert pack_readings([Reading(DeviceId("m"), table, AT, (5,))], catalogue, {}) is None


def test_events_and_gaps_come_as_they_were() -> None:
    event = Event("device-lost", AT, Severity.WARNING, DeviceId("m"), {"cause": "no_response"})
    gap = GapRecord(3, OPERATIONS, 1, 9, 1_000, 2_000, 450, GapRecord.ROOM)
    catalogue = Catalogue(OPERATIONS)

    contents, _ = opened(pack_events([event], [gap], AT), catalogue, Stream.EVENT)

    (read,), (told,) = contents.events, contents.gaps
    assert (read.key, read.severity, read.device) == ("device-lost", 1, "m")
    assert dict(read.args) == {"cause": "no_response"}
    assert (told.stream, told.first, told.last, told.count, told.reason) == (3, 1, 9, 450, 1)


def test_a_run_ends_where_the_clock_was_set() -> None:
    steady = [AT, AT._replace(mono_ms=AT.mono_ms + 900, wall_ms=AT.wall_ms + 905)]
    jumped = [AT._replace(mono_ms=AT.mono_ms + 950, wall_ms=AT.wall_ms + 86_400_000)]
    unsure = [jumped[0]._replace(trust=Trust.HOLDOVER)]

    assert cut(steady + jumped + unsure) == [2, 1, 1]
