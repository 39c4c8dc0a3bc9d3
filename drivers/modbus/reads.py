"""The reads of one poll group, compiled: what to ask, and where each value goes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.modbus.codec import Decoder, compile_decoder
from drivers.modbus.fields import MappedPoint, Span
from drivers.modbus.plan import Limits, Lore, Read, plan
from drivers.modbus.refusal import cause_of
from drivers.telegrams.modbus import Question, Speech
from gateway.model.reading import NO_FLAGS, Flag, Quality, Sample, Value


@dataclass(frozen=True, slots=True)
class CompiledRead:
    """One request, how to decode its answer, and where its values go in the table of the group."""

    read: Read
    question: Question
    decoder: Decoder
    places: Sequence[int]
    whole: bool
    """It brings the whole group in its order."""


@dataclass(frozen=True, slots=True)
class CompiledGroup:
    """What one poll does."""

    points: Sequence[MappedPoint]
    spans: Sequence[Span]
    """What the group wants, each span once."""
    places_of: Mapping[Span, Sequence[int]]
    reads: Sequence[CompiledRead]
    refused: Mapping[Span, int]
    """What is not asked, since the device refuses it, with its code."""

    def compile(self, read: Read, speech: Speech) -> CompiledRead:
        """Compile one read for the points of this group."""
        places = [place for part in read.parts for place in self.places_of[part]]
        wanted = [self.points[place] for place in places]
        whole = places == list(range(len(self.points)))
        return CompiledRead(
            read, speech.read(read.span), compile_decoder(read.span, wanted), places, whole
        )


def compile_group(
    points: Sequence[MappedPoint], limits: Limits, lore: Lore, speech: Speech
) -> CompiledGroup:
    """Plan the reads of a group by what is known of the device, and compile them."""
    places_of: dict[Span, list[int]] = {}
    for place, (_, field) in enumerate(points):
        places_of.setdefault(field.span, []).append(place)
    refused = {span: lore.refused[span] for span in places_of if span in lore.refused}
    bare = CompiledGroup(points, tuple(places_of), places_of, (), refused)
    reads = tuple(bare.compile(read, speech) for read in plan(places_of, limits, lore))
    return CompiledGroup(points, bare.spans, places_of, reads, refused)


class Gathered:
    """The values of one poll as they come in."""

    __slots__ = ("_cells", "_flags", "compiled", "refused")

    def __init__(self, compiled: CompiledGroup) -> None:
        """Start with what is known to be refused."""
        self.compiled: Final = compiled
        self.refused = 0
        """How many points are refused."""
        self._cells: list[Value | None] = []
        self._flags: dict[int, Flag] = {}
        if not (len(compiled.reads) == 1 and compiled.reads[0].whole):
            self._cells = [None] * len(compiled.points)
        for span, code in compiled.refused.items():
            self.refuse(span, code)

    def take(self, read: CompiledRead, frame: bytes) -> None:
        """Take the values of a good answer."""
        cells, flags = read.decoder.decode(frame, read.question.data_at)
        if read.whole:
            self._cells = cells
            if flags:
                self._flags.update(flags)
            return
        if not self._cells:
            self._cells = [None] * len(self.compiled.points)
        for place, cell in zip(read.places, cells, strict=True):
            self._cells[place] = cell
        for place, flag in flags.items():
            self._flags[read.places[place]] = flag

    def refuse(self, span: Span, code: int) -> None:
        """Mark the points of a refused span."""
        if not self._cells:
            self._cells = [None] * len(self.compiled.points)
        flag = Flag(Quality.BAD, cause_of(code))
        for place in self.compiled.places_of[span]:
            self._flags[place] = flag
            self.refused += 1

    def sample(self) -> Sample:
        """Return the values of the poll."""
        return Sample(tuple(self._cells), self._flags or NO_FLAGS)
