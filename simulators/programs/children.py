"""The processes of a site: started, watched, ended by their own pid."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

READY_WITHIN_S: Final = 20.0
POLL_S: Final = 0.05
STOP_WITHIN_S: Final = 10.0


class ChildError(RuntimeError):
    """A part of the site did not start or ended by itself; the text shows its last words."""


@dataclass(slots=True)
class Child:
    """One running part."""

    name: str
    process: Process
    log: Path

    @property
    def alive(self) -> bool:
        """Say whether it still runs."""
        return self.process.returncode is None

    async def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code; one that does not listen is killed."""
        if self.alive:
            self.process.send_signal(by)
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()

    def tell(self, message: Mapping[str, Any]) -> None:  # Any: JSON values
        """Put one JSON line on its standard input."""
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def last_words(self, lines: int = 12) -> str:
        """Return the end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


@dataclass(slots=True)
class Children:
    """All parts, in the order of their start."""

    folder: Path
    all: list[Child] = field(default_factory=list)

    async def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a part; what it prints goes to `NAME.log` in the folder."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=file, stderr=file, start_new_session=True
            )
        child = Child(name, process, log)
        self.all.append(child)
        return child

    async def ready(self, child: Child, file: Path) -> dict[str, Any]:  # Any: JSON values
        """Wait until the part has written its ready file, and return what stands there.

        Raises:
            ChildError: it ended or did not get ready in time.
        """
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while (answer := _read(file)) is None:
                    self.check(child)
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            msg = f"{child.name} is not ready after {READY_WITHIN_S:.0f} s:\n{child.last_words()}"
            raise ChildError(msg) from error
        return answer

    def check(self, child: Child) -> None:
        """Raise when a part that should run does not.

        Raises:
            ChildError: it ended by itself.
        """
        if not child.alive:
            code = child.process.returncode
            msg = f"{child.name} ended with {code}:\n{child.last_words()}"
            raise ChildError(msg)

    async def stop_all(self) -> None:
        """End every part, the last one started first; an interruption kills those that are left."""
        left = [child for child in self.all if child.alive]
        try:
            while left:
                await left[-1].stop()
                left.pop()
        finally:
            for child in left:
                if child.alive:
                    child.process.kill()


def _read(file: Path) -> dict[str, Any] | None:  # Any: JSON values
    """Return what stands in a ready file (it is written whole), or None when there is none yet."""
    if not file.exists():
        return None
    answer: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return answer


def mayak(*arguments: str) -> list[str]:
    """Return the command line of one `mayak` sub-command, with the Python that runs now."""
    return [sys.executable, "-m", "gateway", *arguments]


async def output_of(command: Sequence[str]) -> tuple[int, str, str]:
    """Run a command to its end and return exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return await process.wait(), out.decode(), err.decode()
