"""What a recording holds: what went over each line of a site, byte by byte, with times. Pure.

One JSON object a line. The first says what was recorded:

    {"recording": 1, "lines": {"cabinet-485": {"medium": "serial", "baud_rate": 9600, ..}},
     "devices": [{"id": "meter-1", "line": "cabinet-485", ..}], "profiles": {"name": "text"}}

then one for each piece, in the order in which they went by:

    {"line": "cabinet-485", "at_us": 1834211, "way": ">", "bytes": "0104000000027"}

`way` is ">" for what the gateway sent and "<" for what it heard. Times are those of the line's own
beginning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

VERSION: Final = 1
SENT: Final = ">"
HEARD: Final = "<"
LONGEST_LINE: Final = 16 * 1024 * 1024
"""Bytes of one line of a recording; the first has the profiles in it."""


class TapeError(ValueError):
    """A file that is no recording; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that went by at once."""

    line: str
    at_us: int
    way: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What followed a request: pieces with their delay after it, in microseconds."""

    pieces: tuple[tuple[int, bytes], ...] = ()

    @property
    def data(self) -> bytes:
        """Return all of it."""
        return b"".join(data for _, data in self.pieces)


@dataclass(frozen=True, slots=True)
class Head:
    """What was recorded."""

    lines: Mapping[str, Mapping[str, Any]]  # Any: what TOML holds
    devices: Sequence[Mapping[str, Any]]  # Any: likewise
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Text of profiles that lay beside the site file, by name."""

    def dump(self) -> str:
        """Return it as the first line of a recording."""
        told = {
            "recording": VERSION,
            "lines": self.lines,
            "devices": self.devices,
            "profiles": self.profiles,
        }
        return json.dumps(told, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Tape:
    """A whole recording."""

    head: Head
    pieces: Sequence[Piece]

    def of(self, line: str) -> list[Piece]:
        """Return what went over one line."""
        return [piece for piece in self.pieces if piece.line == line]


def read_tape(text: Iterable[str], source: str) -> Tape:
    """Return a recording.

    Args:
        text: its lines.
        source: what to call it in messages.

    Raises:
        TapeError: it is none.
    """
    head: Head | None = None
    pieces = []
    for number, line in enumerate(text, start=1):
        try:
            told = json.loads(line)
            if head is None:
                head = _head(told)
            else:
                pieces.append(_piece(told, head))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = f"{source}:{number}: no recording of this kind ({error})"
            raise TapeError(msg) from error
    if head is None:
        msg = f"{source}: it is empty"
        raise TapeError(msg)
    return Tape(head, pieces)


def _head(told: Mapping[str, Any]) -> Head:  # Any: JSON values
    if told["recording"] != VERSION:
        msg = f"edition {told['recording']!r}, this Mayak reads {VERSION}"
        raise ValueError(msg)
    lines = {str(name): dict(line) for name, line in told["lines"].items()}
    profiles = {str(name): str(text) for name, text in told["profiles"].items()}
    return Head(lines, [dict(device) for device in told["devices"]], profiles)


def _piece(told: Mapping[str, Any], head: Head) -> Piece:  # Any: JSON values
    line, at_us, way, data = told["line"], told["at_us"], told["way"], told["bytes"]
    if line not in head.lines or way not in {SENT, HEARD} or not isinstance(at_us, int):
        msg = f"line {line!r}, way {way!r}, at_us {at_us!r}"
        raise ValueError(msg)
    return Piece(line, at_us, way, bytes.fromhex(data))


def exchanges(pieces: Iterable[Piece]) -> Iterator[tuple[bytes, Answer]]:
    """Yield each request with what followed it until the next one; silence is an empty answer."""
    request = b""
    asked_us = 0
    heard: list[tuple[int, bytes]] = []
    answered = True
    for piece in pieces:
        if piece.way == SENT:
            if request and answered:
                yield request, Answer(tuple(heard))
                request, heard = b"", []
            if request and piece.at_us - asked_us > GOES_ON_US:
                yield request, Answer()
                request = b""
            request += piece.data
            asked_us = piece.at_us
            answered = False
        elif request:
            heard.append((piece.at_us - asked_us, piece.data))
            answered = True
    if request:
        yield request, Answer(tuple(heard))


GOES_ON_US: Final = 20_000
"""Pieces sent within it are one request that did not fit at once."""


def monologue(pieces: Sequence[Piece]) -> list[tuple[int, bytes]]:
    """Return what was heard on a line on which nothing was sent: waits in microseconds, bytes."""
    said = [piece for piece in pieces if piece.way == HEARD]
    waits = [0, *(after.at_us - before.at_us for before, after in pairwise(said))]
    return [(wait, piece.data) for wait, piece in zip(waits, said, strict=True)]
