"""What an option is: its type, what it may be, what it means. Said once, in a plain dataclass.

A table of options is a frozen dataclass of the standard library, a field of it an option:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class LampOptions(Options):
        unit: Annotated[int, Limits(ge=1, le=247), About("address on the line")] = 1

Whoever checks a site file (`gateway.config.checking`) makes a validator and a JSON Schema of it
with pydantic. Nothing here imports pydantic: the objects beside a type are asked by it, and answer
with plain dicts (its core schemas are dicts, its JSON Schemas too). So the agent, which is handed
options that were checked, never loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Protocol

from gateway.model.ids import NAME_PATTERN

Schema = dict[str, Any]  # Any: a schema is JSON-like

SITE_DIR: Final = "site_dir"
"""Under this name the validation context has the folder of the site file."""


class _Handler(Protocol):
    """What pydantic hands to those that shape a schema."""

    def __call__(self, source: Any, /) -> Schema:
        """Return the schema of a type, or of a schema."""
        ...

    def resolve_ref_schema(self, schema: Any, /) -> Schema:
        """Return the schema that a reference leads to."""
        ...


class _Info(Protocol):
    """What pydantic tells a validator."""

    context: Any
    data: Mapping[str, Any]


class Options:
    """A table of options: one that is not known is refused, nothing changes after checking."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: _Handler) -> Schema:
        """Take a table of the file as it is, also where `strict` is set for what stands in it."""
        schema = handler.resolve_ref_schema(handler(source))
        schema["strict"] = False
        return schema


@dataclass(frozen=True, slots=True)
class About:
    """What an option means, in one line."""

    text: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: _Handler) -> Schema:
        """Put it into the JSON Schema."""
        return {**handler(schema), "description": self.text}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a number, a text or a list may be. Stands beside that very type, inside of `| None`."""

    ge: float | None = None
    """At least."""
    gt: float | None = None
    """Above."""
    le: float | None = None
    """At most."""
    lt: float | None = None
    """Below."""
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    """A regular expression."""

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Schema:
        """Put them into the schema of the type."""
        given = {name: getattr(self, name) for name in self.__slots__}
        return handler(source) | {name: each for name, each in given.items() if each is not None}


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of our own on one option, whatever is wrong with the others."""

    check: Callable[[Any, Mapping[str, Any], Path | None], None]
    """Takes the value, the options before it that are right, and the folder of the site file (None:
    there is no file); raises ValueError with the reason."""

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Schema:
        """Call the check once the type is right."""

        def checked(value: Any, info: _Info) -> Any:
            self.check(value, info.data, _site_dir(info))
            return value

        return _calling("function-after", checked, handler(source))


@dataclass(frozen=True, slots=True)
class BesideTheSiteFile:
    """A path that is relative to the folder of the site file is made absolute."""

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Schema:
        """Do so before the type is looked at; leave what is no path to pydantic."""

        def beside(value: Any, info: _Info) -> Any:
            if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
                return value
            return (_site_dir(info) or Path()) / value

        return _calling("function-before", beside, handler(source))


@dataclass(frozen=True, slots=True)
class OneOrSeveral:
    """A list whose only element may stand alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: _Handler) -> Schema:
        """Take a single table as a list of one."""

        def several(value: Any, _: _Info) -> Any:
            return [value] if isinstance(value, Mapping) else value

        return _calling("function-before", several, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: _Handler) -> Schema:
        """Allow both."""
        made = dict(handler(schema))
        several = {name: made.pop(name) for name in ("type", "items", "minItems") if name in made}
        return {**made, "anyOf": [several["items"], several]}


SitePath = Annotated[Path, BesideTheSiteFile()]
"""A path in the site file, relative to its folder."""

Name = Annotated[str, Limits(pattern=NAME_PATTERN)]
"""What a thing of a site may be called."""


def _calling(kind: str, function: Callable[[Any, _Info], Any], schema: Schema) -> Schema:
    return {"type": kind, "function": {"type": "with-info", "function": function}, "schema": schema}


def _site_dir(info: _Info) -> Path | None:
    context = info.context if isinstance(info.context, Mapping) else {}
    folder = context.get(SITE_DIR)
    return folder if isinstance(folder, Path) else None
