"""The catalogue: what people read, by key, in Russian and English.

The texts are data (`ru.toml`, `en.toml`, equal keys, equal placeholders) and a language is read
when it is first asked for. A placeholder is `{name}` or `{name:how}`; `how` is `number`,
`duration` (the argument is in seconds) or a noun of the table `plural`, which then agrees with
the number: `{count:device}` gives "5 приборов".
"""

from __future__ import annotations

import math
import os
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from gateway.messages.formatting import (
    NO_BREAK,
    NO_VALUE,
    Language,
    number,
    plural_form,
    spans,
)
from gateway.model.event import Event, Scalar, Severity

_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")


@dataclass(frozen=True, slots=True)
class Entry:
    """One text of the catalogue, with the next action when there is one."""

    text: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Texts:
    """Everything of one language."""

    messages: Mapping[str, Entry]
    plurals: Mapping[str, Mapping[str, str]]
    units: Mapping[str, str]
    """How a UCUM code is written for people."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a page or a terminal is handed: key and arguments, and both texts made of them."""

    key: str
    args: Mapping[str, Scalar]
    severity: Severity
    text: str
    next: str


@cache
def texts(lang: Language) -> Texts:
    """Return the catalogue of one language."""
    tree = tomllib.loads(Path(__file__).with_name(f"{lang}.toml").read_text(encoding="utf-8"))
    entries = {
        key: Entry(entry) if isinstance(entry, str) else Entry(**entry)
        for key, entry in tree["message"].items()
    }
    return Texts(entries, tree["plural"], tree["unit"])


def language(environ: Mapping[str, str] | None = None) -> Language:
    """Return the language of a terminal: Russian when its locale says so, else English.

    Args:
        environ: variables of the process; None takes the real ones.
    """
    environ = os.environ if environ is None else environ
    locale = next((environ[name] for name in _LOCALE_VARIABLES if environ.get(name)), "")
    return "ru" if locale.lower().partition("_")[0].partition(".")[0] == "ru" else "en"


def text(key: str, lang: Language, **args: Scalar) -> str:
    """Return one text, filled.

    Raises:
        KeyError: no such text, or an argument that it needs was not given.
    """
    return _fill(texts(lang).messages[key].text, lang, args)


def next_action(key: str, lang: Language, **args: Scalar) -> str:
    """Return what to do about it, filled; empty when the text is not about anything to do.

    Raises:
        KeyError: no such text, or an argument that it needs was not given.
    """
    return _fill(texts(lang).messages[key].next, lang, args)


def describe(event: Event, lang: Language) -> Message:
    """Return what a person reads of an event.

    An event is data, perhaps of another version: an unknown key shows itself, and an argument that
    is not there shows the sign for "no value". An event with a `step` has a text for each step.
    """
    messages = texts(lang).messages
    entry = messages.get(event.key, Entry(event.key))
    entry = messages.get(f"{event.key}-{event.args.get('step')}", entry)
    args = dict(event.args)
    if event.device is not None:
        args.setdefault("device", event.device)
    say, do = (_fill(template, lang, args, lenient=True) for template in (entry.text, entry.next))
    return Message(event.key, args, event.severity, say, do)


def plural(count: float, noun: str, lang: Language) -> str:
    """Return a number with its noun, for example "5 приборов".

    Raises:
        KeyError: the catalogue has no such noun.
    """
    forms = texts(lang).plurals[noun]
    return forms[plural_form(count, lang)].replace("{n}", number(count, lang))


def duration(seconds: float, lang: Language) -> str:
    """Return a duration in its one or two largest units, for example "2 ч 14 мин".

    Args:
        seconds: its length in s.
        lang: in whose words.
    """
    if not math.isfinite(seconds):
        return NO_VALUE
    units = texts(lang).units
    return " ".join(
        plural(part.amount, "day", lang)
        if part.unit == "d"
        else f"{number(part.amount, lang)}{NO_BREAK}{units[part.unit]}"
        for part in spans(seconds)
    )


def quantity(value: float | None, unit: str, lang: Language, *, decimals: int | None = None) -> str:
    """Return a value with its unit as people write it, for example "21,5 °C".

    Args:
        value: None gives the sign for "no value", without the unit.
        unit: the UCUM code of the point.
        lang: in whose way.
        decimals: digits behind the decimal sign; None keeps what is significant.
    """
    written = number(value, lang, decimals=decimals)
    sign = texts(lang).units.get(unit, unit)
    return written if written == NO_VALUE or not sign else f"{written}{NO_BREAK}{sign}"


def _fill(
    template: str, lang: Language, args: Mapping[str, Scalar], *, lenient: bool = False
) -> str:
    return _Filler(lang, lenient=lenient).vformat(template, (), args)


class _Filler(string.Formatter):
    """Fills one template; names only, so that a template reaches nothing inside a value."""

    def __init__(self, lang: Language, *, lenient: bool) -> None:
        self._lang = lang
        self._lenient = lenient

    def get_field(
        self,
        field_name: str,
        args: Sequence[Any],  # Any: as in the class of the standard library
        kwargs: Mapping[str, Any],  # Any: likewise
    ) -> tuple[Any, str]:
        del args
        if self._lenient and field_name not in kwargs:
            return None, field_name
        return kwargs[field_name], field_name

    def format_field(
        self,
        value: Any,
        format_spec: str,
    ) -> str:
        if value is None or (format_spec and not isinstance(value, int | float)):
            return NO_VALUE if value is None else str(value)
        match format_spec:
            case "":
                return str(value)
            case "number":
                return number(value, self._lang)
            case "duration":
                return duration(value, self._lang)
            case noun:
                return plural(value, noun, self._lang)
