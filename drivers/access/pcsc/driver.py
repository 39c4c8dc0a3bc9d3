"""A PC/SC reader: the UID of each card that is laid on, as a credential."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.access.credential import Credential, Form
from drivers.access.pcsc.codec import decode_uid
from drivers.access.pcsc.medium import PcscLine
from drivers.access.reader import Desk, ReaderConfig, one_group, sample_of
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.errors import DeviceRejectedError, FrameError
from gateway.model.options import About
from gateway.model.reading import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class PcscReaderConfig(ReaderConfig):
    """Options of one reader."""

    form: Annotated[
        Form,
        About("what of the UID counts: whole, or as Wiegand readers of this site tell the card"),
    ] = Form.WHOLE
    reversed: Annotated[
        bool, About("the UID is turned round first, where other readers tell it so")
    ] = False


class PcscReader:
    """One reader. A `ListeningDriver`; its counters are polled from memory."""

    def __init__(self, config: PcscReaderConfig, line: PcscLine) -> None:
        """Take the options and the reader.

        Raises:
            ValueError: the credential key cannot be used, or the reader is taken.
        """
        self._config: Final = config
        self._line: Final = line
        self._desk: Final = Desk(config)
        self._group: Final = one_group(config)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, _group: PollGroup) -> Sample:
        """Return the counters; nothing is asked of the reader."""
        return sample_of(self._desk)

    def attend(self, ear: Ear) -> None:
        """Tell the ear every card from now on."""
        self._desk.attend(ear)
        self._line.listen(self._laid_on)

    def _laid_on(self, answer: bytes | None) -> None:
        who = f"reader {self._config.reader}"
        if answer is None:
            self._desk.refuse(f"{who}: a card that does not answer")
            return
        try:
            uid = decode_uid(answer)
        except (FrameError, DeviceRejectedError) as error:
            self._desk.refuse(f"{who}: {error}")
            return
        number = uid[::-1] if self._config.reversed else uid
        self._desk.credential(Credential.chip("uid", number, self._config.form))


def _address(_config: PcscReaderConfig) -> Hashable:
    return "pcsc"  # one device has the reader


MANIFEST: Final = Manifest(
    name="pcsc", media=("pcsc",), config=PcscReaderConfig, build=PcscReader, address=_address
)
