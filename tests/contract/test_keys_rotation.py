"""Keys change while the site works: the platform's pairs with overlap, the gateway's certificate.

The gateway's rooms and the real receiver, without a link between them: what one hands out, the
other is handed. Months pass on a clock turned by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.config.loading import load
from gateway.config.site import Site
from gateway.keys.opening import open_device_key
from gateway.keys.platform import load_signers
from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.store.consumers import Consumers
from gateway.store.outbox import Outbox, Settled
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from gateway.sync.wire import (
    ChannelState,
    Hello,
    NotAnAckError,
    Why,
    parse_ack,
    sign_hello,
    topic_up,
)
from provisioning.authority import LEAF_LIFE, Authority
from simulators.platform.audit import Report, audit
from simulators.platform.databases import open_ledger
from simulators.platform.intake import Intake, Message, Reply
from simulators.platform.keys import Opener, load_authority, load_opening_key, load_signing_key
from tests.clock import HandClock
from tests.opened_store import epochs_in
from tests.sealing import GATEWAY, METER, TABLE, reading

CITY = ConsumerId("city")
DAY_S = 86_400.0
HALF_A_YEAR_S = 183 * DAY_S
EPOCH_S = 4 * 3600.0
VALUES = len(TABLE)


@dataclass
class City:
    """The receiver; `start` is a restart with other keys on the same database."""

    folder: Path
    clock: HandClock
    refusals: list[tuple[str, str]] = field(default_factory=list)
    intake: Intake = field(init=False)

    def start(self, opens_with: Sequence[str], signs_with: str) -> None:
        """Begin with the HPKE keys and the signing key of these names."""
        self.stop()
        self._ledger = open_ledger(self.folder / "platform.db")
        self.intake = Intake(
            self._ledger,
            Opener(CITY, [load_opening_key(self.folder / f"{name}.key") for name in opens_with]),
            load_authority(self.folder / "ca.pem"),
            load_signing_key(self.folder / f"{signs_with}.key"),
            wall_ms=lambda: self.clock.wall_ms,
            notice=lambda what, _gateway, sentence: self.refusals.append((what, sentence)),
        )

    def stop(self) -> None:
        if hasattr(self, "_ledger"):
            self._ledger.close()

    @property
    def report(self) -> Report:
        return audit(self.folder / "platform.db", late_after_ms=10_000).total


@dataclass
class Box:
    """The gateway; `start` is a restart with another site file on the same store."""

    folder: Path
    clock: HandClock
    site: Site = field(init=False)
    outbox: Outbox = field(init=False)
    written: int = 0

    def start(self, wraps_to: Sequence[str], believes: Sequence[str]) -> None:
        """Begin with a site file that names these keys of the city."""
        self.stop()
        hpke, sign = (
            ", ".join(f'"{name}.{end}"' for name in names)
            for names, end in ((wraps_to, "pub"), (believes, "pem"))
        )
        file = self.folder / "site.toml"
        file.write_text(
            f"""\
