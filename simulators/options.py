"""What every twin and every line of a scene says of itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.model.ids import NAME_PATTERN

STRICT: Final = ConfigDict(extra="forbid", frozen=True)

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class LineOptions(BaseModel):
    """One line of a scene. A kind of line fixes `medium` to its name and adds its own options."""

    model_config = STRICT

    id: Name
    medium: str


class TwinOptions(BaseModel):
    """One twin of a scene. A kind of twin fixes `kind` to its name and adds its own options."""

    model_config = STRICT

    id: Name = Field(description="name of the twin, one in a scene")
    line: Name = Field(description="id of the line it hangs on")
    kind: str
    seed: int = Field(default=1, ge=0, description="of its random numbers")

    @property
    def place(self) -> Hashable | None:
        """Return what no other twin of its line may have as well; None: there is no such thing."""
        return None

    @property
    def place_name(self) -> str:
        """Return the place as a person names it."""
        return str(self.place)

    @property
    def looks_at(self) -> Mapping[str, str]:
        """Return the twins it looks at, each with the kind that it must be of."""
        return {}


class SerialTwinOptions(TwinOptions):
    """A twin that may hang on a serial line."""

    baud_rate: int | None = Field(
        default=None, ge=300, le=1_000_000, description="bits a second, if not those of its line"
    )
    parity: Literal["none", "even", "odd"] | None = Field(
        default=None, description="if not that of its line"
    )
