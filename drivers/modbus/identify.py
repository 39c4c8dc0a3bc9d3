"""By what a device is recognised: plain data of a profile, and how well an answer fits. Pure.

Whoever looks for devices reads the device identification and the signature registers, and holds
what came against each profile. Nothing is ever written to find out.

Source: MODBUS Application Protocol Specification V1.1b3, 6.21 (read device identification).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from drivers.modbus.codec import compile_decoder
from drivers.modbus.fields import MappedPoint, Span
from gateway.model.ids import PointId
from gateway.model.reading import Value

OBJECTS: Final = {
    "vendor_name": 0x00,
    "product_code": 0x01,
    "revision": 0x02,
    "vendor_url": 0x03,
    "product_name": 0x04,
    "model_name": 0x05,
    "application_name": 0x06,
}
"""Objects of the device identification by name (6.21, table of object ids)."""


class Confidence(IntEnum):
    """How sure it is that a device is of this model."""

    NO = 0
    """Something came that this model never says."""
    UNKNOWN = 1
    """Nothing speaks for it and nothing against it."""
    PLAUSIBLE = 2
    """All values that were read are such as this model may have."""
    SIGNATURE = 3
    """Registers hold what tells this model from others."""
    NAMED = 4
    """The device names itself so."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Registers that hold something only this model has there."""

    mapped: MappedPoint
    """Where, and how it is read; its point has the limits."""
    equals: frozenset[Value] = frozenset()
    pattern: str | None = None
    """A regular expression that a text must match from its beginning."""

    @property
    def span(self) -> Span:
        """Return what must be read for it."""
        return self.mapped.field.span

    def fits(self, data: bytes) -> bool:
        """Say whether the registers, as they came, are those of this model.

        Args:
            data: the registers or packed bits of `span`, whole.
        """
        size = (self.span.length + 7) // 8 if self.span.table.bits else self.span.length * 2
        if len(data) != size:
            return False
        cells, flags = compile_decoder(self.span, [self.mapped]).decode(data, 0)
        value = cells[0]
        if value is None or flags:
            return False
        if self.equals and value not in self.equals:
            return False
        return self.pattern is None or re.match(self.pattern, str(value)) is not None


@dataclass(frozen=True, slots=True)
class Plausible:
    """What a point of a healthy, installed device lies between, in its unit."""

    point: PointId
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Identification:
    """How a device of one model is found and recognised."""

    units: Sequence[int] = ()
    """Addresses as it leaves the factory."""
    baud_rates: Sequence[int] = ()
    """Speeds, that of the factory first."""
    parity: str | None = None
    """As it leaves the factory, likewise the stop bits."""
    stop_bits: int | None = None
    objects: Mapping[int, str] = field(default_factory=dict)
    """Regular expressions that objects of the device identification must match from their start."""
    signatures: Sequence[Signature] = ()
    plausible: Sequence[Plausible] = ()


def named(identification: Identification, objects: Mapping[int, bytes]) -> Confidence:
    """Return what the device identification says of this model.

    Args:
        identification: of the profile.
        objects: what function 0x2B/0x0E gave; empty when the device does not know the function,
            which says nothing against a model.
    """
    asked = {key: pattern for key, pattern in identification.objects.items() if key in objects}
    if not asked:
        return Confidence.UNKNOWN
    texts = {key: objects[key].decode("ascii", "replace").strip("\0 ") for key in asked}
    fit = all(re.match(pattern, texts[key]) for key, pattern in asked.items())
    return Confidence.NAMED if fit else Confidence.NO


def signed(identification: Identification, answers: Mapping[Span, bytes | None]) -> Confidence:
    """Return what the signature registers say of this model.

    Args:
        identification: of the profile.
        answers: what each span holds; None where the device refused it, which this model never
            does. A span that was not asked for says nothing.
    """
    asked = [each for each in identification.signatures if each.span in answers]
    for signature in asked:
        data = answers[signature.span]
        if data is None or not signature.fits(data):
            return Confidence.NO
    whole = bool(asked) and len(asked) == len(identification.signatures)
    return Confidence.SIGNATURE if whole else Confidence.UNKNOWN


def believable(identification: Identification, values: Mapping[PointId, Value]) -> Confidence:
    """Return what the values of points say of this model. A missing one says nothing."""
    asked = [
        (each, value)
        for each in identification.plausible
        if isinstance(value := values.get(each.point), (int, float))
    ]
    if not asked:
        return Confidence.UNKNOWN
    fit = all(each.low <= value <= each.high for each, value in asked)
    return Confidence.PLAUSIBLE if fit else Confidence.NO


def overall(*told: Confidence) -> Confidence:
    """Return what several findings say together: one NO is enough, else the strongest counts."""
    return Confidence.NO if Confidence.NO in told else max(told, default=Confidence.UNKNOWN)
