"""Any text on any board: bytes that decode to it, or a refusal; any bytes as its answer."""

from __future__ import annotations

from contextlib import suppress

from drivers.displays.charset import SEPARATOR
from drivers.displays.profile import read_profile
from drivers.profiles.reading import SHIPPED, protocol_of
from drivers.telegrams.reader import Reader
from drivers.telegrams.shape import Answer
from gateway.model.errors import CommandRefusedError, FrameError

SHEETS = [
    read_profile(path).sheet
    for path in sorted(SHIPPED.glob("*.toml"))
    if protocol_of(path) == "display"
]


def one(data: bytes) -> None:
    """Feed one input."""
    text = data.decode("utf-8", "replace")
    for sheet in SHEETS:
        with suppress(CommandRefusedError):
            pages = sheet.split(text)
            shown = [sheet.charset.decode(page) for _, page in pages]
            if shown != text.split(SEPARATOR):
                raise AssertionError(text)
        for saying in (sheet.page, sheet.read, sheet.status):
            if saying is None or saying.reply is None:
                continue
            reader = Reader(saying.reply, sheet.language.address.default)
            with suppress(FrameError):
                size = Answer((reader.shape,), reader.fits, None).measure(data)
                if size > 0:
                    reader.parts(data[:size])
