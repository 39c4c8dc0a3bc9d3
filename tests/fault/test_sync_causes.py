"""Why there is no link: each cause is provoked, and told apart from every other."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.messages.catalogue import describe
from gateway.model.clock import SystemClock
from gateway.model.errors import IdentityRejectedError, LinkDownError
from gateway.model.event import Event, Severity
from gateway.sync.causes import LinkLostError, RefusedError, Step
from gateway.sync.session import Broker, Session, client_context
from provisioning.authority import Authority
from tests.broker import Mosquitto
from tests.clock import HandClock
from tests.linked_site import CITY, GATEWAY, links, site, until

Brokers = Callable[..., Mosquitto]
ACKS = f"mayak/1/{GATEWAY}/down/ack"
YEAR_MS = 366 * 86_400_000
CONNACK = bytes.fromhex("20 03 00 00 00")
"""MQTT 5.0 §3.2: no session, success, no properties."""


def tls(authority: Authority, ca: Authority | None = None) -> ssl.SSLContext:
    keys = authority.folder / "gateways" / GATEWAY
    return client_context(
        (ca or authority).folder / "ca.pem", keys / "device.pem", keys / "device.key"
    )


def made_at(folder: Path, years: int) -> Authority:
    """Return an authority that was made so many years from now."""
    now_ms = SystemClock().now().wall_ms
    clock = HandClock(wall_ms=now_ms + years * YEAR_MS)
    return Authority.create(folder, clock, gateways=[GATEWAY])


async def cause(
    port: int,
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    *,
    clock_is_set: bool = True,
) -> tuple[Step, str]:
    """Connect, publish once, and return the step at which that fails with the sentence."""
    with pytest.raises((LinkDownError, IdentityRejectedError)) as caught:
        await _until_it_ends(Broker(host, port, 5, 2.0, context), clock_is_set=clock_is_set)
    assert isinstance(caught.value, LinkLostError | RefusedError)
    return caught.value.step, str(caught.value)


async def _until_it_ends(broker: Broker, *, clock_is_set: bool) -> None:
    woken = asyncio.Event()
    lost: LinkLostError | RefusedError
    session = await Session.connect(broker, GATEWAY, [ACKS], woken.set, clock_is_set=clock_is_set)
    try:
        session.publish(f"mayak/1/{GATEWAY}/up/data", b"x")
        async with asyncio.timeout(10):
            while session.ended is None:
                woken.clear()
                await woken.wait()
        lost = session.ended
    except LinkLostError as error:
        lost = error
    finally:
        await session.close()
    raise session.why(lost) if isinstance(lost, LinkLostError) else lost


@asynccontextmanager
async def server(
    answer: bytes, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Listen, and answer the first bytes of each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.read(1000):
                writer.write(answer)
                await reader.read()
        except OSError:
            return  # the client has gone: that is what most of these tests are about
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, host, 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def serving(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "broker.pem", authority.folder / "broker.key")
    return context


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    step, said = await cause(8883, host="broker.invalid")

    assert (step, "broker.invalid" in said) == (Step.DNS, True)


async def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        step, _ = await cause(unused.getsockname()[1])

    assert step is Step.REFUSED


async def test_a_host_that_takes_no_connection() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the queue is full: SYNs are dropped
            step, _ = await cause(port)

    assert step is Step.SILENT


async def test_a_port_that_speaks_no_tls(authority: Authority) -> None:
    async with server(b"220 mail.example.org ESMTP\r\n") as port:
        step, _ = await cause(port, tls(authority))

    assert step is Step.TLS


@pytest.mark.parametrize(
    ("years", "clock_is_set", "step", "said"),
    [
        (-40, True, Step.SERVER_CERTIFICATE, "expired"),
        (-40, False, Step.CLOCK, "nothing sets our own clock"),
        (1, True, Step.SERVER_CERTIFICATE, "not yet valid"),
        (1, False, Step.CLOCK, "nothing sets our own clock"),
    ],
)
async def test_a_certificate_of_another_time(
    tmp_path: Path, years: int, clock_is_set: bool, step: Step, said: str
) -> None:
    other = made_at(tmp_path / "authority", years)
    async with server(b"", serving(other)) as port:
        found, sentence = await cause(port, tls(other), clock_is_set=clock_is_set)

    assert (found, said in sentence) == (step, True)


async def test_a_certificate_of_another_name(authority: Authority) -> None:
    async with server(b"", serving(authority), "127.0.0.2") as port:
        step, said = await cause(port, tls(authority), "127.0.0.2")

    assert (step, "127.0.0.2" in said) == (Step.SERVER_CERTIFICATE, True)


async def test_a_certificate_of_an_authority_that_is_not_ours(
    authority: Authority, tmp_path: Path
) -> None:
    other = made_at(tmp_path / "authority", 0)
    async with server(b"", serving(other)) as port:
        step, _ = await cause(port, tls(authority))

    assert step is Step.SERVER_CERTIFICATE


async def test_our_certificate_is_of_an_authority_that_is_not_theirs(
    authority: Authority, tmp_path: Path, mosquitto: Brokers
) -> None:
    stranger = made_at(tmp_path / "authority", 0)
    port, step = mosquitto(authority).port, Step.LINK
    for _ in range(20):  # the reset of the connection may overtake the alert
        if step is Step.LINK:
            step, _said = await cause(port, tls(stranger, authority))

    assert step is Step.CLIENT_CERTIFICATE


@pytest.mark.parametrize(
    ("code", "step"), [(0x87, Step.AUTHORISATION), (0x97, Step.QUOTA), (0x88, Step.LINK)]
)
async def test_a_broker_that_does_not_let_us_in(code: int, step: Step) -> None:
    async with server(bytes([0x20, 3, 0, code, 0])) as port:
        found, _ = await cause(port)

    assert found is step


async def test_a_broker_that_lets_us_publish_nothing(tmp_path: Path, mosquitto: Brokers) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    rights.chmod(0o600)
    step, _ = await cause(mosquitto(config=f"acl_file {rights}").port)

    assert step is Step.AUTHORISATION


async def test_a_broker_that_ends_it_for_the_quota() -> None:
    async with server(CONNACK + bytes([0xE0, 2, 0x97, 0])) as port:
        step, _ = await cause(port)

    assert step is Step.QUOTA


async def test_a_broker_that_says_somebody_took_our_name(
    tmp_path: Path, authority: Authority
) -> None:
    async with (
        server(CONNACK + bytes([0xE0, 2, 0x8E, 0])) as port,
        site(tmp_path, authority, links((CITY, port))) as gateway,
    ):
        await until(lambda: "session-taken-over" in [event.key for event in gateway.events])
        await asyncio.sleep(0.6)  # longer than the longest wait of these tests

    alarm = next(event for event in gateway.events if event.key == "session-taken-over")
    assert (alarm.severity, alarm.args["step"]) == (Severity.ALARM, "taken-over")
    assert gateway.uplinks[0].traffic.connects == 1


async def test_a_clone_that_takes_the_connection_again_and_again_is_an_alarm(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    """Mosquitto 2.0.11 ends the first of two clients without a word."""
    ways = links((CITY, mosquitto().port))
    ended = asyncio.Event()

    async def clone() -> None:
        while True:
            ended.clear()
            other = await Session.connect(ways[CITY], ways[CITY].client_id, [ACKS], ended.set)
            await ended.wait()
            await other.close()

    async with site(tmp_path, authority, ways) as gateway, asyncio.TaskGroup() as group:
        await until(lambda: gateway.uplinks[0].traffic.connected)
        other = group.create_task(clone())
        await until(lambda: "session-taken-over" in [event.key for event in gateway.events])
        other.cancel()

    told = [event for event in gateway.events if event.key == "session-taken-over"]
    assert [event.severity for event in told] == [Severity.ALARM]


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.LINK])
def test_each_cause_has_a_text_and_a_next_action_of_its_own(step: Step) -> None:
    now = SystemClock().now()
    plain = Event("link-lost", now, Severity.WARNING, args={"step": Step.LINK.value})
    told = Event("link-lost", now, Severity.WARNING, args={"step": step.value})

    for lang in ("ru", "en"):
        assert describe(told, lang).text != describe(plain, lang).text
        assert describe(told, lang).next
