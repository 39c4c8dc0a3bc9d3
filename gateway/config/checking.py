"""From what pydantic refuses to mistakes that a person can mend: line, option, found, allowed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import ErrorDetails

from gateway.config.document import Document
from gateway.config.wording import Schema, allowed, found, listed, nearest, resolve
from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.errors import ConfigError, KeyPath, Mistake
from gateway.model.options import SITE_DIR, Options

OptionsT = TypeVar("OptionsT", bound=Options)

_OUR_WORDS: Final = frozenset({"value_error", "assertion_error"})
"""Kinds of errors whose text a check of ours wrote."""
_ADAPTERS: Final[dict[type[Options], TypeAdapter[Any]]] = {}  # Any: of the type beside it
_UNKNOWN: Final = frozenset({"extra_forbidden", "unexpected_keyword_argument"})


def adapter(model: type[OptionsT]) -> TypeAdapter[OptionsT]:
    """Return what checks a table of options, and knows its JSON Schema; made once for each."""
    made: TypeAdapter[OptionsT] = _ADAPTERS.get(model) or TypeAdapter(model)
    return _ADAPTERS.setdefault(model, made)


def names_of(model: type[Options]) -> tuple[str, ...]:
    """Return the names of the options of a table, in their order."""
    return tuple(each.name for each in fields(model))  # type: ignore[arg-type]  # a dataclass


def validate(
    model: type[OptionsT],
    values: Mapping[str, Any],  # Any: as TOML has them
    document: Document,
    path: KeyPath,
    lang: Language,
    also_known: tuple[str, ...] = (),
) -> tuple[OptionsT | None, list[Mistake]]:
    """Make options of a table of the document.

    Args:
        model: of which kind.
        values: the options; those of the table that belong to it.
        document: where they stand.
        path: of their table.
        lang: language of the mistakes.
        also_known: names of options of the same table that are checked elsewhere.

    Returns:
        The options and no mistake, or no options and every mistake.
    """
    try:
        made = adapter(model).validate_python(values, context={SITE_DIR: document.folder})
    except ConfigError as error:  # a driver found mistakes in a file of its own
        return None, list(error.mistakes)
    except ValidationError as error:
        explainer = _Explainer(model, values, document, path, lang, also_known)
        details = error.errors(include_url=False)
        # A value that fits none of several kinds is one mistake, said once for each kind.
        return None, list(dict.fromkeys(explainer.mistakes(details)))
    return made, []


def option_giving(
    value: Hashable,
    config: Options,
    table: Mapping[str, Any],  # Any: as TOML has them
) -> tuple[str, ...]:
    """Return the one option of a plugin that is written as `value`, or nothing.

    Args:
        value: an address or a port as the plugin tells it; of a tuple the first part counts.
        config: the checked options of the plugin.
        table: the table of the file.
    """
    wanted = value[0] if isinstance(value, tuple) and value else value
    names = [
        name
        for name in names_of(type(config))
        if name in table and type(table[name]) is type(wanted) and table[name] == wanted
    ]
    return tuple(names) if len(names) == 1 else ()


def option_named_in(reason: str, config: Options) -> tuple[str, ...]:
    """Return the one option whose text `reason` repeats, or nothing."""
    values = {name: getattr(config, name) for name in names_of(type(config))}
    names = [name for name, value in values.items() if isinstance(value, str) and value in reason]
    return tuple(names) if len(names) == 1 else ()


class _Explainer:
    """Explains the errors of one table of options."""

    def __init__(
        self,
        model: type[Options],
        values: Mapping[str, Any],  # Any: as TOML has them
        document: Document,
        path: KeyPath,
        lang: Language,
        also_known: tuple[str, ...],
    ) -> None:
        self._values = values
        self._document = document
        self._path = path
        self._lang = lang
        self._also_known = also_known
        try:
            self._schema: Schema = adapter(model).json_schema()
        except PydanticInvalidForJsonSchema:
            self._schema = {}  # a type without a schema: what is allowed is told by pydantic

    def mistakes(self, details: list[ErrorDetails]) -> Iterator[Mistake]:
        """Yield the mistakes that the errors of pydantic are.

        A needed option under a wrong name is one mistake: told as unknown, not as missing too.
        """
        at = [
            self._standing(detail["loc"], missing=detail["type"] == "missing") for detail in details
        ]
        meant = {
            (*inside[:-1], nearest(inside[-1], self._known(inside)))
            for detail, inside in zip(details, at, strict=True)
            if detail["type"] in _UNKNOWN
        }
        for detail, inside in zip(details, at, strict=True):
            refusal = detail.get("ctx", {}).get("error")
            elsewhere = getattr(refusal, "mistakes", ())
            if elsewhere:  # in a file that the option names, each with a line of its own
                yield from elsewhere
            elif detail["type"] != "missing" or inside not in meant:
                about = inside or self._about(str(refusal or ""))
                message = self._message(detail, about)
                yield self._document.mistake((*self._path, *about), message)

    def _message(self, detail: ErrorDetails, inside: KeyPath) -> str:
        lang = self._lang
        match detail["type"]:
            case "missing":
                return self._missing(inside)
            case kind if kind in _UNKNOWN:
                return self._unknown(inside)
            case kind if kind in _OUR_WORDS:
                said = str(detail.get("ctx", {}).get("error", detail["msg"]))
                reason = " ".join(said.split()).rstrip(".")
                if not inside or isinstance(detail["input"], Mapping):
                    return text("config-refused-section", lang, reason=reason)
                return text(
                    "config-refused", lang, found=found(detail["input"], lang), reason=reason
                )
            case _:
                return text(
                    "config-found",
                    lang,
                    found=found(detail["input"], lang),
                    allowed=self._allowed(inside, detail["msg"]),
                )

    def _about(self, reason: str) -> KeyPath:
        """Return the one option that a refusal of a whole table speaks of, else nothing.

        It begins with the name of the option and a colon, or it quotes the option's text.
        """
        name, colon, _ = reason.partition(":")
        if colon and name in self._values:
            return (name,)
        quoted = [
            name
            for name, value in self._values.items()
            if isinstance(value, str) and value and repr(value) in reason
        ]
        return (quoted[0],) if len(quoted) == 1 else ()

    def _missing(self, inside: KeyPath) -> str:
        if not self._path and len(inside) == 1:
            several = (self._schema_at(inside) or {}).get("type") == "array"
            section = f"[[{inside[0]}]]" if several else f"[{inside[0]}]"
            return text("config-missing-section", self._lang, section=section)
        allowed_here = self._allowed(inside, "")
        return text("config-missing", self._lang, name=str(inside[-1]), allowed=allowed_here)

    def _unknown(self, inside: KeyPath) -> str:
        name, known = str(inside[-1]), self._known(inside)
        near = nearest(name, known)
        key = "config-unknown" if self._path or len(inside) > 1 else "config-unknown-section"
        return text(
            f"{key}-near" if near else key,
            self._lang,
            name=name,
            near=near or "",
            allowed=listed(known, self._lang),
        )

    def _known(self, inside: KeyPath) -> list[str]:
        """Return the names that may stand beside the last one of a path."""
        around = self._schema_at(inside[:-1]) or {}
        known = [*around.get("properties", {})]
        return [*known, *self._also_known] if len(inside) == 1 else known

    def _allowed(self, inside: KeyPath, otherwise: str) -> str:
        schema = self._schema_at(inside)
        if schema is None:
            return otherwise or text("allowed-anything", self._lang)
        return allowed(schema, self._schema, self._lang, name=str((*self._path, *inside)[-1]))

    def _schema_at(self, inside: KeyPath) -> Schema | None:
        """Return the part of the schema that is about an option, or None."""
        part: Schema = self._schema
        for step in inside:
            found_part = next(self._steps(part, step), None)
            if found_part is None:
                return None
            part = found_part
        return resolve(part, self._schema)

    def _steps(self, part: Schema, step: str | int) -> Iterator[Schema]:
        """Yield the parts that `step` leads to, through every alternative."""
        part = resolve(part, self._schema)
        for choice in (*part.get("anyOf", ()), *part.get("oneOf", ())):
            yield from self._steps(choice, step)
        if isinstance(step, int):
            if "items" in part:
                yield part["items"]
            return
        if step in part.get("properties", {}):
            yield part["properties"][step]
        elif isinstance(part.get("additionalProperties"), Mapping):
            yield part["additionalProperties"]

    def _standing(self, loc: tuple[str | int, ...], *, missing: bool) -> KeyPath:
        """Return an error's path as far as it names things of the file.

        pydantic adds the names of alternatives to the path; these stand in no file. The last name
        is one that does not stand there either when it is missing.
        """
        kept: list[str | int] = []
        value: Any = self._values  # Any: whatever TOML can hold
        for place, step in enumerate(loc):
            in_table = isinstance(value, Mapping) and step in value
            if in_table or (isinstance(value, list) and isinstance(step, int)):
                kept.append(step)
                value = value[step]
            elif missing and place == len(loc) - 1:
                kept.append(step)
        return tuple(kept)
