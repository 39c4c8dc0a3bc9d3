from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.clock import SystemClock
from provisioning.authority import Authority as City
from provisioning.hpke import Kem, new_pair
from simulators.platform import cose, wire
from simulators.platform.errors import KeyFileError, Reason, WireError
from simulators.platform.keys import (
    Authority,
    Doubt,
    Opener,
    judge,
    load_authority,
    load_opening_key,
    load_signing_key,
)
from tests.conftest import GATEWAYS
from tests.unit.simulators.platform.platform_sender import WALL, Sender, public

NOW = datetime.fromtimestamp(WALL / 1000, tz=UTC)
DAY_MS = 86_400_000


def issued(city: City, name: str = "gw-9", **changes: Any) -> Sender:
    """Return a gateway with a certificate made by hand."""
    key = changes.get("key") or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(city.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(changes.get("begins", NOW - timedelta(days=30)))
        .not_valid_after(changes.get("ends", NOW + timedelta(days=30)))
    )
    for extension in changes.get("extensions", ()):
        builder = builder.add_extension(extension, critical=True)
    certificate = builder.sign(changes.get("issuer_key", city.key), SHA256())
    return Sender("gw-9", key, certificate.public_bytes(Encoding.DER), [])


def check(
    city: City,
    sender: Sender,
    *,
    wall: int = WALL,
    trust: int = 2,
    now: int = WALL,
    until: int = 0,
) -> Doubt | None:
    message = cose.parse_sign1(sender.hello(), wire.HELLO_CONTEXT)
    device = Authority([city.certificate]).signer(message, "gw-9")
    return judge(device, wire.Moment(1, wall, trust), now, until)


def refusal(
    city: City, sender: Sender, *, wall: int = WALL, trust: int = 2, now: int = WALL
) -> Reason:
    with pytest.raises(WireError) as caught:
        check(city, sender, wall=wall, trust=trust, now=now)
    return caught.value.reason


