"""From edges on two lines to words of bits. Pure: the ticks of the edges are the only time.

Data 0 and Data 1 rest high; a low pulse on one of them is a bit. Bits of a word follow one another
within 20 ms, pulses last 20 to 100 us, begin at least 200 us apart and never overlap.

Source: SIA Access Control Standard Protocol for the 26-bit Wiegand Reader Interface, as in the
Promag WEC200 user's manual, appendix B, and the TDSi DIGIgarde PLUS user guide, 9.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

LONGEST_WORD: Final = 256
"""Bits; a burst beyond that is noise."""


class Pulse(NamedTuple):
    """One edge of one of the two lines."""

    tick_ns: int
    line: int
    """0 is Data 0, 1 is Data 1."""
    level: bool
    """True is high, the level of rest."""


class Torn(StrEnum):
    """Why a burst is no word: said without a bit of it."""

    CLOSE = "pulses follow one another faster than a reader sends them"
    OVERLAP = "both data lines were low at once"
    LONG = "a pulse lasted longer than a bit"
    FLOOD = "pulses without end"


@dataclass(frozen=True, slots=True)
class Timing:
    """What counts as a bit, in nanoseconds; the defaults are wider than the standard."""

    gap_ns: int = 25_000_000
    """A longer silence ends a word; bits may be 20 ms apart."""
    interval_ns: int = 100_000
    """Pulses that begin closer to one another are no two bits; the standard has 200 us."""
    narrow_ns: int = 5_000
    """A narrower pulse is a spike of noise and is passed over; the standard has 20 us."""
    wide_ns: int = 1_000_000
    """A wider pulse is no bit; the standard has 100 us, and edges are told late at times."""


def words(edges: Sequence[Pulse], timing: Timing) -> list[str | Torn]:
    """Return what was sent, word by word.

    Edges may come in any order: their ticks say what was first. A fall without a rise (the board
    was too slow to see it) is a bit all the same; parity and length have the last word.

    Args:
        edges: all of a time in which nothing was left open.
        timing: what counts as a bit.

    Returns:
        Words as text of 0 and 1, the first bit sent first, or why a burst is none.
    """
    found: list[str | Torn] = []
    burst: list[_Bit] = []
    for bit in _bits(edges, timing):
        if burst and bit.begin_ns - burst[-1].begin_ns > timing.gap_ns:
            found.append(_word(burst, timing))
            burst = []
        burst.append(bit)
    if burst:
        found.append(_word(burst, timing))
    return found


class _Bit(NamedTuple):
    """A pulse: where it began, and where it ended if that was seen."""

    begin_ns: int
    line: int
    end_ns: int | None


def _bits(edges: Sequence[Pulse], timing: Timing) -> list[_Bit]:
    """Return the pulses in the order of their beginnings, without spikes."""
    bits: list[_Bit] = []
    low: dict[int, int] = {}
    for tick_ns, line, level in sorted(edges, key=lambda edge: edge.tick_ns):
        begun = low.pop(line, None)
        if begun is not None:
            # Two falls in a row: the rise between them was missed.
            bits.append(_Bit(begun, line, tick_ns if level else None))
        if not level:
            low[line] = tick_ns
    bits += [_Bit(begun, line, None) for line, begun in low.items()]
    bits.sort(key=lambda bit: (bit.begin_ns, bit.line))
    return [
        bit for bit in bits if bit.end_ns is None or bit.end_ns - bit.begin_ns >= timing.narrow_ns
    ]


def _word(burst: Sequence[_Bit], timing: Timing) -> str | Torn:
    if len(burst) > LONGEST_WORD:
        return Torn.FLOOD
    for bit, following in pairwise(burst):
        if bit.end_ns is not None and bit.end_ns > following.begin_ns:
            return Torn.OVERLAP
        if following.begin_ns - bit.begin_ns < timing.interval_ns:
            return Torn.CLOSE
    if any(bit.end_ns is not None and bit.end_ns - bit.begin_ns > timing.wide_ns for bit in burst):
        return Torn.LONG
    return "".join(str(bit.line) for bit in burst)
