"""The short form of `make powercut`: controls, seeded bugs, the rooms, the files, the agent."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from gateway.model.stream import Stream
from tests import broker, sealing
from tests.powercut import agent, bugs
from tests.powercut.campaign import CONTROLS, Control, Life, Range, lives, lives_with
from tests.powercut.disk import Disk, Growth
from tests.powercut.link import Batch, Wire, digest
from tests.powercut.recording import Entry, RecordingError, build, has_compiler
from tests.powercut.replayer import Depth, check

SPARSE = Depth(seed=1, per_point=7, share=0.1)
SELDOM = Depth(seed=1, per_point=7, share=0.05)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not has_compiler():
        pytest.skip("gcc is not installed")
    return build(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def place(library: Path, tmp_path: Path) -> Range:
    return Range(library, tmp_path)


@pytest.mark.parametrize(
    "control", CONTROLS, ids=[f"{c.name} {c.journal} {c.synchronous}" for c in CONTROLS]
)
def test_a_control_behaves_as_it_is_known_to(place: Range, control: Control) -> None:
    tally = place.control(control, SPARSE)

    assert control.behaves(tally), f"{tally} {tally.examples}"


@pytest.mark.parametrize("bug", bugs.IN_STORE)
def test_a_seeded_bug_of_the_store_is_caught(place: Range, bug: str) -> None:
    tally = place.rooms(bug, lives_with(bug), SELDOM, bug)

    assert tally.corrupt or tally.lost


@pytest.mark.parametrize("bug", bugs.IN_FILES)
def test_a_seeded_bug_of_the_files_is_caught(place: Range, bug: str) -> None:
    tally = place.files(bug, SPARSE, bug)

    assert tally.corrupt or tally.lost


def test_the_rooms_lose_nothing(place: Range) -> None:
    tally = place.rooms("rooms", lives(seed=1, rounds=12), SELDOM)

    assert (tally.corrupt, tally.lost) == (set(), set()), tally.examples
    assert len(tally.states) > 150


@pytest.mark.parametrize("sync", [7, 9])
def test_what_a_killed_program_left_unsynced_is_not_told_before_it_is_synced(
    place: Range, sync: int
) -> None:
    tally = place.rooms("killed", [Life(1, kill_at_sync=sync), Life(2, rounds=2)], SPARSE)

    assert (tally.corrupt, tally.lost) == (set(), set()), tally.examples


def test_a_file_is_the_old_one_or_the_new_one(place: Range) -> None:
    tally = place.files("files")

    assert (tally.corrupt, tally.lost) == (set(), set()), tally.examples


@pytest.mark.timeout(180)  # it waits for a link that comes back with jitter, twice
def test_the_agent_loses_nothing(place: Range) -> None:
    if broker.find() is None:
        pytest.skip("mosquitto is not installed")

    tally = place.agent("agent", agent.SHORT, SPARSE)

    assert (tally.corrupt, tally.lost) == (set(), set()), tally.examples
    assert len(tally.states) > 100


def test_a_recording_that_is_not_what_lies_there_is_refused(place: Range) -> None:
    recording = place.recording("tampered")
    recording.run("tests.powercut.driver", ["state", str(recording.folder), "--rounds", "2"])
    check(recording)

    (recording.folder / "state.bin").write_bytes(b"another")

    with pytest.raises(RecordingError, match=r"state\.bin"):
        check(recording)


def wrote(offset: int, data: bytes) -> Entry:
    return Entry("W", "a", 1, offset, data)


def trees(disk: Disk) -> list[dict[str, bytes]]:
    """Return many ways in which the power may go now."""
    return [disk.left_by(cut) for cut in disk.cuts(Random(1), 200)]


CREATED = Entry("C", "a", 1, 0, b"")
SYNCED = Entry("S", "a", 1, 0, b"")
FOLDER_SYNCED = Entry("D", "", 9, 0, b"")


def test_a_name_is_sure_only_after_its_folder_is_synced() -> None:
    disk = Disk()
    for entry in (CREATED, wrote(0, b"x"), SYNCED):
        disk.apply(entry)
    assert {} in trees(disk)

    disk.apply(FOLDER_SYNCED)

    assert trees(disk) == [{"a": b"x"}]


def test_an_unsynced_write_comes_whole_torn_or_not_at_all() -> None:
    disk = Disk()
    for entry in (CREATED, FOLDER_SYNCED, wrote(0, bytes(1024)), SYNCED, wrote(0, b"x" * 1024)):
        disk.apply(entry)

    left = {tree["a"] for tree in trees(disk)}

    half, other = b"x" * 512 + bytes(512), bytes(512) + b"x" * 512
    assert left == {bytes(1024), half, other, b"x" * 1024}


def test_a_file_may_have_grown_without_its_bytes() -> None:
    disk = Disk()
    for entry in (CREATED, FOLDER_SYNCED, wrote(0, b"12345678")):
        disk.apply(entry)

    left = {tree["a"] for tree in trees(disk)}

    assert left == {b"", b"12345678", bytes(8), Growth.RUBBISH.value * 8}


def test_a_rename_takes_the_old_file_away_in_the_same_step() -> None:
    disk = Disk()
    for entry in (
        CREATED,
        wrote(0, b"old"),
        SYNCED,
        Entry("C", "b", 2, 0, b""),
        Entry("W", "b", 2, 0, b"new"),
        Entry("S", "b", 2, 0, b""),
        FOLDER_SYNCED,
        Entry("R", "b", 0, 0, b"a"),
    ):
        disk.apply(entry)

    left = trees(disk)

    assert {"a": b"old", "b": b"new"} in left
    assert {"a": b"new"} in left
    assert all(tree["a"] in {b"old", b"new"} for tree in left)


def published(what: str, payload: bytes) -> bytes:
    """Return an MQTT 5 PUBLISH, QoS 1, without properties."""
    topic = f"mayak/1/{sealing.GATEWAY}/up/{what}".encode()
    rest = len(topic).to_bytes(2, "big") + topic + b"\0\1" + b"\0" + payload
    assert 128 <= len(rest) < 128 * 128
    return bytes((0x32, len(rest) % 128 | 0x80, len(rest) // 128)) + rest


def test_what_goes_over_the_link_is_read_however_it_is_cut() -> None:
    epoch = sealing.epoch()
    sealed = [epoch.seal(sealing.body(), Stream.DATA, sequence) for sequence in (7, 300)]
    wire = Wire()

    heard = [
        message
        for byte in published("data", sealed[0]) + published("data", sealed[1])
        for message in wire.feed(bytes((byte,)))
    ]

    assert heard == [
        Batch((3, "operations"), 7, digest(sealed[0])),
        Batch((3, "operations"), 300, digest(sealed[1])),
    ]
