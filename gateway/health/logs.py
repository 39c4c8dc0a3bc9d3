"""Logging: one JSON object a line, or text for a terminal, written by a thread of its own.

Whoever logs puts a record into a bounded queue and goes on; when the queue is full the record is
dropped and counted, and the count is told in the log as soon as there is room. The message of our
own records is a stable event name, everything else goes into `extra`:

    log.warning("device-lost", extra={"device": device, "line": line})
"""

from __future__ import annotations

import json
import logging
import queue
import re
from copy import copy
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Final, Literal, TextIO

Form = Literal["json", "text"]

ROOM: Final = 2000
"""Records that may wait to be written."""
_EVENT: Final = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
STOP_WITHIN_S: Final = 2.0
"""How long a stop waits for a stream that is stuck."""

_Queue = queue.Queue[logging.LogRecord | None]
"""None asks the writer to end."""


def fields_of(record: logging.LogRecord) -> dict[str, Any]:  # Any: whatever `extra` holds
    """Return what was given as `extra`, without what is None."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _OWN and value is not None
    }


class JsonFormatter(logging.Formatter):
    """One object a line: `at`, `level`, `event`, `logger`, the fields, `error` with its trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what JSON does not know is written as text."""
        message = record.getMessage()
        entry: dict[str, Any] = {  # Any: whatever `extra` holds
            "at": _utc(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": message,
            "logger": record.name,
        }
        if not _EVENT.fullmatch(message):  # a library's sentence
            entry |= {"event": "message", "text": message}
        for name, value in fields_of(record).items():
            entry.setdefault(name, value)
        if record.exc_text:
            entry["trace"] = record.exc_text
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, event, fields; a trace below."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        words = [
            _utc(record).strftime("%H:%M:%S"),
            f"{record.levelname.lower():7}",
            record.getMessage(),
            *(f"{name}={_word(value)}" for name, value in fields_of(record).items()),
        ]
        line = " ".join(words)
        return f"{line}\n{record.exc_text}" if record.exc_text else line


class _Mailbox(QueueHandler):
    """Where records wait; full means dropped and counted."""

    def __init__(self, waiting: _Queue) -> None:
        super().__init__(waiting)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Make of a record what another thread can write: text instead of live objects."""
        record = copy(record)
        record.msg = record.getMessage()
        record.args = None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put it in, or count it."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _Writer(QueueListener):
    """Writes what waits, and says how much did not get in."""

    def __init__(
        self,
        waiting: _Queue,
        mailbox: _Mailbox,
        handler: logging.Handler,
        stop_within_s: float,
    ) -> None:
        super().__init__(waiting, handler)
        self._waiting: Final = waiting
        self._mailbox: Final = mailbox
        self._handler: Final = handler
        self._stop_within_s: Final = stop_within_s
        self._told = 0

    def handle(self, record: logging.LogRecord) -> None:
        """Write one record, and after it what was dropped until then."""
        super().handle(record)
        dropped = self._mailbox.dropped
        if dropped > self._told:
            count, self._told = dropped - self._told, dropped
            note = {"name": __name__, "msg": "log-dropped", "levelname": "WARNING", "count": count}
            self._handler.handle(logging.makeLogRecord(note))

    def enqueue_sentinel(self) -> None:
        """Ask the thread to end once it has written what waits."""
        try:
            self._waiting.put(None, timeout=self._stop_within_s)
        except queue.Full:
            self._mailbox.dropped += self._waiting.qsize()

    def stop(self) -> None:
        """End the thread, waiting for it a little: a sink that is stuck must not stop our stop."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self.enqueue_sentinel()
            thread.join(self._stop_within_s)


class Logs:
    """The logging of the process from `set_up` until `stop`."""

    def __init__(self, mailbox: _Mailbox, writer: _Writer, level_before: int) -> None:
        """Take its two ends, and what to put back."""
        self._mailbox: Final = mailbox
        self._writer: Final = writer
        self._level_before: Final = level_before

    @property
    def dropped(self) -> int:
        """Return how many records found no room so far."""
        return self._mailbox.dropped

    def stop(self) -> None:
        """Write what waits, within a few seconds, and leave logging as it was before."""
        root = logging.getLogger()
        root.removeHandler(self._mailbox)
        root.setLevel(self._level_before)
        self._writer.stop()


def set_up(
    stream: TextIO,
    form: Form = "json",
    *,
    level: int = logging.INFO,
    room: int = ROOM,
    stop_within_s: float = STOP_WITHIN_S,
) -> Logs:
    """Send every log record of the process to `stream`.

    Args:
        stream: written by a thread of its own.
        form: "json" for machines, "text" for a terminal.
        level: records below it are not made.
        room: records that may wait; more are dropped and counted.
        stop_within_s: how long `Logs.stop` waits for a stream that is stuck.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    waiting: _Queue = queue.Queue(room)
    mailbox = _Mailbox(waiting)
    writer = _Writer(waiting, mailbox, handler, stop_within_s)
    root = logging.getLogger()
    logs = Logs(mailbox, writer, root.level)
    root.addHandler(mailbox)
    root.setLevel(level)
    writer.start()
    return logs


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, tz=UTC)


def _word(value: object) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
