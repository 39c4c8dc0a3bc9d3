"""Search for what must not be found: the forms in which a value may stand in a file.

A form is a few bytes; what is shorter than eight bytes can come about by chance in ciphertext, so
of numbers with short forms two are planted, and only both together are a find.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

LONG = 8
"""Bytes from which a form is none of chance."""


def forms_of_text(text: str) -> dict[str, bytes]:
    """Return the forms of a text."""
    raw = text.encode()
    forms = {f"{codec}": text.encode(codec) for codec in ("utf-8", "utf-16-le", "utf-16-be")}
    forms["utf-32-le"], forms["utf-32-be"] = text.encode("utf-32-le"), text.encode("utf-32-be")
    forms["registers swapped"] = b"".join(
        raw[at : at + 2][::-1] for at in range(0, len(raw) - 1, 2)
    )
    forms["backwards"] = raw[::-1]
    forms["lower case"], forms["upper case"] = text.lower().encode(), text.upper().encode()
    return {**forms, **_spelled(raw), **_digests(text)}


def forms_of_integer(number: int) -> dict[str, bytes]:
    """Return the forms of a whole number of more than 32 bits."""
    big = number.to_bytes(8, "big")
    forms = {"big-endian": big, "little-endian": big[::-1]}
    forms["registers swapped"] = struct.pack(">4H", *struct.unpack("<4H", big[::-1]))
    forms["bytes swapped"] = struct.pack("<4H", *struct.unpack(">4H", big))
    zigzag = (2 * number).to_bytes(8, "big")
    forms |= {"zigzag big-endian": zigzag, "zigzag little-endian": zigzag[::-1]}
    forms |= _as_decimal(f"{number:,}")
    forms["hex number"] = f"{number:x}".encode()
    return {**forms, **_of_float(float(number)), **_spelled(big), **_digests(str(number))}


def forms_of_float(number: float) -> dict[str, bytes]:
    """Return the forms of a float32."""
    shortest = f"{number:.7g}"
    short = {"float32 big-endian": struct.pack(">f", number)}
    short["float32 little-endian"] = struct.pack("<f", number)
    short["float32 registers swapped"] = struct.pack(
        ">2H", *struct.unpack("<2H", short["float32 little-endian"])
    )
    return {
        **short,
        **_of_float(number),
        "decimal": repr(number).encode(),
        "shortest decimal": shortest.encode(),
        "decimal comma": shortest.replace(".", ",").encode(),
        "hex of float32": struct.pack(">f", number).hex().encode(),
    }


def _of_float(number: float) -> dict[str, bytes]:
    big = struct.pack(">d", number)
    return {"float64 big-endian": big, "float64 little-endian": big[::-1]}


def _as_decimal(grouped: str) -> dict[str, bytes]:
    separators = {
        "plain": "",
        "comma": ",",
        "point": ".",
        "space": " ",
        "thin": "\u202f",
        "no-break": "\xa0",
        "underscore": "_",
    }
    return {
        f"decimal, {name}": grouped.replace(",", mark).encode() for name, mark in separators.items()
    }


def _spelled(raw: bytes) -> dict[str, bytes]:
    """Return bytes as people and formats spell them."""
    forms = {
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "hex, spaces": raw.hex(" ").encode(),
        "hex, colons": raw.hex(":").encode(),
        "hex, words": raw.hex(" ", 2).encode(),
        "\\x": "".join(f"\\x{byte:02x}" for byte in raw).encode(),
        "list of numbers": ", ".join(map(str, raw)).encode(),
        "dense list of numbers": ",".join(map(str, raw)).encode(),
    }
    for skip in range(3):  # base64 takes three bytes at a time: three ways to fall
        inner = raw[skip : skip + (len(raw) - skip) // 3 * 3]
        forms[f"base64, {skip}"] = base64.b64encode(inner)
        forms[f"base64 for addresses, {skip}"] = base64.urlsafe_b64encode(inner)
    return forms


def _digests(text: str) -> dict[str, bytes]:
    """Return plain digests: whoever has one tries all plates or badges in an afternoon."""
    forms = {}
    for name in ("md5", "sha1", "sha256", "blake2b"):
        digest = hashlib.new(name, text.encode())
        forms[name] = digest.digest()
        forms[f"{name} hex"] = digest.hexdigest().encode()
    return forms


@dataclass(frozen=True, slots=True)
class Canaries:
    """What was planted: forms by the name of the value."""

    alone: Mapping[str, Mapping[str, bytes]]
    """One of these is a find."""
    pair: tuple[Mapping[str, bytes], Mapping[str, bytes]]
    """Of short forms, the same one of both is a find."""

    def found(self, where: str, content: bytes) -> list[str]:
        """Return what stands in there, by place, value and form."""
        finds = [
            f"{where}: {name} as {form}"
            for name, forms in self.alone.items()
            for form, needle in forms.items()
            if len(needle) >= LONG and needle in content
        ]
        one, two = self.pair
        finds += [
            f"{where}: the pair as {form}"
            for form in one
            if one[form] in content and two[form] in content
        ]
        return finds


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder, as it lies there now."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def files_open_in(pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield what a process holds open, files without a name too, and what /proc says of it."""
    proc = Path(f"/proc/{pid}")
    for name in ("environ", "cmdline", "comm"):
        yield f"/proc/{name}", (proc / name).read_bytes()
    for descriptor in (proc / "fd").iterdir():
        try:
            if descriptor.is_file():
                yield f"{descriptor.readlink()} (open)", descriptor.read_bytes()
        except FileNotFoundError:
            continue  # closed meanwhile


def all_found(canaries: Canaries, places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return every find in every place."""
    return [find for where, content in places for find in canaries.found(where, content)]
