"""The twins against an independent peer: pymodbus's blocking client, in a thread of its own."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import TypeVar

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from simulators.faults import Refuse
from simulators.lines.kinds import RunningSerial
from simulators.modbus.kinds import RunningTcp
from simulators.running import run_scene
from simulators.scene import load_scene, parse_scene

T = TypeVar("T")
BOUND_S = 20.0
SERIAL = """
[[line]]
id = "bus"
medium = "serial"
baud_rate = 115200
[[twin]]
id = "relay"
line = "bus"
kind = "relay-4"
unit = 2
on = [2]
"""


async def meanwhile(work: Callable[[], T]) -> T:
    """Let a blocking client work in a thread while the twins answer."""
    async with asyncio.timeout(BOUND_S):
        return await asyncio.to_thread(work)


async def test_peer_reads_and_writes_a_meter_over_tcp() -> None:
    async with run_scene(load_scene("lighting")) as running:
        line = running.lines["meter-net"]
        assert isinstance(line, RunningTcp)
        client = ModbusTcpClient(line.address.host, port=line.address.port, timeout=2)

        def work() -> None:
            assert client.connect()  # type: ignore[no-untyped-call]
            volts = client.read_input_registers(0, count=3, device_id=1)
            assert all(2100 < value < 2500 for value in volts.registers)
            block = client.read_input_registers(20, count=6, device_id=1).registers
            assert struct.unpack(">Q", struct.pack(">4H", *block[:4]))[0] >= 1_234_567
            cdab = struct.pack(">2H", block[5], block[4])
            assert -40 < struct.unpack(">f", cdab)[0] < 80
            assert client.read_input_registers(30, count=2, device_id=1).registers == [0, 1]
            serial = client.read_input_registers(40, count=8, device_id=1).registers
            assert struct.pack(">8H", *serial) == b"MY3P-00000000101"
            hole = client.read_input_registers(25, count=2, device_id=1)
            assert (hole.isError(), hole.exception_code) == (True, 2)
            assert client.write_register(0, 101, device_id=1).exception_code == 3
            assert not client.write_register(0, 30, device_id=1).isError()
            assert client.read_holding_registers(0, count=1, device_id=1).registers == [30]
            assert not client.mask_write_register(
                address=0, and_mask=0xFFF0, or_mask=0x0005, device_id=1
            ).isError()
            assert client.read_holding_registers(0, count=1, device_id=1).registers == [0x15]
            both = client.readwrite_registers(
                read_address=0, read_count=1, write_address=0, values=[7], device_id=1
            )
            assert both.registers == [7]
            told = client.read_device_information(device_id=1)
            assert isinstance(told, ReadDeviceInformationResponse)
            assert told.information[1] == b"demo-meter-3p"
            client.close()  # type: ignore[no-untyped-call]

        await meanwhile(work)
        assert [entry.number for entry in running.truth.entries()] == [1]


async def test_peer_switches_relays_on_a_serial_line() -> None:
    async with run_scene(parse_scene(SERIAL, "serial")) as running:
        line = running.lines["bus"]
        assert isinstance(line, RunningSerial)
        client = ModbusSerialClient(line.address.path, baudrate=115200, timeout=2)

        def work() -> None:
            assert client.connect()
            assert client.read_coils(0, count=4, device_id=2).bits[:4] == [
                False,
                True,
                False,
                False,
            ]
            assert not client.write_coil(0, True, device_id=2).isError()
            assert not client.write_coils(2, [True, True], device_id=2).isError()
            assert client.read_coils(0, count=4, device_id=2).bits[:4] == [True] * 4
            assert client.write_coil(4, True, device_id=2).exception_code == 2
            assert not client.write_registers(0, [100, 0, 65535, 1], device_id=2).isError()
            pulses = client.read_holding_registers(0, count=4, device_id=2)
            assert pulses.registers == [100, 0, 65535, 1]
            for number in range(1, 6):
                counter = client.read_input_registers(0, count=2, device_id=2)
                assert counter.registers == [0, number]
            client.close()  # type: ignore[no-untyped-call]

        await meanwhile(work)
        assert [entry.number for entry in running.truth.entries()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 6])
async def test_peer_understands_a_refusal(code: int) -> None:
    async with run_scene(load_scene("lighting")) as running:
        line = running.lines["meter-net"]
        assert isinstance(line, RunningTcp)
        running.apply("meter-1", Refuse(code=code))
        client = ModbusTcpClient(line.address.host, port=line.address.port, timeout=2, retries=0)

        def work() -> int:
            assert client.connect()  # type: ignore[no-untyped-call]
            answer = client.read_input_registers(0, count=1, device_id=1)
            client.close()  # type: ignore[no-untyped-call]
            return answer.exception_code

        assert await meanwhile(work) == code
