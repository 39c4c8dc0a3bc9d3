"""A device key that does not sign for a while: what is signed goes on, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.keys.device import KeyStore
from gateway.model.errors import KeyUnavailableError
from gateway.model.ids import OPERATIONS, ConsumerId, DeviceId
from gateway.store.outbox import Outbox
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from tests.clock import HandClock
from tests.sealing import GATEWAY, METER, TABLE, identity, reading

EPOCH_S = 3600.0


@dataclass
class Token:
    """A key store that can be pulled out."""

    inner: KeyStore = field(default_factory=lambda: identity().key)
    out: bool = False
    signed: int = 0

    @property
    def certificate(self) -> bytes:
        return self.inner.certificate

    def sign(self, data: bytes) -> bytes:
        if self.out:
            msg = "the token is out"
            raise KeyUnavailableError(msg)
        self.signed += 1
        return self.inner.sign(data)


@pytest.fixture
def token() -> Token:
    return Token()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    entitled = {OPERATIONS: frozenset({ConsumerId("city")})}
    made = Outbox(tmp_path / "store.db", entitled, max_bytes=2**24)
    yield made
    made.close()


@pytest.fixture
def sealer(outbox: Outbox, clock: HandClock, token: Token) -> Sealer:
    who = Identity(GATEWAY, outbox.incarnation, clock.boot, token)
    made = Sealer(outbox, who, {}, clock, epoch_s=EPOCH_S)
    made.expect(METER, TABLE)
    return made


def test_an_epoch_goes_on_beyond_its_time_while_the_key_is_gone(
    sealer: Sealer, clock: HandClock, token: Token
) -> None:
    sealer.write([reading()], [])
    clock.advance(EPOCH_S)
    sealer.write([reading(1000)], [])
    before = token.signed

    token.out = True
    clock.advance(2 * EPOCH_S)
    assert sealer.write([reading(2000)], []).values == len(TABLE)
    assert token.signed == before

    token.out = False
    assert sealer.write([reading(3000)], []).values == len(TABLE)
    assert token.signed == before + 1


def test_a_source_that_no_epoch_knows_waits_for_the_key(sealer: Sealer, token: Token) -> None:
    sealer.write([reading()], [])
    token.out = True
    sealer.expect(DeviceId("meter-2"), TABLE)
    with pytest.raises(KeyUnavailableError):
        sealer.write([reading(1000)], [])

    token.out = False
    assert sealer.write([reading(1000)], []).values == len(TABLE)
