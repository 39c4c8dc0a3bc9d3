"""HTTP with devices: who we are, what an answer may be, what a web hook takes. No sockets."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.localnet.digest import ChallengeError, basic, digest, read_challenge
from drivers.localnet.hook import Hooked, Hooks, Message, RequestReader, TooLongError
from drivers.localnet.http_client import Answer, AnswerReader, Server, asked, judged
from drivers.localnet.kind import KIND_HTTP
from drivers.localnet.templates import fill_path
from drivers.profiles.reading import SHIPPED, protocol_of
from gateway.model.errors import (
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from tests.fuzz import fuzz_localnet_http

SERVER = Server("192.0.2.1", 80)
TOKEN = "0123456789abcdef"

# RFC 7616, 3.9.1: the two answers of its example.
CHALLENGE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
RESPONSES = {
    "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


@pytest.mark.parametrize("algorithm", RESPONSES)
def test_digest_is_that_of_the_standard(algorithm: str) -> None:
    challenge = read_challenge(CHALLENGE.format(algorithm=algorithm))
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    header = digest(challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html", cnonce)
    assert f'response="{RESPONSES[algorithm]}"' in header
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in header


def test_basic_is_that_of_the_standard() -> None:
    """The example of RFC 7617, 2."""
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


CHALLENGES = {
    "Basic": 'Basic realm="x"',
    "another algorithm": CHALLENGE.format(algorithm="SHA-512-256"),
    "no nonce": 'Digest realm="x", qop="auth"',
    "another quality": 'Digest realm="x", nonce="y", qop="auth-int"',
    "a realm that ends the header": 'Digest realm="x\x0d", nonce="y", qop="auth"',
    "too long": "Digest " + "x" * 4000,
}


@pytest.mark.parametrize("header", CHALLENGES.values(), ids=CHALLENGES)
def test_a_challenge_that_is_not_answered_is_said_so(header: str) -> None:
    with pytest.raises(ChallengeError):
        read_challenge(header)


def read(raw: bytes, at: int = 0, longest: int = 64) -> Answer:
    connection, _ = asked(SERVER, "GET", "/", b"", None)
    reader = AnswerReader(connection, longest)
    for piece in (raw[:at], raw[at:]):
        if piece and not reader.whole:
            reader.feed(piece)
    if not reader.whole:
        reader.feed(b"")
    return reader.read()


GOOD = {
    "with its length": b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}',
    "to its end": b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}',
    "in chunks": (
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n'
    ),
}


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD)
def test_an_answer_is_read_wherever_it_was_split(raw: bytes) -> None:
    for at in range(len(raw)):
        assert judged(read(raw, at), SERVER) == b'{"a": 1}'


BROKEN: dict[str, tuple[bytes, type[DeviceError]]] = {
    "nothing": (b"", NoResponseError),
    "broken off": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", FrameError),
    "no HTTP": (b"SSH-2.0-x\r\n\r\n", FrameError),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        FrameError,
    ),
    "too long": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b"x" * 999, FrameError),
    "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, FrameError),
    "packed": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        FrameError,
    ),
    "elsewhere": (
        b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
        FrameError,
    ),
    "forbidden": (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", DeviceRejectedError),
    "broken": (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", DeviceFaultError),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_what_is_no_good_answer_is_named(case: tuple[bytes, type[DeviceError]]) -> None:
    raw, error = case
    with pytest.raises(error):
        judged(read(raw), SERVER)


def post(path: str, body: bytes, *headers: str, method: str = "POST") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def hooks(seen: list[bytes]) -> Hooks:
    def take(body: bytes) -> int:
        seen.append(body)
        return 204

    made = Hooks()
    made.add("gate", Hooked(TOKEN, take))
    return made


TOLD = {
    "token in the header": (post("/gate", b"{}", f"Authorization: Bearer {TOKEN}"), 204),
    "token behind the path": (post(f"/gate/{TOKEN}", b"{}"), 204),
    "another token": (post("/gate", b"{}", "Authorization: Bearer 0123456789abcdeX"), 404),
    "another path": (post("/door", b"{}", f"Authorization: Bearer {TOKEN}"), 404),
    "no token": (post("/gate", b"{}"), 404),
    "an empty token": (post("/gate/", b"{}"), 404),
    "another method": (post(f"/gate/{TOKEN}", b"", method="PUT"), 404),
    "the root": (post("/", b"{}"), 404),
}


@pytest.mark.parametrize("case", TOLD.values(), ids=TOLD)
def test_only_who_knows_path_and_token_is_taken(case: tuple[bytes, int]) -> None:
    raw, status = case
    for at in range(len(raw)):
        seen: list[bytes] = []
        made = hooks(seen)
        reader = RequestReader(64)
        message = reader.feed(raw[:at]) if at else None
        message = message or reader.feed(raw[at:])
        assert message is not None
        assert made.answer(message) == status
        assert seen == ([b"{}"] if status == 204 else [])
        assert made.refused["unknown"] == (status == 404)


def test_a_long_body_is_not_kept_and_tells_a_stranger_nothing() -> None:
    for path, status in ((f"/gate/{TOKEN}", 413), ("/gate/x", 404)):
        reader = RequestReader(64)
        with pytest.raises(TooLongError):
            reader.feed(post(path, b"x" * 100))
        head = reader.head()
        assert head is not None
        assert hooks([]).answer(head, long=True) == status


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    with suppress(h11.RemoteProtocolError, TooLongError):
        found = RequestReader(64).feed(data)
        assert found is None or isinstance(found, Message)
    with suppress(DeviceError):
        read(data)
    fuzz_localnet_http.one(data)


@given(st.text())
def test_any_token_is_compared(token: str) -> None:
    assert hooks([]).known(Message("POST", "/gate", token, b"")) is None or token == TOKEN


def test_what_is_filled_into_a_path_cannot_leave_its_place() -> None:
    assert fill_path("/rpc/{id}?on={value}", {"id": "a/../b&c", "value": True}) == (
        "/rpc/a%2F..%2Fb%26c?on=true"
    )
    with pytest.raises(ValueError, match="no path"):
        fill_path("{id}", {"id": "a b"})


HTTP = [path for path in sorted(SHIPPED.glob("*.toml")) if protocol_of(path) == "http"]


@pytest.mark.parametrize("path", HTTP, ids=lambda path: path.stem)
def test_the_vectors_of_our_profiles_are_read_as_they_say(path: Path) -> None:
    assert KIND_HTTP.check(path) == []
    assert json.dumps(KIND_HTTP.schema())
    assert KIND_HTTP.sheet(path).vectors > 0
