"""Reads and checks the profile of a board, and tries its vectors; never loaded by the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from drivers.displays.charset import Charset
from drivers.displays.schema import DisplayModel, SayingModel, VectorModel
from drivers.displays.sheet import Saying, Sheet
from drivers.profiles.reading import check_text, find_profile, read_text
from drivers.telegrams.language import Addressing, Language, Reply
from drivers.telegrams.reader import Reader, Refuser
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.profile import ProfileKind, ProfileSheet

PROTOCOL: Final = "display"


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile."""

    sheet: Sheet
    """All that the driver needs of it."""
    model: DisplayModel
    """What stands in the file."""


def load_profile(name: str, site_dir: Path | None) -> Profile:
    """Find a profile by name and check it: in `site_dir/profiles` first, then among our own.

    Raises:
        ProfileError: there is none of that name, or it has mistakes; it lists them all.
    """
    return read_profile(find_profile(name, site_dir, PROTOCOL))


def read_profile(path: Path) -> Profile:
    """Read and check one file.

    Raises:
        ProfileError: every mistake with its line.
    """
    return parse_profile(read_text(path), path)


@lru_cache(maxsize=32)
def parse_profile(text: str, path: Path) -> Profile:
    """Check the text of a profile from the file `path`, whose stem must be the profile's name.

    Raises:
        ProfileError: every mistake with its line.
    """
    model = check_text(text, path, DisplayModel, lambda _: [])
    return Profile(_sheet(model), model)


def _sheet(model: DisplayModel) -> Sheet:
    frame = model.frame
    checksum = of_answers = None
    if model.checksum:
        end = frame.build(None).end
        checksum = model.checksum.build(end)
        of_answers = model.checksum.build(end, answers=True) if model.checksum.answers else None
    language = Language(
        name=model.name,
        topics={},
        points={},
        topic_of={},
        refusals=tuple(refusal.build(frame, of_answers) for refusal in model.refusal),
        checksum=checksum,
        address=model.address.build() if model.address else Addressing(),
        gap_s=model.gap_ms / 1000,
    )

    def saying(each: SayingModel | None) -> Saying | None:
        template = each.template() if each else None
        if each is None or template is None:
            return None
        shape = (each.frame or frame).build(of_answers if each.checksum else None)
        reply = None if each.silent else Reply(shape, each.answer, each.begins())
        return Saying(template, reply)

    page = saying(model.page)
    if page is None:  # the schema asks for it
        raise ValueError(model.name)
    board = model.board
    return Sheet(
        language,
        Charset(board.code_page, board.forbidden, board.longest),
        board.pages,
        {int(percent): code for percent, code in board.levels.items()},
        page,
        saying(model.run),
        saying(model.dim),
        saying(model.watchdog),
        saying(model.read),
        saying(model.status),
    )


# Vectors


def check(path: Path) -> Sequence[str]:
    """Return a sentence for each thing wrong with a file, its vectors included."""
    try:
        profile = read_profile(path)
    except ValueError as error:
        return str(error).splitlines()
    return [
        f"{profile.model.name}, vector {number}: {problem}"
        for number, vector in enumerate(profile.model.vector, start=1)
        for problem in _check(profile.sheet, vector)
    ]


def _check(sheet: Sheet, vector: VectorModel) -> Iterator[str]:
    saying: Saying | None = getattr(sheet, vector.what)
    if saying is None:
        yield f"there is no {vector.what}"
        return
    language = sheet.language
    try:
        default = language.address.default
        address = language.address.check(default if vector.address is None else vector.address)
        made = saying.request.fill(_values(sheet, vector, address), language.checksum)
    except (ValueError, CommandRefusedError) as error:
        yield str(error)
        return
    if made != vector.bytes_out():
        yield f"the request is {made!r}, not {vector.bytes_out()!r}"
    answer = vector.bytes_in()
    if saying.reply is None:
        if answer:
            yield "the board says nothing to it"
        return
    yield from _answer(sheet, vector, Reader(saying.reply, address), address)


def _values(
    sheet: Sheet, vector: VectorModel, address: int | str
) -> dict[str, float | str | bytes]:
    value: float | str | bytes = vector.value
    if vector.what == "page":
        value = sheet.charset.encode(vector.value)
    elif vector.what == "dim":
        value = sheet.levels[int(vector.value)]
    elif vector.what == "watchdog":
        value = int(vector.value)
    return {"address": address, "value": value, "page": vector.page, "pages": vector.page}


def _answer(sheet: Sheet, vector: VectorModel, reader: Reader, address: int | str) -> Iterator[str]:
    answer = vector.bytes_in()
    codes = [Refuser(refusal, address).code(answer) for refusal in sheet.language.refusals]
    refused = any(code is not None for code in codes)
    try:
        good = reader.shape.measure(answer) == len(answer) and reader.fits(answer)
    except FrameError as error:
        good = False
        if not vector.refused:
            yield str(error)
    if vector.refused:
        if good or not refused:
            yield f"{answer!r} is no refusal"
    elif not good:
        yield f"{answer!r} is no answer to it"
    else:
        parts = reader.parts(answer) or {}
        for name, wanted in vector.found.items():
            found = parts.get(name)
            text = found and sheet.charset.decode(found.encode("latin-1"))
            if text != wanted:
                yield f"{name} is {text!r}, not {wanted!r}"


# For people


def for_people(path: Path) -> ProfileSheet:
    """Return what a profile says, for people.

    Raises:
        ProfileError: it cannot be used.
    """
    model = read_profile(path).model
    return ProfileSheet(
        name=model.name,
        protocol=PROTOCOL,
        title=model.title.model_dump(),
        maker=model.maker,
        models=model.models,
        document=model.source.document,
        edition=model.source.edition,
        where=model.source.where,
        caveats=[caveat.model_dump() for caveat in model.caveats],
        groups={},
        points=(),
        vectors=len(model.vector),
        personal=model.personal,
    )


KIND: Final = ProfileKind(
    protocol=PROTOCOL, schema=DisplayModel.model_json_schema, sheet=for_people, check=check
)
