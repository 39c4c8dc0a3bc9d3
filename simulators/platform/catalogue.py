"""What the batches of an epoch carry only by number: shapes and sources. Pure.

Written from `gateway/sync/README.md` §2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from simulators.platform import strict
from simulators.platform.errors import Reason, WireError
from simulators.platform.wire import inflate

KINDS: Final = ("number", "counter", "float32", "float64", "bool", "state", "text")
NUMBER, COUNTER, FLOAT32, FLOAT64, BOOL, STATE, TEXT = range(len(KINDS))
MAX_POINTS: Final = 4096
"""Points of one shape."""

_NONCE: Final = b"\xff" * 12


@dataclass(frozen=True, slots=True)
class Point:
    """One column of a shape."""

    name: str
    unit: str
    kind: int
    scale: float
    offset: float
    states: tuple[tuple[int, str], ...]

    @property
    def plain(self) -> bool:
        """Say whether the value is the integer itself."""
        return self.scale == 1 and self.offset == 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the batches of an epoch carry only by number."""

    shapes: Sequence[Sequence[Point]]
    sources: Sequence[tuple[str, int]]
    """Device and place of its shape."""
    references: Sequence[Sequence[int]]
    """Of each source, for each point of its shape: the integer that differences start from."""


def open_catalogue(sealed: bytes, epoch: bytes, key: bytes) -> Catalogue:
    """Open and read the catalogue of an epoch.

    Raises:
        WireError: WRAP when it does not open, INSIDE, CBOR or FORM when it does not read.
    """
    try:
        frame = ChaCha20Poly1305(key).decrypt(_NONCE, sealed, epoch)
    except InvalidTag as error:
        raise WireError(Reason.WRAP, "the catalogue does not open") from error
    fields = strict.mapping(strict.decode(inflate(frame)), "catalogue")
    shapes = [
        [_point(point) for point in strict.entries(shape, "shape")]
        for shape in strict.entries(strict.field(fields, 1, "catalogue"), "shapes")
    ]
    if any(len(shape) > MAX_POINTS for shape in shapes):
        raise WireError(Reason.FORM, f"a shape of more than {MAX_POINTS} points")
    sources = [
        (strict.name(device, "device"), strict.natural(shape, "shape", below=len(shapes)))
        for device, shape in (
            strict.array(source, 2, "source")
            for source in strict.entries(strict.field(fields, 2, "catalogue"), "sources")
        )
    ]
    references = strict.array(strict.field(fields, 3, "catalogue"), len(sources), "references")
    return Catalogue(
        shapes,
        sources,
        [
            _reference(reference, len(shapes[shape]))
            for reference, (_, shape) in zip(references, sources, strict=True)
        ],
    )


def _reference(item: object, length: int) -> Sequence[int]:
    if item is None:
        return (0,) * length
    numbers = strict.array(item, length, "reference")
    return tuple(strict.wide(n, "reference") for n in numbers)


def _point(item: object) -> Point:
    title, unit, kind, scale, offset, states = strict.array(item, 6, "point")
    names = () if states is None else tuple(strict.mapping(states, "states").items())
    return Point(
        strict.name(title, "name of a point"),
        strict.text(unit, "unit", limit=strict.NAME_LIMIT),
        strict.natural(kind, "kind", below=len(KINDS)),
        strict.number(scale, "scale"),
        strict.number(offset, "offset"),
        tuple((strict.signed(n, "state"), strict.text(label, "state")) for n, label in names),
    )
