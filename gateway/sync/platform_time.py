"""The time from the platform, signed, for a board that has no clock to check certificates by.

The connection on which it is asked checks the broker's chain and name and leaves the dates out; it
carries a fresh nonce and nothing else. What is then served on is checked in full: dates too, at the
time that was learned. Source: this folder's README, §7.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import cbor2
from cryptography import x509

from gateway.keys.cose import CoseError, open1
from gateway.keys.platform import Signers
from gateway.model.clock import APART_MS, EARLIEST_TRUE_MS, Instant, LearnedClock, Trust
from gateway.model.event import Event, Scalar, Severity
from gateway.model.ids import BootId, ConsumerId, GatewayId
from gateway.sync.causes import LinkLostError, Step
from gateway.sync.dates import check_dates
from gateway.sync.session import Broker, Session, TlsSocket, client_context
from gateway.sync.wire import MESSAGE_MOST, topic_down, topic_up

_log = logging.getLogger(__name__)

VERSION: Final = 1
TIME_CONTEXT: Final = b"mayak/1/time"
NONCE_LEN: Final = 32
WITHIN_S: Final = 5.0
"""An answer that took longer says too little: half of it is the uncertainty."""
INSISTS_S: Final = 86_400.0
"""A platform that says for so long that it is earlier than we had it is right in the end."""
WALL_MOST_MS: Final = 1 << 53
NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME (OpenSSL, x509_vfy.h): chain, names, use are checked all the same."""


Judge = Callable[[bytes, Sequence[x509.Certificate]], None]
"""Takes the broker's certificate, DER, and the authorities; raises an OSError where it objects."""


class NotATimeError(ValueError):
    """The bytes are no answer to our question; the text says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the platform is asked; the answer repeats all of it."""

    gateway: GatewayId
    boot: BootId
    nonce: bytes

    def packed(self) -> bytes:
        """Return it as the wire carries it."""
        return cbor2.dumps({1: VERSION, 2: self.gateway, 3: self.boot, 4: self.nonce})


def parse_answer(message: bytes, question: Question, consumer: ConsumerId, signers: Signers) -> int:
    """Return the platform's wall time, milliseconds since 1970, when it answered.

    Args:
        message: any bytes.
        question: ours; an answer to another one, older or of somebody else, does not count.
        consumer: who was asked.
        signers: whose word counts.

    Raises:
        NotATimeError: too long, not signed by one of `signers`, no answer to the question, or not
            of the form.
    """
    if len(message) > MESSAGE_MOST:
        msg = f"{len(message)} bytes"
        raise NotATimeError(msg)
    try:
        payload = cbor2.loads(open1(message, TIME_CONTEXT, signers))
    except CoseError as error:
        raise NotATimeError(str(error)) from error
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError) as error:
        msg = "the payload is not CBOR"
        raise NotATimeError(msg) from error
    asked = {1: VERSION, 2: question.gateway, 3: question.boot, 4: question.nonce, 5: consumer}
    if not isinstance(payload, dict) or any(payload.get(key) != asked[key] for key in asked):
        msg = "it answers another question"
        raise NotATimeError(msg)
    wall_ms = payload.get(6)
    if type(wall_ms) is not int or not 0 <= wall_ms < WALL_MOST_MS:
        msg = f"time {wall_ms!r}"
        raise NotATimeError(msg)
    return wall_ms


