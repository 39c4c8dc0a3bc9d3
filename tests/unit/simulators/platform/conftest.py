"""A receiver without a link, and gateways to feed it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from provisioning.authority import Authority
from simulators.platform.audit import Report, audit
from simulators.platform.databases import open_ledger
from simulators.platform.intake import Intake, Message
from simulators.platform.keys import Opener, load_authority, load_opening_key, load_signing_key
from simulators.platform.sql_ledger import SqlLedger
from tests.unit.simulators.platform.platform_sender import WALL, open_ack


@dataclass
class Desk:
    """An intake on a database of its own."""

    where: str | Path
    """The database."""
    ledger: SqlLedger
    intake: Intake
    platform_key: ec.EllipticCurvePublicKey
    now_ms: int = WALL + 60_000

    def take(self, *messages: tuple[str, bytes]) -> list[dict[int, Any]]:
        """Feed a group; return what the acknowledgements say."""
        replies = self.intake.take(Message(topic, payload) for topic, payload in messages)
        return [open_ack(reply.payload, self.platform_key) for reply in replies]

    def report(self, late_after_ms: int = 10_000) -> Report:
        """Return the sum of the ledger."""
        return audit(self.where, late_after_ms=late_after_ms).total

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Return rows of the database."""
        with self.ledger._db.snapshot():
            return self.ledger._db.rows(query, *arguments)

    def change(self, statement: str) -> None:
        """Do to the database what no receiver would."""
        with self.ledger._db.transaction(()):
            self.ledger._db.rows(statement)


@contextmanager
def desk_at(where: str | Path, keys: Path) -> Iterator[Desk]:
    """Open an intake on a database with the keys of an authority's folder."""
    platform_key = load_pem_public_key((keys / "city-sign.pem").read_bytes())
    assert isinstance(platform_key, ec.EllipticCurvePublicKey)
    ledger = open_ledger(where)
    desk: Desk
    intake = Intake(
        ledger,
        Opener("city", [load_opening_key(keys / "city-hpke.key")]),
        load_authority(keys / "ca.pem"),
        load_signing_key(keys / "city-sign.key"),
        wall_ms=lambda: desk.now_ms,
        notice=lambda *_: None,
    )
    desk = Desk(where, ledger, intake, platform_key)
    try:
        yield desk
    finally:
        ledger.close()


@pytest.fixture
def desk(platform_db: str | Path, authority: Authority) -> Iterator[Desk]:
    """An intake on an empty database."""
    with desk_at(platform_db, authority.folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def fresh_desk(authority: Authority) -> Callable[[], Any]:
    """Make an intake on an empty database for each example of a property test."""

    @contextmanager
    def make() -> Iterator[Desk]:
        with (
            tempfile.TemporaryDirectory() as folder,
            desk_at(Path(folder) / "platform.db", authority.folder) as opened,
        ):
            yield opened

    return make
