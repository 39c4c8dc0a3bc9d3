"""`mayak store`: what is said of a store that was made here."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import cli
from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.channels import DATA_FROM
from gateway.store.inspection import uncovered
from gateway.store.outbox import Outbox, Settled
from provisioning.authority import Authority
from tests.sealing import GATEWAY, body, epoch

CITY = ConsumerId("city")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Path:
    keys = authority.folder
    lines = [
        "[gateway]", f'id = "{GATEWAY}"',
        "[store]", 'path = "store.db"', "max_mib = 16",
        "[keys]", f'device_key = "{keys}/gateways/{GATEWAY}/device.key"',
        f'device_certificate = "{keys}/gateways/{GATEWAY}/device.pem"',
        "[[consumer]]", 'id = "city"', 'audiences = ["operations"]',
        f'hpke_keys = ["{keys}/city-hpke.pub"]', f'sign_keys = ["{keys}/city-sign.pem"]',
        "[uplink]", 'consumer = "city"', 'host = "127.0.0.1"', "tls = false",
        "[[line]]", 'id = "net"', 'medium = "tcp"', 'host = "127.0.0.1"', "port = 502",
    ]  # fmt: skip
    file = tmp_path / "site.toml"
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return file


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Five batches of readings, of which one is settled and one was refused, and an alarm."""
    outbox = Outbox(tmp_path / "store.db", {OPERATIONS: frozenset({CITY})}, 2**24)
    key = epoch()
    outbox.add_epoch(key, 0)
    for number in range(5):
        outbox.add([(Stream.DATA, key, body(number * 1000))])
    outbox.add([(Stream.ALARM, key, body())])
    outbox.settle(CITY, [Settled(Stream.DATA, OPERATIONS, 1)])
    outbox.give_up(Stream.DATA, OPERATIONS, 3, GapRecord.REFUSED)
    outbox.close()
    return tmp_path / "store.db"


@pytest.mark.usefixtures("store")
def test_status_says_what_is_kept_per_stream(site: Path, capsys: Capture) -> None:
    assert cli.main(["store", "status", str(site), "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    rows = {row["stream"]: row for row in found["channels"]}
    assert (rows["data"]["oldest"], rows["data"]["newest"], rows["data"]["batches"]) == (2, 5, 3)
    assert (rows["data"]["kept"], rows["data"]["produced"], rows["alarm"]["kept"]) == (30, 50, 10)
    assert (found["kept"], found["gaps"], found["max_mib"]) == (40, 1, 16)


@pytest.mark.usefixtures("store")
def test_status_for_people_is_a_table_and_a_sentence(site: Path, capsys: Capture) -> None:
    assert cli.main(["store", "status", str(site)]) == 0

    said = " ".join(capsys.readouterr().out.split())
    assert "40 values wait for the platform" in said
    assert "1 gaps wait to be told." in said


@pytest.mark.usefixtures("store")
def test_a_sound_store_is_said_to_be_one(site: Path, capsys: Capture) -> None:
    assert cli.main(["store", "verify", str(site)]) == 0
    assert capsys.readouterr().out == "The store is sound.\n"


DATA = DATA_FROM + 1
"""The channel."""
DAMAGE = {
    "the newest batch is gone": (
        "DELETE FROM batch WHERE id & 0xFF = 5", f"channel {DATA}, sequences: 5 to 5 are gone"
    ),
    "the oldest batch is gone": (
        "DELETE FROM batch WHERE id & 0xFF = 2", f"channel {DATA}, sequences: 2 to 2 are gone"
    ),
    "all batches are gone": ("DELETE FROM batch", f"channel {DATA}, sequences: 4 to 5 are gone"),
    "a gap is forgotten": ("DELETE FROM gap", f"channel {DATA}, sequences: 3 to 3 are gone"),
    "the epoch record is gone": ("DELETE FROM epoch", "its epoch record is not here"),
    "a body is garbage": ("UPDATE batch SET body = x'a0'", "is not a sealed batch"),
    "a body was moved": (
        "UPDATE batch SET body = (SELECT body FROM batch WHERE id % 256 = 4) WHERE id % 256 = 5",
        f"channel {DATA}, sequence 5: says another sequence",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE.values(), ids=DAMAGE.keys())
def test_verify_names_what_is_wrong(
    site: Path, store: Path, capsys: Capture, case: tuple[str, str]
) -> None:
    damage, finding = case
    with sqlite3.connect(store) as db:
        db.execute(damage)
    db.close()

    assert cli.main(["store", "verify", str(site)]) == 1
    assert finding in capsys.readouterr().out


@pytest.mark.usefixtures("store")
def test_export_writes_records_and_batches_as_they_would_be_sent(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    target = tmp_path / "out.cborseq"

    assert cli.main(["store", "export", str(site), str(target)]) == 0

    topics = []
    with target.open("rb") as file:
        while file.peek(1):
            topic, payload = cbor2.load(file)
            topics.append(topic.rpartition("/")[2])
            assert isinstance(payload, bytes)
    assert topics == ["epoch", "alarm", "data", "data", "data"]
    assert capsys.readouterr().out == f"5 messages in {target}\n"


@pytest.mark.usefixtures("store")
def test_an_export_that_cannot_be_written_is_one_sentence(
    site: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert cli.main(["store", "export", str(site), str(tmp_path / "no" / "out")]) == 69
    assert capsys.readouterr().err.endswith("out: cannot be written: No such file or directory\n")


COMMANDS = ["status", "verify", "export"]


def arguments(command: str, site: Path) -> list[str]:
    return ["store", command, str(site), *([str(site.with_name("out"))] * (command == "export"))]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_was_never_made_is_one_sentence(
    site: Path, capsys: Capture, command: str
) -> None:
    assert cli.main(arguments(command, site)) == 69
    assert "there is no store yet" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", [b"", b"this is no database" * 500], ids=["empty", "garbage"])
def test_a_file_that_is_no_store_is_one_sentence(
    site: Path, capsys: Capture, command: str, content: bytes
) -> None:
    site.with_name("store.db").write_bytes(content)

    assert cli.main(arguments(command, site)) == 69
    assert "not a readable store" in capsys.readouterr().err


def test_a_store_is_looked_at_as_it_was_at_one_moment(site: Path, store: Path) -> None:
    """The agent goes on writing: verify must not take what is new for what is wrong."""
    outbox = Outbox(store, {OPERATIONS: frozenset({CITY})}, 2**24)
    for number in range(20):
        key = epoch()
        outbox.add_epoch(key, 0)
        outbox.add([(Stream.DATA, key, body(number * 1000))])
        assert cli.main(["store", "verify", str(site), "--json"]) == 0
    outbox.close()


RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted).map(tuple))


@given(first=st.integers(0, 40), last=st.integers(0, 40), ranges=RANGES)
def test_what_no_range_covers_is_found(
    first: int, last: int, ranges: list[tuple[int, int]]
) -> None:
    covered = {number for begin, end in ranges for number in range(begin, end + 1)}

    found = list(uncovered(first, last, ranges))

    numbers = [number for begin, end in found for number in range(begin, end + 1)]
    assert numbers == [number for number in range(first, last + 1) if number not in covered]
