"""Any bytes as an answer of an HTTP device, as a web hook, as a challenge, as a document."""

from __future__ import annotations

from contextlib import suppress

import h11

from drivers.localnet.digest import ChallengeError, digest, read_challenge
from drivers.localnet.hook import RequestReader, TooLongError
from drivers.localnet.http_client import AnswerReader, Server, asked, judged
from drivers.localnet.points import sample_of
from drivers.localnet.profile import load_http
from drivers.profiles.reading import SHIPPED, protocol_of
from gateway.model.errors import DeviceError, FrameError

SERVER = Server("192.0.2.1", 80)
GROUPS = [
    group
    for path in sorted(SHIPPED.glob("*.toml"))
    if protocol_of(path) == "http"
    for group in load_http(path.stem, None).groups
]


def one(data: bytes) -> None:
    """Feed one input."""
    connection, _ = asked(SERVER, "GET", "/", b"", None)
    answer = AnswerReader(connection, 256)
    with suppress(DeviceError):
        answer.feed(data)
        if not answer.whole:
            answer.feed(b"")
        judged(answer.read(), SERVER)
    with suppress(h11.RemoteProtocolError, TooLongError):
        RequestReader(256).feed(data)
    with suppress(ChallengeError):
        challenge = read_challenge("Digest " + data.decode("latin-1"))
        header = digest(challenge, "user", "password", "GET", "/", "0")
        asked(SERVER, "GET", "/", b"", header)
    for group in GROUPS:
        with suppress(FrameError):
            sample_of(group, data, "device")
