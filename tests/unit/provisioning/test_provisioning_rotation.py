"""The next keys of a consumer, and certificates for keys that were made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.keys.platform import load_recipient, load_signers
from gateway.model.ids import ConsumerId, GatewayId
from provisioning.authority import Authority, AuthorityError, certificates, read_certificate
from provisioning.cli import ca
from tests.clock import HandClock

GATEWAY = GatewayId("nvr-1")
CITY = ConsumerId("city")


def public_pem(curve: ec.EllipticCurve) -> bytes:
    key = ec.generate_private_key(curve).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "keys", HandClock(), gateways=[GATEWAY])


def test_the_next_keys_of_a_consumer_stand_beside_the_old_ones(authority: Authority) -> None:
    before = {path: path.read_bytes() for path in authority.folder.iterdir() if path.is_file()}
    names = [sorted(path.name for path in authority.rotate(CITY)) for _ in range(2)]
    assert names[0] == ["city-2-hpke.key", "city-2-hpke.pub", "city-2-sign.key", "city-2-sign.pem"]
    assert names[1] == [name.replace("2", "3", 1) for name in names[0]]
    assert {path: path.read_bytes() for path in before} == before
    pairs = [authority.folder / f"{stem}-hpke.pub" for stem in ("city", "city-2", "city-3")]
    assert len({load_recipient(CITY, file).kid for file in pairs}) == 3
    load_signers([authority.folder / "city-2-sign.pem"])
    assert (authority.folder / "city-2-hpke.key").stat().st_mode & 0o777 == 0o600
    assert len(certificates(authority.folder)) == 4  # a public key is no certificate


@pytest.mark.parametrize(
    ("name", "said"),
    [("heat", "no consumer 'heat'"), ("../keys/city", "cannot be used|not a name")],
)
def test_who_is_no_consumer_has_no_next_keys(authority: Authority, name: str, said: str) -> None:
    with pytest.raises(AuthorityError, match=said):
        authority.rotate(ConsumerId(name))


def test_a_key_made_elsewhere_gets_a_certificate_that_is_renewed_like_others(
    authority: Authority, clock: HandClock
) -> None:
    path = authority.certify(clock, GATEWAY, public_pem(ec.SECP256R1()))
    assert path == authority.folder / "gateways" / GATEWAY / "token.pem"
    read_certificate(path).verify_directly_issued_by(authority.certificate)
    clock.advance(720 * 86_400)
    assert path in authority.renew(clock)
    with pytest.raises(AuthorityError, match="nothing was written"):
        authority.certify(clock, GATEWAY, public_pem(ec.SECP256R1()))


def test_a_key_of_another_curve_gets_none(authority: Authority, clock: HandClock) -> None:
    with pytest.raises(AuthorityError, match="P-256"):
        authority.certify(clock, GATEWAY, public_pem(ec.SECP384R1()))


@given(st.binary(max_size=100))
def test_any_bytes_are_no_public_key(content: bytes) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = Authority(Path("nowhere"), None, key)  # type: ignore[arg-type] # never reached
    with pytest.raises(AuthorityError, match="not a public key"):
        authority.certify(HandClock(), GATEWAY, content)


def test_both_are_commands(authority: Authority, tmp_path: Path) -> None:
    public = tmp_path / "device.pub"
    public.write_bytes(public_pem(ec.SECP256R1()))
    folder = str(authority.folder)
    certify = ["certify", folder, "--gateway", GATEWAY, "--public-key", str(public), "--json"]
    for command, file in (
        (certify, "gateways/nvr-1/token.pem"),
        (["rotate", folder, "--consumer", CITY, "--json"], "city-2-sign.key"),
    ):
        done = CliRunner().invoke(ca, command)
        assert done.exit_code == 0, done.output
        assert file in json.loads(done.stdout)["files"]
    assert CliRunner().invoke(ca, certify).exit_code == 1
    missing = [*certify[:-2], str(tmp_path / "absent")]
    assert CliRunner().invoke(ca, missing).exit_code == 1
