"""From a file to a Site, or to every mistake in it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.config.checking import validate
from gateway.config.crosscheck import crosscheck
from gateway.config.document import Document, parse_document, read_document
from gateway.config.site import Site
from gateway.messages.catalogue import language
from gateway.messages.formatting import Language
from gateway.model.errors import ConfigError, Mistake


@dataclass(frozen=True, slots=True)
class Draft:
    """A site file as far as it can be understood: what `check` works on."""

    document: Document | None
    """None when the file could not be read as TOML."""
    site: Site | None
    """None when there are mistakes."""
    mistakes: tuple[Mistake, ...]
    lang: Language
    """Language of the mistakes."""


def load(path: Path, lang: Language | None = None) -> Site:
    """Load a site file; the options of lines and devices are checked by `gateway.plugins`.

    Args:
        path: the site file.
        lang: language of the mistakes; None takes that of the terminal.

    Raises:
        ConfigError: with every mistake of the file, in the order of its lines.
    """
    draft = read(path, lang)
    if draft.site is None:
        raise ConfigError(draft.mistakes)
    return draft.site


def read(path: Path, lang: Language | None = None) -> Draft:
    """Read a site file as far as it goes; never raises for what is in the file.

    Args:
        path: the site file.
        lang: language of the mistakes; None takes that of the terminal.
    """
    lang = lang or language()
    try:
        document = read_document(path, lang)
    except ConfigError as error:
        return Draft(None, None, error.mistakes, lang)
    return _drafted(document, lang)


def parse(raw: bytes, file: Path, lang: Language) -> Draft:
    """Take the bytes of a site file as far as they go; nothing is read.

    Args:
        raw: the bytes.
        file: what the mistakes call it; paths in it are relative to its folder.
        lang: language of the mistakes.
    """
    try:
        document = parse_document(file, raw, lang)
    except ConfigError as error:
        return Draft(None, None, error.mistakes, lang)
    return _drafted(document, lang)


def in_order(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Return mistakes in the order of file and line, each once."""
    return tuple(
        sorted(dict.fromkeys(mistakes), key=lambda each: (str(each.file), each.line, each.option))
    )


def _drafted(document: Document, lang: Language) -> Draft:
    # An absent section with only defaults is validated as an empty one: its paths become relative
    # to the site file like all others.
    values = {"store": {}, "health": {}, **document.tree}
    site, mistakes = validate(Site, values, document, (), lang)
    mistakes += crosscheck(document, lang)
    if site is None or mistakes:
        return Draft(document, None, in_order(mistakes), lang)
    return Draft(document, site, (), lang)
