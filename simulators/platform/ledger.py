"""What the receiver asks of its database: small, so that another database can stand behind it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from simulators.platform.catalogue import Catalogue
from simulators.platform.columns import Contents
from simulators.platform.wire import ChannelAck, EpochRecord, Hello, SealedBatch

Channel = tuple[int, str]
"""Stream and audience, within one incarnation of one gateway."""


class LedgerError(Exception):
    """The database cannot be used now: nothing of the group is acknowledged, it comes again."""


class WrongLedgerError(LedgerError):
    """This receiver must not use this database: trying again would not help."""


class Seen(Enum):
    """Whether the sequences of a batch are there already."""

    NEW = "new"
    """None of them."""
    REPEAT = "repeats"
    """All of them, in a batch of the same epoch."""
    OVERLAP = "overlaps"
    """Some of them: counted as a repeat, the others stay missing."""
    CONFLICT = "conflicts"
    """All of them, in a batch of another epoch: two gateways use one name and one store."""


@dataclass(frozen=True, slots=True)
class KnownEpoch:
    """An epoch whose record is committed, or will be with this transaction."""

    id: int
    gateway: str
    epoch: bytes
    incarnation: bytes
    boot: bytes
    audience: str
    record: bytes
    """As it came: it is opened again after a restart; its key is never stored."""


class Ledger(Protocol):
    """One transaction at a time, all methods within it."""

    def transaction(self, gateways: Iterable[str] = ()) -> AbstractContextManager[None]:
        """Commit, durably, when the block ends well; else roll all of it back.

        Args:
            gateways: whose things may be looked at and changed in the block. No other receiver
                on the same database works on them meanwhile, so that what is said to be settled
                is what is committed, by whomever.

        Raises:
            LedgerError: from the block or the commit, when the database fails.
        """
        ...

    def epoch(self, gateway: str, epoch: bytes) -> KnownEpoch | None:
        """Return the epoch, or None when its record has not come."""
        ...

    def add_epoch(self, record: EpochRecord, raw: bytes, arrived_ms: int) -> KnownEpoch:
        """Store a record that is new."""
        ...

    def seen(self, epoch: KnownEpoch, batch: SealedBatch) -> Seen:
        """Say whether sequences of `batch` are there already."""
        ...

    def add_batch(
        self,
        epoch: KnownEpoch,
        batch: SealedBatch,
        catalogue: Catalogue,
        contents: Contents,
        arrived_ms: int,
    ) -> None:
        """Store a batch that is new with all that is inside, and settle its sequences and gaps."""
        ...

    def add_hello(self, hello: Hello, arrived_ms: int) -> None:
        """Store what a gateway says of itself; what is older than what is known changes nothing."""
        ...

    def incarnation(self, gateway: str) -> bytes | None:
        """Return the incarnation that the last hello of the gateway named."""
        ...

    def channels(self, gateway: str, incarnation: bytes) -> list[Channel]:
        """Return every channel known of one incarnation."""
        ...

    def settled(self, gateway: str, incarnation: bytes, channel: Channel) -> ChannelAck:
        """Return what is settled of one channel and what is missing."""
        ...

    def epochs(self, gateway: str, incarnation: bytes, limit: int) -> list[bytes]:
        """Return the `limit` newest epochs of one incarnation whose records are here."""
        ...

    def vouched(self, gateway: str, key: bytes, until_ms: int) -> int:
        """Return until when the newest certificate seen of a device key vouches for it.

        Args:
            gateway: whose key it is.
            key: its kid.
            until_ms: the end of the certificate at hand.
        """
        ...

    def knows(self, gateway: str) -> bool:
        """Say whether anything with a good signature ever came from the gateway."""
        ...

    def count(self, gateway: str, name: str) -> None:
        """Add one to a counter; `gateway` is empty for what cannot be said to be of one."""
        ...

    def check(self) -> None:
        """Return when the database answers.

        Raises:
            LedgerError: it does not.
        """
        ...

    def close(self) -> None:
        """Close the database; nothing is pending outside a transaction."""
        ...
