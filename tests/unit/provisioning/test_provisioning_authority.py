from __future__ import annotations

import base64
import json
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.verification import (
    ClientVerifier,
    PolicyBuilder,
    ServerVerifier,
    Store,
    VerificationError,
)

from gateway.model.clock import Clock, Trust
from gateway.model.ids import ConsumerId, GatewayId
from provisioning.authority import (
    AUTHORITY_LIFE,
    LEAF_LIFE,
    Authority,
    AuthorityError,
    certificates,
    common_name,
    read_certificate,
)
from provisioning.hpke import Kem
from tests.clock import HandClock

HERE = GatewayId("nvr-lenina-12")
THERE = GatewayId("nvr-lenina-14")


@pytest.fixture
def made(tmp_path: Path, clock: HandClock) -> Authority:
    return Authority.create(tmp_path, clock, gateways=[HERE, THERE], hosts=["mqtt.city", "::1"])


def policy(folder: Path, clock: Clock) -> PolicyBuilder:
    return (
        PolicyBuilder()
        .store(Store([read_certificate(folder / "ca.pem")]))
        .time(clock.now().utc.replace(tzinfo=None))
    )


def clients(folder: Path, clock: Clock) -> ClientVerifier:
    return policy(folder, clock).build_client_verifier()


def server(folder: Path, clock: Clock, name: x509.GeneralName) -> ServerVerifier:
    subject = name if isinstance(name, (x509.DNSName, x509.IPAddress)) else None
    assert subject is not None
    return policy(folder, clock).build_server_verifier(subject)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (f"gateways/{HERE}/device.pem", HERE),
        (f"gateways/{THERE}/device.pem", THERE),
        ("platform-city.pem", "platform-city"),
    ],
)
def test_client_certificates_pass_a_strict_verifier(
    made: Authority, clock: HandClock, file: str, name: str
) -> None:
    certificate = read_certificate(made.folder / file)
    clients(made.folder, clock).verify(certificate, [])
    assert common_name(certificate) == name


@pytest.mark.parametrize("host", ["mqtt.city", "::1"])
def test_the_broker_is_known_under_each_host(made: Authority, clock: HandClock, host: str) -> None:
    sought = [
        name
        for name in read_certificate(made.folder / "broker.pem")
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
        if str(name.value) == host
    ]
    server(made.folder, clock, sought[0]).verify(read_certificate(made.folder / "broker.pem"), [])


def test_the_broker_is_not_known_under_another_host(made: Authority, clock: HandClock) -> None:
    with pytest.raises(VerificationError):
        server(made.folder, clock, x509.DNSName("other.city")).verify(
            read_certificate(made.folder / "broker.pem"), []
        )


def test_a_client_certificate_does_not_make_a_server(made: Authority, clock: HandClock) -> None:
    with pytest.raises(VerificationError):
        clients(made.folder, clock).verify(read_certificate(made.folder / "broker.pem"), [])


