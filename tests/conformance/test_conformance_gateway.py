"""What the gateway seals, opened by the few lines of `openers.py`: now, and as a stored vector.

The vector lets a receiver elsewhere be tested without our code. It is made anew, after a change of
the wire reference, by `python -m tests.conformance.new_vector`.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
import zstandard
from cryptography import x509

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_recipient
from gateway.model.ids import ConsumerId
from provisioning.authority import Authority
from provisioning.hpke import Kem, new_pair
from tests.conformance import gateway_case, openers

VECTOR = Path(__file__).parent / "vectors" / "mayak_wire_1.json"


@pytest.fixture
def vector() -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(VECTOR.read_text(encoding="utf-8"))
    return stored


@pytest.mark.parametrize("kem", list(Kem))
def test_a_stranger_opens_what_the_gateway_seals(
    kem: Kem, authority: Authority, tmp_path: Path
) -> None:
    private, public = new_pair(kem)
    (tmp_path / "city.pub").write_bytes(public)
    keys = authority.folder / "gateways" / gateway_case.GATEWAY
    given_out = iter((gateway_case.KEY, gateway_case.EPOCH))
    epoch, batch = gateway_case.seal(
        load_device_key(keys / "device.key", keys / "device.pem"),
        [load_recipient(ConsumerId("city"), tmp_path / "city.pub")],
        lambda _n: next(given_out),
    )

    city = x509.load_pem_x509_certificate((authority.folder / "ca.pem").read_bytes())
    said, key, catalogue = openers.open_epoch(
        epoch.record,
        city,
        "city",
        base64.b64decode(json.loads(private)["private"]),
        base64.b64decode(json.loads(public)["public"]),
    )
    head, sequence, inside = openers.open_batch(batch, key)

    assert key == gateway_case.KEY
    assert (said[3], head[4], sequence) == (gateway_case.EPOCH, gateway_case.EPOCH, 258)
    assert openers.cells(head, inside, catalogue) == gateway_case.told()
    assert head[5] == len(gateway_case.told())


def test_the_stored_vector_opens_and_tells_the_stored_cells(vector: dict[str, Any]) -> None:
    city = x509.load_pem_x509_certificate(vector["authority"].encode())
    _, key, catalogue = openers.open_epoch(
        bytes.fromhex(vector["epoch"]),
        city,
        "city",
        bytes.fromhex(vector["private"]),
        bytes.fromhex(vector["public"]),
    )
    head, _, inside = openers.open_batch(bytes.fromhex(vector["batch"]), key)

    found = openers.cells(head, inside, catalogue)

    assert key.hex() == vector["key"]
    assert [[*place, *cell] for place, cell in sorted(found.items())] == vector["cells"]


def test_the_gateway_still_seals_as_the_stored_vector_says(
    vector: dict[str, Any], authority: Authority
) -> None:
    keys = authority.folder / "gateways" / gateway_case.GATEWAY
    given_out = iter((gateway_case.KEY, gateway_case.EPOCH))
    _, batch = gateway_case.seal(
        load_device_key(keys / "device.key", keys / "device.pem"), [], lambda _n: next(given_out)
    )

    def plain(message: bytes) -> tuple[object, object]:
        """Return head and contents: how zstd packs may differ from release to release."""
        frame = openers.open_encrypt0(
            message, gateway_case.KEY, b"mayak/1/batch", bytes([3]) + bytes(11)
        )
        return cbor2.loads(cbor2.loads(message).value[0]), zstandard.decompress(frame)

    assert plain(batch) == plain(bytes.fromhex(vector["batch"]))