@dataclass
class PlatformTime:
    """Sees to it that a connection is judged by a true clock."""

    gateway: GatewayId
    consumer: ConsumerId
    signers: Signers
    broker: Broker
    clock: LearnedClock
    floor_ms: Callable[[], Awaitable[int]]
    """Before this it cannot be: the newest time that our own store says with trust."""
    happened: Callable[[Event], None]
    """Gets what people should know."""
    within_s: float = WITHIN_S
    learned: bool = False
    """Whether the time was learned: the clock has been right since, or is overridden."""
    _asked: tuple[Question, int] | None = None
    """What was asked on the connection that serves, and when (mono, ms)."""
    _doubted: bool = False
    _behind_since_s: float | None = field(default=None, repr=False)

    async def prepare(
        self, connection: socket.socket | None = None
    ) -> tuple[Broker, socket.socket | None]:
        """Learn the time if there is need; return how to connect now.

        Args:
            connection: to the broker, when there is one already.

        Returns:
            The broker with the checks that fit the clock, and `connection` if it was not used up.

        Raises:
            LinkLostError: the time was needed and nobody gave one that can be believed.
            RefusedError: the broker does not accept who we are.
        """
        unset = self.broker.tls is not None and self.clock.now().trust is Trust.UNSET
        if self._doubted or unset:
            connection, mine = None, connection
            await self._ask(mine)
            self._doubted = False
        if not self.clock.overrides:
            return self.broker, connection

        def judge(leaf: bytes, authorities: Sequence[x509.Certificate]) -> None:
            check_dates(leaf, authorities, self.clock.now().utc)

        return judged_by(self.broker, judge), connection

    def refused(self, error: LinkLostError) -> None:
        """Take note of why a connection failed: the next one asks for the time if that was why."""
        self._doubted = self._doubted or error.step is Step.CLOCK

    async def _ask(self, connection: socket.socket | None) -> None:
        leaf = list[bytes]()
        broker = judged_by(self.broker, lambda peer, _: leaf.append(peer))
        question = self._new_question()
        woken = asyncio.Event()
        session = await Session.connect(
            broker,
            broker.client_id or self.gateway,
            [topic_down(self.gateway, "time")],
            woken.set,
            connection=connection,
        )
        try:
            asked_ms = self.clock.now().mono_ms
            session.publish(topic_up(self.gateway, "time"), question.packed())
            wall_ms = await self._answer(session, woken, question)
            heard_ms = self.clock.now().mono_ms
        except LinkLostError as error:
            raise session.why(error) from error
        finally:
            await session.close()
        await self._learn(asked_ms, heard_ms, wall_ms, leaf)

    def question(self) -> bytes | None:
        """Return a question to ask on a connection that serves, or None when the clock is right.

        A clock that nothing sets may be wrong although a certificate seems valid by it.
        """
        now = self.clock.now()
        if now.trust is Trust.SYNCED:
            return None
        self._asked = self._new_question(), now.mono_ms
        return self._asked[0].packed()

    async def heard(self, message: bytes) -> bool:
        """Say whether that was the answer to our question; if so and it can be, it is learned."""
        if self._asked is None:
            return False
        question, asked_ms = self._asked
        try:
            wall_ms = parse_answer(message, question, self.consumer, self.signers)
        except NotATimeError:
            return False
        self._asked = None
        heard_ms = self.clock.now().mono_ms
        if heard_ms - asked_ms <= self.within_s * 1000:
            try:
                await self._learn(asked_ms, heard_ms, wall_ms, ())
            except LinkLostError as error:
                _log.warning("not-a-time", extra={"error": str(error)})
        return True

    def _new_question(self) -> Question:
        return Question(self.gateway, self.clock.boot, secrets.token_bytes(NONCE_LEN))

    async def _learn(
        self, asked_ms: int, heard_ms: int, wall_ms: int, leaf: Sequence[bytes]
    ) -> None:
        """Take the platform's time, read between two moments of ours (mono).

        Raises:
            LinkLostError: it cannot be.
        """
        way_ms = (heard_ms - asked_ms) / 2
        at = Instant(heard_ms, wall_ms + round(way_ms), Trust.HOLDOVER)
        uncertainty_ms = int(way_ms) + 1
        await self._check(at, uncertainty_ms, leaf)
        self.clock.learn(at, uncertainty_ms)
        if self.learned:
            return  # told once: now it is only put right
        self.learned = True
        _log.info("time-learned", extra={"uncertainty_ms": uncertainty_ms})
        args: dict[str, Scalar] = {"consumer": self.consumer, "uncertainty_ms": uncertainty_ms}
        self.happened(Event("time-learned", self.clock.now(), args=args))

    async def _answer(self, session: Session, woken: asyncio.Event, question: Question) -> int:
        """Return the wall time of the first answer to the question."""
        said = False
        try:
            async with asyncio.timeout(self.within_s):
                while True:
                    woken.clear()
                    while session.inbox:
                        message = session.inbox.popleft()
                        try:
                            return parse_answer(message, question, self.consumer, self.signers)
                        except NotATimeError as error:
                            if not said:
                                _log.warning("not-a-time", extra={"error": str(error)})
                            said = True
                    if session.ended is not None:
                        raise session.ended
                    await woken.wait()
        except TimeoutError as error:
            msg = "our own clock is not set, and the platform does not say the time"
            raise LinkLostError(msg, Step.CLOCK) from error

    async def _check(self, at: Instant, uncertainty_ms: int, leaf: Sequence[bytes]) -> None:
        """Refuse a time that cannot be.

        Raises:
            LinkLostError: it is before the broker's certificate, our release, or what we had.
        """
        latest = datetime.fromtimestamp((at.wall_ms + uncertainty_ms) / 1000, tz=UTC)
        if leaf and latest < x509.load_der_x509_certificate(leaf[0]).not_valid_before_utc:
            msg = f"the platform says that it is {latest:%Y-%m-%d}: its certificate is not so old"
            raise LinkLostError(msg, Step.CLOCK)
        floor_ms = max(EARLIEST_TRUE_MS, await self.floor_ms())
        if at.wall_ms + uncertainty_ms + APART_MS >= floor_ms:
            self._behind_since_s = None
            return
        now_s = self.clock.monotonic_s()
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        if at.wall_ms < EARLIEST_TRUE_MS or now_s - self._behind_since_s < INSISTS_S:
            floor = datetime.fromtimestamp(floor_ms / 1000, tz=UTC)
            msg = f"the platform says that it is {latest:%Y-%m-%d}: here it was {floor:%Y-%m-%d}"
            raise LinkLostError(msg, Step.CLOCK)
        _log.warning("time-went-back", extra={"to": f"{at.utc:%Y-%m-%dT%H:%M:%SZ}"})
        args: dict[str, Scalar] = {"consumer": self.consumer}
        self.happened(Event("time-went-back", at, Severity.WARNING, args=args))


def judged_by(broker: Broker, judge: Judge) -> Broker:
    """Return the way to a broker that leaves the dates of certificates to `judge`.

    Raises:
        LinkLostError: a file cannot be used any more; it could at the start.
    """
    files = broker.files
    if files is None:
        return broker  # without TLS there is nothing to judge
    try:
        context = client_context(files.ca, files.certificate, files.key)
        authorities = x509.load_pem_x509_certificates(files.ca.read_bytes())
    except (OSError, ValueError) as error:
        msg = f"{files.ca} with {files.certificate} and {files.key}: {error}"
        raise LinkLostError(msg, Step.TLS) from error
    context.verify_flags |= NO_CHECK_TIME

    class Judged(TlsSocket):
        """A socket whose peer is judged once more."""

        def check(self) -> None:
            """Judge."""
            judge(self.getpeercert(binary_form=True) or b"", authorities)

    context.sslsocket_class = Judged
    return replace(broker, tls=context)
