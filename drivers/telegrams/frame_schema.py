"""What may stand of telegrams in a profile: how they begin and end, checksum, address, refusal."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.profiles.header import Strict
from drivers.telegrams.checksums import CRCS, KINDS, Checksum, Crc, Form
from drivers.telegrams.language import Addressing, Refusal
from drivers.telegrams.pattern import compiled
from drivers.telegrams.shape import LONGEST, Counted, Shape
from drivers.telegrams.template import TemplateError, plain, size_of


def hex_or_text(text: str, digits: str) -> bytes:
    """Return bytes given as text with escapes, or in hex.

    Raises:
        ValueError: both are given, or it is neither.
    """
    if text and digits:
        msg = "give it as text or in hex, not both"
        raise ValueError(msg)
    return bytes.fromhex(digits) if digits else plain(text)


class LineModel(Strict):
    """How the device is set when it comes from its maker: for people, and for who looks for it."""

    baud_rate: int | None = Field(
        default=None, ge=50, le=4_000_000, description="speed as delivered, in bits per second"
    )
    parity: Literal["none", "even", "odd"] = Field(default="none", description="parity bit")
    stop_bits: Literal[1, 2] = Field(default=1, description="stop bits")
    byte_size: Literal[7, 8] = Field(default=8, description="data bits")


class FrameModel(Strict):
    """How telegrams of the device begin and end."""

    start: str = Field(default="", description="what they begin with, as text with escapes")
    start_hex: str = Field(default="", description="the same in hex")
    end: str = Field(default="", description="what they end with, as text with escapes")
    end_hex: str = Field(default="", description="the same in hex")
    length: int | None = Field(default=None, ge=1, le=LONGEST, description="all have so many bytes")
    length_at: int | None = Field(
        default=None, ge=0, le=64, description="offset of the byte that says the length"
    )
    length_form: str = Field(default="u8", description="form of that length, as u8 or u16le")
    length_add: int = Field(
        default=0, ge=-64, le=64, description="bytes of the telegram that it does not count"
    )
    longest: int = Field(
        default=256, ge=1, le=LONGEST, description="bytes beyond which it is none any more"
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        ways = (bool(self.end or self.end_hex), self.length is not None, self.length_at is not None)
        if sum(ways) != 1:
            msg = "give one of end, length and length_at: without it nobody knows where it ends"
            raise ValueError(msg)
        size_of(self.length_form)
        hex_or_text(self.start, self.start_hex)
        hex_or_text(self.end, self.end_hex)
        return self

    def build(self, checksum: Checksum | None) -> Shape:
        """Return it as the driver takes it."""
        counted = None
        if self.length_at is not None:
            counted = Counted(self.length_at, self.length_form, self.length_add)
        return Shape(
            hex_or_text(self.start, self.start_hex),
            hex_or_text(self.end, self.end_hex),
            self.length,
            counted,
            self.longest,
            checksum,
        )


class CrcModel(Strict):
    """A CRC that has no name."""

    width: Literal[8, 16, 32] = Field(description="bits")
    polynomial: int = Field(ge=1, lt=1 << 32, description="without its highest bit")
    initial: int = Field(default=0, ge=0, lt=1 << 32, description="what it begins with")
    reflected: bool = Field(default=False, description="least significant bit first")
    final: int = Field(default=0, ge=0, lt=1 << 32, description="exclusive or at the end")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if max(self.polynomial, self.initial, self.final) >> self.width:
            msg = f"a number has more than {self.width} bits"
            raise ValueError(msg)
        return self


class ChecksumModel(Strict):
    """The checksum of telegrams."""

    kind: str = Field(description=f"{', '.join(KINDS)}; or crc with parameters of its own")
    crc: CrcModel | None = Field(default=None, description="those parameters")
    form: Form = Field(
        default=Form.BIG,
        description="big, little, hex, hex-low, six-bits: how it stands in the telegram",
    )
    skip: int = Field(
        default=0, ge=0, le=64, description="bytes at the beginning that it does not cover"
    )
    skip_answers: int | None = Field(
        default=None, ge=0, le=64, description="the same of answers, where it is another number"
    )
    mark: str = Field(
        default="",
        description="what stands between what it covers and itself, as text with escapes",
    )
    after: int | None = Field(
        default=None, ge=0, le=16, description="bytes behind it; left out: as long as the end"
    )
    requests: bool = Field(default=True, description="requests have it, at {checksum}")
    answers: bool = Field(default=True, description="answers have it")

    @model_validator(mode="after")
    def _known(self) -> Self:
        plain(self.mark)
        if (self.kind == "crc") != (self.crc is not None) or (
            self.kind != "crc" and self.kind not in KINDS
        ):
            msg = f"kind is one of {', '.join(KINDS)}, or crc with a table crc"
            raise ValueError(msg)
        return self

    def build(self, end: bytes, *, answers: bool = False) -> Checksum:
        """Return it as the driver takes it."""
        own = self.crc
        other = self.skip_answers if answers else None
        return Checksum(
            self.kind,
            self.form,
            self.skip if other is None else other,
            plain(self.mark),
            len(end) if self.after is None else self.after,
            Crc(own.width, own.polynomial, own.initial, own.reflected, own.final)
            if own
            else CRCS.get(self.kind),
        )


class AddressModel(Strict):
    """What tells devices of this model on one line apart."""

    kind: Literal["number", "text"] = Field(description="a number, or characters as they are")
    default: int | str = Field(description="the address as delivered")
    low: int = Field(default=0, ge=0, le=0xFFFF, description="the lowest number")
    high: int = Field(default=255, ge=0, le=0xFFFF, description="the highest number")
    pattern: str = Field(default="[0-9A-Za-z]", description="what a text may be")

    @model_validator(mode="after")
    def _itself(self) -> Self:
        compiled(self.pattern)
        self.build().check(self.default)
        return self

    def build(self) -> Addressing:
        """Return it as the driver takes it."""
        return Addressing(self.kind, self.default, self.low, self.high, self.pattern)


class RefusalModel(Strict):
    """How the device says no."""

    pattern: str = Field(
        default="", description="of the body of a text; a group named code is its code"
    )
    begins: str = Field(default="", description="what a refusal in bytes begins with, in hex")
    code_at: int | None = Field(default=None, ge=0, le=64, description="offset of its code")
    frame: FrameModel | None = Field(
        default=None, description="how it begins and ends, if unlike other telegrams"
    )
    checksum: bool = Field(default=True, description="it has the checksum of the others")

    @field_validator("pattern")
    @classmethod
    def _safe(cls, pattern: str) -> str:
        compiled(pattern)
        return pattern

    @model_validator(mode="after")
    def _something(self) -> Self:
        if bool(self.pattern) == bool(self.begins):
            msg = "a refusal is told by its pattern or by what it begins with"
            raise ValueError(msg)
        bytes.fromhex(self.begins)
        return self

    def build(self, frame: FrameModel, checksum: Checksum | None) -> Refusal:
        """Return it as the driver takes it."""
        shape = (self.frame or frame).build(checksum if self.checksum else None)
        return Refusal(shape, self.pattern, bytes.fromhex(self.begins), self.code_at)


__all__ = [
    "AddressModel",
    "ChecksumModel",
    "FrameModel",
    "LineModel",
    "RefusalModel",
    "TemplateError",
]
