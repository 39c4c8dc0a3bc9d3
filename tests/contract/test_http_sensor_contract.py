"""HTTP devices keep a driver's promises: asked over real sockets, and telling by web hook."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from drivers.localnet import http_line
from drivers.localnet.http_config import HttpConfig, HttpLineConfig, prepare
from drivers.localnet.http_line import LocalHttp
from drivers.localnet.http_sensor import HttpSensor
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from simulators.faults import (
    Fault,
    Flood,
    Liar,
    Reboot,
    Redirect,
    Refuse,
    Short,
    Silent,
    Slow,
)
from simulators.localnet.http_line import RunningHttp
from simulators.localnet.http_twins import CounterTwin, ShellyTwin, answer
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import checked
from tests.driver_page import missing_options, missing_points
from tests.listening_ear import ListeningEar, Told, told

README = Path(http_line.__file__).parent / "README.md"
LINE = '[[line]]\nid = "local"\nmedium = "http-local"\n'
SHELLY = LINE + '[[twin]]\nid = "plug"\nline = "local"\nkind = "shelly-gen2"\n'
COUNTER = LINE + '[[twin]]\nid = "gate"\nline = "local"\nkind = "hook-counter"\ninterval_s = 3600\n'
TOKEN = "0123456789abcdef0123456789abcdef"
STATUS = b'{"output": true, "apower": 1, "voltage": 230, "aenergy": {"total": 2}}'


def secret(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def plug(url: str, **options: object) -> HttpSensor:
    settings = {
        "profile": "shelly-gen2-switch-http",
        "url": url,
        "response_timeout_s": 2.0,
    } | options
    device = prepare(checked(HttpConfig, settings), None)
    return HttpSensor(device, LocalHttp(LineId("local"), checked(HttpLineConfig, {})))


async def polled(sensor: HttpSensor) -> Told:
    (group,) = sensor.groups
    return told(group, await sensor.poll(group))


@asynccontextmanager
async def asked(
    scene: str = SHELLY, **options: object
) -> AsyncIterator[tuple[Running, ShellyTwin, HttpSensor]]:
    async with run_scene(parse_scene(scene, "test")) as running:
        twin = running.twin("plug")
        assert isinstance(twin, ShellyTwin)
        yield running, twin, plug(f"http://127.0.0.1:{twin.port}", **options)


async def test_a_device_is_asked_and_set_with_proof() -> None:
    async with asked() as (_, twin, sensor):
        values = (await polled(sensor)).values
        assert values == {"switched_on": False, "power": 0.0, "voltage": 231.4, "energy": 0.0}
        assert await sensor.write(PointId("switched_on"), value=True) is True
        assert twin.switched_on
        for point, value in {"switched_on": 7, "power": 1.0, "nothing": 1}.items():
            with pytest.raises(CommandRefusedError):
                await sensor.write(PointId(point), value)


async def test_digest_opens_a_device_that_asks_who_we_are(tmp_path: Path) -> None:
    scene = SHELLY + 'password = "s3cret"\n'
    async with asked(scene) as (_, twin, nobody):
        with pytest.raises(DeviceRejectedError) as caught:
            await polled(nobody)
        assert caught.value.code == 401
        for text, fits in (("s3cret", True), ("wrong", False)):
            login = {
                "login": "digest",
                "username": "admin",
                "password_file": secret(tmp_path, "password", text),
            }
            sensor = plug(f"http://127.0.0.1:{twin.port}", **login)
            if fits:
                assert (await polled(sensor)).causes == {}
            else:
                with pytest.raises(DeviceRejectedError):
                    await polled(sensor)


FAULTS: dict[str, tuple[Fault, type[DeviceError]]] = {
    "silent": (Silent(), NoResponseError),
    "slow": (Slow(delay_s=5), NoResponseError),
    "error 500": (Refuse(), DeviceFaultError),
    "redirect": (Redirect(), FrameError),
    "broken off": (Short(missing=5), FrameError),
    "nothing of it": (Liar(how="count"), FrameError),
    "too long": (Liar(how="length"), FrameError),
}


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_named_and_the_next_answer_is_good(
    case: tuple[Fault, type[DeviceError]],
) -> None:
    fault, error = case
    async with asked(response_timeout_s=0.3) as (running, _, sensor):
        held = running.apply("plug", fault)
        with pytest.raises(error):
            await polled(sensor)
        running.end("plug", held)
        assert (await polled(sensor)).causes == {}


async def test_values_that_cannot_be_are_bad_one_by_one() -> None:
    async with asked() as (running, _, sensor):
        running.apply("plug", Liar(how="values"))
        assert (await polled(sensor)).causes == {
            "switched_on": "OUT_OF_RANGE",
            "power": "OUT_OF_RANGE",
            "voltage": "OUT_OF_RANGE",
            "energy": "NO_VALUE",
        }


async def test_a_device_that_restarts_is_not_there_and_comes_back() -> None:
    async with asked(response_timeout_s=0.3) as (running, twin, sensor):
        held = running.apply("plug", Reboot())
        async with asyncio.timeout(10):
            while twin._server is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises(NoResponseError):
            await polled(sensor)
        running.end("plug", held)
        async with asyncio.timeout(10):
            while twin._server is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await polled(sensor)).causes == {}


async def test_a_cancelled_request_leaves_the_device_usable() -> None:
    async with asked() as (running, _, sensor):
        held = running.apply("plug", Silent())
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(polled(sensor))
            await asyncio.sleep(0.05)
            poll.cancel()
        running.end("plug", held)
        assert (await polled(sensor)).causes == {}


# TLS


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """Return a server's context with a certificate it signed itself, and its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    raw = certificate.public_bytes(serialization.Encoding.DER)
    return context, hashlib.sha256(raw).hexdigest()


