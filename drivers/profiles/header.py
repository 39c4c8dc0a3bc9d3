"""What every profile begins with, whatever its device speaks.

A kind of profile is a pydantic model that inherits `Header`, narrows `protocol` to its own word and
adds what it needs. Loaded where a site or a profile is checked; never in the agent.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.model.ids import NAME_PATTERN, OPERATIONS, PERSONAL, Audience


class Strict(BaseModel):
    """A table of a profile: an option that is not known is refused, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Texts(Strict):
    """One text in the two languages of the catalogue."""

    ru: str = Field(min_length=1)
    en: str = Field(min_length=1)


class SourceModel(Strict):
    """Where it was read what the device says."""

    document: str = Field(
        min_length=1, description="title of the document or public file that was really read"
    )
    edition: str = Field(min_length=1, description="its edition, version or date")
    where: str = Field(default="", description="address or place, and the chapter")


class Header(Strict):
    """What a person and the gateway must know of any model of device."""

    name: str = Field(pattern=NAME_PATTERN, description="the name of the file without .toml")
    protocol: str = Field(
        default="modbus",
        pattern=NAME_PATTERN,
        description="what the device speaks: modbus, serial, ble, mqtt; left out: modbus",
    )
    title: Texts = Field(description="what a person calls the model")
    maker: str = Field(default="", description="who makes it, as the nameplate says")
    models: tuple[str, ...] = Field(
        default=(), description="models and types it holds for, as the nameplate says"
    )
    source: SourceModel = Field(description="where the register map was read")
    caveats: tuple[Texts, ...] = Field(
        default=(), description="what a person should know before using it"
    )
    personal: tuple[str, ...] = Field(
        default=(),
        description="points that are personal data: they belong to the audience `personal`",
    )

    @field_validator("models", "personal")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"{', '.join(twice)} stands twice"
            raise ValueError(msg)
        return names

    def audience_of(self, point: str, own: str = OPERATIONS) -> Audience:
        """Return who may see a point: what the point says itself, unless it is personal."""
        return PERSONAL if point in self.personal else Audience(own)

    def unknown_personal(self, points: frozenset[str]) -> str | None:
        """Say in a sentence which names in `personal` are none of these points, or None."""
        unknown = sorted(set(self.personal) - points)
        return f"no such points: {', '.join(unknown)}" if unknown else None
