"""What the receiver does with a group of messages: one transaction, then what may be said of it.

Source: `gateway/sync/README.md` §2 to §8.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from simulators.platform import cose, wire
from simulators.platform.catalogue import Catalogue, open_catalogue
from simulators.platform.columns import parse_contents
from simulators.platform.errors import Reason, WireError
from simulators.platform.keys import Authority, Opener, SigningKey, judge
from simulators.platform.ledger import Channel, KnownEpoch, Ledger, Seen

UNKNOWN_EPOCH: Final = "unknown_epoch"
"""Counter: batches whose epoch record had not come; it was asked for."""
NO_KEY: Final = "no_key"
"""Counter: records and batches for which we hold no key. The record is kept and the batches are not
refused: they open once the key is given to the receiver."""

_EPOCHS_OPEN: Final = 2048
_EPOCHS_NAMED: Final = 64
_WANTED: Final = 64

Notice = Callable[[str, str, str], None]
"""Called with (what, gateway, sentence) for each thing refused."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One message to send, after the commit."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Open:
    """An epoch whose key we hold."""

    epoch: KnownEpoch
    key: bytes
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class _NoKey:
    """An epoch for which nothing was wrapped to a key we hold."""


_NO_KEY: Final = _NoKey()


class _Group:
    """What the acknowledgements after one group will say."""

    def __init__(self) -> None:
        self.acks: dict[tuple[str, bytes], wire.Ack] = {}
        self.touched: dict[tuple[str, bytes], set[Channel]] = {}
        self.whole: set[tuple[str, bytes]] = set()
        self.questions: dict[str, wire.Question] = {}
        self.readings = self.batches = 0

    def ack(self, gateway: str, incarnation: bytes) -> wire.Ack:
        key = (gateway, incarnation)
        self.touched.setdefault(key, set())
        return self.acks.setdefault(key, wire.Ack(gateway, incarnation))

    def touch(self, gateway: str, incarnation: bytes, channel: Channel) -> None:
        self.ack(gateway, incarnation)
        self.touched[gateway, incarnation].add(channel)


@dataclass(slots=True)
class Statistics:
    """Since the start of this receiver."""

    messages: int = 0
    batches: int = 0
    readings: int = 0
    groups: int = 0
    refused: int = 0


