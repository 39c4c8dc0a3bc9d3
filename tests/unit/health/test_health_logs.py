"""One object a line, written by another thread, and never a wait for whoever logs."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.health.logs import JsonFormatter, Logs, TextFormatter, set_up

log = logging.getLogger("gateway.test")


class Sink(io.StringIO):
    """A stream that can be stuck, and knows who wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.writing = threading.Event()
        self.threads: set[str] = set()

    def write(self, text: str) -> int:
        self.writing.set()
        assert self.free.wait(10)
        self.threads.add(threading.current_thread().name)
        return super().write(text)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def logs(sink: Sink) -> Iterator[Logs]:
    made = set_up(sink, room=10)
    yield made
    made.stop()


def entries(sink: Sink) -> list[dict[str, object]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_record_is_one_object_with_its_event_and_fields(sink: Sink, logs: Logs) -> None:
    log.warning("device-lost", extra={"device": "meter-1", "times": 2, "line": None})
    logs.stop()
    (entry,) = entries(sink)
    at = entry.pop("at")
    assert isinstance(at, str)
    assert at.endswith("Z")
    assert entry == {
        "level": "warning",
        "event": "device-lost",
        "logger": "gateway.test",
        "device": "meter-1",
        "times": 2,
    }


def test_a_sentence_of_a_library_stands_under_text(sink: Sink, logs: Logs) -> None:
    logging.getLogger("paho").error("Failed %s times: %d", "connect", 3)
    logs.stop()
    (entry,) = entries(sink)
    assert (entry["event"], entry["text"]) == ("message", "Failed connect times: 3")


def test_an_error_brings_its_trace_within_its_line(sink: Sink, logs: Logs) -> None:
    error = ValueError("two\nlines")
    log.error("task-failed", exc_info=error, extra={"task": "uplink"})
    logs.stop()
    (entry,) = entries(sink)
    assert "ValueError: two\nlines" in str(entry["trace"])


def test_what_json_does_not_know_is_written_as_text(sink: Sink, logs: Logs) -> None:
    log.info("frame", extra={"answer": b"\x01\x03", "level": "not ours"})
    logs.stop()
    (entry,) = entries(sink)
    assert entry["answer"] == "b'\\x01\\x03'"
    assert entry["level"] == "info"


def test_records_below_the_level_are_not_written(sink: Sink, logs: Logs) -> None:
    log.debug("detail")
    logs.stop()
    assert entries(sink) == []


def test_another_thread_writes(sink: Sink, logs: Logs) -> None:
    log.info("first")
    logs.stop()
    assert threading.current_thread().name not in sink.threads


def test_a_stuck_stream_costs_records_and_never_a_wait_and_the_loss_is_told(
    sink: Sink, logs: Logs
) -> None:
    sink.free.clear()
    log.info("first")
    assert sink.writing.wait(10)
    for _ in range(30):
        log.info("more")
    assert logs.dropped == 20
    sink.free.set()
    logs.stop()
    written = entries(sink)
    assert [e["event"] for e in written].count("more") == 10
    lost = [e for e in written if e["event"] == "log-dropped"]
    assert [e["count"] for e in lost] == [20]


def test_the_record_itself_stays_as_it_was_for_others(
    logs: Logs, caplog: pytest.LogCaptureFixture
) -> None:
    log.error("task-failed", exc_info=ValueError("x"))
    logs.stop()
    assert caplog.records[0].exc_info is not None


def test_stop_puts_back_what_was_there(sink: Sink) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    set_up(sink, level=logging.DEBUG).stop()
    assert (root.level, root.handlers) == before


def test_stop_twice_does_no_harm(sink: Sink) -> None:
    logs = set_up(sink)
    logs.stop()
    logs.stop()


def test_a_stuck_stream_does_not_hold_up_a_stop_and_what_was_left_is_counted(sink: Sink) -> None:
    logs = set_up(sink, room=5, stop_within_s=0.05)
    sink.free.clear()
    log.info("first")
    assert sink.writing.wait(10)
    for _ in range(5):
        log.info("more")
    logs.stop()
    assert logs.dropped == 5
    sink.free.set()


def test_text_is_a_line_for_people(sink: Sink) -> None:
    logs = set_up(sink, "text")
    log.info("line-back", extra={"line": "a", "duration_s": 2.5, "why": "cable in", "none": None})
    logs.stop()
    line = sink.getvalue().rstrip("\n")
    assert line.endswith('info    line-back line=a duration_s=2.5 why="cable in"')


def test_text_puts_a_trace_below(sink: Sink) -> None:
    logs = set_up(sink, "text")
    log.error("task-failed", exc_info=ValueError("gone"))
    logs.stop()
    assert sink.getvalue().rstrip().endswith("ValueError: gone")


@given(
    st.text(max_size=40),
    st.dictionaries(
        st.text(min_size=1, max_size=10).map(lambda name: f"x_{name}"),
        st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.binary(max_size=8)),
        max_size=4,
    ),
)
def test_any_record_is_one_line_of_json(message: str, extra: dict[str, object]) -> None:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "created": 0.0, **extra})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert isinstance(json.loads(line), dict)
    assert TextFormatter().format(record).startswith("00:00:00 info")
