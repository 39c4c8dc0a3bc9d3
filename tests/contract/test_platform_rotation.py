"""The platform's HPKE key changes over: the receiver as a process, restarted at each step."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.model.ids import ConsumerId
from provisioning.authority import Authority
from simulators.platform.audit import Report, audit
from tests.broker import Mosquitto
from tests.conftest import GATEWAYS
from tests.platform_link import Gateway, Receiver
from tests.unit.simulators.platform.platform_sender import Sender, public

CITY = ConsumerId("city")
OLD, NEW = "city-hpke", "city-2-hpke"


def test_old_epochs_stay_openable_while_a_new_key_takes_over(
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    platform_db: str | Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(authority.folder, tmp_path / "keys")
    city = Authority.load(tmp_path / "keys")
    city.rotate(CITY)
    broker = mosquitto()
    sender = Sender.of(city, GATEWAYS[0])
    gateway = Gateway(broker, city, sender)

    @contextmanager
    def receiving(*keys: str) -> Iterator[None]:
        receiver = Receiver(broker, city, platform_db, tmp_path, hpke=keys)
        receiver.start()
        try:
            yield
        finally:
            assert receiver.end(signal.SIGTERM) == 0

    def report() -> Report:
        return audit(platform_db, late_after_ms=1000).total

    try:
        with receiving(OLD):
            gateway.add(20)
            gateway.deliver()
        # The city has both: what is still sealed under the epoch of the old key opens. Its record
        # was acknowledged and does not come again: the one in the database is opened anew.
        with receiving(NEW, OLD):
            gateway.add(20)
            gateway.deliver()
            sender.wraps = [*sender.wraps, (CITY, *public(city.folder / f"{NEW}.pub"))]
            gateway.renew()
            gateway.add(20)
            gateway.deliver()
        # The new key alone opens what was sealed for both, but not what is the old one's.
        with receiving(NEW):
            gateway.add(20)
            gateway.deliver()
            sender.wraps = sender.wraps[:1]
            gateway.renew()
            gateway.add(20)
            gateway.send()
            assert not gateway.settle(1.0)
        assert gateway.unsettled == 20
        assert report().counters["no_key"] > 0
        # Given the old key once more, the rest opens too; nothing was lost on the way.
        with receiving(NEW, OLD):
            gateway.deliver()
            gateway.send()  # the last hello
    finally:
        gateway.close()

    found = report()
    assert (found.account.stored, found.duplicated, found.reordered) == (200, 0, 0)
    assert found.account.balances
