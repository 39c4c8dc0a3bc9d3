"""Commands go before polls, and nobody who is cancelled holds up the rest."""

from __future__ import annotations

import asyncio

from drivers.media.turnstile import Turnstile
from gateway.model.driver import Priority
from tests import virtual_time


async def _pass(turnstile: Turnstile, name: str, priority: Priority, order: list[str]) -> None:
    await turnstile.enter(priority)
    order.append(name)
    await asyncio.sleep(1)
    turnstile.leave()


def test_turnstile_lets_commands_before_polls_and_equals_in_order() -> None:
    async def main(_: object) -> list[str]:
        turnstile, order = Turnstile(), list[str]()
        async with asyncio.TaskGroup() as tasks:
            for name, priority in [
                ("first", Priority.POLL),
                ("poll 1", Priority.POLL),
                ("poll 2", Priority.POLL),
                ("command 1", Priority.COMMAND),
                ("command 2", Priority.COMMAND),
            ]:
                tasks.create_task(_pass(turnstile, name, priority, order))
        return order

    assert virtual_time.run(main) == ["first", "command 1", "command 2", "poll 1", "poll 2"]


def test_turnstile_passes_over_who_was_cancelled_while_waiting() -> None:
    async def main(_: object) -> tuple[list[str], bool]:
        turnstile, order = Turnstile(), list[str]()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass(turnstile, "first", Priority.POLL, order))
            await asyncio.sleep(0)
            gone = tasks.create_task(_pass(turnstile, "gone", Priority.POLL, order))
            tasks.create_task(_pass(turnstile, "last", Priority.POLL, order))
            await asyncio.sleep(0)
            gone.cancel()
        return order, turnstile.try_enter()

    assert virtual_time.run(main) == (["first", "last"], True)


def test_turnstile_is_handed_on_when_the_next_is_cancelled_in_that_very_moment() -> None:
    async def main(_: object) -> list[str]:
        turnstile, order = Turnstile(), list[str]()
        assert turnstile.try_enter()
        async with asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(_pass(turnstile, "gone", Priority.POLL, order))
            tasks.create_task(_pass(turnstile, "last", Priority.POLL, order))
            await asyncio.sleep(0)
            turnstile.leave()
            gone.cancel()
        return order

    assert virtual_time.run(main) == ["last"]
