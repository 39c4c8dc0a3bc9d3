"""The door when the folder of the store takes no socket."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.local_api import control
from gateway.local_api.control import Answer, ask, elsewhere, serve_control

WITHIN_S = 10.0


async def hello(_request: Mapping[str, Any]) -> Answer:
    return {"it": "is me"}


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(control, "RUNTIME_FOLDER", folder)
    return folder


def mode(file: Path) -> int | None:
    """Return who may use a file, or None when there is none."""
    return file.stat().st_mode & 0o777 if file.exists() else None


async def answers_at(door: Path, nowhere: Path) -> None:
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve_control(nowhere, {"hello": hello}))
        async with asyncio.timeout(WITHIN_S):
            while mode(door) is None:  # noqa: ASYNC110  # a file has no event
                await asyncio.sleep(0.001)
            answer = await asyncio.to_thread(ask, nowhere, {"do": "hello"}, WITHIN_S)
        assert answer == {"it": "is me"}
        assert mode(door) == 0o600
        serving.cancel()
        await asyncio.wait([serving])
    assert mode(door) is None
    assert ask(nowhere, {"do": "hello"}) is None


async def test_the_door_is_in_the_runtime_folder_of_the_service(runtime: Path) -> None:
    nowhere = runtime.parent / "not-there" / "store.db.sock"
    await answers_at(elsewhere(nowhere)[0], nowhere)


async def test_without_one_it_is_in_a_folder_of_our_own(runtime: Path) -> None:
    shutil.rmtree(runtime)
    nowhere = runtime.parent / "not-there" / "store.db.sock"
    door = elsewhere(nowhere)[1]
    await answers_at(door, nowhere)
    assert mode(door.parent) == 0o700


async def test_a_folder_that_others_may_enter_is_not_used(runtime: Path) -> None:
    shutil.rmtree(runtime)
    nowhere = runtime.parent / "not-there" / "store.db.sock"
    own = elsewhere(nowhere)[1].parent
    own.mkdir(mode=0o777)
    own.chmod(0o777)
    with pytest.raises(FileNotFoundError):
        await serve_control(nowhere, {"hello": hello})
    assert list(own.iterdir()) == []