def test_a_gateway_of_another_authority_is_refused(
    made: Authority, clock: HandClock, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", clock, gateways=[HERE])
    stranger = read_certificate(other.folder / f"gateways/{HERE}/device.pem")
    with pytest.raises(VerificationError):
        clients(made.folder, clock).verify(stranger, [])


def test_a_certificate_holds_for_its_life_and_no_longer(made: Authority, clock: HandClock) -> None:
    certificate = read_certificate(made.folder / f"gateways/{HERE}/device.pem")
    clock.advance(LEAF_LIFE.total_seconds() - 60)
    clients(made.folder, clock).verify(certificate, [])
    clock.advance(120)
    with pytest.raises(VerificationError):
        clients(made.folder, clock).verify(certificate, [])


def test_a_peer_half_an_hour_behind_takes_a_new_certificate(
    made: Authority, clock: HandClock
) -> None:
    clock.set_wall(clock.wall_ms - 30 * 60 * 1000)
    clients(made.folder, clock).verify(
        read_certificate(made.folder / f"gateways/{HERE}/device.pem"), []
    )


def test_each_certificate_has_its_own_serial_and_key(made: Authority) -> None:
    all_of_them = [read_certificate(path) for path in certificates(made.folder)]
    assert len(all_of_them) == 5
    assert len({one.serial_number for one in all_of_them}) == 5
    keys = {x509.SubjectKeyIdentifier.from_public_key(one.public_key()) for one in all_of_them}
    assert len(keys) == 5


def test_each_certificate_has_the_key_beside_it(made: Authority) -> None:
    for path in certificates(made.folder):
        key = load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert key.public_key() == read_certificate(path).public_key()


def test_signing_pair_signs_and_verifies(made: Authority) -> None:
    key = load_pem_private_key((made.folder / "city-sign.key").read_bytes(), None)
    public = load_pem_public_key((made.folder / "city-sign.pem").read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(key.sign(b"ack", ec.ECDSA(hashes.SHA256())), b"ack", ec.ECDSA(hashes.SHA256()))


def test_hybrid_private_file_makes_the_public_one(made: Authority) -> None:
    private = json.loads((made.folder / "city-hpke.key").read_text())
    public = json.loads((made.folder / "city-hpke.pub").read_text())
    raw = base64.b64decode(private["private"], validate=True)
    assert private["kem"] == public["kem"] == "mlkem768-x25519"
    assert len(raw) == 64 + 32
    expected = (
        MLKEM768PrivateKey.from_seed_bytes(raw[:64]).public_key().public_bytes_raw()
        + X25519PrivateKey.from_private_bytes(raw[64:]).public_key().public_bytes_raw()
    )
    assert base64.b64decode(public["public"], validate=True) == expected
    assert len(expected) == 1184 + 32


def test_x25519_files_when_asked_for(tmp_path: Path, clock: HandClock) -> None:
    Authority.create(tmp_path, clock, gateways=[HERE], kem=Kem.X25519)
    private = json.loads((tmp_path / "city-hpke.key").read_text())
    public = json.loads((tmp_path / "city-hpke.pub").read_text())
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private["private"]))
    assert private["kem"] == public["kem"] == "x25519"
    assert base64.b64decode(public["public"]) == key.public_key().public_bytes_raw()


def test_only_the_owner_reads_private_keys_whatever_the_umask(
    tmp_path: Path, clock: HandClock
) -> None:
    before = os.umask(0)
    try:
        Authority.create(tmp_path, clock, gateways=[HERE])
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*.key")
    }
    assert modes == dict.fromkeys(
        [
            "ca.key",
            "broker.key",
            f"gateways/{HERE}/device.key",
            "platform-city.key",
            "city-sign.key",
            "city-hpke.key",
        ],
        0o600,
    )


def test_nothing_that_stands_is_overwritten(made: Authority, clock: HandClock) -> None:
    before = {path: path.read_bytes() for path in made.folder.rglob("*.*") if path.is_file()}
    with pytest.raises(AuthorityError, match=r"ca\.key"):
        Authority.create(made.folder, clock, gateways=[GatewayId("another")])
    with pytest.raises(AuthorityError, match=r"device\.key"):
        made.add(clock, gateways=[HERE])
    after = {path: path.read_bytes() for path in made.folder.rglob("*.*") if path.is_file()}
    assert after == before


def test_a_gateway_added_later_is_vouched_for(made: Authority, clock: HandClock) -> None:
    clock.advance(86_400)
    Authority.load(made.folder).add(
        clock, gateways=[GatewayId("late")], consumers=[ConsumerId("heat")]
    )
    for file in ("gateways/late/device.pem", "platform-heat.pem"):
        clients(made.folder, clock).verify(read_certificate(made.folder / file), [])


@pytest.mark.parametrize(
    "name",
    {
        "upper case": "NVR-1",
        "a path": "../x",
        "empty": "",
        "non-ascii": "нвр-1",
        "taken for the platform": "platform-city",
        "taken for the broker": "broker",
        "too long": "a" * 64,
        "ends in a newline": "nvr\n",
    }.values(),
)
def test_a_gateway_may_not_have_that_name(tmp_path: Path, clock: HandClock, name: str) -> None:
    with pytest.raises(AuthorityError):
        Authority.create(tmp_path / "new", clock, gateways=[GatewayId(name)])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["City", "", "city-sign", "city-hpke", "platform-x", "a" * 56])
