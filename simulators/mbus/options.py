"""What every meter of a scene says of itself."""

from __future__ import annotations

from pydantic import Field

from simulators.options import SerialTwinOptions


class MeterOptions(SerialTwinOptions):
    """A meter on the bus."""

    address: int = Field(default=0, ge=0, le=250, description="primary address; 0: never set")
    ident: str = Field(
        default="12345678", pattern=r"^[0-9]{8}$", description="identification, on its face"
    )
    maker: str = Field(default="MAY", pattern=r"^[A-Z]{3}$", description="three letters")
    version: int = Field(default=1, ge=0, le=254, description="of the device")
    battery_low: bool = Field(default=False, description="says so in its status")
    temporary_error: bool = Field(default=False, description="likewise")
    permanent_error: bool = Field(default=False, description="likewise")
    alarm: bool = Field(default=False, description="likewise: a leak, a broken seal")
    encrypted: bool = Field(default=False, description="says that its data is encrypted")
    stores_every_s: float = Field(
        default=3600.0, ge=1, description="seconds between two values of its archive"
    )
    stores: int = Field(default=24, ge=0, le=200, description="how many values the archive keeps")
