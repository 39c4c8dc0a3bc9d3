"""Any bytes as a recording: a tape, or refused with its line."""

from __future__ import annotations

from contextlib import suppress

from simulators.recording.tape import Head, TapeError, exchanges, read_tape

HEAD = Head({"bus": {"medium": "serial"}}, []).dump()


def one(data: bytes) -> None:
    """Read the bytes as a whole file, and as what follows a sound head."""
    lines = data.decode("utf-8", "replace").splitlines()
    for text in (lines, [HEAD, *lines]):
        with suppress(TapeError):
            list(exchanges(read_tape(text, "tape").pieces))
