"""What tests of the store need: keys that cost nothing to make, bodies, an epoch."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.keys.device import FileKeyStore
from gateway.model.clock import Instant, Trust
from gateway.model.ids import (
    OPERATIONS,
    Audience,
    BootId,
    DeviceId,
    GatewayId,
    Incarnation,
    PointId,
)
from gateway.model.reading import Kind, Point, PointTable, Reading
from gateway.store.batches import Body, pack_readings
from gateway.store.catalogue import Catalogue
from gateway.store.sealing import Epoch, Identity, open_epoch

AT = Instant(5_000_000, 1_764_000_000_000, Trust.SYNCED)
GATEWAY = GatewayId("nvr-lenina-12")
TABLE = PointTable(*(Point(PointId(f"p{i}"), kind=Kind.NUMBER) for i in range(10)))
METER = DeviceId("meter-1")


def identity() -> Identity:
    """Return a gateway with a fresh device key; the certificate is nobody's."""
    key = FileKeyStore(ec.generate_private_key(ec.SECP256R1()), b"certificate")
    return Identity(GATEWAY, Incarnation(bytes(8)), BootId(bytes(16)), key)


def reading(after_ms: int = 0, value: int = 230) -> Reading:
    """Return ten values of one device, so long after AT."""
    at = AT._replace(mono_ms=AT.mono_ms + after_ms, wall_ms=AT.wall_ms + after_ms)
    return Reading(METER, TABLE, at, (value,) * len(TABLE))


def catalogue(audience: Audience = OPERATIONS) -> Catalogue:
    """Return a catalogue that knows the one device."""
    made = Catalogue(audience)
    made.place(METER, TABLE)
    return made


def epoch(audience: Audience = OPERATIONS) -> Epoch:
    """Return an epoch that nobody can open."""
    return open_epoch(identity(), catalogue(audience), [], AT)


def body(after_ms: int = 0) -> Body:
    """Return the body of a batch with ten values."""
    packed = pack_readings([reading(after_ms)], catalogue(), {})
    if packed is None:
        msg = "the reading is of no audience"
        raise ValueError(msg)
    return packed
