"""What may stand in the profile of a board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.displays.charset import CODE_PAGES, SEPARATOR, is_single
from drivers.profiles.header import Header, Strict
from drivers.telegrams.frame_schema import (
    AddressModel,
    ChecksumModel,
    FrameModel,
    LineModel,
    RefusalModel,
    hex_or_text,
)
from drivers.telegrams.pattern import compiled
from drivers.telegrams.schema import MessageModel


class SayingModel(MessageModel):
    """Something that is said to the board."""

    silent: bool = Field(default=False, description="the board says nothing to it")

    @model_validator(mode="after")
    def _said(self) -> Self:
        if self.template() is None:
            msg = "a request is needed"
            raise ValueError(msg)
        if self.silent and (self.answer or self.begins_hex):
            msg = "a board that says nothing has no answer"
            raise ValueError(msg)
        return self


class BoardModel(Strict):
    """What the board can show."""

    code_page: str = Field(description=f"one of {', '.join(CODE_PAGES)}")
    forbidden: str = Field(
        default="", description="characters that mean something else to the board"
    )
    longest: int = Field(default=125, ge=1, le=900, description="bytes of a page")
    pages: str = Field(default="A", min_length=1, description="names of its pages")
    levels: Mapping[str, str] = Field(
        default_factory=dict, description='brightness in percent, and its code: {100 = "A"}'
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not is_single(self.code_page):
            msg = f"code_page is one of {', '.join(CODE_PAGES)}"
            raise ValueError(msg)
        if len(set(self.pages)) != len(self.pages) or not self.pages.isascii():
            msg = "pages have ASCII names, each once"
            raise ValueError(msg)
        if SEPARATOR in self.pages:
            msg = f"{SEPARATOR} separates pages"
            raise ValueError(msg)
        if any(not name.isdecimal() or int(name) > 100 for name in self.levels):  # noqa: PLR2004
            msg = "levels are percent: 0 to 100"
            raise ValueError(msg)
        return self


class VectorModel(Strict):
    """Something said to the board and what it says to it, as bytes; tried by the tests."""

    what: Literal["page", "run", "dim", "watchdog", "read", "status"] = Field(
        description="which of the things said"
    )
    page: str = Field(default="", description="name of the page, or names of those that run")
    value: str = Field(default="", description="text, percent or seconds")
    address: int | str | None = Field(
        default=None, description="of the board; left out: the default one"
    )
    request: str = Field(default="", description="as it goes out, as text with escapes")
    request_hex: str = Field(default="", description="the same in hex")
    answer: str = Field(default="", description="as it comes, as text with escapes")
    answer_hex: str = Field(default="", description="the same in hex")
    found: Mapping[str, str] = Field(
        default_factory=dict, description="named groups of the answer and what they hold"
    )
    refused: bool = Field(default=False, description="the answer is a refusal")
    origin: str = Field(
        default="", description="where it stands in the source; left out: made from its rules"
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.bytes_out()
        self.bytes_in()
        return self

    def bytes_out(self) -> bytes:
        """Return the request."""
        return hex_or_text(self.request, self.request_hex)

    def bytes_in(self) -> bytes:
        """Return the answer."""
        return hex_or_text(self.answer, self.answer_hex)


class DisplayModel(Header):
    """A board."""

    protocol: Literal["display"] = Field(description="display")
    line: LineModel = Field(
        default=LineModel(), description="how the board is set when it is delivered"
    )
    frame: FrameModel = Field(description="how its answers begin and end")
    checksum: ChecksumModel | None = Field(default=None, description="of requests and answers")
    address: AddressModel | None = Field(
        default=None, description="what tells boards on one line apart"
    )
    gap_ms: float = Field(
        default=0, ge=0, le=2000, description="rest between an answer and the next request"
    )
    refusal: tuple[RefusalModel, ...] = Field(default=(), description="how the board says no")
    board: BoardModel = Field(description="what it can show")
    page: SayingModel = Field(description="writes a page: {page}, {value}")
    run: SayingModel | None = Field(
        default=None, description="says which pages are shown, one after the other: {pages}"
    )
    dim: SayingModel | None = Field(default=None, description="sets the brightness: {value}")
    watchdog: SayingModel | None = Field(
        default=None,
        description="the board shows its own picture when it hears nothing for {value} seconds",
    )
    read: SayingModel | None = Field(
        default=None, description="reads a page: {page}; its answer has a group (?P<text>...)"
    )
    status: SayingModel | None = Field(
        default=None, description="reads groups brightness (a code) and own (1: its own picture)"
    )
    vector: tuple[VectorModel, ...] = Field(default=(), description="test vectors")

    @model_validator(mode="after")
    def _together(self) -> Self:
        needs = {
            "page": {"page", "value"},
            "run": {"pages"},
            "dim": {"value"},
            "watchdog": {"value"},
            "read": {"page"},
            "status": set(),
        }
        problems = []
        for name, wanted in needs.items():
            saying: SayingModel | None = getattr(self, name)
            template = saying.template() if saying else None
            if template is None:
                continue
            missing = wanted - template.places
            too_many = template.places - wanted - {"address", "checksum"}
            if (missing and (name, missing) != ("page", {"page"})) or too_many:
                problems.append(f"{name}: its places are {', '.join(sorted(wanted))}")
            if "address" in template.places and self.address is None:
                problems.append(f"{name}: {{address}} needs a table [address]")
            if "checksum" in template.places and self.checksum is None:
                problems.append(f"{name}: {{checksum}} needs a table [checksum]")
        if self.read and "text" not in compiled(self.read.answer).groupindex:
            problems.append("read: its answer has no group (?P<text>...)")
        if bool(self.dim) != bool(self.board.levels):
            problems.append("dim and board.levels go together")
        if problems:
            raise ValueError("; ".join(problems))
        return self
