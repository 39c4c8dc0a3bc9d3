"""What a program had promised when the power went, and whether what is left keeps it.

*Corrupt*: it does not open, or is not sound, or is a mixture. *Lost*: it is sound, and something is
missing, or another stands in the place, of which the program had said that it was there.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.model.errors import GatewayError
from gateway.model.ids import Audience
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox
from tests import sealing
from tests.powercut.card import (
    CITY,
    ENTITLED,
    EVERYTHING,
    ROOM,
    ROWS,
    STATE_FILE,
    STORE,
    content,
)
from tests.powercut.link import Ack, Batch, Channel, Hello, Message, Wire, digest
from tests.powercut.recording import MARKS, Entry

SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in one state."""

    corrupt: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Promises(Protocol):
    """What was promised so far."""

    def note(self, entry: Entry) -> bool:
        """Take an entry; say whether more or less is promised now."""
        ...

    def judge(self, folder: Path) -> Judged:
        """Open what is left in the folder with the real code."""
        ...


def _marks(entry: Entry) -> list[dict[str, Any]]:  # Any: JSON values
    if entry.kind != "W" or entry.path != MARKS:
        return []
    return [json.loads(line) for line in entry.data.splitlines()]


@dataclass(slots=True)
class StorePromises:
    """Those of `gateway.store`: by the marks of a driver, or by what an agent sent."""

    incarnation: str | None = None
    batches: dict[Channel, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    """What was handed out: it is there as it was."""
    committed: dict[Channel, int] = field(default_factory=dict)
    """Up to where each channel is committed: a batch covers every sequence."""
    released: dict[Channel, int] = field(default_factory=dict)
    """Up to where the platform has said that it has them: they may be gone."""
    given_up: dict[Channel, set[int]] = field(default_factory=lambda: defaultdict(set))
    settled: dict[Channel, int] = field(default_factory=dict)
    """Cursors that were committed."""
    memories: dict[str, set[str]] = field(default_factory=dict)
    """What a driver's memory may be: the last one that was kept, and one that is under way."""
    _wires: dict[tuple[str, int, int], Wire] = field(default_factory=lambda: defaultdict(Wire))
    _epoch: Any = field(default_factory=sealing.epoch)  # Any: made once, it costs a key pair

    def note(self, entry: Entry) -> bool:
        """Take a mark, or what went over the link."""
        if entry.kind in "NV":
            wire = self._wires[entry.kind, entry.offset, entry.inode]
            messages = list(wire.feed(entry.data))
            for message in messages:
                self._hear(message)
            return bool(messages)
        marks = _marks(entry)
        for mark in marks:
            self._mark(mark)
        return bool(marks)

    def _hear(self, message: Message) -> None:
        match message:
            case Batch():
                self._announce(message.channel, message.sequence, message.digest)
            case Hello():
                self.incarnation = message.incarnation
                for channel, newest in message.newest.items():
                    self._up_to(self.committed, channel, newest)
            case Ack():
                for channel, contiguous in message.contiguous.items():
                    self._up_to(self.released, channel, contiguous)

    def _mark(self, mark: dict[str, Any]) -> None:  # Any: JSON values
        channel = mark.get("stream", 0), mark.get("audience", "")
        match mark["what"]:
            case "opened":
                self.incarnation = mark["incarnation"]
            case "committed":
                self._up_to(self.committed, channel, mark["sequence"])
            case "announced":
                self._announce(channel, mark["sequence"], mark["digest"])
            case "settling":
                self._up_to(self.released, channel, mark["sequence"])
            case "settled":
                self._up_to(self.settled, channel, mark["sequence"])
            case "giving-up":
                self.given_up[channel].add(mark["sequence"])
            case "remembering":
                self.memories.setdefault(mark["device"], {""}).add(mark["content"])
            case "remembered":
                self.memories[mark["device"]] = {mark["content"]}
            case other:
                msg = f"a mark {other!r}"
                raise ValueError(msg)

    def _announce(self, channel: Channel, sequence: int, of: str) -> None:
        self.batches[channel].setdefault(sequence, of)  # what was said first holds
        self._up_to(self.committed, channel, sequence)

    @staticmethod
    def _up_to(of: dict[Channel, int], channel: Channel, sequence: int) -> None:
        of[channel] = max(of.get(channel, 0), sequence)

    def judge(self, folder: Path) -> Judged:
        """Open the store, verify it, look for what was promised, and go on writing."""
        path = folder / STORE
        try:
            outbox = Outbox(path, ENTITLED, ROOM)
        except (GatewayError, sqlite3.Error, ValueError, LookupError) as error:
            return Judged(corrupt=(f"does not open: {error}",))
        try:
            findings = verify(path)
            if findings:
                return Judged(tuple(f"{f.where}: {f.what}" for f in findings[:SHOWN]))
            lost = self._missing(outbox, path)
            return Judged(lost=tuple((lost or self._reused(outbox))[:SHOWN]))
        except (GatewayError, sqlite3.Error, ValueError, LookupError) as error:
            return Judged(corrupt=(f"does not work: {type(error).__name__}: {error}",))
        finally:
            outbox.close()

    def _missing(self, outbox: Outbox, path: Path) -> list[str]:
        if self.incarnation not in {None, outbox.incarnation.hex()}:
            return [f"incarnation {self.incarnation} began again"]
        found = []
        gaps, not_needed = _gaps(path, GapRecord.ROOM), _gaps(path, GapRecord.NOT_NEEDED)
        for channel, committed in self.committed.items():
            parcels = outbox.parcel(Stream(channel[0]), Audience(channel[1]), 1, EVERYTHING)
            here = {parcel.sequence: digest(parcel.body) for parcel in parcels}
            gone = set(range(1, committed + 1)) - gaps[channel] - self.given_up[channel]
            gone -= not_needed[channel] - self.batches[channel].keys()
            gone -= set(range(self.released.get(channel, 0) + 1))
            for sequence, of in self.batches[channel].items():
                if here.get(sequence, of) != of or (sequence in gone and sequence not in here):
                    found.append(f"{channel} {sequence} names other content, or nothing")
            for parcel in parcels:
                gone -= set(range(parcel.sequence - parcel.span + 1, parcel.sequence + 1))
            found += [f"{channel} {sequence} is missing" for sequence in sorted(gone)]
        cursors = {(int(s), str(a)): n for (s, a), n in outbox.cursors(CITY).items()}
        found += [
            f"{channel}: cursor {cursors.get(channel, 0)}, was {settled}"
            for channel, settled in self.settled.items()
            if cursors.get(channel, 0) < settled
        ]
        memories = outbox.memories()
        found += [
            f"{device}: memory {memories.get(device, '')!r}"
            for device, may_be in self.memories.items()
            if memories.get(device, "") not in may_be
        ]
        return found

    def _reused(self, outbox: Outbox) -> list[str]:
        """Write one more batch to every channel; no sequence that was told may come again."""
        outbox.add_epoch(self._epoch, 0)
        outbox.add([(Stream(stream), self._epoch, sealing.body()) for stream, _ in self.committed])
        newest = {(int(c.stream), str(c.audience)): c.newest for c in outbox.channels}
        return [
            f"{channel}: sequence {newest[channel]} again, {told} was told"
            for channel, told in self.committed.items()
            if newest[channel] <= told
        ]


def _gaps(path: Path, reason: int) -> Mapping[Channel, set[int]]:
    """Return the sequences that the store tells as gone for a reason."""
    gaps: dict[Channel, set[int]] = defaultdict(set)
    with closing(sqlite3.connect(path)) as db:
        for stream, audience, first, last in db.execute(
            "SELECT stream, audience, first, last FROM gap WHERE reason = ?", (reason,)
        ):
            gaps[stream, audience] |= set(range(first, last + 1))
    return gaps


@dataclass(slots=True)
class RowPromises:
    """Those of a plain SQLite table: the controls."""

    rows: int = 0

    def note(self, entry: Entry) -> bool:
        """Take the number of the last row that was committed."""
        marks = _marks(entry)
        for mark in marks:
            self.rows = mark["row"]
        return bool(marks)

    def judge(self, folder: Path) -> Judged:
        """Check the pages and count the rows."""
        try:
            with closing(sqlite3.connect(folder / ROWS)) as db:
                found = [row[0] for row in db.execute("PRAGMA integrity_check(3)")]
                if found != ["ok"]:
                    return Judged(tuple(found))
                if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    return Judged(lost=("the table",)) if self.rows else Judged()
                rows = db.execute("SELECT id, body FROM line ORDER BY id").fetchall()
        except sqlite3.DatabaseError as error:
            return Judged(corrupt=(str(error),))
        if rows != [(number, content(number)) for number in range(1, len(rows) + 1)]:
            return Judged(corrupt=("rows are missing before others",))
        if len(rows) < self.rows:
            return Judged(lost=(f"{len(rows)} rows, {self.rows} were committed",))
        return Judged()


@dataclass(slots=True)
class FilePromises:
    """Those of `gateway.model.files.durable_write`."""

    written: int = 0
    under_way: int = 0

    def note(self, entry: Entry) -> bool:
        """Take which version is being written, and which one was."""
        marks = _marks(entry)
        for mark in marks:
            if mark["what"] == "writing":
                self.under_way = mark["version"]
            else:
                self.written = mark["version"]
        return bool(marks)

    def judge(self, folder: Path) -> Judged:
        """Look which version stands there."""
        path = folder / STATE_FILE
        if not path.exists():
            return Judged(lost=("no file",)) if self.written else Judged()
        found = path.read_bytes()
        for version in range(self.under_way + 1):
            if found == content(version):
                if version < self.written:
                    return Judged(lost=(f"version {version}, {self.written} was written",))
                return Judged()
        return Judged(corrupt=(f"{len(found)} bytes that were never written",))
