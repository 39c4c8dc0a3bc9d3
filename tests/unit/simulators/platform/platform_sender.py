"""A small gateway, written from the wire reference alone, to feed the receiver in tests.

It shares no code with the gateway nor with the receiver: lists, cbor2, zstandard, cryptography.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.model.clock import SystemClock
from provisioning.authority import Authority

STREAMS = ("alarm", "event", "state", "data", "rollup", "log", "media")
NUMBER, COUNTER, FLOAT32, FLOAT64, BOOL, STATE, TEXT = range(7)
SUITES = {0x0020: hpke.KEM.X25519, 0x647A: hpke.KEM.MLKEM768_X25519}
WALL = SystemClock().now().wall_ms
"""Certificates are of today, so are the readings."""

Cell = int | float | str | None
Row = tuple[int, int, Sequence[Cell], Mapping[int | None, tuple[int, int]]]
"""Source, time, cells (integers raw), flags by column; None flags the whole row."""


def pack(numbers: Sequence[int]) -> bytes:
    """Pack signed numbers: zigzag, then planes of bytes."""
    zigzag = [2 * n if n >= 0 else -2 * n - 1 for n in numbers]
    width = max((z.bit_length() + 7) // 8 for z in (0, *zigzag))
    planes = (bytes(z >> 8 * plane & 0xFF for z in zigzag) for plane in range(width))
    return bytes([width]) + b"".join(planes)


def differences(numbers: Sequence[int]) -> list[int]:
    """Return differences modulo 2^64, read as signed; the first is the one to 0."""
    steps = (after - before for before, after in zip((0, *numbers), numbers, strict=False))
    return [(step + (1 << 63)) % (1 << 64) - (1 << 63) for step in steps]


def planes(values: Sequence[float], code: str) -> bytes:
    """Return floats in planes of bytes, little-endian."""
    packed = [struct.pack(f"<{code}", value) for value in values]
    return b"".join(bytes(p[i] for p in packed) for i in range(struct.calcsize(code)))


def steps(column: Sequence[tuple[int, int]], references: Mapping[int, int]) -> list[int]:
    """Return the differences of the integer cells of one column, given as (source, number)."""
    found, before = [], None
    for source, number in column:
        start = before[1] if before is not None and before[0] == source else references[source]
        found.append((number - start + (1 << 63)) % (1 << 64) - (1 << 63))
        before = source, number
    return found


def block(
    shape: int,
    kinds: Sequence[int],
    rows: Sequence[Row],
    references: Sequence[Sequence[int]] | None = None,
) -> list[Any]:
    """Return one block; `references` of each source for each point, or all 0."""
    cells = [[row[2][column] for row in rows] for column in range(len(kinds))]
    flat = [cell is None for column in cells for cell in column]
    bits = sum(1 << place for place, absent in enumerate(flat) if absent)
    present = [[cell for cell in column if cell is not None] for column in cells]

    def of(*which: int) -> list[list[Any]]:
        return [column for kind, column in zip(kinds, present, strict=True) if kind in which]

    ints: list[int] = []
    for place, kind in enumerate(kinds):
        if kind in {NUMBER, COUNTER, BOOL, STATE}:
            column = [(row[0], row[2][place]) for row in rows if row[2][place] is not None]
            ints += steps(column, {s: references[s][place] if references else 0 for s, _ in column})  # type: ignore[arg-type]  # integers stand there
    return [
        shape,
        len(rows),
        pack(differences([row[0] for row in rows])),
        pack(differences([row[1] for row in rows])),
        bits.to_bytes((len(flat) + 7) // 8, "little") if bits else None,
        [[n, c, q, why] for n, row in enumerate(rows) for c, (q, why) in row[3].items()],
        pack(ints),
        planes([v for column in of(FLOAT32) for v in column], "f"),
        planes([v for column in of(FLOAT64) for v in column], "d"),
        [v for column in of(TEXT) for v in column],
    ]


def told(rows: Sequence[Row]) -> int:
    """Return how many cells rows tell: with a value or with a flag."""
    return sum(
        1
        for row in rows
        for column, cell in enumerate(row[2])
        if cell is not None or column in row[3] or None in row[3]
    )


def sign1(key: ec.EllipticCurvePrivateKey, header: dict[int, Any], aad: bytes, body: Any) -> bytes:
    """Return a COSE_Sign1 with ES256 over a CBOR item."""
    protected, payload = cbor2.dumps(header), cbor2.dumps(body)
    signed = cbor2.dumps(["Signature1", protected, aad, payload])
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


@dataclass
class Epoch:
    """One epoch key of one audience."""

    id: bytes
    audience: str
    key: bytes
    points: Sequence[Sequence[Any]]
    """Points of shape 0, as the catalogue has them."""
    references: Sequence[Sequence[int]] | None = None
    """Of each source."""

    @property
    def kinds(self) -> list[int]:
        """Return the kind of each point."""
        return [int(point[2]) for point in self.points]


@dataclass
class Sender:
    """One gateway."""

    gateway: str
    key: ec.EllipticCurvePrivateKey
    certificate: bytes
    wraps: Sequence[tuple[str, int, Any, bytes]]
    """Consumer, kem, public key and its kid."""
    incarnation: bytes = b"incarn-1"
    boot: bytes = b"boot-id-16-bytes"
    sequences: dict[tuple[int, str], int] = field(default_factory=dict)
    produced: dict[tuple[int, str], int] = field(default_factory=dict)
    made: int = 0

    @classmethod
    def of(cls, authority: Authority, gateway: str, *, consumer: str = "city") -> Sender:
        """Return the gateway whose files stand in the folder of the authority."""
        folder = authority.folder / "gateways" / gateway
        key = load_pem_private_key((folder / "device.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        certificate = x509.load_pem_x509_certificate((folder / "device.pem").read_bytes())
        wrap = public(authority.folder / f"{consumer}-hpke.pub")
        return cls(gateway, key, certificate.public_bytes(Encoding.DER), [(consumer, *wrap)])

    def topic(self, what: str) -> str:
        """Return a topic of this gateway."""
        return f"mayak/1/{self.gateway}/up/{what}"

    def epoch(
        self,
        points: Sequence[Sequence[Any]],
        *,
        devices: Sequence[str] = ("meter-1",),
        audience: str = "operations",
        trust: int = 2,
        wall: int = WALL,
        references: Sequence[Sequence[int]] | None = None,
    ) -> tuple[Epoch, bytes]:
        """Return a new epoch with one shape and its record."""
        self.made += 1
        made = Epoch(
            sha256(self.incarnation + bytes([self.made])).digest()[:8],
            audience,
            sha256(b"key" + self.incarnation + bytes([self.made])).digest(),
            points,
            references,
        )
        catalogue = {
            1: [list(points)],
            2: [[device, 0] for device in devices],
            3: [None] * len(devices) if references is None else list(references),
        }
        frame = zstandard.compress(cbor2.dumps(catalogue))
        sealed = ChaCha20Poly1305(made.key).encrypt(b"\xff" * 12, frame, made.id)
        wraps = []
        for consumer, kem, key, kid in self.wraps:
            info = b"mayak/1/epoch" + cbor2.dumps([self.gateway, made.id, audience, consumer])
            suite = hpke.Suite(SUITES[kem], hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
            wraps.append([consumer, kid, [kem, 1, 3], suite.encrypt(made.key, key, info=info)])
        return made, self.signed(
            b"mayak/1/epoch",
            {
                1: 1,
                2: self.gateway,
                3: made.id,
                4: self.incarnation,
                5: self.boot,
                6: [1000, wall, trust],
                7: audience,
                8: wraps,
                9: sealed,
            },
        )

    def signed(self, aad: bytes, body: Any) -> bytes:
        """Return a COSE_Sign1 of this gateway's device."""
        return sign1(self.key, {1: -7, 33: self.certificate}, aad, body)

    def contents(self, epoch: Epoch, contents: Any, count: int, **more: Any) -> bytes:
        """Return a batch with anything inside; `more` replaces fields of the head."""
        stream = STREAMS.index(more.get("stream", "data"))
        channel = (stream, epoch.audience)
        span = int(more.get("span", 1))
        sequence = int(more.get("sequence", self.sequences.get(channel, 0) + span))
        if "sequence" not in more:
            self.sequences[channel] = sequence
            self.produced[channel] = self.produced.get(channel, 0) + count
        head = [
            more.get("version", 1),
            more.get("gateway", self.gateway),
            more.get("audience", epoch.audience),
            stream,
            epoch.id,
            more.get("head_count", count),
            span,
            more.get("wall", WALL + 1000 * sequence),
            more.get("length", 900),
            more.get("mono", 5000 + 1000 * sequence),
            more.get("trust", 2),
        ]
        partial = sequence.to_bytes((sequence.bit_length() + 7) // 8, "big")
        protected = cbor2.dumps({1: 24, 6: partial, -65537: head})
        aad = cbor2.dumps(["Encrypt0", protected, b"mayak/1/batch"])
        nonce = bytes([stream]) + (span - 1).to_bytes(3, "big") + sequence.to_bytes(8, "big")
        plain = zstandard.compress(
            contents if isinstance(contents, bytes) else cbor2.dumps(contents)
        )
        sealed = ChaCha20Poly1305(epoch.key).encrypt(nonce, plain, aad)
        return cbor2.dumps(cbor2.CBORTag(16, [protected, {}, sealed]))

    def batch(self, epoch: Epoch, rows: Sequence[Row], **more: Any) -> bytes:
        """Return the next batch of readings of shape 0."""
        inside = {1: [block(0, epoch.kinds, rows, epoch.references)]} if rows else {}
        return self.contents(epoch, {**inside, **more.pop("extra", {})}, told(rows), **more)

    def hello(
        self,
        *,
        oldest: int = 1,
        kept: int = 0,
        why: int = 1,
        mono: int = 9000,
        wall: int | None = None,
        trust: int = 2,
    ) -> bytes:
        """Return a hello that names all channels; each keeps from `oldest` on."""
        channels = [
            [
                stream,
                audience,
                min(oldest, newest + 1),
                newest,
                self.produced[stream, audience],
                min(kept, self.produced[stream, audience]),
            ]
            for (stream, audience), newest in sorted(self.sequences.items())
        ]
        return self.signed(
            b"mayak/1/hello",
            {
                1: 1,
                2: self.gateway,
                3: self.incarnation,
                4: self.boot,
                5: [mono, WALL + mono if wall is None else wall, trust],
                6: channels,
                7: "test 1",
                8: why,
            },
        )


def public(file: Path) -> tuple[int, Any, bytes]:
    """Read a public HPKE key file: kem, key, kid."""
    fields = json.loads(file.read_text())
    raw = base64.b64decode(fields["public"])
    kid = sha256(raw).digest()[:8]
    if fields["kem"] == "x25519":
        return 0x0020, x25519.X25519PublicKey.from_public_bytes(raw), kid
    lattice = mlkem.MLKEM768PublicKey.from_public_bytes(raw[:1184])
    curve = x25519.X25519PublicKey.from_public_bytes(raw[1184:])
    return 0x647A, hpke.MLKEM768X25519PublicKey(lattice, curve), kid


def open_ack(
    payload: bytes, key: ec.EllipticCurvePublicKey, context: bytes = b"mayak/1/ack"
) -> dict[int, Any]:
    """Check the signature of what the platform said and return it; `context`: as what."""
    protected, _, body, signature = cbor2.loads(payload).value
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    signed = cbor2.dumps(["Signature1", protected, context, body])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    fields: dict[int, Any] = cbor2.loads(body)
    return fields
