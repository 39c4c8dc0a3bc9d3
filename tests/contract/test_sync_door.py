"""Knocking at a real port: who is answered, who is told that it is in vain, what is left behind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import pytest

from gateway.sync.causes import LinkLostError, Step
from gateway.sync.door import Door, NetworkNews

PATIENCE_S = 5.0
EVERY_S = 0.05


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def listening(backlog: int = 5) -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    return listener


def door(listener: socket.socket, patience_s: float = PATIENCE_S) -> Door:
    return Door("127.0.0.1", listener.getsockname()[1], patience_s)


async def test_who_is_there_answers_the_first_knock() -> None:
    with listening() as listener:
        asked = door(listener)
        with await asked.open(EVERY_S) as connection:
            accepted, peer = listener.accept()
            accepted.close()

            assert peer == connection.getsockname()


async def test_an_empty_port_says_so_at_once() -> None:
    with listening() as listener:
        asked = door(listener)

    with pytest.raises(LinkLostError) as failed:
        await asked.open(EVERY_S)

    assert failed.value.step is Step.REFUSED


async def test_a_fresh_knock_is_answered_long_before_the_first_is_repeated() -> None:
    """The kernel repeats one that was lost after a second, then after two more."""
    # One that waits fills the queue: further packets that ask for a connection are dropped.
    with listening(0) as deaf, closing(socket.create_connection(deaf.getsockname())):
        async with asyncio.TaskGroup() as group:
            opening = group.create_task(door(deaf).open(EVERY_S))
            await asyncio.sleep(6 * EVERY_S)
            assert not opening.done()
            deaf.accept()[0].close()
            async with asyncio.timeout(0.6):
                connection = await opening
        with connection, deaf.accept()[0] as accepted:
            assert accepted.getpeername() == connection.getsockname()


async def test_silence_ends_with_the_patience_and_leaves_no_socket_behind() -> None:
    with listening(0) as deaf, closing(socket.create_connection(deaf.getsockname())):
        before = open_files()

        with pytest.raises(LinkLostError) as failed:
            await door(deaf, 6 * EVERY_S).open(EVERY_S)

        assert failed.value.step is Step.SILENT
        assert open_files() <= before + 2  # the loop's own, made with its first connection


async def test_a_name_that_does_not_exist_is_told_as_that() -> None:
    with pytest.raises(LinkLostError) as failed:
        await Door("nobody.invalid", 1, PATIENCE_S).open(EVERY_S)

    assert failed.value.step is Step.DNS


async def test_news_of_the_network_are_listened_to_and_that_ends() -> None:
    heard = asyncio.Event()
    before = open_files()
    with NetworkNews(heard.set):
        assert open_files() == before + 1
    assert open_files() == before
    assert not heard.is_set()