class Intake:
    """Turns messages into rows and rows into acknowledgements. Used by one thread."""

    def __init__(
        self,
        ledger: Ledger,
        opener: Opener,
        authority: Authority,
        signer: SigningKey,
        *,
        wall_ms: Callable[[], int],
        notice: Notice,
    ) -> None:
        """Take the database, whose keys open, whom to believe, who signs, and what reads the time.

        Args:
            ledger: where it all goes.
            opener: opens the wraps of epoch records.
            authority: says which gateway a signature is of.
            signer: signs acknowledgements.
            wall_ms: milliseconds since 1970 as our clock has it.
            notice: told of each refusal; a refusal is counted in the ledger too.
        """
        self._ledger = ledger
        self._opener = opener
        self._authority = authority
        self._signer = signer
        self._wall_ms = wall_ms
        self._notice = notice
        self._open: OrderedDict[tuple[str, bytes], _Open | _NoKey] = OrderedDict()
        self._wanted: OrderedDict[str, list[bytes]] = OrderedDict()
        self.statistics = Statistics()

    def take(self, messages: Iterable[Message]) -> list[Reply]:
        """Work through a group in one transaction; return what to send now that it is committed.

        Raises:
            LedgerError: the database failed; nothing of the group is stored, nothing may be said.
        """
        group = _Group()
        # Epoch records first: the order of topics in a group is the broker's, not the gateway's.
        ordered = sorted(messages, key=lambda message: not message.topic.endswith("/epoch"))
        try:
            with self._ledger.transaction(_gateways(ordered)):
                for message in ordered:
                    self._one(message, group)
                self._finish(group)
        except BaseException:
            self._open.clear()  # an epoch of a transaction that was rolled back is not known
            raise
        self.statistics.messages += len(ordered)
        self.statistics.groups += 1
        self.statistics.batches += group.batches
        self.statistics.readings += group.readings
        return [*self._times(group), *self._acks(group)]

    def _times(self, group: _Group) -> Iterator[Reply]:
        for gateway, question in group.questions.items():
            answer = wire.build_time(
                question,
                consumer=self._opener.consumer,
                wall_ms=self._wall_ms(),
                kid=self._signer.kid,
                key=self._signer.private,
            )
            yield Reply(f"mayak/1/{gateway}/down/time", answer)

    def _acks(self, group: _Group) -> Iterator[Reply]:
        now = self._wall_ms()
        return (
            Reply(
                f"mayak/1/{ack.gateway}/down/ack",
                wire.build_ack(
                    ack,
                    consumer=self._opener.consumer,
                    wall_ms=now,
                    kid=self._signer.kid,
                    key=self._signer.private,
                ),
            )
            for ack in group.acks.values()
        )

    def check(self) -> None:
        """Return when the database answers: only then is it of use to take messages.

        Raises:
            LedgerError: it does not answer now; WrongLedgerError when it never will.
        """
        self._ledger.check()

    def _one(self, message: Message, group: _Group) -> None:
        gateway = ""
        try:
            gateway, what = wire.parse_topic(message.topic)
            payload = wire.bounded(message.payload)
            match what:
                case "hello":
                    self._hello(gateway, payload, group)
                case "epoch":
                    self._epoch(gateway, payload, group)
                case "time":
                    self._question(gateway, payload, group)
                case stream:
                    self._batch(gateway, stream, payload, group)
        except WireError as error:
            self._refused(gateway, f"refused_{error.reason}", str(error))

    def _refused(self, gateway: str, counter: str, sentence: str) -> None:
        self.statistics.refused += 1
        # A name that nobody signed for gets no row: anybody may invent names.
        known = gateway if gateway and self._ledger.knows(gateway) else ""
        self._ledger.count(known, counter)
        self._notice(counter, gateway, sentence)

    def _hello(self, gateway: str, payload: bytes, group: _Group) -> None:
        message = cose.parse_sign1(payload, wire.HELLO_CONTEXT)
        hello = wire.parse_hello(message.payload)
        self._believe(message, gateway, hello.gateway, hello.now)
        self._ledger.add_hello(hello, self._wall_ms())
        ack = group.ack(gateway, hello.incarnation)
        group.whole.add((gateway, hello.incarnation))
        named = self._ledger.epochs(gateway, hello.incarnation, _EPOCHS_NAMED)
        ack.epochs.extend(epoch for epoch in named if epoch not in ack.epochs)
        ack.wanted.extend(self._wanted.pop(gateway, ()))

    def _question(self, gateway: str, payload: bytes, group: _Group) -> None:
        """Note who wants to know the time: the last question of a group is answered."""
        question = wire.parse_question(payload)
        if question.gateway != gateway:
            raise WireError(Reason.MISPLACED, f"of {question.gateway[:80]!r}")
        group.questions[gateway] = question

    def _believe(self, message: cose.Sign1, gateway: str, says: str, made: wire.Moment) -> None:
        if says != gateway:
            raise WireError(Reason.MISPLACED, f"of {says[:80]!r}")
        device = self._authority.signer(message, gateway)
        until_ms = self._ledger.vouched(gateway, device.kid, round(device.ends.timestamp() * 1000))
        doubt = judge(device, made, self._wall_ms(), until_ms)
        if doubt is not None:
            self._ledger.count(gateway, doubt)
            self._notice(doubt, gateway, f"its certificate: {device.begins} to {device.ends}")

    def _epoch(self, gateway: str, payload: bytes, group: _Group) -> None:
        message = cose.parse_sign1(payload, wire.EPOCH_CONTEXT)
        record = wire.parse_epoch(message.payload)
        self._believe(message, gateway, record.gateway, record.made)
        known = self._ledger.epoch(gateway, record.epoch)
        if known is None:
            key = self._opener.open(record)
            catalogue = None if key is None else open_catalogue(record.catalogue, record.epoch, key)
            known = self._ledger.add_epoch(record, payload, self._wall_ms())
            if key is None or catalogue is None:
                self._refused(gateway, NO_KEY, f"epoch {record.epoch.hex()}: not wrapped for us")
                self._keep(known, _NO_KEY)
            else:
                self._keep(known, _Open(known, key, catalogue))
        elif (known.incarnation, known.boot, known.audience) != (
            record.incarnation,
            record.boot,
            record.audience,
        ):
            raise WireError(Reason.FORM, f"epoch {record.epoch.hex()} is known as another")
        else:
            self._ledger.count(gateway, "epoch_repeats")
        ack = group.ack(gateway, known.incarnation)
        if known.epoch not in ack.epochs:
            ack.epochs.append(known.epoch)

    def _keep(self, epoch: KnownEpoch, opened: _Open | _NoKey) -> None:
        self._open[epoch.gateway, epoch.epoch] = opened
        if len(self._open) > _EPOCHS_OPEN:
            self._open.popitem(last=False)

    def _opened(self, gateway: str, epoch: bytes) -> _Open | _NoKey | None:
        """Return the epoch with its key, opening its record again after a restart."""
        found = self._open.get((gateway, epoch))
        if found is not None:
            self._open.move_to_end((gateway, epoch))
            return found
        known = self._ledger.epoch(gateway, epoch)
        if known is None:
            return None
        record = wire.parse_epoch(cose.parse_sign1(known.record, wire.EPOCH_CONTEXT).payload)
        key = self._opener.open(record)
        opened = (
            _NO_KEY
            if key is None
            else _Open(known, key, open_catalogue(record.catalogue, epoch, key))
        )
        self._keep(known, opened)
        return opened

    def _batch(self, gateway: str, stream: str, payload: bytes, group: _Group) -> None:
        batch = wire.parse_batch(payload)
        if batch.gateway != gateway or wire.STREAMS[batch.stream] != stream:
            raise WireError(
                Reason.MISPLACED, f"of {batch.gateway[:80]!r}, stream {wire.STREAMS[batch.stream]}"
            )
        match self._opened(gateway, batch.epoch):
            case None:
                self._want(gateway, batch.epoch, group)
            case _NoKey():
                self._refused(
                    gateway, NO_KEY, f"epoch {batch.epoch.hex()}: no key of ours opens it"
                )
            case _Open() as opened:
                self._store(opened, batch, group)

    def _want(self, gateway: str, epoch: bytes, group: _Group) -> None:
        """Ask for an epoch record; the batch comes again after it.

        Only a hello tells the incarnation that an acknowledgement must name, so without one the
        question waits for it.
        """
        self._refused(gateway, UNKNOWN_EPOCH, f"epoch {epoch.hex()}: its record has not come")
        incarnation = self._ledger.incarnation(gateway)
        if incarnation is None:
            waiting = self._wanted.setdefault(gateway, [])
            if epoch not in waiting and len(waiting) < _WANTED:
                waiting.append(epoch)
            if len(self._wanted) > _EPOCHS_OPEN:
                self._wanted.popitem(last=False)
            return
        wanted = group.ack(gateway, incarnation).wanted
        if epoch not in wanted and len(wanted) < _WANTED:
            wanted.append(epoch)

    def _store(self, opened: _Open, batch: wire.SealedBatch, group: _Group) -> None:
        epoch = opened.epoch
        channel = (batch.stream, batch.audience)
        seen = self._ledger.seen(epoch, batch)
        try:
            frame = _open_for(epoch, batch, opened.key)
            if seen is Seen.NEW:
                contents = parse_contents(frame, opened.catalogue, batch)
                self._ledger.add_batch(epoch, batch, opened.catalogue, contents, self._wall_ms())
                group.batches += 1
                group.readings += batch.count
                for gap in contents.gaps:
                    group.touch(epoch.gateway, epoch.incarnation, (gap.stream, gap.audience))
        except WireError as error:
            # What is committed already is not refused: a forgery must not undo it.
            if seen is Seen.NEW:
                reason = (
                    wire.REFUSED_SEALED if error.reason is Reason.SEALED else wire.REFUSED_INSIDE
                )
                ack = group.ack(epoch.gateway, epoch.incarnation)
                ack.refused.append((*channel, batch.sequence, reason))
            raise
        if seen is not Seen.NEW:
            self._ledger.count(epoch.gateway, Seen.REPEAT.value)
            if seen is not Seen.REPEAT:
                self._ledger.count(epoch.gateway, seen.value)
                self._notice(seen.value, epoch.gateway, f"sequence {batch.sequence}")
        group.touch(epoch.gateway, epoch.incarnation, channel)

    def _finish(self, group: _Group) -> None:
        """Say of each gateway touched what is settled now, within the same transaction."""
        for (gateway, incarnation), ack in group.acks.items():
            channels = (
                self._ledger.channels(gateway, incarnation)
                if (gateway, incarnation) in group.whole
                else sorted(group.touched[gateway, incarnation])
            )
            ack.channels = [self._ledger.settled(gateway, incarnation, c) for c in channels]


def _gateways(messages: Iterable[Message]) -> set[str]:
    """Return whose messages these are; a topic of no contract is of nobody."""
    found = set()
    for message in messages:
        with suppress(WireError):  # counted when its turn comes
            found.add(wire.parse_topic(message.topic)[0])
    return found


def _open_for(epoch: KnownEpoch, batch: wire.SealedBatch, key: bytes) -> bytes:
    if batch.audience != epoch.audience:
        raise WireError(Reason.SEALED, f"audience {batch.audience[:80]!r} under another's key")
    return wire.open_batch(batch, key)
