r"""Requests as they stand in a profile: literal bytes, and places for what goes in. Pure.

As text: `'{address}R1{checksum}\r\n'`, escapes `\r \n \t \0 \e \\ \xHH`, `{{` and `}}` for braces.
As hex: `"AA {address:u8} 03 {value:u16le} {checksum}"`.

| place | what goes in |
|---|---|
| `{address}` | the address as text, in hex as one byte; `:02d`, `:02X`, `:u8`, `:u16le`... |
| `{value}` | the value as text; `:d`, `:03d`, `:02X`, `:.1f`; `:u8`, `:i16be`, `:float32le`... |
| `{checksum}` | over all before it, as the profile says |
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from drivers.telegrams.checksums import Checksum

_BINARY: Final = re.compile(r"([ui])(8|16|24|32)(be|le)?|float32(be|le)")
_DIGITS: Final = re.compile(r"(0?\d{1,2})?([dXx])|(0?\d{0,2})\.(\d)f")
_PLACE: Final = re.compile(r"\{([a-z_]+)(?::([^{}]*))?\}")
_ESCAPES: Final = {"r": 13, "n": 10, "t": 9, "0": 0, "e": 27, "\\": 92}


class TemplateError(ValueError):
    """A template cannot be read, or a value does not fit into it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something goes into a request."""

    name: str
    form: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A request, or the beginning of an answer."""

    parts: tuple[bytes | Place, ...]

    @property
    def places(self) -> frozenset[str]:
        """Return the names of what goes in."""
        return frozenset(part.name for part in self.parts if isinstance(part, Place))

    def fill(
        self, values: dict[str, float | str | bytes], checksum: Checksum | None = None
    ) -> bytes:
        """Return the bytes.

        Args:
            values: what goes in, by name; bytes go in as they are.
            checksum: what stands at `{checksum}`.

        Raises:
            TemplateError: a value does not fit into its place.
        """
        made = b""
        for part in self.parts:
            if isinstance(part, bytes):
                made += part
            elif part.name == "checksum":
                if checksum is None:
                    msg = "there is no [checksum]"
                    raise TemplateError(msg)
                made += checksum.of_request(made)
            else:
                made += _filled(part, values[part.name])
        return made


def text_template(text: str) -> Template:
    """Return the template written as text with escapes.

    Raises:
        TemplateError: an escape or a place is not known.
    """
    parts: list[bytes | Place] = []
    at = 0
    while at < len(text):
        char = text[at]
        if text.startswith(("{{", "}}"), at):
            parts.append(char.encode())
            at += 2
        elif char == "{":
            place, at = _place(text, at)
            parts.append(place)
        elif char == "\\":
            byte, at = _escaped(text, at)
            parts.append(byte)
        else:
            if not char.isascii() or char == "}":
                msg = f"{char!r}: only ASCII and escapes stand in a request"
                raise TemplateError(msg)
            parts.append(char.encode())
            at += 1
    return Template(_joined(parts))


def hex_template(text: str) -> Template:
    """Return the template written as hex.

    Raises:
        TemplateError: something in it is no byte and no place.
    """
    parts: list[bytes | Place] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] == "{":
            place, at = _place(text, at)
            form = place.form or ("u8" if place.name != "checksum" else "")
            parts.append(Place(place.name, form))
        else:
            try:
                parts.append(bytes.fromhex(text[at : at + 2]))
            except ValueError as error:
                msg = f"{text[at : at + 2]!r} is no byte in hex"
                raise TemplateError(msg) from error
            at += 2
    return Template(_joined(parts))


def plain(text: str) -> bytes:
    """Return the bytes of a text with escapes and without places.

    Raises:
        TemplateError: an escape is not known, or there is a place in it.
    """
    made = text_template(text)
    if made.places:
        msg = "no {places} can stand here"
        raise TemplateError(msg)
    return made.fill({})


def _place(text: str, at: int) -> tuple[Place, int]:
    found = _PLACE.match(text, at)
    if found is None or found[1] not in {"address", "value", "checksum", "page", "pages"}:
        msg = f"{text[at : at + 12]!r}: {{address}}, {{value}} or {{checksum}} expected"
        raise TemplateError(msg)
    form = found[2] or ""
    if form and not (_BINARY.fullmatch(form) or _DIGITS.fullmatch(form)):
        msg = f"{form!r} is no form: d, 03d, 02X, .1f, u8, i16be, u32le, float32be..."
        raise TemplateError(msg)
    return Place(found[1], form), found.end()


def _escaped(text: str, at: int) -> tuple[bytes, int]:
    code = text[at + 1 : at + 2]
    if code == "x":
        try:
            return bytes.fromhex(text[at + 2 : at + 4]), at + 4
        except ValueError as error:
            msg = f"{text[at : at + 4]!r} is no escape"
            raise TemplateError(msg) from error
    if code not in _ESCAPES:
        msg = f"{text[at : at + 2]!r} is no escape: \\r \\n \\t \\0 \\e \\\\ \\xHH"
        raise TemplateError(msg)
    return bytes((_ESCAPES[code],)), at + 2


def _joined(parts: list[bytes | Place]) -> tuple[bytes | Place, ...]:
    joined: list[bytes | Place] = []
    for part in parts:
        if isinstance(part, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def _filled(place: Place, value: float | str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        if place.form and _BINARY.fullmatch(place.form):
            return packed(place.form, float(value))
        if place.form:
            digits = _DIGITS.fullmatch(place.form)
            number = float(value) if digits is not None and digits[4] else round(float(value))
            return f"{number:{place.form}}".encode()
        return (f"{value:g}" if isinstance(value, float) else str(value)).encode("ascii")
    except (ValueError, OverflowError, struct.error) as error:
        msg = f"{value!r} does not fit into {{{place.name}:{place.form}}}"
        raise TemplateError(msg) from error


def packed(form: str, number: float) -> bytes:
    """Return a number in a binary form.

    Raises:
        OverflowError: it does not fit.
        struct.error: likewise.
        ValueError: the form is none.
    """
    found = _BINARY.fullmatch(form)
    if found is None:
        raise ValueError(form)
    if found[4]:
        return struct.pack(">f" if found[4] == "be" else "<f", number)
    order = "little" if found[3] == "le" else "big"
    size = int(found[2]) // 8
    return round(number).to_bytes(
        size, "little" if order == "little" else "big", signed=found[1] == "i"
    )


def unpacked(form: str, data: bytes) -> float:
    """Return the number in these bytes: the inverse of `packed`.

    Raises:
        ValueError: the form is none.
    """
    found = _BINARY.fullmatch(form)
    if found is None:
        raise ValueError(form)
    if found[4]:
        number: float = struct.unpack(">f" if found[4] == "be" else "<f", data)[0]
        return number
    return int.from_bytes(data, "little" if found[3] == "le" else "big", signed=found[1] == "i")


def size_of(form: str) -> int:
    """Return how many bytes a binary form takes.

    Raises:
        ValueError: the form is none.
    """
    found = _BINARY.fullmatch(form)
    if found is None:
        raise ValueError(form)
    return 4 if found[4] else int(found[2]) // 8
