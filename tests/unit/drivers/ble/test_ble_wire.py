"""What comes from a controller: reports and AD structures."""

from __future__ import annotations

from contextlib import suppress

import pytest
from bumble import hci
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble.advert import address_bytes, address_text, read_structures, uuid_of
from drivers.ble.hci_reports import Report, ReportReader, is_report
from gateway.model.errors import FrameError
from simulators.ble.encoding import report, structure

ADDRESSES = st.binary(min_size=6, max_size=6)
PAYLOADS = st.binary(max_size=31)


def test_structures_give_the_example_of_the_format() -> None:
    payload = bytes.fromhex("020106 0B094449592D73656E736F72 0A16D2FC4002C40903BF13")
    manufacturer, services, name = read_structures(payload)
    assert not manufacturer
    assert services == {uuid_of(0xFCD2): bytes.fromhex("4002C40903BF13")}
    assert name == "DIY-sensor"


def test_structures_of_longer_uuids_are_read() -> None:
    long = bytes(range(16))
    payload = structure(0x20, b"\xd2\xfc\0\0x") + structure(0x21, long + b"y")
    _, services, _ = read_structures(payload)
    assert services == {
        uuid_of(0xFCD2): b"x",
        "0f0e0d0c-0b0a-0908-0706-050403020100": b"y",
    }


@pytest.mark.parametrize("payload", ["05ff9904", "02ff99", "0216d2", "0a"])
def test_structures_that_break_off_are_refused(payload: str) -> None:
    with pytest.raises(FrameError):
        read_structures(bytes.fromhex(payload))


def test_structures_end_early_at_a_length_of_zero() -> None:
    assert read_structures(bytes.fromhex("02010600ffff")) == ({}, {}, None)


@given(st.binary(max_size=255))
def test_structures_of_any_bytes_are_read_or_refused(payload: bytes) -> None:
    with suppress(FrameError):
        read_structures(payload)


@given(st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=20), max_size=4))
def test_structures_that_were_written_are_read(manufacturer: dict[int, bytes]) -> None:
    payload = b"".join(
        structure(0xFF, company.to_bytes(2, "little") + body)
        for company, body in manufacturer.items()
    )
    assert read_structures(payload)[0] == manufacturer


@given(ADDRESSES, st.booleans(), st.integers(-127, 127), PAYLOADS, st.booleans())
def test_report_is_read_as_bumble_reads_it(
    address: bytes, random: bool, rssi: int, data: bytes, extended: bool
) -> None:
    packet = report(address, rssi, data, random=random, extended=extended)
    [found] = ReportReader().read(packet)
    event = hci.HCI_Packet.from_bytes(packet)
    assert isinstance(
        event,
        hci.HCI_LE_Advertising_Report_Event | hci.HCI_LE_Extended_Advertising_Report_Event,
    )
    [said] = event.reports
    assert found == Report(address, random, rssi, data)
    assert (bytes(said.address)[::-1], said.rssi, said.data) == (address, rssi, data)
    assert bool(said.address_type) is random


def test_report_in_parts_is_told_whole() -> None:
    whole = report(bytes(6), -60, bytes(100), random=True, extended=True)
    first = bytearray(whole)
    first[5] |= 0x20  # incomplete, more to come
    reader = ReportReader()
    assert reader.read(bytes(first)) == []
    [found] = reader.read(whole)
    assert len(found.data) == 200


def test_report_that_was_cut_off_is_not_told() -> None:
    cut = bytearray(report(bytes(6), -60, bytes(100), random=True, extended=True))
    cut[5] |= 0x40  # incomplete, truncated
    assert ReportReader().read(bytes(cut)) == []


def test_report_parts_of_a_crowd_are_bounded() -> None:
    reader = ReportReader()
    for number in range(1000):
        part = bytearray(report(number.to_bytes(6, "big"), -60, b"x", random=True, extended=True))
        part[5] |= 0x20
        reader.read(bytes(part))
    assert len(reader._parts) <= 16


@given(st.binary(max_size=64))
def test_report_of_any_bytes_is_read_or_refused(body: bytes) -> None:
    for head in (b"", b"\x04\x3e" + bytes((min(len(body), 255),))):
        with suppress(FrameError):
            ReportReader().read(head + body)


@given(st.data())
def test_report_that_breaks_off_is_refused(data: st.DataObject) -> None:
    packet = report(bytes(6), -60, bytes(9), random=True, extended=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(packet) - 1))
    with pytest.raises(FrameError):
        ReportReader().read(packet[:cut])


def test_other_events_are_left_to_the_stack() -> None:
    assert not is_report(bytes.fromhex("040e0401030c00"))
    assert not is_report(b"")


@given(ADDRESSES)
def test_address_is_written_and_read(raw: bytes) -> None:
    assert address_bytes(address_text(raw)) == raw
