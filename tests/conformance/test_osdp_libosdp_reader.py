"""The OSDP driver against libosdp as a reader: the other half of the library, a third opinion."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import osdp_sys

from drivers.access.osdp.bus import OsdpBus
from drivers.access.osdp.driver import Osdp, OsdpConfig
from drivers.access.osdp.wire import OsdpLineConfig
from gateway.model.ids import LineId
from simulators.access.cards import wiegand_26
from tests.access_keys import READER_KEYS, credential_key, digest, reader_key
from tests.checked_options import checked
from tests.listening_ear import ListeningEar

CAPABILITIES = [
    (osdp_sys.CAP_READER_LED_CONTROL, 1, 1),
    (osdp_sys.CAP_CHECK_CHARACTER_SUPPORT, 1, 0),
    (osdp_sys.CAP_COMMUNICATION_SECURITY, 1, 1),
    (osdp_sys.CAP_READERS, 1, 1),
]


class Reader(asyncio.Protocol):
    """libosdp as a reader, behind a TCP connection."""

    id = 9

    def __init__(self) -> None:
        self.heard = bytearray()
        self.orders: list[dict[str, Any]] = []  # Any: as libosdp tells them
        self.transport: asyncio.Transport | None = None
        names = ("function_code", "compliance_level", "num_items")
        self.device = osdp_sys.PeripheralDevice(
            {
                "name": "reader",
                "address": 1,
                "flags": osdp_sys.FLAG_ENFORCE_SECURE,
                "scbk": READER_KEYS[1],
                "channel": self,
                "version": 1,
                "model": 1,
                "vendor_code": 1,
                "serial_number": 1,
                "firmware_version": 1,
            },
            capabilities=[dict(zip(names, each, strict=True)) for each in CAPABILITIES],
        )
        self.device.set_command_callback(self._ordered)

    def _ordered(self, order: dict[str, Any]) -> tuple[int, None]:  # Any: likewise
        self.orders.append(dict(order))
        return 0, None

    # What libosdp calls

    def read(self, most: int) -> bytes:
        data = bytes(self.heard[:most])
        del self.heard[:most]
        return data

    def write(self, data: bytes) -> int:
        if self.transport is not None:
            self.transport.write(bytes(data))
        return len(data)

    def flush(self) -> None:
        self.heard.clear()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    async def run(self) -> None:
        while True:
            self.device.refresh()
            await asyncio.sleep(0.005)


async def test_cards_keys_and_light_over_a_secure_channel(tmp_path: Path) -> None:
    osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)
    reader = Reader()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: reader, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bus = OsdpBus(LineId("net"), checked(OsdpLineConfig, {"host": "127.0.0.1", "tcp_port": port}))
    options = {"credential_key": credential_key(tmp_path), "key": reader_key(tmp_path, 1)}
    driver = Osdp(checked(OsdpConfig, options | {"address": 1}), bus)
    ear = ListeningEar()
    driver.attend(ear)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(reader.run())
        try:
            await bus.open()
            assert await driver.write(driver.groups[0].table.points[4].name, "red") == 1
            assert reader.device.is_sc_active()
            led = next(each for each in reader.orders if each["command"] == osdp_sys.CMD_LED)
            assert (led["on_color"], led["off_color"]) == (1, 1)
            word = wiegand_26(12, 3456).ljust(32, "0")
            card = {"event": osdp_sys.EVENT_CARDREAD, "reader_no": 0, "format": 1, "direction": 0}
            data = int(word, 2).to_bytes(4, "big")
            reader.device.submit_event(card | {"length": 26, "data": data})
            keys = {"event": osdp_sys.EVENT_KEYPRESS, "reader_no": 0, "data": b"4711#"}
            reader.device.submit_event(keys)
            tamper = {"event": osdp_sys.EVENT_STATUS, "type": osdp_sys.STATUS_REPORT_LOCAL}
            reader.device.submit_event(tamper | {"report": b"\x01\x00"})
            await ear.until(lambda ear: len(ear.happenings) == 3)
        finally:
            running.cancel()
            await bus.close()
            server.close()
    assert [each.key for each in ear.happenings] == ["credential", "credential", "reader-tamper"]
    digests = [each.args.get("digest") for each in ear.happenings]
    assert digests[:2] == [digest(b"facility-16:12:3456"), digest(b"pin:4711")]
