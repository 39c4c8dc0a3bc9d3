"""A few independent lines that open what stands on the wire. They import nothing of ours.

HPKE for X25519 by hand, the hybrid by cryptography; CBOR by cbor2, compression by zstandard; the
rest is written from the RFCs and from `gateway/sync/README.md`. Slow and plain on purpose: a reader
can hold it against the page.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterator
from hashlib import sha256
from itertools import accumulate
from typing import Any

import cbor2
import zstandard
from cryptography import x509
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256

ES256 = -7
NUMBER, COUNTER, FLOAT32, FLOAT64, BOOL, STATE, TEXT = range(7)
INTEGERS = {NUMBER, COUNTER, BOOL, STATE}


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, info + b"\x01", "sha256")[:length]  # at most 32 bytes are asked for


def open_x25519(aead: int, private: bytes, sealed: bytes, info: bytes, aad: bytes = b"") -> bytes:
    """Open HPKE base mode for DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256. RFC 9180 §4.1, §5.1."""
    key = x25519.X25519PrivateKey.from_private_bytes(private)
    enc, ciphertext = sealed[:32], sealed[32:]
    suite = b"KEM" + (0x0020).to_bytes(2, "big")
    dh = key.exchange(x25519.X25519PublicKey.from_public_bytes(enc))
    context = enc + key.public_key().public_bytes_raw()
    shared = _expand(suite, _extract(suite, b"", b"eae_prk", dh), b"shared_secret", context, 32)
    suite = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (0x0020, 1, aead))
    hashes = _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, shared, b"secret", b"")
    nonce = _expand(suite, secret, b"base_nonce", b"\x00" + hashes, 12)
    length = {1: 16, 3: 32}[aead]
    opening = _expand(suite, secret, b"key", b"\x00" + hashes, length)
    cipher = AESGCM(opening) if aead == 1 else ChaCha20Poly1305(opening)
    return cipher.decrypt(nonce, ciphertext, aad)


def open_hybrid(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open HPKE for MLKEM768-X25519 and ChaCha20Poly1305; the key is a seed, then X25519."""
    key = hpke.MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(private[:64]),
        x25519.X25519PrivateKey.from_private_bytes(private[64:]),
    )
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    return suite.decrypt(sealed, key, info=info)


def open_sign1(message: bytes, key: ec.EllipticCurvePublicKey, external: bytes) -> bytes:
    """Verify a COSE_Sign1 with ES256 and return its payload. RFC 9052 §4.4."""
    tagged = cbor2.loads(message)
    protected, _, payload, signature = tagged.value
    assert (tagged.tag, cbor2.loads(protected)[1]) == (18, ES256)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    signed = cbor2.dumps(["Signature1", protected, external, payload])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    return bytes(payload)


def open_encrypt0(message: bytes, key: bytes, external: bytes, context_iv: bytes = b"") -> bytes:
    """Open a COSE_Encrypt0. RFC 9052 §5.3, §3.1 (Partial IV)."""
    tagged = cbor2.loads(message)
    protected, unprotected, ciphertext = tagged.value
    header = {**unprotected, **cbor2.loads(protected)}
    assert tagged.tag == 16
    nonce = header.get(5)
    if nonce is None:
        mixed = int.from_bytes(context_iv, "big") ^ int.from_bytes(header[6], "big")
        nonce = mixed.to_bytes(len(context_iv), "big")
    aad = cbor2.dumps(["Encrypt0", protected, external])
    if header[1] == 10:
        return AESCCM(key, tag_length=8).decrypt(nonce, ciphertext, aad)
    assert header[1] == 24
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)


def open_epoch(
    message: bytes, authority: x509.Certificate, consumer: str, private: bytes, public: bytes
) -> tuple[dict[int, Any], bytes, dict[int, Any]]:
    """Check and open an epoch record; return what it says, the epoch key and the catalogue. §2."""
    protected = cbor2.loads(cbor2.loads(message).value[0])
    certificate = x509.load_der_x509_certificate(protected[33])
    certificate.verify_directly_issued_by(authority)
    device = certificate.public_key()
    assert isinstance(device, ec.EllipticCurvePublicKey)
    record = cbor2.loads(open_sign1(message, device, b"mayak/1/epoch"))
    [name] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert (record[1], record[2]) == (1, name.value)
    [[_, _, suite, sealed]] = [
        wrap for wrap in record[8] if wrap[:2] == [consumer, sha256(public).digest()[:8]]
    ]
    info = b"mayak/1/epoch" + cbor2.dumps([record[2], record[3], record[7], consumer])
    if suite == [0x647A, 1, 3]:
        key = open_hybrid(private, sealed, info)
    else:
        assert suite == [0x0020, 1, 3]
        key = open_x25519(3, private, sealed, info)
    frame = ChaCha20Poly1305(key).decrypt(b"\xff" * 12, record[9], record[3])
    return record, key, cbor2.loads(zstandard.decompress(frame))