def test_a_consumer_may_not_have_that_name(tmp_path: Path, clock: HandClock, name: str) -> None:
    with pytest.raises(AuthorityError):
        Authority.create(tmp_path / "new", clock, gateways=[], consumers=[ConsumerId(name)])
    assert not (tmp_path / "new").exists()


def test_a_name_given_twice_is_refused(tmp_path: Path, clock: HandClock) -> None:
    with pytest.raises(AuthorityError, match="twice"):
        Authority.create(tmp_path, clock, gateways=[HERE, HERE])


@pytest.mark.parametrize("hosts", [[], ["город.рф"]], ids=["none", "not ASCII"])
def test_the_broker_needs_hosts_that_are_ones(
    tmp_path: Path, clock: HandClock, hosts: list[str]
) -> None:
    with pytest.raises(AuthorityError):
        Authority.create(tmp_path / "new", clock, gateways=[HERE], hosts=hosts)
    assert not (tmp_path / "new").exists()


def test_a_machine_in_1970_dates_no_certificate(tmp_path: Path, clock: HandClock) -> None:
    clock.set_wall(0, Trust.UNSET)
    with pytest.raises(AuthorityError, match="1970"):
        Authority.create(tmp_path, clock, gateways=[HERE])


def test_nothing_is_renewed_while_all_hold(made: Authority, clock: HandClock) -> None:
    assert made.renew(clock) == ()


def test_renewal_keeps_keys_names_and_hosts(made: Authority, clock: HandClock) -> None:
    before = {path: read_certificate(path) for path in certificates(made.folder)}
    clock.advance((LEAF_LIFE - timedelta(days=10)).total_seconds())
    renewed = made.renew(clock)
    assert {path.name for path in renewed} == {"broker.pem", "device.pem", "platform-city.pem"}
    for path in renewed:
        old, new = before[path], read_certificate(path)
        assert new.public_key() == old.public_key()
        assert new.subject == old.subject
        assert new.serial_number != old.serial_number
        assert new.not_valid_after_utc > old.not_valid_after_utc
        for kind in (x509.SubjectAlternativeName, x509.ExtendedKeyUsage):
            assert (
                new.extensions.get_extension_for_class(kind).value
                == old.extensions.get_extension_for_class(kind).value
            )
    clock.advance(timedelta(days=20).total_seconds())
    clients(made.folder, clock).verify(
        read_certificate(made.folder / f"gateways/{HERE}/device.pem"), []
    )


def test_a_renewed_authority_vouches_for_what_it_issued_before(
    made: Authority, clock: HandClock
) -> None:
    clock.advance((AUTHORITY_LIFE - timedelta(days=30)).total_seconds())
    made.add(clock, gateways=[GatewayId("late")])
    late = read_certificate(made.folder / "gateways/late/device.pem")
    assert late.not_valid_after_utc == made.certificate.not_valid_after_utc
    assert made.folder / "ca.pem" in made.renew(clock)
    clients(made.folder, clock).verify(late, [])
    assert Authority.load(made.folder).certificate != made.certificate


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("ca.pem", b"junk"),
        ("ca.key", b"junk"),
        ("ca.pem", None),
        ("ca.key", None),
    ],
    ids=["certificate is junk", "key is junk", "no certificate", "no key"],
)
def test_a_damaged_authority_is_refused(made: Authority, file: str, content: bytes | None) -> None:
    path = made.folder / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(AuthorityError, match=file.replace(".", r"\.")):
        Authority.load(made.folder)


def test_the_key_of_another_authority_is_refused(
    made: Authority, clock: HandClock, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", clock, gateways=[])
    (made.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    with pytest.raises(AuthorityError, match=r"not the key"):
        Authority.load(made.folder)