async def test_only_the_pinned_certificate_is_talked_to(tmp_path: Path) -> None:
    asked_for: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked_for.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer(200, STATUS))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()

    context, own = certified(tmp_path, "own")
    _, other = certified(tmp_path, "other")
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert (await polled(plug(url, fingerprint=own))).causes == {}
        assert len(asked_for) == 1
        with pytest.raises(DeviceError, match="another certificate"):
            await polled(plug(url, fingerprint=other))
        with pytest.raises(FrameError, match="TLS"):
            await polled(plug(url))  # signed by nobody the system knows
        assert len(asked_for) == 1  # nothing was said to either


# Web hook


@asynccontextmanager
async def hooked(
    folder: Path, scene: str = COUNTER, **options: object
) -> AsyncIterator[tuple[Running, CounterTwin, LocalHttp, ListeningEar]]:
    async with run_scene(parse_scene(scene, "test")) as running:
        laid = running.lines["local"]
        assert isinstance(laid, RunningHttp)
        host, port = laid.gateway()
        config = {"hook_host": host, "hook_port": port, "longest_body": 1024}
        own = {key: value for key, value in options.items() if key.startswith("hook_")}
        line = LocalHttp(LineId("local"), checked(HttpLineConfig, config | own))
        settings = {
            "profile": "demo-hook-counter",
            "device_id": "gate",
            "hook": "gate",
            "token_file": secret(folder, "token", TOKEN),
        } | {key: value for key, value in options.items() if not key.startswith("hook_")}
        sensor = HttpSensor(prepare(checked(HttpConfig, settings), None), line)
        ear = ListeningEar()
        sensor.attend(ear)
        twin = running.twin("gate")
        assert isinstance(twin, CounterTwin)
        try:
            await line.open()
            yield running, twin, line, ear
        finally:
            await line.close()


@pytest.mark.parametrize("in_path", ["true", "false"])
async def test_a_device_tells_by_itself(in_path: str, tmp_path: Path) -> None:
    async with hooked(tmp_path, COUNTER + f"in_path = {in_path}\n") as (_, twin, _line, ear):
        twin.entered, twin.left = 12, 7
        assert await twin.post(b'{"id": "gate", "in": 12, "out": 7}') == 204
        assert ear.of("passages")[-1].values == {"entered": 12.0, "left": 7.0}
        await twin.tell()
        assert twin.statuses[-1] == 204


async def test_a_stranger_learns_nothing_and_is_counted(tmp_path: Path) -> None:
    scene = COUNTER + 'token = "another-one-that-is-long-enough"\n'
    async with hooked(tmp_path, scene) as (_, twin, line, ear):
        assert await twin.post(b'{"id": "gate", "in": 1, "out": 0}') == 404
        assert (line.hooks.refused["unknown"], ear.samples) == (1, [])


MESSAGES = {
    "no JSON": (b'{"id": "gate"', 400),
    "another identity": (b'{"id": "door", "in": 1, "out": 0}', 400),
    "too long": (b" " * 2000, 413),
}


@pytest.mark.parametrize("case", MESSAGES.values(), ids=MESSAGES)
async def test_what_makes_no_sense_is_refused(case: tuple[bytes, int], tmp_path: Path) -> None:
    raw, status = case
    async with hooked(tmp_path) as (_, twin, _line, ear):
        assert await twin.post(raw) == status
        assert ear.samples == []
        assert await twin.post(b'{"id": "gate", "in": 1, "out": 0}') == 204


