"""CBOR as the contract uses it, and nothing more: bounded depth and items, read to the last byte.

A decoder that follows every tag can be made to compile patterns, build huge integers or fill the
memory. So what came is first walked item by item; only what is well-formed, small and untagged
reaches the decoder.

Source: RFC 8949, Appendix C (well-formedness), §3.2.1 (indefinite lengths, refused here), §5.6
(duplicate keys, likewise).
"""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short
from typing import Final, NoReturn

import cbor2

from simulators.platform.errors import Reason, WireError

MAX_DEPTH: Final = 12
MAX_ITEMS: Final = 1 << 20
INT_LIMIT: Final = 1 << 63
"""Integers of the contract fit a signed column of a database: 0 <= n < this."""
TEXT_LIMIT: Final = 4096
"""Characters of one text."""
NAME_LIMIT: Final = 128
"""Characters of a name: names stand in the keys of a database, which bounds their bytes."""

_WIDTHS: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 2, 3, 4, 5, 6, 7


def _check(data: bytes, max_items: int) -> None:  # noqa: C901, PLR0912 - one loop over all major types
    """Walk one item; refuse what is not well-formed, tagged, indefinite, too deep or too many."""
    size = len(data)
    at = items = 0
    open_: list[int] = []  # items still to come of each open array or map
    while True:
        items += 1
        if items > max_items:
            raise WireError(Reason.CBOR, f"more than {max_items} items")
        if at >= size:
            raise WireError(Reason.CBOR, "ends too early")
        major, info = data[at] >> 5, data[at] & 31
        at += 1
        if info >= 28:  # noqa: PLR2004 - RFC 8949 §3: 28 to 30 reserved, 31 indefinite
            raise WireError(Reason.CBOR, "indefinite or reserved length")
        width = _WIDTHS.get(info, 0)
        argument = int.from_bytes(data[at : at + width], "big") if width else info
        at += width
        if major in {_BYTES, _TEXT}:
            at += argument
        elif major == _TAG:
            raise WireError(Reason.CBOR, f"tag {argument}")
        elif major in {_ARRAY, _MAP}:
            if len(open_) >= MAX_DEPTH:
                raise WireError(Reason.CBOR, f"deeper than {MAX_DEPTH}")
            if argument > size:  # each item takes a byte at least
                raise WireError(Reason.CBOR, "ends too early")
            open_.append((argument << (major == _MAP)) + 1)
        elif major == _SIMPLE and info < 20:  # noqa: PLR2004 - RFC 8949 §3.3: 0 to 19 are not assigned
            raise WireError(Reason.CBOR, f"simple value {info}")
        elif major == _SIMPLE and info == 24:  # noqa: PLR2004 - a simple value in the next byte
            raise WireError(Reason.CBOR, f"simple value {argument}")
        if at > size:
            raise WireError(Reason.CBOR, "ends too early")
        while open_:
            open_[-1] -= 1
            if open_[-1]:
                break
            open_.pop()
        else:
            break
    if at != size:
        raise WireError(Reason.CBOR, f"{size - at} bytes after the end")


def decode(data: bytes, *, max_items: int = MAX_ITEMS) -> object:
    """Return the one untagged item that `data` is.

    Raises:
        WireError: CBOR, when it is anything else.
    """
    _check(data, max_items)
    try:
        return cbor2.loads(data, allow_indefinite=False, allow_duplicate_keys=False)
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise WireError(Reason.CBOR, str(error)) from error


def encode(item: object) -> bytes:
    """Return `item` in CBOR, shortest forms."""
    return cbor2.dumps(item)


def refuse(what: str, found: object) -> NoReturn:
    """Raise the WireError (FORM) for a field that is not as the contract says."""
    raise WireError(Reason.FORM, f"{what}: {short(found)}")


def array(item: object, length: int, what: str) -> list[object]:
    """Return `item` as an array of exactly `length` entries, or raise WireError."""
    if type(item) is not list or len(item) != length:
        refuse(what, item)
    return item


def entries(item: object, what: str) -> list[object]:
    """Return `item` as an array of any length, or raise WireError."""
    if type(item) is not list:
        refuse(what, item)
    return item


def mapping(item: object, what: str) -> dict[object, object]:
    """Return `item` as a map, or raise WireError."""
    if type(item) is not dict:
        refuse(what, item)
    return item


def field(fields: Mapping[object, object], key: int, what: str) -> object:
    """Return what stands under `key`, or raise WireError when nothing does."""
    if key not in fields:
        raise WireError(Reason.FORM, f"{what}: key {key} is missing")
    return fields[key]


def natural(item: object, what: str, *, below: int = INT_LIMIT) -> int:
    """Return `item` as an integer 0 <= n < `below`, or raise WireError."""
    if type(item) is not int or not 0 <= item < below:
        refuse(what, item)
    return item


def signed(item: object, what: str) -> int:
    """Return `item` as an integer of 64 bits, or raise WireError."""
    if type(item) is not int or not -INT_LIMIT <= item < INT_LIMIT:
        refuse(what, item)
    return item


def wide(item: object, what: str) -> int:
    """Return `item` as an integer -2^63 <= n < 2^64, or raise WireError."""
    if type(item) is not int or not -INT_LIMIT <= item < 2 * INT_LIMIT:
        refuse(what, item)
    return item


def octets(item: object, length: int | None, what: str) -> bytes:
    """Return `item` as a byte string (of `length` bytes, if given), or raise WireError."""
    if type(item) is not bytes or (length is not None and len(item) != length):
        refuse(what, item)
    return item


def text(item: object, what: str, *, limit: int = TEXT_LIMIT) -> str:
    """Return `item` as a text of `limit` characters at most, or raise WireError."""
    if type(item) is not str or len(item) > limit:
        refuse(what, item)
    return item


def name(item: object, what: str) -> str:
    """Return `item` as a text that is not empty and bounded as a name is, or raise WireError."""
    if not (found := text(item, what, limit=NAME_LIMIT)):
        refuse(what, item)
    return found


def number(item: object, what: str) -> float:
    """Return `item` as a finite number, or raise WireError."""
    if type(item) not in {int, float}:
        refuse(what, item)
    found = float(item)  # type: ignore[arg-type]  # the line above has looked
    if found - found != 0.0:  # not a number, or infinite
        refuse(what, item)
    return found
