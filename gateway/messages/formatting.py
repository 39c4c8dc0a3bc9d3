"""Numbers as people write them. Pure.

Russian: decimal comma, thin no-break groups; English: decimal point, commas. A no-break space
stands before each unit, so that a number never parts from it at the end of a line.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

Language = Literal["ru", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("ru", "en")

NO_BREAK: Final = "\u00a0"
THIN_NO_BREAK: Final = "\u202f"
NO_VALUE: Final = "—"
"""What stands where there is no value; never 0."""

PLURAL_FORMS: Final[dict[Language, tuple[str, ...]]] = {
    "ru": ("one", "few", "many"),
    "en": ("one", "other"),
}

_SIGNIFICANT: Final = 6
_MAX_DECIMALS: Final = 9
_TO_RUSSIAN: Final = str.maketrans({",": THIN_NO_BREAK, ".": ","})


def number(value: float | None, lang: Language, *, decimals: int | None = None) -> str:
    """Return a number in the way of a language.

    Args:
        value: what to write; None and what is not finite give the sign for "no value".
        lang: whose way.
        decimals: digits behind the decimal sign; None keeps six significant ones without
            trailing zeros.
    """
    if value is None or not math.isfinite(value):
        return NO_VALUE
    if decimals is not None:
        english = f"{value:,.{decimals}f}"
    elif isinstance(value, int) or value == 0:
        english = f"{int(value):,d}"
    else:
        before = math.floor(math.log10(abs(value))) + 1
        places = min(max(_SIGNIFICANT - before, 0), _MAX_DECIMALS)
        english = f"{value:,.{places}f}"
        if places:
            english = english.rstrip("0").rstrip(".")
    if english.strip("-0.,") == "":
        english = english.removeprefix("-")
    return english.translate(_TO_RUSSIAN) if lang == "ru" else english


def plural_form(count: float, lang: Language) -> str:
    """Return which plural form goes with `count`: one of PLURAL_FORMS of that language.

    Source:
        Unicode CLDR, language plural rules, ru and en. A fraction takes the genitive singular in
        Russian, which is the form of 2 to 4 ("few").
    """
    if lang == "en":
        return "one" if count == 1 and isinstance(count, int) else "other"
    if not isinstance(count, int):
        return "few"
    ones, tens = abs(count) % 10, abs(count) % 100
    if ones == 1 and tens != 11:  # noqa: PLR2004 - the rule itself
        return "one"
    if 2 <= ones <= 4 and not 12 <= tens <= 14:  # noqa: PLR2004 - the rule itself
        return "few"
    return "many"


class Span(NamedTuple):
    """One part of a duration: an amount of one unit, as the catalogue names units."""

    amount: float
    unit: Literal["d", "h", "min", "s"]


_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_EXACT_BELOW_S: Final = 10
_DAYS_ALONE_FROM: Final = 10


def spans(seconds: float) -> tuple[Span, ...]:
    """Return a duration in its one or two largest units, rounded down to the smaller of them.

    Args:
        seconds: its length in s; a negative one is taken without its sign.
    """
    seconds = abs(seconds)
    if seconds < _EXACT_BELOW_S:
        tenths = math.floor(seconds * 10) / 10
        return (Span(int(tenths) if tenths.is_integer() else tenths, "s"),)
    whole = int(seconds)
    if whole < _MINUTE:
        return (Span(whole, "s"),)
    if whole < _HOUR:
        parts = (Span(whole // _MINUTE, "min"), Span(whole % _MINUTE, "s"))
    elif whole < _DAY:
        parts = (Span(whole // _HOUR, "h"), Span(whole % _HOUR // _MINUTE, "min"))
    else:
        parts = (Span(whole // _DAY, "d"), Span(whole % _DAY // _HOUR, "h"))
    days_alone = whole >= _DAYS_ALONE_FROM * _DAY
    return parts[:1] if days_alone or not parts[1].amount else parts
