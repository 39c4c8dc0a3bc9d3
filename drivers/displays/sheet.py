"""What one model of board understands: a checked profile as plain data that pickles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.displays.charset import SEPARATOR, Charset
from drivers.telegrams.language import Language, Reply
from drivers.telegrams.template import Template
from gateway.model.errors import CommandRefusedError


@dataclass(frozen=True, slots=True)
class Saying:
    """Something that is said to a board, and what it says to it."""

    request: Template
    reply: Reply | None
    """None: it says nothing."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A model of board."""

    language: Language
    """Its name, address, checksum, refusals; it has no points of its own."""
    charset: Charset
    pages: str
    """Names of its pages, one character each."""
    levels: Mapping[int, str]
    """Brightness in percent, and what stands for it."""
    page: Saying
    """Writes a page: `{page}`, `{value}`."""
    run: Saying | None
    """Says which pages are shown: `{pages}`."""
    dim: Saying | None
    """Sets the brightness: `{value}`."""
    watchdog: Saying | None
    """Lets the board show its own picture when it hears nothing for `{value}` seconds."""
    read: Saying | None
    """Reads a page: `{page}`; the answer has a group `text`."""
    status: Saying | None
    """Reads `pages`, `brightness` (a code) and `own` (1: it shows its own picture)."""

    def split(self, picture: str) -> Sequence[tuple[str, bytes]]:
        """Return the pages of a picture with their names, as bytes.

        Raises:
            CommandRefusedError: it has more pages than the board, or something cannot be shown.
        """
        texts = picture.split(SEPARATOR)
        if len(texts) > len(self.pages):
            msg = f"{len(texts)} pages, the board has {len(self.pages)}"
            raise CommandRefusedError(msg)
        return [
            (name, self.charset.encode(text)) for name, text in zip(self.pages, texts, strict=False)
        ]
