"""Three that were written apart from the wire reference: a sender, the receiver, a few lines."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509

from provisioning.authority import Authority
from provisioning.hpke import Kem, new_pair
from tests.conformance import openers
from tests.conftest import GATEWAYS
from tests.unit.simulators.platform.conftest import desk_at
from tests.unit.simulators.platform.platform_sender import Row, Sender, public

POINTS = [
    ["voltage", "V", 0, 0.1, 0, None],
    ["energy", "W.h", 1, 1, 0, None],
    ["current", "A", 2, 1, 0, None],
    ["power", "W", 3, 1, 0, None],
    ["door", "1", 4, 1, 0, None],
    ["mode", "1", 5, 1, 0, {0: "off", 7: "auto"}],
    ["label", "1", 6, 1, 0, None],
]
REFERENCES = [[2300, 2**64 - 9, 0, 0, 1, 7, 0], [0] * 7]
ROWS: list[Row] = [
    (0, 0, [2301, 2**64 - 1, 0.5, 1e300, 1, 7, "щит"], {}),
    (1, 3, [-5, 3, None, -0.1, 0, -(2**63), ""], {2: (2, 1)}),
    (1, 900, [None, 4, None, None, None, 2**63 - 1, None], {5: (1, 9)}),
    (0, 900, [None] * 7, {None: (2, 5)}),
    (0, 901, [2299, 2**63, -0.5, 0.1, 0, 0, "x"], {0: (1, 8)}),
]


@pytest.mark.parametrize("kem", list(Kem))
def test_a_sender_the_receiver_and_a_few_lines_agree(
    kem: Kem, authority: Authority, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("ca.pem", "city-sign.pem", "city-sign.key"):
        (keys / name).write_bytes((authority.folder / name).read_bytes())
    pair = dict(zip(("key", "pub"), new_pair(kem), strict=True))
    for suffix, content in pair.items():
        (keys / f"city-hpke.{suffix}").write_bytes(content)
    private, open_part = (
        base64.b64decode(json.loads(pair[suffix])[part])
        for suffix, part in (("key", "private"), ("pub", "public"))
    )
    sender = Sender.of(authority, GATEWAYS[0])
    sender.wraps = [("city", *public(keys / "city-hpke.pub"))]
    epoch, record = sender.epoch(POINTS, devices=("a", "b"), references=REFERENCES)
    batch = sender.batch(epoch, ROWS)

    city = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes())
    said, key, catalogue = openers.open_epoch(record, city, "city", private, open_part)
    assert (said[2], key) == (GATEWAYS[0], epoch.key)
    head, sequence, contents = openers.open_batch(batch, key)
    found = openers.cells(head, contents, catalogue)
    assert (head[5], sequence) == (len(found), 1)
    assert found["a", "voltage", 6000] == (pytest.approx(230.1), 0, 0)
    assert found["a", "energy", 6901] == (2**63, 0, 0)
    assert found["b", "mode", 6003] == (-(2**63), 0, 0)
    assert found["a", "label", 6900] == (None, 2, 5)

    with desk_at(tmp_path / "platform.db", keys) as desk:
        desk.take((sender.topic("epoch"), record), (sender.topic("data"), batch))
        stored = {
            (device, point, mono): (
                int(text) if point == "energy" and text else value if text is None else text,
                quality,
                cause,
            )
            for device, point, mono, value, text, quality, cause in desk.rows(
                "SELECT device, point, mono_ms, value, text, quality, cause FROM history"
            )
        }
    assert stored == found
