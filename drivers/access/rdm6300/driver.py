"""An RDM6300 on a serial line of its own: tells a number as long as a card lies on it.

How long a card stays is no matter of protocol: the module repeats its frame, and a repetition
within `gone_after_s` of the last one, by the clock of the event loop, is the same showing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.access.credential import Credential, Form
from drivers.access.rdm6300.codec import Frames, Torn
from drivers.access.reader import Desk, Presence, ReaderConfig, one_group, sample_of
from drivers.media.framing import ByteLine
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.options import About, Limits
from gateway.model.reading import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Rdm6300Config(ReaderConfig):
    """Options of one RDM6300."""

    form: Annotated[
        Form,
        About("what of the number counts: whole, or as Wiegand readers of this site tell the card"),
    ] = Form.WHOLE
    gone_after_s: Annotated[
        float,
        Limits(gt=0, le=60),
        About("a card has gone when its number was not repeated for so long, in seconds"),
    ] = 1.0


class Rdm6300:
    """One module. A `ListeningDriver`; its counters are polled from memory."""

    def __init__(self, config: Rdm6300Config, line: ByteLine) -> None:
        """Take the options and the line.

        Raises:
            ValueError: the credential key cannot be used, or another device of the line talks.
        """
        self._config: Final = config
        self._line: Final = line
        self._desk: Final = Desk(config)
        self._frames: Final = Frames()
        self._presence: Final = Presence(config.gone_after_s)
        self._group: Final = one_group(config)
        self._generation = line.generation

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, _group: PollGroup) -> Sample:
        """Return the counters; nothing goes over the line."""
        return sample_of(self._desk)

    def attend(self, ear: Ear) -> None:
        """Tell the ear every card from now on."""
        self._desk.attend(ear)
        self._line.listen(self._hear)

    def _hear(self, data: bytes) -> None:
        if self._line.generation != self._generation:  # half a frame from before is none
            self._generation = self._line.generation
            self._frames.reset()
        for found in self._frames.feed(data):
            if isinstance(found, Torn):
                self._desk.refuse(f"reader {self._config.reader}: {found}")
                continue
            shown = Credential.chip("em4100", found, self._config.form)
            if self._presence.is_new(shown):
                self._desk.credential(shown)


def _address(_config: Rdm6300Config) -> Hashable:
    return "rdm6300"  # it has none: one on a line


MANIFEST: Final = Manifest(
    name="rdm6300",
    media=("serial", "tcp"),
    config=Rdm6300Config,
    build=Rdm6300,
    address=_address,
)
