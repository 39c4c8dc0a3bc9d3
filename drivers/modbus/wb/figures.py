"""Numbers as they stand in a template: as such, or as text. Pure."""

from __future__ import annotations

import re
from typing import Final

_WHOLE: Final = re.compile(r"0[xX][0-9A-Fa-f]{1,16}|-?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(?:[.,][0-9]{1,18})?")
_LARGEST: Final = 1e18
"""Beyond any register."""


class LeftOutError(Exception):
    """A channel that cannot be carried over; `key` and `args_of` say why."""

    def __init__(self, key: str, **args: object) -> None:
        """Take the key of the sentence and what fills it."""
        self.key = key
        self.args_of = args
        super().__init__(key)


def whole(found: object, option: str, *, lenient: bool = False) -> int:
    """Return a whole number, given as such, as decimal text or as hexadecimal text.

    Args:
        found: what stands there.
        option: where.
        lenient: a fraction is taken as well, and rounded away from 0.

    Raises:
        LeftOutError: it is none.
    """
    match found:
        case bool():
            pass
        case int():
            return found
        case float() if found.is_integer():
            return int(found)
        case float() if lenient:
            return 1
        case str() if _WHOLE.fullmatch(found):
            return int(found, 16) if "x" in found.lower() else int(found)
        case _:
            pass
    raise LeftOutError(key="bad-number", option=option, found=found)


def number(found: object, option: str) -> float:
    """Return a number, given as such or as text.

    Raises:
        LeftOutError: it is none, or not finite.
    """
    if isinstance(found, float) and abs(found) < _LARGEST:
        return found
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        return float(found.replace(",", "."))
    return float(whole(found, option))


def pattern(found: object, option: str, bits: int) -> int:
    """Return the raw pattern, unsigned, of a value that means an error.

    Raises:
        LeftOutError: it is no number of so many bits.
    """
    value = whole(found, option)
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise LeftOutError(key="bad-number", option=option, found=found)
    return value % (1 << bits)


def short(value: float) -> float:
    """Return the number without the noise behind its twelfth digit."""
    return float(f"{value:.12g}")
