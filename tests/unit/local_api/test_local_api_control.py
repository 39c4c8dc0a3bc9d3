"""The agent's local door: who may open it, and what any bytes do to it."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.local_api.control import LINE_MOST, Answer, Handler, ask, control_path, serve_control
from gateway.model.errors import GatewayError

WITHIN_S = 5.0


async def echo(request: Mapping[str, Any]) -> Answer:  # Any: JSON values
    return {"said": request.get("say")}


async def refuse(_request: Mapping[str, Any]) -> Answer:  # Any: JSON values
    msg = "there is no device 'x'"
    raise GatewayError(msg)


async def break_down(_request: Mapping[str, Any]) -> Answer:  # Any: JSON values
    return {"ratio": 1 // 0}


def handlers(begun: asyncio.Event) -> dict[str, Handler]:
    async def take_long(_request: Mapping[str, Any]) -> Answer:  # Any: JSON values
        begun.set()
        await asyncio.sleep(60)
        return {}

    return {"echo": echo, "refuse": refuse, "break": break_down, "long": take_long}


@asynccontextmanager
async def open_door(folder: Path, begun: asyncio.Event | None = None) -> AsyncIterator[Path]:
    """Serve until the end of the block; the end must come at once, whoever is connected.

    `begun` is set once the handler `long` is at work.
    """
    path = control_path(folder / "store.db")
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve_control(path, handlers(begun or asyncio.Event())))
        async with asyncio.timeout(WITHIN_S):
            while not path.exists():  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.001)
            yield path
            serving.cancel()
            await asyncio.wait([serving])


async def asked(path: Path, **request: object) -> Answer:
    answer = await asyncio.to_thread(ask, path, request, WITHIN_S)
    assert answer is not None
    return answer


async def hang_up_after(path: Path, content: bytes) -> bytes:
    """Send any bytes, say that no more come, and return all that was answered."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(content)
        writer.write_eof()
        async with asyncio.timeout(WITHIN_S):
            return await reader.read()
    except (ConnectionError, BrokenPipeError):
        return b""
    finally:
        writer.close()


async def test_only_its_own_user_can_open_it(tmp_path: Path) -> None:
    async with open_door(tmp_path) as path:
        mode = path.stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_request_is_answered(tmp_path: Path) -> None:
    async with open_door(tmp_path) as path:
        assert await asked(path, do="echo", say="Шкаф") == {"said": "Шкаф"}


async def test_two_clients_are_answered_at_the_same_time(tmp_path: Path) -> None:
    async with open_door(tmp_path) as path:
        _, first = await asyncio.open_unix_connection(path)
        first.write(b'{"do": "long"}\n')
        await first.drain()

        assert await asked(path, do="echo", say=1) == {"said": 1}
        first.close()


async def test_several_requests_of_one_client_are_answered_in_order(tmp_path: Path) -> None:
    lines = b"".join(b'{"do": "echo", "say": %d}\n' % number for number in range(5))
    async with open_door(tmp_path) as path:
        answers = await hang_up_after(path, lines)

    assert [json.loads(line)["said"] for line in answers.splitlines()] == list(range(5))


async def test_a_refusal_is_told_with_its_sentence(tmp_path: Path) -> None:
    async with open_door(tmp_path) as path:
        with pytest.raises(GatewayError, match=r"^there is no device 'x'$"):
            await asked(path, do="refuse")


async def test_what_breaks_in_one_request_is_told_and_the_door_stays_open(tmp_path: Path) -> None:
    async with open_door(tmp_path) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        with pytest.raises(GatewayError, match="division"):
            await asked(path, do="break")
        writer.write(b'{"do": "echo", "say": "still here"}\n')
        line = await reader.readline()
        writer.close()

    assert json.loads(line) == {"said": "still here"}


NO_REQUESTS = [
    b"\n", b"{}\n", b"[]\n", b"1\n", b'"do"\n', b"null\n", b'{"do": []}\n', b'{"do": {}}\n',
    b'{"do": "nothing"}\n', b"\xff\xfe\n", b"[" * 60_000 + b"\n", b"9" * 60_000 + b"\n",
]  # fmt: skip


@pytest.mark.parametrize("line", NO_REQUESTS, ids=range(len(NO_REQUESTS)))
async def test_what_is_no_request_is_told_what_is_one(tmp_path: Path, line: bytes) -> None:
    async with open_door(tmp_path) as path:
        answer = json.loads(await hang_up_after(path, line))

    assert answer == {"error": "not a request; known: break, echo, long, refuse"}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.binary(max_size=80), min_size=1, max_size=8))
def test_any_bytes_leave_the_door_open(tmp_path: Path, contents: list[bytes]) -> None:
    async def story() -> Answer:
        async with open_door(tmp_path) as path:
            for content in contents:
                await hang_up_after(path, content)
            return await asked(path, do="echo", say="well")

    assert asyncio.run(story()) == {"said": "well"}


async def test_a_line_that_is_too_long_ends_the_connection_and_no_other(tmp_path: Path) -> None:
    async with open_door(tmp_path) as path:
        answer = await hang_up_after(path, b'"' + b"x" * (2 * LINE_MOST) + b'"\n')

        assert answer == b""
        assert await asked(path, do="echo", say="well") == {"said": "well"}


async def test_a_stop_does_not_wait_for_clients_and_takes_the_name_away(tmp_path: Path) -> None:
    begun = asyncio.Event()
    async with open_door(tmp_path, begun) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b'{"do": "long"}\n')
        async with asyncio.timeout(WITHIN_S):
            await begun.wait()
        _, late = await asyncio.open_unix_connection(path)

    late.close()
    async with asyncio.timeout(WITHIN_S):
        assert await reader.read() == b""
    writer.close()
    assert not path.exists()


async def test_what_a_killed_agent_left_is_replaced(tmp_path: Path) -> None:
    path = control_path(tmp_path / "store.db")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with open_door(tmp_path) as path:
        async with asyncio.timeout(WITHIN_S):
            while await asyncio.to_thread(ask, path, {"do": "echo"}, WITHIN_S) is None:  # noqa: ASYNC110  # not yet
                await asyncio.sleep(0.001)


def test_no_agent_is_no_answer(tmp_path: Path) -> None:
    assert ask(tmp_path / "store.db.sock", {"do": "status"}) is None


def test_an_agent_that_was_killed_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "store.db.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    assert ask(path, {"do": "status"}) is None


def test_an_agent_that_says_nothing_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "store.db.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(GatewayError, match=r"did not answer in 0 s$"):
            ask(path, {"do": "status"}, timeout_s=0.05)


async def test_an_agent_that_goes_away_in_the_middle_is_told_so(tmp_path: Path) -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    async with open_door(tmp_path, begun) as path:
        asking = loop.run_in_executor(None, ask, path, {"do": "long"}, WITHIN_S)
        async with asyncio.timeout(WITHIN_S):
            await begun.wait()

    with pytest.raises(GatewayError, match="did not answer"):
        await asking


def test_a_place_that_no_socket_can_have_is_told_and_not_thrown(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="cannot be asked"):
        ask(tmp_path / ("x" * 120), {"do": "status"})
