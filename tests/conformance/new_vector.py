"""Make `vectors/mayak_wire_1.json` anew: `python -m tests.conformance.new_vector`."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_recipient
from gateway.model.clock import SystemClock
from gateway.model.ids import ConsumerId
from provisioning.authority import Authority
from provisioning.hpke import Kem, new_pair
from tests.conformance import gateway_case

VECTOR = Path(__file__).parent / "vectors" / "mayak_wire_1.json"


def main() -> None:
    """Seal the case under fresh keys and write everything a stranger needs to open it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority.create(
            folder / "keys", SystemClock(), gateways=[gateway_case.GATEWAY]
        )
        private, public = new_pair(Kem.HYBRID)
        (folder / "city.pub").write_bytes(public)
        keys = authority.folder / "gateways" / gateway_case.GATEWAY
        given_out = iter((gateway_case.KEY, gateway_case.EPOCH))
        epoch, batch = gateway_case.seal(
            load_device_key(keys / "device.key", keys / "device.pem"),
            [load_recipient(ConsumerId("city"), folder / "city.pub")],
            lambda _n: next(given_out),
        )
        vector = {
            "page": "gateway/sync/README.md, version 1",
            "consumer": "city",
            "authority": (authority.folder / "ca.pem").read_text(encoding="utf-8"),
            "private": base64.b64decode(json.loads(private)["private"]).hex(),
            "public": base64.b64decode(json.loads(public)["public"]).hex(),
            "key": gateway_case.KEY.hex(),
            "epoch": epoch.record.hex(),
            "batch": batch.hex(),
            "cells": [[*place, *cell] for place, cell in sorted(gateway_case.told().items())],
        }
    VECTOR.write_text(json.dumps(vector, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