def open_batch(message: bytes, key: bytes) -> tuple[list[Any], int, dict[int, Any]]:
    """Open a batch; return its head, its sequence and what is inside. §3."""
    protected = cbor2.loads(cbor2.loads(message).value[0])
    head, sequence = protected[-65537], int.from_bytes(protected[6], "big")
    context_iv = bytes([head[3]]) + (head[6] - 1).to_bytes(3, "big") + bytes(8)
    frame = open_encrypt0(message, key, b"mayak/1/batch", context_iv)
    return head, sequence, cbor2.loads(zstandard.decompress(frame))


def numbers(packed: bytes, n: int) -> list[int]:
    """Return packed integers. §3."""
    zigzag = [
        sum(packed[1 + plane * n + place] << 8 * plane for plane in range(packed[0]))
        for place in range(n)
    ]
    return [z // 2 if z % 2 == 0 else -(z + 1) // 2 for z in zigzag]


def _floats(planes: bytes, width: int) -> list[float]:
    n = len(planes) // width
    joined = bytes(planes[plane * n + place] for place in range(n) for plane in range(width))
    return list(struct.unpack(f"<{n}{'f' if width == 4 else 'd'}", joined))


def _integer(point: list[Any], n: int) -> float:
    _, _, kind, scale, offset, _ = point
    n %= 2**64
    if kind != COUNTER and n >= 2**63:
        n -= 2**64
    return n if kind in {BOOL, STATE} or (scale, offset) == (1, 0) else n * scale + offset


def cells(
    head: list[Any], contents: dict[int, Any], catalogue: dict[int, Any]
) -> dict[tuple[str, str, int], tuple[Any, int, int]]:
    """Return every told cell: (device, point, mono) to (value, quality, cause). §3."""
    return {
        place: cell
        for block in contents.get(1, [])
        for place, cell in _block(block, head[9], catalogue)
    }


def _block(
    block: list[Any], mono: int, catalogue: dict[int, Any]
) -> Iterator[tuple[tuple[str, str, int], tuple[Any, int, int]]]:
    shape, rows, packed_sources, packed_times, absent, flags, packed, f32, f64, texts = block
    points, devices, references = catalogue[1][shape], catalogue[2], catalogue[3]
    sources = list(accumulate(numbers(packed_sources, rows)))
    times = list(accumulate(numbers(packed_times, rows)))
    bitmap = int.from_bytes(absent or b"", "little")
    present = [
        [row for row in range(rows) if not bitmap >> (column * rows + row) & 1]
        for column in range(len(points))
    ]
    n = sum(len(p) for p, point in zip(present, points, strict=True) if point[2] in INTEGERS)
    differences = iter(numbers(packed, n))
    others = {FLOAT32: iter(_floats(f32, 4)), FLOAT64: iter(_floats(f64, 8)), TEXT: iter(texts)}
    marks = {}
    for row, marked, quality, cause in flags:
        for column in range(len(points)) if marked is None else [marked]:
            marks[column, row] = (quality, cause)
    for column, point in enumerate(points):
        values: dict[int, Any] = {}
        before, integer = None, 0
        for row in present[column]:
            if point[2] not in INTEGERS:
                values[row] = next(others[point[2]])
                continue
            if sources[row] != before:
                integer = (references[sources[row]] or [0] * len(points))[column]
            before, integer = sources[row], integer + next(differences)
            values[row] = _integer(point, integer)
        for row in range(rows):
            if row in values or (column, row) in marks:
                place = devices[sources[row]][0], point[0], mono + times[row]
                yield place, (values.get(row), *marks.get((column, row), (0, 0)))