[gateway]
id = "{GATEWAY}"
[store]
path = "store.db"
[keys]
device_key = "gateways/{GATEWAY}/device.key"
device_certificate = "gateways/{GATEWAY}/device.pem"
[[consumer]]
id = "{CITY}"
audiences = ["{OPERATIONS}"]
hpke_keys = [{hpke}]
sign_keys = [{sign}]
[uplink]
consumer = "{CITY}"
host = "127.0.0.1"
tls = false
""",
            encoding="utf-8",
        )
        self.site = load(file, "en")
        consumers = Consumers.of(self.site)
        self.outbox = Outbox(self.site.store.path, consumers.entitled, 2**26)
        self.key = open_device_key(self.site)
        identity = Identity(GATEWAY, self.outbox.incarnation, self.clock.boot, self.key)
        self._sealer = Sealer(
            self.outbox, identity, consumers.recipients, self.clock, epoch_s=EPOCH_S
        )
        self._sealer.expect(METER, TABLE)
        self._signers = load_signers(self.site.consumer[0].sign_keys)

    def stop(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()

    def read(self, times: int = 3) -> None:
        """Seal so many readings, each a second after the other."""
        for _ in range(times):
            self.clock.advance(1)
            now = replace(reading(), at=self.clock.now())
            self.written += self._sealer.write([now], []).values

    @property
    def kept(self) -> int:
        """Return how many values are not settled."""
        return sum(channel.kept for channel in self.outbox.channels)

    @property
    def wraps(self) -> list[int]:
        """Return for how many keys each epoch that is still here was wrapped, oldest first."""
        return [len(epoch.wraps) for epoch in epochs_in(self.site.store.path)]

    def hand_over(self, city: City) -> list[Reply]:
        """Say hello, hand everything over, and take the city's answers; return these."""
        now = self.clock.now()
        states = [
            ChannelState(c.stream, c.audience, c.oldest, c.newest, c.produced, c.kept)
            for c in self.outbox.channels
        ]
        boot = self.clock.boot
        hello = Hello(GATEWAY, self.outbox.incarnation, boot, now, states, "0", Why.CONNECTED)
        up = [("hello", sign_hello(hello, self.key))]
        done = self.outbox.delivered_epochs(CITY)
        for parcel in self.outbox.parcels(frozenset({OPERATIONS}), {}, 1000, 2**24):
            if parcel.epoch not in done:
                done.add(parcel.epoch)
                up.append(("epoch", self.outbox.epoch_record(parcel.epoch) or b""))
            up.append((parcel.stream.topic, parcel.body))
        replies = city.intake.take(Message(topic_up(GATEWAY, what), body) for what, body in up)
        for reply in replies:
            self.hear(reply)
        return replies

    def hear(self, reply: Reply) -> None:
        """Settle what an acknowledgement says.

        Raises:
            NotAnAckError: it is of a key that the site file does not name.
        """
        ack = parse_ack(reply.payload, GATEWAY, self.outbox.incarnation, self._signers)
        settled = [Settled(c.stream, c.audience, c.contiguous) for c in ack.channels]
        self.outbox.settle(CITY, settled, ack.epochs, ack.wanted)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def keys(tmp_path: Path, clock: HandClock) -> Authority:
    """An authority in the folder of the test, with a second pair of each kind for the city."""
    authority = Authority.create(tmp_path, clock, gateways=[GATEWAY], consumers=[CITY])
    authority.rotate(CITY)
    return authority


@pytest.fixture
def city(tmp_path: Path, keys: Authority, clock: HandClock) -> Iterator[City]:
    assert keys.folder == tmp_path
    made = City(tmp_path, clock)
    yield made
    made.stop()


@pytest.fixture
def box(tmp_path: Path, keys: Authority, clock: HandClock) -> Iterator[Box]:
    assert keys.folder == tmp_path
    made = Box(tmp_path, clock)
    yield made
    made.stop()


OLD, NEW = "city-hpke", "city-2-hpke"
OLD_SIGN, NEW_SIGN = "city-sign", "city-2-sign"


def test_a_rotation_of_the_platforms_keys_loses_nothing_at_any_step(box: Box, city: City) -> None:
    # Before: one pair of each kind.
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], OLD_SIGN)
    box.read()
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    box.read()  # sealed to the old key, not handed over yet

    # The new pair is in the site file beside the old one: new epochs are wrapped for both, and the
    # city, which has not changed, opens old and new.
    box.start([OLD, NEW], [OLD_SIGN, NEW_SIGN])
    box.read()
    assert box.wraps[-2:] == [1, 2]
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)

    # The city changes over: opens with either, signs with the new key.
    box.read()
    city.start([NEW, OLD], NEW_SIGN)
    box.read()
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)

    # A city that holds the new key alone opens what was sealed during the overlap.
    box.read()
    city.start([NEW], NEW_SIGN)
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)

    # The old pair is taken out of the site file: new epochs are for the new key alone.
    box.start([NEW], [NEW_SIGN])
    box.read()
    assert box.wraps[-1] == 1
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    assert city.report.clean
    assert city.refusals == []


def test_what_was_sealed_to_the_old_key_opens_once_the_city_has_that_key_again(
    box: Box, city: City
) -> None:
    box.start([OLD], [OLD_SIGN])
    box.read()
    box.start([OLD, NEW], [OLD_SIGN, NEW_SIGN])
    box.read()
    city.start([NEW], NEW_SIGN)  # changed over too early
    box.hand_over(city)
    assert city.report.readings < box.written
    assert box.kept > 0  # what did not open was not acknowledged, so it is not deleted
    assert {what for what, _ in city.refusals} == {"no_key"}

    city.start([NEW, OLD], NEW_SIGN)
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    assert city.report.clean


