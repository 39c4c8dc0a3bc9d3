"""The packets of MQTT: cut anywhere, of any bytes, too long, and against those of another make."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.localnet import packets
from drivers.localnet.packets import Accepted, Alive, Granted, Oversized, PacketReader, Published
from gateway.model.errors import FrameError
from tests.fuzz import fuzz_localnet

MOST = 256
TOPICS = st.text(min_size=1, max_size=40).filter(packets.is_topic)


def read(pieces: Iterable[bytes]) -> list[packets.Packet]:
    reader = PacketReader(MOST)
    return [packet for piece in pieces for packet in reader.feed(piece)]


@given(TOPICS, st.binary(max_size=MOST))
def test_a_message_is_read_as_it_was_sent(topic: str, payload: bytes) -> None:
    assert read([packets.publish(topic, payload)]) == [Published(topic, payload, retained=False)]


@given(st.lists(st.tuples(TOPICS, st.binary(max_size=2 * MOST)), max_size=4), st.data())
def test_split_anywhere_the_packets_are_the_same(
    messages: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(packets.publish(*message) for message in messages)
    at = data.draw(st.integers(0, len(stream)))
    assert read([stream[:at], stream[at:]]) == read([stream])
    assert read(stream[place : place + 1] for place in range(len(stream))) == read([stream])


ANSWERS = {
    "taken": ("20 02 00 00", Accepted(0)),
    "not allowed": ("20 02 00 05", Accepted(5)),
    "one granted, one not": ("90 04 00 01 00 80", Granted(1, (0, 0x80))),
    "alive": ("d0 00", Alive()),
    "retained": ("31 06 00 01 61 31 32 33", Published("a", b"123", retained=True)),
    "said again at QoS 0": ("38 04 00 01 61 31", Published("a", b"1", retained=False)),
}


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_packets_of_a_broker_are_read(case: tuple[str, packets.Packet]) -> None:
    assert read([bytes.fromhex(case[0])]) == [case[1]]


WRONG = {
    "a length of five bytes": "30 ff ff ff ff 01",
    "QoS 1, which nobody asked for": "32 06 00 01 61 00 01 31",
    "a topic that ends outside": "30 03 00 05 61",
    "a topic with a wildcard": "30 04 00 02 61 2b",
    "no topic": "30 02 00 00",
    "a topic that is no UTF-8": "30 03 00 01 ff",
    "CONNECT, which no broker sends": "10 00",
    "flags that are reserved": "21 02 00 00",
    "a SUBACK without codes": "90 02 00 01",
    "a CONNACK that is too long": "20 03 00 00 00",
    "an answer of two megabytes": "90 80 80 80 01",
    "a web server": b"HTTP/1.1 400 Bad Request\r\n".ljust(200).hex(),
}


@pytest.mark.parametrize("raw", WRONG.values(), ids=WRONG)
def test_what_no_broker_sends_is_refused(raw: str) -> None:
    with pytest.raises(FrameError):
        read([bytes.fromhex(raw)])


def test_a_message_that_is_too_long_is_passed_over_and_the_next_is_read() -> None:
    reader = PacketReader(MOST)
    long = packets.publish("site/a", b"x" * 100_000)
    found = []
    for start in range(0, len(long), 1000):
        found += list(reader.feed(long[start : start + 1000]))
        assert len(reader._buffer) <= packets.LONGEST_TOPIC + 1010
    assert found == [Oversized("site/a", 100_008)]
    assert list(reader.feed(packets.publish("b", b"1"))) == [Published("b", b"1", retained=False)]


@given(st.binary(max_size=300))
def test_any_bytes_are_packets_or_a_frame_error(data: bytes) -> None:
    with suppress(FrameError):
        read([data])
    fuzz_localnet.one(data)


def test_what_we_send_is_what_the_standard_shows() -> None:
    """The bytes follow 3.1 (connect), 3.8 (subscribe) and 3.3 (publish) of MQTT 3.1.1."""
    assert packets.connect("me", 30, "u", b"p").hex(" ") == (
        "10 14 00 04 4d 51 54 54 04 c2 00 1e 00 02 6d 65 00 01 75 00 01 70"
    )
    assert packets.connect("me", 30, None, None)[9:10] == b"\x02"
    assert packets.subscribe(7, ["a/b"]).hex(" ") == "82 08 00 07 00 03 61 2f 62 00"
    assert packets.publish("a", b"1").hex(" ") == "30 04 00 01 61 31"
    assert packets.publish("a", b"x" * 200)[:3].hex(" ") == "30 cb 01"
