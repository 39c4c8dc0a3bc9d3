"""A RuuviTag or a Ruuvi Air.

Source: docs.ruuvi.com, "Bluetooth advertisements", as of 2025-11-14.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from drivers.ble.advert import Address, Advert, address_bytes, address_text, by_address
from drivers.ble.air import Air
from drivers.ble.listening import ListeningConfig, ListeningDevice
from drivers.ble.looking import looks_for
from drivers.ble.ruuvi import codec
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.errors import FrameError
from gateway.model.options import About
from gateway.model.reading import NO_FLAGS, Cause, Flag, Quality, Sample

_NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
_MAC_AT: Final = {24: 18, 40: 34}
"""Where the address stands in a frame of that length: formats 5 and E1."""


def by_own_address(advert: Advert) -> Hashable | None:
    """Identify by the address inside the frame, when there is a whole one."""
    data = advert.manufacturer.get(codec.COMPANY)
    if data is None:
        return None
    place = _MAC_AT.get(len(data))
    return None if place is None else data[place : place + 6]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuuviConfig(ListeningConfig):
    """Options of one tag."""

    address: Annotated[Address, About("its address, as its app and its label tell it")]
    model: Annotated[
        Literal["tag", "air"], About("tag: RuuviTag (formats 3 and 5); air: Ruuvi Air (6 and E1)")
    ] = "tag"


class Ruuvi(ListeningDevice):
    """One tag. A `ListeningDriver`.

    It is known by the address inside its frames, or by the one they come from, where there is none.
    """

    def __init__(self, config: RuuviConfig, air: Air) -> None:
        """Take the options and the radio.

        Raises:
            ValueError: the radio listens too rarely.
        """
        self._config: Final = config
        self._mac: Final = address_bytes(config.address)
        self._data: Final = PollGroup(
            "data", codec.TABLES[config.model], config.lost_after_s, told=True
        )
        super().__init__(config, air, [self._data])
        self._address = config.address
        self._extended_s: float | None = None

    def _listen(self) -> None:
        self._air.hear(by_own_address, self._mac, self._hear)
        self._air.hear(by_address, self._config.address, self._hear_address)

    def _hear_address(self, advert: Advert) -> None:
        """Take what comes from its address, unless the address inside has led here already."""
        if by_own_address(advert) != self._mac:
            self._hear(advert)

    def _take(self, advert: Advert, ear: Ear) -> bool:
        data = advert.manufacturer.get(codec.COMPANY)
        if data is None:
            return True
        frame = codec.decode(data)
        if codec.MODEL[frame.format] != self._config.model:
            msg = f"a frame of format {frame.format:X}, that is not of model {self._config.model}"
            raise FrameError(msg, answer=data)
        if frame.mac and frame.mac != self._mac[-len(frame.mac) :]:
            inside = address_text(frame.mac)
            msg = f"a frame of {inside} from the address of {self._config.address}"
            raise FrameError(msg, answer=data)
        self._came_from(advert, ear)
        if self._is_second(frame, advert):
            return True
        cells = frame.cells
        flags = NO_FLAGS
        if None in cells:
            flags = {place: _NO_VALUE for place, cell in enumerate(cells) if cell is None}
        ear.heard(self._data, Sample(cells, flags))
        return True

    def _is_second(self, frame: codec.Frame, advert: Advert) -> bool:
        """Say whether it is the short form of what came in the long one ("Data format E1")."""
        if frame.format == codec.EXTENDED:
            self._extended_s = advert.at_s
        return (
            frame.format == codec.AIR
            and self._extended_s is not None
            and advert.at_s - self._extended_s < self._lost_after_s
        )


def _address(config: RuuviConfig) -> Hashable:
    return config.address


MANIFEST: Final = Manifest(
    name="ruuvi",
    media=("ble",),
    config=RuuviConfig,
    build=Ruuvi,
    address=_address,
    discover=looks_for("ruuvi"),
)