async def test_a_flood_by_web_hook_is_cut_off(tmp_path: Path) -> None:
    async with hooked(tmp_path, burst=3, most_per_s=0.01) as (running, twin, line, ear):
        running.apply("gate", Flood(every_s=0.005))
        async with asyncio.timeout(10):
            while line.hooks.refused["too many"] < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(ear.samples) == 3
        assert twin.statuses.count(429) > 0


async def talk(port: int, *pieces: bytes) -> bytes:
    """Send pieces and return what comes until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


def port_of(running: Running) -> int:
    laid = running.lines["local"]
    assert isinstance(laid, RunningHttp)
    return laid.address.hook_port


async def test_who_speaks_too_slowly_is_hung_up_on(tmp_path: Path) -> None:
    async with hooked(tmp_path, hook_timeout_s=0.2) as (running, twin, line, _):
        assert await talk(port_of(running), b"POST /gate HTTP/1.1\r\n") == b""
        assert line.hooks.refused["too slow"] == 1
        assert await twin.post(b'{"id": "gate", "in": 1, "out": 0}') == 204


async def test_only_so_many_may_be_connected_at_once(tmp_path: Path) -> None:
    async with hooked(tmp_path, hook_connections=1, hook_timeout_s=10) as (running, _, line, _e):
        port = port_of(running)
        _, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(b"POST")
        await first.drain()
        async with asyncio.timeout(10):
            while not line._server._writers:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await talk(port, b"POST /gate HTTP/1.1\r\n\r\n") == b""
        assert line.hooks.refused["too many connections"] == 1
        first.transport.abort()


async def test_what_is_no_http_gets_the_same_nothing(tmp_path: Path) -> None:
    async with hooked(tmp_path) as (running, _, line, _e):
        said = await talk(port_of(running), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 404 ")
        assert said.endswith(b"\r\n\r\n")
        assert line.hooks.refused["no HTTP"] == 1


async def test_nothing_listens_unless_the_site_says_so(tmp_path: Path) -> None:
    line = LocalHttp(LineId("local"), checked(HttpLineConfig, {}))
    settings = {
        "profile": "demo-hook-counter",
        "hook": "gate",
        "token_file": secret(tmp_path, "token", TOKEN),
    }
    with pytest.raises(ValueError, match="does not listen"):
        HttpSensor(prepare(checked(HttpConfig, settings), None), line)
    await line.open()
    assert line._server.port == 0


async def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    async with hooked(tmp_path) as (running, _, _line, _e):
        port = port_of(running)
        config = checked(HttpLineConfig, {"hook_port": port})
        line = LocalHttp(LineId("second"), config)
        line.hear("gate", Path(secret(tmp_path, "token", TOKEN)), lambda _: 204)
        with pytest.raises(BusUnavailableError, match=f"cannot listen on 127.0.0.1:{port}"):
            await line.open()


def _token(folder: Path) -> str:
    return secret(folder, "short", "short")


WRONG: dict[str, dict[str, object] | Callable[[Path], dict[str, object]]] = {
    "no address": {"profile": "shelly-gen2-switch-http", "url": "192.168.1.2"},
    "a path": {"profile": "shelly-gen2-switch-http", "url": "http://a/b"},
    "a pin without TLS": {
        "profile": "shelly-gen2-switch-http",
        "url": "http://a",
        "fingerprint": "00" * 32,
    },
    "a login without a password": {
        "profile": "shelly-gen2-switch-http",
        "url": "http://a",
        "login": "digest",
    },
    "a hook without a token": {"profile": "demo-hook-counter", "hook": "gate"},
    "a short token": lambda folder: {
        "profile": "demo-hook-counter",
        "hook": "gate",
        "token_file": _token(folder),
    },
    "an unknown option": {"profile": "wled", "url": "http://a", "port": 80},
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_wrong_options_are_refused(
    case: dict[str, object] | Callable[[Path], dict[str, object]], tmp_path: Path
) -> None:
    with pytest.raises(ValidationError):
        checked(HttpConfig, case if isinstance(case, dict) else case(tmp_path))


@pytest.mark.parametrize("options", [{"profile": "wled"}, {"profile": "demo-hook-counter"}])
def test_a_profile_that_needs_more_says_what(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(url|hook):"):
        prepare(checked(HttpConfig, options), None)


def test_the_page_lists_every_option_and_point() -> None:
    assert missing_options(README, HttpConfig) == []
    assert missing_options(README, HttpLineConfig) == []
    assert missing_points(README, plug("http://a").groups) == []
