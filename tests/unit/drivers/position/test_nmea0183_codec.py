"""Sentences of NMEA 0183.

Vectors: what u-blox receivers sent and their manuals print (start-up without a fix, antenna
notices), and GSA as the forum of SurveyingHub prints it; the rest is read by pynmea2 too.
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import UTC, datetime

import pynmea2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.media.stream import Stream
from drivers.position.nmea0183 import codec
from drivers.position.nmea0183.codec import Antenna, Gga, Gsa, Gsv, Notice, Quality, Rmc, Told, Vtg
from gateway.model.errors import FrameError


def line(body: str) -> bytes:
    check = codec.checksum(body.encode())
    return f"${body}*{check:02X}\r\n".encode()


def read(wire: bytes) -> Told | None:
    return codec.read(codec.sentence(wire))


WITHOUT_FIX = {
    b"$GPRMC,,V,,,,,,,,,,N*53\r\n": Rmc(None, False, None, None, None, None, None, Quality.NONE),
    b"$GPVTG,,,,,,,,,N*30\r\n": Vtg(None, None),
    b"$GPGGA,,,,,,0,00,99.99,,,,,,*48\r\n": Gga(None, None, None, Quality.NONE, 0, 99.99, None),
    b"$GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99*30\r\n": Gsa(1, 99.99),
    b"$GPGSV,1,1,00*79\r\n": Gsv(1, 0),
    b"$GPTXT,01,01,02,ANTSTATUS=DONTKNOW*33\r\n": Notice(Antenna.UNKNOWN),
    b"$GNTXT,01,01,02,ANTSTATUS=SHORT*73\r\n": Notice(Antenna.SHORT),
    b"$GNTXT,01,01,02,ANTSTATUS=OK*25\r\n": Notice(Antenna.OK),
    b"$GNTXT,01,01,02,ANTSTATUS=INIT*3B\r\n": Notice(Antenna.INIT),
    b"$GNTXT,01,01,02,ANTSTATUS=OPEN*35\r\n": Notice(Antenna.OPEN),
}
UNWANTED = [
    b"$GPTXT,01,01,02,u-blox ag - www.u-blox.com*50\r\n",
    b"$GPTXT,01,01,02,ANTSUPERV=AC SD PDoS SR*20\r\n",
    b"$GPGLL,,,,,,V,N*64\r\n",
]


@pytest.mark.parametrize("wire", WITHOUT_FIX)
def test_what_receivers_sent_is_read(wire: bytes) -> None:
    assert read(wire) == WITHOUT_FIX[wire]


@pytest.mark.parametrize("wire", UNWANTED)
def test_a_sound_sentence_that_nobody_wants_is_none(wire: bytes) -> None:
    assert read(wire) is None


def test_a_position_is_read() -> None:
    told = read(line("GNGGA,060000.25,5545.34800,N,03737.03800,E,1,09,0.90,152.3,M,14.4,M,,"))
    assert isinstance(told, Gga)
    assert told.latitude == pytest.approx(55.7558)
    assert told.longitude == pytest.approx(37.6173)
    assert (told.clock_s, told.quality) == (21600.25, Quality.SATELLITES)
    assert (told.satellites, told.hdop, told.altitude) == (9, 0.9, 152.3)
    south = read(line("GPGGA,235959,3351.000,S,15112.600,W,6,04,1.5,3.0,M,,M,,"))
    assert isinstance(south, Gga)
    assert south.latitude == pytest.approx(-33.85)
    assert south.longitude == pytest.approx(-151.21)
    assert south.quality is Quality.ESTIMATED


def test_motion_and_date_are_read() -> None:
    told = read(line("GNRMC,060000.00,A,5545.348,N,03737.038,E,21.6,084.4,200326,,,D"))
    assert isinstance(told, Rmc)
    assert told.speed == pytest.approx(11.112)
    assert told.course == 84.4
    assert told.midnight_s == datetime(2026, 3, 20, tzinfo=UTC).timestamp()
    assert told.quality is Quality.DIFFERENTIAL
    old = read(line("GPRMC,060000,A,5545.348,N,03737.038,E,0.0,,200399,,"))
    assert isinstance(old, Rmc)
    assert old.quality is Quality.SATELLITES


@pytest.mark.parametrize(
    "body",
    [
        "GPGGA,250000,5545.348,N,03737.038,E,1,09,0.9,1,M,1,M,,",
        "GPGGA,060000,9145.348,N,03737.038,E,1,09,0.9,1,M,1,M,,",
        "GPGGA,060000,5561.000,N,03737.038,E,1,09,0.9,1,M,1,M,,",
        "GPGGA,060000,5545.348,X,03737.038,E,1,09,0.9,1,M,1,M,,",
        "GPGGA,060000,5545.348,N,18137.038,E,1,09,0.9,1,M,1,M,,",
        "GPGGA,060000,5545.348,N,03737.038,E,9,09,0.9,1,M,1,M,,",
        "GPGGA,060000,5545.348,N,03737.038,E,1,nan,0.9,1,M,1,M,,",
        "GPGGA,060000,5545.348,N",
        "GPRMC,060000,A,5545.348,N,03737.038,E,-1,0,200326,,,A",
        "GPRMC,060000,A,5545.348,N,03737.038,E,1,361,200326,,,A",
        "GPRMC,060000,A,5545.348,N,03737.038,E,1,0,310226,,,A",
        "GPRMC,060000,A,5545.348,N,03737.038,E,1,0,200326,,,Q",
        "GPGSA,A,4,,,,,,,,,,,,,1,1,1",
        "GPGSV,1,,",
    ],
)
def test_what_cannot_be_is_refused(body: str) -> None:
    with pytest.raises(FrameError):
        read(line(body))


@pytest.mark.parametrize(
    "wire",
    [
        b"$GPGSV,1,1,00*78\r\n",
        b"$GPGSV,1,1,00\r\n",
        b"GPGSV,1,1,00*79\r\n",
        b"$GPGSV,1,1,00*79",
        b"$" + b"A" * 200 + b"*00\r\n",
        b"\x01\x03\x02\x00\x17\xf8\x4a",
    ],
)
def test_without_a_right_checksum_nothing_is_a_sentence(wire: bytes) -> None:
    with pytest.raises(FrameError):
        codec.sentence(wire)


@given(st.sampled_from(sorted(WITHOUT_FIX)), st.integers(0, 2000))
def test_one_flipped_bit_is_refused_or_changes_nothing(wire: bytes, place: int) -> None:
    flipped = bytearray(wire)
    place %= 8 * (len(flipped) - 2)
    flipped[place // 8] ^= 1 << place % 8
    if place // 8 >= len(flipped) - 4:  # a digit of the checksum in the other case is the same
        assume(flipped.upper() != wire.upper())
    with pytest.raises(FrameError):
        codec.sentence(flipped)


@given(st.binary(max_size=300))
def test_any_bytes_are_sentences_or_mistakes(data: bytes) -> None:
    for found in Stream(codec.find, codec.LONGEST).take(data):
        if isinstance(found, bytes):
            with suppress(FrameError):
                read(found)


@given(st.lists(st.integers(0, 600)), st.lists(st.binary(max_size=9), max_size=4))
def test_torn_anywhere_the_stream_gives_the_same_sentences(
    cuts: list[int], noises: list[bytes]
) -> None:
    whole = list(WITHOUT_FIX)
    noise = [piece.replace(b"$", b".").replace(b"\n", b".") for piece in noises]
    wire = b"".join(
        (noise[place] if place < len(noise) else b"") + each for place, each in enumerate(whole)
    )
    stream = Stream(codec.find, codec.LONGEST)
    found: list[bytes | FrameError] = []
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    for start, end in itertools.pairwise(edges):
        found += stream.take(wire[start:end])
    assert [each for each in found if isinstance(each, bytes)] == whole


ANGLES = st.integers(0, 90 * 600_000 - 1)


@given(
    ANGLES,
    st.sampled_from("NS"),
    ANGLES,
    st.sampled_from("EW"),
    st.integers(0, 86_399),
    st.integers(0, 999),
)
def test_pynmea2_reads_the_same(
    latitude: int, north: str, longitude: int, east: str, clock: int, speed: int
) -> None:
    def minutes(angle: int, width: int) -> str:
        degrees, rest = divmod(angle, 600_000)
        return f"{degrees:0{width}}{rest / 10_000:07.4f}"

    moment = f"{clock // 3600:02}{clock // 60 % 60:02}{clock % 60:02}"
    where = f"{minutes(latitude, 2)},{north},{minutes(longitude, 3)},{east}"
    rmc = line(f"GNRMC,{moment},A,{where},{speed / 10},123.4,200326,,,A")
    gga = line(f"GNGGA,{moment},{where},2,11,1.25,12.5,M,14.4,M,,")
    theirs, ours = pynmea2.parse(rmc.decode()), read(rmc)
    assert isinstance(ours, Rmc)
    assert ours.latitude == pytest.approx(theirs.latitude)
    assert ours.longitude == pytest.approx(theirs.longitude)
    assert ours.speed == pytest.approx(theirs.spd_over_grnd * 1852 / 3600)
    assert ours.course == theirs.true_course
    assert ours.clock_s is not None
    assert ours.midnight_s is not None
    assert ours.midnight_s + ours.clock_s == theirs.datetime.replace(tzinfo=UTC).timestamp()
    other, mine = pynmea2.parse(gga.decode()), read(gga)
    assert isinstance(mine, Gga)
    assert mine.latitude == pytest.approx(other.latitude)
    assert (mine.quality, mine.altitude) == (other.gps_qual, other.altitude)
    assert (mine.satellites, mine.hdop) == (int(other.num_sats), float(other.horizontal_dil))