def test_an_acknowledgement_counts_from_when_its_key_is_in_the_site_file(
    box: Box, city: City
) -> None:
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], NEW_SIGN)
    box.read()
    with pytest.raises(NotAnAckError):
        box.hand_over(city)
    assert box.kept == box.written

    box.start([OLD], [OLD_SIGN, NEW_SIGN])
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)

    box.start([OLD], [NEW_SIGN])
    city.start([OLD], OLD_SIGN)  # the old key counts no longer
    box.read()
    with pytest.raises(NotAnAckError):
        box.hand_over(city)


def test_a_box_that_was_off_for_half_a_year_delivers_although_its_certificate_ended(
    box: Box, city: City, keys: Authority, clock: HandClock
) -> None:
    # The certificate ends three months after the power was cut.
    clock.advance(LEAF_LIFE.total_seconds() - HALF_A_YEAR_S / 2)
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], OLD_SIGN)
    box.read()
    sealed_before = box.written

    clock.advance(HALF_A_YEAR_S)
    city.start([NEW, OLD], NEW_SIGN)  # the city has rotated meanwhile and kept the old key
    box.start([OLD, NEW], [OLD_SIGN, NEW_SIGN])
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, sealed_before)
    assert [what for what, _ in city.refusals] == ["certificate_ended"]  # today's hello

    renewed = keys.renew(clock, within=timedelta(days=30))
    assert keys.folder / "gateways" / GATEWAY / "device.pem" in renewed
    city.refusals.clear()
    box.start([OLD, NEW], [OLD_SIGN, NEW_SIGN])
    box.read()
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    assert city.refusals == []


def test_what_is_sealed_within_a_year_after_the_certificate_ended_is_taken_and_told(
    box: Box, city: City, clock: HandClock
) -> None:
    clock.advance(LEAF_LIFE.total_seconds() + 300 * DAY_S)
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], OLD_SIGN)
    box.read()
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    assert {what for what, _ in city.refusals} == {"certificate_ended"}
    assert city.report.counters["certificate_ended"] == 2  # the hello and one record


def test_what_is_sealed_later_stays_at_the_gateway_until_its_key_has_a_certificate_again(
    box: Box, city: City, keys: Authority, clock: HandClock
) -> None:
    clock.advance(LEAF_LIFE.total_seconds() + 400 * DAY_S)
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], OLD_SIGN)
    box.read()
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (box.written, 0)
    assert {what for what, _ in city.refusals} >= {"refused_certificate"}

    keys.renew(clock)
    box.start([OLD], [OLD_SIGN])
    city.refusals.clear()
    city.start([OLD], OLD_SIGN)
    box.hand_over(city)  # the record is worked on before the hello that vouches for its key
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    assert "certificate_ended" not in city.report.counters


def test_a_receiver_that_was_not_there_knows_that_the_key_was_vouched_for(
    box: Box, city: City, keys: Authority, clock: HandClock
) -> None:
    clock.advance(LEAF_LIFE.total_seconds() + 400 * DAY_S)
    box.start([OLD], [OLD_SIGN])
    box.read()
    keys.renew(clock)
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], OLD_SIGN)
    now = clock.now()
    hello = Hello(GATEWAY, box.outbox.incarnation, clock.boot, now, [], "0", Why.CONNECTED)
    city.intake.take([Message(topic_up(GATEWAY, "hello"), sign_hello(hello, box.key))])
    city.start([OLD], OLD_SIGN)  # another process on the same database
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)


def test_a_new_device_key_beside_records_of_the_old_one(
    box: Box, city: City, keys: Authority, clock: HandClock
) -> None:
    box.start([OLD], [OLD_SIGN])
    city.start([OLD], OLD_SIGN)
    box.read()
    device = ec.generate_private_key(ec.SECP256R1())
    folder = keys.folder / "gateways" / GATEWAY
    certificate = keys.client(GATEWAY, "gateway", device.public_key(), clock.now().utc)
    (folder / "device.key").write_bytes(_pem(device))
    (folder / "device.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    box.start([OLD], [OLD_SIGN])
    box.read()
    box.hand_over(city)
    assert (box.kept, city.report.readings) == (0, box.written)
    assert city.refusals == []
