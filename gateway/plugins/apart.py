"""Reads and checks a site in a child process, while this one goes on starting.

What checks a site (pydantic, the reader of TOML, schemas, messages in two languages) takes more
memory than all the rest of the agent's code together, and is needed once. So a child does it, hands
over what came out, and takes all of that with it when it ends. See
`gateway/decisions/0007-checked-apart.md`.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from gateway.model.errors import ConfigError
from gateway.plugins.assembly import Assembly
from gateway.plugins.handing import NotHandedError, pack, unpack

_SITE: Final = b"S"
_MISTAKES: Final = b"M"
_LENGTH_BYTES: Final = 8


class Apart:
    """A child process that works on one answer."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        """Start it: a copy of this process that runs `work` and ends.

        Call it before there is any thread. What `work` raises travels up in the child, which ends
        by it as this process would.
        """
        reading, writing = os.pipe()
        self._child: Final = os.fork()
        if not self._child:
            os.close(reading)
            answer = work()
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)
            os._exit(os.EX_OK)  # nothing of this process is the child's to wind up
        os.close(writing)
        self._pipe: Final = os.fdopen(reading, "rb")

    def answer(self) -> bytes:
        """Wait for the child to end and return its answer.

        Raises:
            NotHandedError: it ended without one; the message says how.
        """
        with self._pipe as pipe:
            said = pipe.read()
        ended = _ended(self._child)
        answer = said[_LENGTH_BYTES:]
        if len(said) < _LENGTH_BYTES or len(answer) != int.from_bytes(said[:_LENGTH_BYTES], "big"):
            msg = f"the process that reads the site file {ended}"
            raise NotHandedError(msg)
        return answer


class SiteApart:
    """A site that is being read and checked by a child process."""

    def __init__(self, path: Path) -> None:
        """Begin to read the site file at `path`."""
        self._apart: Final = Apart(partial(_checked, path))

    def assembly(self) -> Assembly:
        """Wait until it is done and return the site; imports the drivers and media it names.

        Raises:
            ConfigError: the file has mistakes: every one.
            NotHandedError: the child was killed or broke.
        """
        answer = self._apart.answer()
        if answer.startswith(_MISTAKES):
            raise ConfigError(pickle.loads(answer[1:]))  # noqa: S301 - from our own child
        return unpack(answer[1:])


def _checked(path: Path) -> bytes:
    """Read and check a site file, in the child."""
    from gateway.plugins.assembling import assemble_file, places  # noqa: PLC0415 - in the child only
    from gateway.plugins.finding import Catalogue  # noqa: PLC0415 - likewise

    catalogue = Catalogue.installed()
    try:
        assembly = assemble_file(path, catalogue)
    except ConfigError as error:
        return _MISTAKES + pickle.dumps(error.mistakes)
    return _SITE + pack(assembly, places(assembly, catalogue))


def _ended(child: int) -> str:
    """Wait for a child and say how it ended."""
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:  # whoever started us has SIGCHLD ignored
        return "ended before it was done"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
