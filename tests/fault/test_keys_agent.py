"""The whole agent with its key in a token or a TPM, one that goes away, one that runs out."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.keys.device import load_certificate
from gateway.model.clock import SystemClock
from provisioning.authority import LEAF_LIFE, Authority
from simulators.platform import cose
from simulators.platform.keys import judge, load_authority
from simulators.platform.wire import parse_epoch
from tests import broker, key_places
from tests.key_places import HANDLE, KEY, PIN, TOKEN
from tests.running_agent import GATEWAY, Cabinet, cabinet

EPOCH_CONTEXT = b"mayak/1/epoch"


def certify(authority: Authority, key: ec.EllipticCurvePublicKey, folder: Path) -> None:
    """Put the certificate and the PIN of a key beside the site file."""
    now = SystemClock().now().utc
    certificate = authority.client(GATEWAY, "gateway", key, now)
    (folder / "device.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "pin").write_text(f"{PIN}\n", encoding="ascii")
    (folder / "pin").chmod(0o600)


def use(site: Cabinet, *options: str) -> None:
    """Let the site file say that the key is elsewhere."""
    lines = site.site.read_text(encoding="utf-8").splitlines()
    start = lines.index("[keys]") + 1
    keys = [*options, 'device_certificate = "device.pem"', 'pin_file = "pin"']
    site.site.write_text("\n".join([*lines[:start], *keys, *lines[start + 2 :], ""]), "utf-8")


def records(store: Path) -> list[bytes]:
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as db:
        return [record for (record,) in db.execute("SELECT record FROM epoch")]


def assert_the_city_believes(authority: Authority, store: Path) -> None:
    """Check each epoch record as the receiver does: signature, chain, name, time."""
    believed = load_authority(authority.folder / "ca.pem")
    found = records(store)
    assert found
    for record in found:
        message = cose.parse_sign1(record, EPOCH_CONTEXT)
        made = parse_epoch(cbor2.loads(record).value[2]).made
        now_ms = SystemClock().now().wall_ms
        assert judge(believed.signer(message, GATEWAY), made, now_ms, 0) is None


async def test_the_agent_signs_with_a_key_in_a_token(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = key_places.softhsm()
    if module is None:
        pytest.skip("softhsm2 is not installed")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    key, config = key_places.make_token(tmp_path)
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    certify(authority, key, tmp_path)
    token = [
        'store = "pkcs11"',
        f'pkcs11_module = "{module}"',
        f'pkcs11_token = "{TOKEN}"',
        f'pkcs11_key = "{KEY}"',
    ]
    async with cabinet(tmp_path, authority) as site:
        use(site, *token)
        async with site.agent() as agent:
            await agent.until_reads()
            await agent.stop(signal.SIGKILL)
        assert_the_city_believes(authority, site.store)

        # What a person must mend ends with 78, a token that may come later with 69.
        (tmp_path / "pin").write_text("9999", encoding="ascii")
        code, _, said = await site.mayak("run", str(site.site))
        assert (code, "keys.pin_file" in said, "refuses the PIN" in said) == (78, True, True)
        (tmp_path / "pin").write_text(PIN, encoding="ascii")
        text = site.site.read_text(encoding="utf-8")
        site.site.write_text(text.replace(f'"{TOKEN}"', '"elsewhere"'), encoding="utf-8")
        code, _, said = await site.mayak("run", str(site.site))
        assert (code, "plug it in" in said) == (69, True)


async def test_a_tpm_that_goes_away_costs_no_reading(tmp_path: Path, authority: Authority) -> None:
    program = broker.find()
    if not key_places.tpm_tools() or program is None:
        pytest.skip("swtpm, tpm2-tools or mosquitto are not installed")
    (tmp_path / "tpm").mkdir()
    port = broker.free_port()
    link = broker.Mosquitto(program, tmp_path, port=port)
    with ExitStack() as powered:
        tcti = powered.enter_context(key_places.running_tpm(tmp_path / "tpm"))
        certify(authority, key_places.make_tpm_keys(tmp_path / "tpm", tcti), tmp_path)
        async with cabinet(tmp_path, authority, broker_port=port) as site:
            use(site, 'store = "tpm2"', f'tpm2_handle = "{HANDLE}"', f'tpm2_tcti = "{tcti}"')
            async with site.agent() as agent:
                await agent.until_reads()
                await asyncio.to_thread(powered.close)
                await asyncio.to_thread(link.start)
                powered.callback(link.stop)
                await agent.until(lambda: agent.logged("device-key-lost"), "told of the key")
                await agent.until_reads(20)

                async def sent() -> bool:
                    return "data" in (await agent.status())["sent_bytes"]

                await agent.until(sent, "batches without a hello")
                assert "hello" not in (await agent.status())["sent_bytes"]
                link.stop()
                assert await agent.stop() == 0
            assert_the_city_believes(authority, site.store)
            assert "device-key-lost" in site.events()
            assert not any(map(agent.logged, ("store-full", "not-recordable", "lost-at-stop")))
            site.assert_nothing_lost()


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=20), ["certificate-ends"]),
        (timedelta(days=-3), ["certificate-ended"]),
        (timedelta(days=40), []),
    ],
)
async def test_a_certificate_that_runs_out_is_told_of_and_stops_nothing(
    tmp_path: Path, authority: Authority, left: timedelta, told: list[str]
) -> None:
    shutil.copytree(authority.folder, keys := tmp_path / "keys")
    file = keys / "gateways" / GATEWAY / "device.pem"
    key = load_certificate(file).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    issued = SystemClock().now().utc.replace(microsecond=0) - LEAF_LIFE + left
    certificate = authority.client(GATEWAY, "gateway", key, issued)
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    async with cabinet(tmp_path, Authority.load(keys)) as site, site.agent() as agent:
        await agent.until_reads(20)
        await agent.stop()

        assert [event for event in site.events() if event.startswith("certificate")] == told
