"""Any bytes to the codecs of Bluetooth sensors and beacons: a frame, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.ble.beacon import codec as beacon
from drivers.ble.bthome import codec as bthome
from drivers.ble.ruuvi import codec as ruuvi
from gateway.model.errors import FrameError

CIPHER = bthome.cipher_of(bytes(16))


def one(data: bytes) -> None:
    """Feed one input to each."""
    with suppress(FrameError):
        bthome.is_encrypted(data)
        bthome.open_sealed(data, CIPHER, bytes(6))
    with suppress(FrameError):
        bthome.decode(data)
    with suppress(FrameError):
        ruuvi.decode(data)
    with suppress(FrameError):
        beacon.decode_ibeacon(data)
    with suppress(FrameError):
        beacon.decode_eddystone(data)
