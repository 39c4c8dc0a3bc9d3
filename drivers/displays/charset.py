"""From a text to the bytes that a board shows as that text, or a refusal. Pure.

A board has a code page. What is not in it is refused with the character named: a question mark
or another letter in its place would be garbled, and nobody would know.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from gateway.model.errors import CommandRefusedError

SEPARATOR: Final = "|"
"""Between the pages of a picture."""
CODE_PAGES: Final = ("ascii", "cp1251", "cp866", "koi8-r", "iso8859-5", "cp437", "latin-1")


@dataclass(frozen=True, slots=True)
class Charset:
    """What can be written on a board."""

    code_page: str
    forbidden: str = ""
    """Characters that mean something else to the board."""
    longest: int = 125
    """Bytes of a page."""

    def encode(self, text: str) -> bytes:
        """Return the bytes of one page.

        Raises:
            CommandRefusedError: a character cannot be shown, or it is too long.
        """
        for char in text:
            if char in self.forbidden or not char.isprintable():
                msg = f"{char!r} cannot be shown: it means something else to this board"
                raise CommandRefusedError(msg)
        try:
            made = text.encode(self.code_page)
        except UnicodeEncodeError as error:
            char = text[error.start]
            msg = f"{char!r} cannot be shown: it is not in the code page {self.code_page}"
            raise CommandRefusedError(msg) from error
        if len(made) > self.longest:
            msg = f"{text!r} has {len(made)} characters, a page has room for {self.longest}"
            raise CommandRefusedError(msg)
        return made

    def decode(self, data: bytes) -> str | None:
        """Return the text of one page; None when it is none."""
        try:
            text = data.decode(self.code_page)
        except UnicodeDecodeError:
            return None
        return text if text.isprintable() else None


def is_single(code_page: str) -> bool:
    """Say whether every character of a code page is one byte."""
    try:
        name = codecs.lookup(code_page).name
    except LookupError:
        return False
    return name in {codecs.lookup(known).name for known in CODE_PAGES}
