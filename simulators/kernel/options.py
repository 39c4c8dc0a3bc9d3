"""What the twins of sensors in kernel files say of themselves in a scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from simulators.options import STRICT, LineOptions, TwinOptions


class KernelSpec(LineOptions):
    """A folder that looks like /sys to who reads sensors there."""

    medium: Literal["kernel"] = "kernel"


class ThermOptions(TwinOptions):
    """A DS18B20 on a 1-Wire bus."""

    kind: Literal["w1-ds18b20"] = "w1-ds18b20"
    sensor: str = Field(pattern=r"^28-[0-9a-f]{12}$", description="its number on the bus")
    mean: float = Field(default=20.0, ge=-55, le=125, description="degrees Celsius, on average")
    sigma: float = Field(default=1.0, ge=0, le=50, description="how far it strays")
    bulk: bool = Field(default=True, description="the kernel can let all sensors convert at once")

    @property
    def place(self) -> str:
        """Return its number."""
        return self.sensor

    @property
    def place_name(self) -> str:
        """Return it as a person names it."""
        return f"sensor {self.sensor}"


class Channel(BaseModel):
    """One channel of a chip, in the units and with the names of the kernel."""

    model_config = STRICT

    mean: float = Field(description="in the unit of the kernel: millidegrees, kilopascals, ...")
    sigma: float = Field(default=0.0, ge=0, description="how far it strays")
    scale: float | None = Field(
        default=None, gt=0, description="IIO: raw, with this scale; none: processed"
    )
    offset: float = Field(default=0.0, description="IIO: of the raw value")
    shared: bool = Field(default=False, description="IIO: the scale is that of the type")
    decimals: int = Field(default=0, ge=0, le=9, description="of a processed value")
    label: str | None = None
    fault: bool = Field(default=False, description="hwmon: it says that it is broken")


ChannelName = Annotated[str, Field(pattern=r"^[a-z]+[0-9]*([_-][a-z0-9_-]+)?$")]


class ChipOptions(TwinOptions):
    """A chip with channels."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$", description="what its file name says")
    number: int = Field(default=0, ge=0, le=99, description="the kernel gives it this one")
    label: str | None = None
    at: str = Field(
        default="1-0076", pattern=r"^[A-Za-z0-9:.-]+$", description="its place on the bus"
    )
    channels: Mapping[ChannelName, Channel] = Field(min_length=1)

    @property
    def place(self) -> tuple[str, int]:
        """Return what it is and its number."""
        return (self.kind, self.number)

    @property
    def place_name(self) -> str:
        """Return them as a person names them."""
        return f"{self.kind} {self.number}"


class IioOptions(ChipOptions):
    """A device of the industrial I/O."""

    kind: Literal["iio-device"] = "iio-device"


class HwmonOptions(ChipOptions):
    """A chip of the hardware monitoring."""

    kind: Literal["hwmon-chip"] = "hwmon-chip"
