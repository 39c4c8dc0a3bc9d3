"""Any bytes to what reads a controller and its payloads: what they say, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.ble.advert import read_structures
from drivers.ble.hci_reports import ReportReader
from gateway.model.errors import FrameError

READER = ReportReader()


def one(data: bytes) -> None:
    """Feed one input; parts of earlier ones are kept, as on a radio."""
    with suppress(FrameError):
        read_structures(data)
    for packet in (data, b"\x04\x3e" + bytes((min(len(data), 255),)) + data[:255]):
        with suppress(FrameError):
            READER.read(packet)
