"""A sensor that advertises in the BTHome v2 format.

Source: bthome.io, BTHome v2 reference and "Encryption", as of 2026-04-30.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from drivers.ble.advert import Address, Advert, address_bytes, by_address
from drivers.ble.air import Air
from drivers.ble.bthome import codec
from drivers.ble.bthome.objects import POINTS
from drivers.ble.listening import ListeningConfig, ListeningDevice
from drivers.ble.looking import looks_for
from gateway.model.driver import Ear, Happening, Manifest, PollGroup
from gateway.model.errors import FrameError
from gateway.model.event import Scalar
from gateway.model.ids import PointId
from gateway.model.options import About, Checked, Limits, SitePath
from gateway.model.reading import NO_FLAGS, Cause, Flag, Point, PointTable, Quality, Sample

_NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
_UNKNOWN_STATE: Final = Flag(Quality.BAD, Cause.UNKNOWN_STATE)
_NAME: Final = re.compile(r"([a-z][a-z0-9_]*?)(_[2-9])?")
_KEEP_EVERY: Final = 64
"""The counter is kept each time it has grown by so much: a card is not written for each frame."""
_REPEAT_S: Final = 2.0
"""The same event without a number within so many seconds is the same frame sent again."""


def _point(name: str) -> Point | None:
    """Return the point of an object, or of a further one of its kind (`temperature_2`)."""
    if name in POINTS:
        return POINTS[name]
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in POINTS:
        return None
    kind = POINTS[match[1]]
    return Point(
        PointId(name), unit=kind.unit, kind=kind.kind, scale=kind.scale, states=kind.states
    )


def _known(
    frames: Sequence[Sequence[str]], _before: Mapping[str, Any], _site_dir: Path | None
) -> None:
    names = [name for frame in frames for name in frame]
    unknown = [name for name in names if _point(name) is None]
    if unknown:
        msg = f"{', '.join(unknown)}: no object of BTHome; there are: {', '.join(sorted(POINTS))}"
        raise ValueError(msg)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"{', '.join(twice)}: stands twice; a second one of a kind is NAME_2"
        raise ValueError(msg)


def _key(path: Path | None, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    if path is not None:
        read_key(path)


def read_key(path: Path) -> bytes:
    """Return the key in a file: 32 hexadecimal digits.

    Raises:
        ValueError: there is no such file, or something else in it. The key is never told.
    """
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no hexadecimal digits"
        msg = f"the key cannot be read from {path}: {reason}"
        raise ValueError(msg) from None
    if len(key) != codec.KEY_LENGTH:
        msg = f"the key in {path} has {len(key)} bytes, it needs {codec.KEY_LENGTH}"
        raise ValueError(msg)
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class BthomeConfig(ListeningConfig):
    """Options of one sensor."""

    address: Annotated[Address, About("its Bluetooth address, capital letters")]
    frames: Annotated[
        tuple[Annotated[tuple[str, ...], Limits(min_length=1)], ...],
        Checked(_known),
        About("what it tells: a list of objects for each kind of frame it sends; may be empty"),
    ] = ()
    key_file: Annotated[
        Annotated[SitePath, Checked(_key)] | None,
        About("file with its key, 32 hexadecimal digits; plain frames are then refused"),
    ] = None
    counter_generation: Annotated[
        int,
        Limits(ge=1, le=1_000_000),
        About("raise it by one when an encrypted sensor counts from 0 again (new battery)"),
    ] = 1


class Bthome(ListeningDevice):
    """One sensor. A `ListeningDriver`, and a `RememberingDriver` of the counter of its frames.

    An encrypted frame counts only when its counter is higher than the last one: a recorded frame
    that is sent again is refused, and does not even prove that the sensor is there.
    """

    def __init__(self, config: BthomeConfig, air: Air) -> None:
        """Take the options and the radio.

        Raises:
            ValueError: the key cannot be read, or the radio listens too rarely.
        """
        self._cipher: Final = (
            None if config.key_file is None else codec.cipher_of(read_key(config.key_file))
        )
        self._config: Final = config
        self._mac: Final = address_bytes(config.address)
        self._frames: Final = [
            (
                PollGroup(
                    "data" if not place else f"data_{place + 1}",
                    PointTable(*(point for name in names if (point := _point(name)))),
                    config.lost_after_s,
                    told=True,
                ),
                names,
            )
            for place, names in enumerate(config.frames)
        ]
        super().__init__(config, air, [group for group, _ in self._frames])
        self._counter = -1
        self._kept = -1
        self._packet_id: int | None = None
        self._last = b""
        self._last_s = 0.0

    def _listen(self) -> None:
        self._air.hear(by_address, self._config.address, self._hear)

    def _take(self, advert: Advert, ear: Ear) -> bool:
        data = advert.services.get(codec.UUID)
        if data is None:
            return self._cipher is None  # its name, for example; anybody can send that
        if codec.is_encrypted(data):
            objects = self._open(data)
            if objects is None:
                return False
            repeated = False
        else:
            if self._cipher is not None:
                msg = "a plain frame of a sensor that has a key: somebody else may have sent it"
                raise FrameError(msg, answer=data)
            objects = data[1:]
            repeated = False
        frame = codec.decode(objects)
        if frame.packet_id is not None:
            repeated = frame.packet_id == self._packet_id
            self._packet_id = frame.packet_id
        elif self._cipher is None:
            repeated = objects == self._last and advert.at_s - self._last_s < _REPEAT_S
            self._last, self._last_s = objects, advert.at_s
        self._tell(frame, ear, repeated=repeated)
        return True

    def _open(self, data: bytes) -> bytes | None:
        """Return the objects of an encrypted frame; None: it is the last one again.

        Raises:
            FrameError: there is no key, another one was used, or the frame was sent before.
        """
        if self._cipher is None:
            msg = "an encrypted frame, and no key_file"
            raise FrameError(msg, answer=data)
        if data == self._last:
            return None
        sealed = codec.open_sealed(data, self._cipher, self._mac)
        if sealed.counter <= self._counter:
            msg = (
                f"a frame with counter {sealed.counter} after {self._counter}: a recorded one "
                "that is sent again, or a new battery (raise counter_generation)"
            )
            raise FrameError(msg, answer=data)
        self._counter, self._last = sealed.counter, data
        return sealed.objects

    def _tell(self, frame: codec.Frame, ear: Ear, *, repeated: bool) -> None:
        values = frame.values
        for group, names in self._frames:
            cells = tuple(map(values.get, names))
            missing = cells.count(None)
            if missing == len(cells) and values.keys().isdisjoint(names):
                continue
            flags = NO_FLAGS
            if missing:
                flags = {
                    place: _UNKNOWN_STATE if names[place] in values else _NO_VALUE
                    for place, cell in enumerate(cells)
                    if cell is None
                }
            ear.heard(group, Sample(cells, flags))
        if repeated:
            return
        for source, number, event, steps in frame.occurrences:
            if event:
                args: dict[str, Scalar] = {"source": source, "number": number, "event": event}
                if steps is not None:
                    args["steps"] = steps
                ear.happened(Happening("ble-event", args=args))

    # What outlives a restart

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Take back the last counter, unless a new generation has begun."""
        counter = memory.get("counter")
        if memory.get("generation") == self._config.counter_generation and isinstance(counter, int):
            self._counter = self._kept = counter

    def memory(self) -> Mapping[str, Any]:
        """Return the last counter and its generation."""
        self._kept = self._counter
        return {"counter": self._counter, "generation": self._config.counter_generation}

    @property
    def learned(self) -> bool:
        """Say whether the counter has grown far enough to be kept."""
        return self._counter >= self._kept + _KEEP_EVERY or self._kept < 0 <= self._counter


def _address(config: BthomeConfig) -> Hashable:
    return config.address


MANIFEST: Final = Manifest(
    name="bthome",
    media=("ble",),
    config=BthomeConfig,
    build=Bthome,
    address=_address,
    discover=looks_for("bthome"),
)