def test_a_certificate_of_the_city_is_believed(authority: City) -> None:
    assert check(authority, issued(authority)) is None
    usages = [
        x509.BasicConstraints(ca=False, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    ]
    check(authority, issued(authority, extensions=usages))


def test_a_certificate_that_our_own_provisioning_made_is_believed(authority: City) -> None:
    sender = Sender.of(authority, GATEWAYS[0])
    message = cose.parse_sign1(sender.hello(), wire.HELLO_CONTEXT)
    device = load_authority(authority.folder / "ca.pem").signer(message, GATEWAYS[0])
    assert judge(device, wire.Moment(1, WALL, 2), WALL, 0) is None


STRANGERS: dict[str, dict[str, Any]] = {
    "of another name": {"name": "gw-8"},
    "signed by another key": {"issuer_key": ec.generate_private_key(ec.SECP256R1())},
    "of an authority": {"extensions": [x509.BasicConstraints(ca=True, path_length=None)]},
    "for servers": {"extensions": [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]},
    "with an unknown critical extension": {
        "extensions": [x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")]
    },
    "that ended long before": {
        "begins": NOW - timedelta(days=800),
        "ends": NOW - timedelta(days=400),
    },
    "that begins later": {"begins": NOW + timedelta(days=2)},
}


@pytest.mark.parametrize("changes", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_certificate_is_refused(changes: dict[str, Any], authority: City) -> None:
    assert refusal(authority, issued(authority, **changes)) is Reason.CERTIFICATE


def test_a_key_of_another_curve_is_refused(authority: City) -> None:
    good = issued(authority)
    other = issued(authority, key=ec.generate_private_key(ec.SECP384R1()))
    mixed = Sender("gw-9", good.key, other.certificate, [])
    assert refusal(authority, mixed) is Reason.CERTIFICATE


def test_a_signature_by_another_key_is_refused(authority: City) -> None:
    thief = Sender(
        "gw-9", ec.generate_private_key(ec.SECP256R1()), issued(authority).certificate, []
    )
    assert refusal(authority, thief) is Reason.SIGNATURE


def test_a_record_made_before_the_certificate_ended_is_believed_months_later(
    authority: City,
) -> None:
    assert check(authority, issued(authority), now=WALL + 180 * DAY_MS) is None
    assert check(authority, issued(authority), now=WALL + 1800 * DAY_MS) is None


@pytest.mark.parametrize(
    "wall",
    [WALL + 2 * DAY_MS, WALL + 366 * DAY_MS, 2**53 - 1],
    ids=["two days", "a year", "for ever"],
)
def test_a_record_of_a_clock_that_ran_ahead_is_judged_by_our_clock(
    authority: City, wall: int
) -> None:
    sender = issued(authority)
    assert check(authority, sender, wall=wall) is Doubt.CLOCK_AHEAD
    assert refusal(authority, sender, wall=2**53 - 1, now=WALL + 500 * DAY_MS) is Reason.CERTIFICATE


def test_a_record_of_a_clock_that_ran_behind_is_judged_by_our_clock(authority: City) -> None:
    sender, wall = issued(authority), WALL - 700 * DAY_MS
    assert check(authority, sender, wall=wall) is Doubt.CLOCK_BEHIND
    assert refusal(authority, sender, wall=wall, now=WALL + 500 * DAY_MS) is Reason.CERTIFICATE


def test_a_record_made_after_the_end_counts_for_a_year_or_while_its_key_is_vouched_for(
    authority: City,
) -> None:
    sender, late, later = issued(authority), WALL + 300 * DAY_MS, WALL + 500 * DAY_MS
    assert check(authority, sender, wall=late, now=late) is Doubt.CERTIFICATE_ENDED
    assert refusal(authority, sender, wall=late, now=later) is Reason.CERTIFICATE
    assert check(authority, sender, wall=late, now=later, until=later) is None
    between = check(authority, sender, wall=late, now=later, until=late - DAY_MS)
    assert between is Doubt.CERTIFICATE_ENDED


def test_an_unset_clock_is_judged_by_ours_with_a_year_of_grace(authority: City) -> None:
    check(authority, issued(authority), wall=5, trust=0)
    check(authority, issued(authority), wall=5, trust=0, now=WALL + 300 * DAY_MS)
    late = refusal(authority, issued(authority), wall=5, trust=0, now=WALL + 500 * DAY_MS)
    assert late is Reason.CERTIFICATE


@given(der=st.binary(max_size=200))
def test_any_bytes_as_a_certificate_raise_wire_error(authority: City, der: bytes) -> None:
    sender = Sender("gw-9", ec.generate_private_key(ec.SECP256R1()), der, [])
    assert refusal(authority, sender) is Reason.CERTIFICATE


@given(bit=st.integers(0, 2**16))
def test_a_flipped_bit_in_a_certificate_raises_wire_error(authority: City, bit: int) -> None:
    good = issued(authority)
    place = bit % (8 * len(good.certificate))
    broken = bytearray(good.certificate)
    broken[place // 8] ^= 1 << place % 8
    reason = refusal(authority, Sender("gw-9", good.key, bytes(broken), []))
    assert reason in {Reason.CERTIFICATE, Reason.SIGNATURE}


def test_a_signature_that_declares_its_zero_bits_unused_raises_wire_error(authority: City) -> None:
    good = next(made for _ in range(200) if not (made := issued(authority)).certificate[-1] & 1)
    signature = x509.load_der_x509_certificate(good.certificate).signature
    broken = bytearray(good.certificate)
    broken[-len(signature) - 1] = 1

    reason = refusal(authority, Sender("gw-9", good.key, bytes(broken), []))

    assert reason is Reason.CERTIFICATE


@pytest.mark.parametrize("kem", list(Kem))
def test_a_wrap_opens_with_the_key_file_that_provisioning_made(
    kem: Kem, tmp_path: Path, authority: City
) -> None:
    private, open_part = new_pair(kem)
    (tmp_path / "k.key").write_bytes(private)
    (tmp_path / "k.pub").write_bytes(open_part)
    sender = Sender.of(authority, GATEWAYS[0])
    sender.wraps = [("other", *public(tmp_path / "k.pub")), ("city", *public(tmp_path / "k.pub"))]
    epoch, raw = sender.epoch([])
    record = wire.parse_epoch(cose.parse_sign1(raw, wire.EPOCH_CONTEXT).payload)
    key = load_opening_key(tmp_path / "k.key")
    assert Opener("city", [key]).open(record) == epoch.key
    assert Opener("third", [key]).open(record) is None
    assert Opener("city", []).open(record) is None


def test_a_wrap_that_was_tampered_with_is_refused(authority: City) -> None:
    key = load_opening_key(authority.folder / "city-hpke.key")
    _, raw = Sender.of(authority, GATEWAYS[0]).epoch([])
    record = wire.parse_epoch(cose.parse_sign1(raw, wire.EPOCH_CONTEXT).payload)
    [wrap] = record.wraps
    sealed = {
        "empty": wire.Wrap(wrap.consumer, wrap.kid, wrap.suite, b""),
        "short": wire.Wrap(wrap.consumer, wrap.kid, wrap.suite, wrap.sealed[:-1]),
        "changed": wire.Wrap(wrap.consumer, wrap.kid, wrap.suite, wrap.sealed[:-1] + b"x"),
        "another suite": wire.Wrap(wrap.consumer, wrap.kid, (0x20, 1, 3), wrap.sealed),
    }
    for tampered in sealed.values():
        changed = wire.EpochRecord(
            record.gateway,
            record.epoch,
            record.incarnation,
            record.boot,
            record.made,
            record.audience,
            [tampered],
            record.catalogue,
        )
        with pytest.raises(WireError) as caught:
            Opener("city", [key]).open(changed)
        assert caught.value.reason is Reason.WRAP


FILES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"x",
    "a list": b"[]",
    "another kem": json.dumps({"kem": "rsa", "private": ""}).encode(),
    "a public key": json.dumps({"kem": "x25519", "public": ""}).encode(),
    "too short": json.dumps(
        {"kem": "x25519", "private": base64.b64encode(bytes(31)).decode()}
    ).encode(),
    "no base64": json.dumps({"kem": "x25519", "private": "?"}).encode(),
    "a number": json.dumps({"kem": "x25519", "private": 5}).encode(),
}
LOADERS: list[Callable[[Path], object]] = [load_opening_key, load_signing_key, load_authority]


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_key_file_that_is_none_is_refused_by_name(
    load: Callable[[Path], object], content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "the-key"
    file.write_bytes(content)
    with pytest.raises(KeyFileError, match="the-key"):
        load(file)
    with pytest.raises(KeyFileError, match="not-there"):
        load(tmp_path / "not-there")


def test_a_signing_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    for key in (
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ):
        file = tmp_path / "k"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with pytest.raises(KeyFileError, match="P-256"):
            load_signing_key(file)


def test_a_certificate_that_is_no_authority_is_refused(authority: City) -> None:
    with pytest.raises(KeyFileError, match="not an authority"):
        load_authority(authority.folder / "gateways" / GATEWAYS[0] / "device.pem")


def test_two_authorities_are_believed_while_one_replaces_the_other(
    tmp_path: Path, authority: City
) -> None:
    second = City.create(tmp_path / "second", SystemClock(), gateways=[GATEWAYS[0]])
    file = tmp_path / "both.pem"
    file.write_bytes(
        (authority.folder / "ca.pem").read_bytes() + (second.folder / "ca.pem").read_bytes()
    )
    both = load_authority(file)
    for city in (authority, second):
        message = cose.parse_sign1(Sender.of(city, GATEWAYS[0]).hello(), wire.HELLO_CONTEXT)
        device = both.signer(message, GATEWAYS[0])
        assert judge(device, wire.Moment(1, WALL, 2), WALL, 0) is None
    key = load_pem_private_key((second.folder / "city-sign.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert (
        load_signing_key(second.folder / "city-sign.key").kid
        != load_signing_key(authority.folder / "city-sign.key").kid
    )
