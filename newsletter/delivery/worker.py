"""The sender: lanes of SMTP connections, each with one letter in flight, fed from leased chunks until nothing is due.

Only the sockets are asynchronous; the ledger is written between two awaits, in transactions far shorter than a letter
takes. Trouble with the relay is never held against a letter: it waits again, and the lanes back off.
"""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import dkim
from newsletter.delivery.intake import Errand, Hold, Intake
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.delivery.outcome import Phase, Scope
from newsletter.delivery.relay import Relay, RelayRefused, RelayUnreachable
from newsletter.delivery.submission import Connection
from newsletter.errors import DatabaseError, MessageError, RelayError
from newsletter.rendering import letter
from newsletter.rendering.letter import Letter
from newsletter.vault import Vault

# Claimed letters a lane may have before it: enough that no lane waits for the database, few enough that nobody's
# consent was checked long ago.
CLAIMS_PER_LANE: Final = 4
MOST_CLAIMS: Final = 200
LEAST_TRIES: Final = 3
LONGEST_PAUSE_SECONDS: Final = 30.0
# How long a letter in flight may still take, short of its dot, once the sender is told to stop.
GRACE_SECONDS: Final = 2.0
# Failures in a row after which a pause is as long as it gets.
MANY: Final = 10
PROGRESS_SECONDS: Final = 0.25


T = TypeVar("T")
log = logging.getLogger("world_brief.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be worked off, with what. With `until_done` work ends when nothing is left, or the relay is no use.

    `patience_seconds` is how long a relay may be of no use until then; a sixth of it is a lane's first pause.
    """

    database: Database
    config: Config
    vault: Vault
    only: MailingId | None
    until_done: bool
    stop: threading.Event
    patience_seconds: float = 3.0
    chance: Callable[[], float] = random.random


def work(job: Work, clock: Callable[[], datetime], progress: Callable[[Accounts], None] | None = None) -> Accounts:
    """Send what is due until done or stopped, and return the accounts of the only mailing (else empty ones).

    When told to stop, letters in flight are finished and claims given back. Raises RelayError when with `until_done`
    the relay could not be used for `patience_seconds`, and DatabaseError; either way nothing is lost.
    """
    sender = _Sender(job, clock, progress)
    try:
        asyncio.run(sender.run())
    except ExceptionGroup as trouble:
        raise trouble.exceptions[0] from trouble
    return sender.accounts()


class _Withheld(Exception):
    """A letter must not leave after all: its edition was held, it expired, or its lease is another's."""


class _Health:
    """Whether the relay can be used, as all lanes together see it."""

    def __init__(self, patience_seconds: float | None) -> None:
        self._patience = patience_seconds
        self._tries, self._since, self._hopeless = 0, 0.0, False
        self.verdict: RelayError | None = None

    def good(self) -> None:
        self._tries, self._hopeless = 0, False

    def bad(self, reason: str, *, hopeless: bool = False) -> bool:
        """Count a failure; with no success for as long as patience lasts, or no hope, the verdict is given.

        True when this is the first hopeless one since the relay was last of use.
        """
        now = time.monotonic()
        self._since = self._since if self._tries else now
        self._tries += 1
        tried = self._tries >= LEAST_TRIES and now - self._since >= (self._patience or 0)
        if self._patience is not None and (tried or hopeless):
            self.verdict = RelayError(reason)
        first, self._hopeless = hopeless and not self._hopeless, self._hopeless or hopeless
        return first


class _Lane:
    """One connection to the relay, opened when needed, and its own back-off."""

    def __init__(self, job: Work, relay: Relay, intake: Intake, health: _Health) -> None:
        self._job, self._relay, self._intake, self._health = job, relay, intake, health
        self._connection: Connection | None = None
        self._failures = 0

    def pause(self) -> float:
        """How long to keep away from the relay after so many failures in a row."""
        if not self._failures:
            return 0.0
        first = self._job.patience_seconds / 6
        return float(min(first * 2 ** min(self._failures - 1, MANY), LONGEST_PAUSE_SECONDS))

    async def carry(self, errand: Errand) -> None:
        """Take one letter to the relay and record what became of it."""
        try:
            seal = errand.hold.seal
            written = seal.sign(letter.address(seal.stencil, errand.recipient))
        except MessageError as error:
            self._intake.drop(errand, f"cannot be written: {error}")
            return

        def before_dot() -> None:
            if not self._intake.mark_dot(errand):
                raise _Withheld

        try:
            connection = await self._unless_stopped(self._connected(written))
            result = await self._unless_stopped(connection.submit(written, before_dot))
        except (RelayRefused, RelayUnreachable) as error:
            self._intake.hand_back([errand])
            self._failed(errand, str(error), hopeless=_hopeless(error))
            return
        except _Withheld:
            self._intake.hand_back([errand])
            return
        outcome = self._intake.settle(errand, result, self._job.chance())
        if outcome.scope is Scope.RELAY:
            self._failed(errand, outcome.reason, hopeless=outcome.stop)
        else:
            self._failures = 0
            self._health.good()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the relay; once told to stop only for a moment, but for as long as it takes behind a dot."""
        task = asyncio.ensure_future(work)
        stopped = 0.0
        while not task.done():
            await asyncio.wait({task}, timeout=GRACE_SECONDS / 4)
            stopped = stopped or (time.monotonic() if self._job.stop.is_set() else 0.0)
            in_doubt = self._connection is not None and self._connection.phase is Phase.DOT
            if stopped and not in_doubt and time.monotonic() - stopped > GRACE_SECONDS:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                raise _Withheld
        return task.result()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self, written: Letter) -> Connection:
        if self._connection is None or not self._connection.takes(written):
            await self.close()
            self._connection = await self._relay.connect()
        return self._connection

    def _failed(self, errand: Errand, reason: str, *, hopeless: bool) -> None:
        """Keep away for longer each time; at once for long where trying again as we are cannot help."""
        self._failures = MANY if hopeless else self._failures + 1
        if self._health.bad(reason, hopeless=hopeless):
            log.error("nothing can be sent until somebody looks: %s", reason)
            self._intake.complain(errand, reason)


def _hopeless(error: RelayRefused | RelayUnreachable) -> bool:
    return error.permanent if isinstance(error, RelayUnreachable) else error.reply.code >= 500


class _Sender:
    def __init__(self, job: Work, clock: Callable[[], datetime], progress: Callable[[Accounts], None] | None) -> None:
        self._job, self._clock, self._progress = job, clock, progress
        self._relay, self._settings = Relay(job.config.relay, job.vault.relay_password), job.config.delivery
        self._intake = Intake(job.database, job.config, job.vault, dkim.signer(job.config), clock, job.only)
        self._lanes = max(1, job.config.relay.connections)
        self._errands: asyncio.Queue[Errand | None] = asyncio.Queue(maxsize=self._lanes)
        self._holds: list[Hold] = []
        self._health = _Health(job.patience_seconds if job.until_done else None)
        self._next_letter = self._next_report = 0.0

    def accounts(self) -> Accounts:
        return Accounts(due=0) if self._job.only is None else self._intake.accounts(self._job.only)

    async def run(self) -> None:
        self._intake.enrol()
        try:
            self._intake.tidy()
            async with asyncio.TaskGroup() as group:
                pulse = group.create_task(self._pulse())
                lanes = [group.create_task(self._lane()) for _ in range(self._lanes)]
                await self._feed()
                for _ in lanes:
                    await self._errands.put(None)
                await asyncio.wait(lanes)
                pulse.cancel()
        finally:
            # A database that fails here failed before; what is not given back is recovered from this process's death.
            with suppress(DatabaseError):
                for hold in self._holds:
                    self._intake.release(hold)
                self._intake.retire()
        self._report(last=True)
        if self._health.verdict:
            raise self._health.verdict

    @property
    def _over(self) -> bool:
        return self._job.stop.is_set() or self._health.verdict is not None

    async def _feed(self) -> None:
        """Keep the lanes in letters, the most pressing first."""
        while not self._over:
            self._report()
            hold = self._most_pressing()
            if hold is None:
                if not await self._idle():
                    return
                continue
            for errand in self._intake.take(hold, self._batch()):
                await self._errands.put(errand)
            self._release_if_done(hold)

    def _most_pressing(self) -> Hold | None:
        held = [hold for hold in self._holds if not hold.exhausted]
        found = self._intake.claim(above=max((hold.mailing.priority for hold in held), default=-1))
        if found:
            self._holds.append(found)
            return found
        return max(held, key=lambda hold: hold.mailing.priority, default=None)

    def _batch(self) -> int:
        most = min(CLAIMS_PER_LANE * self._lanes, MOST_CLAIMS)
        rate = self._settings.letters_per_second
        return max(1, min(most, int(rate))) if rate > 0 else most

    async def _idle(self) -> bool:
        """Wait until something may be due. False = all is done."""
        if self._holds:
            await asyncio.sleep(0.01)
            return True
        self._intake.tidy()
        due = self._intake.next_due()
        if due is None and self._job.until_done:
            return False
        seconds = (due - self._clock()).total_seconds() if due else self._settings.poll_seconds
        await self._nap(min(max(seconds, 0.01), self._settings.poll_seconds))
        return True

    async def _pulse(self) -> None:
        """Renew the leases while replies are awaited, which RFC 5321 allows ten minutes for."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            self._intake.beat(self._holds)

    async def _lane(self) -> None:
        lane = _Lane(self._job, self._relay, self._intake, self._health)
        try:
            while (errand := await self._errands.get()) is not None:
                await self._run_errand(lane, errand)
        finally:
            await lane.close()

    async def _run_errand(self, lane: _Lane, errand: Errand) -> None:
        hold = errand.hold
        await self._nap(max(lane.pause(), self._pace()))
        try:
            if self._over or hold.lost or self._clock() >= hold.mailing.expires_at:
                self._intake.hand_back([errand])
            else:
                await lane.carry(errand)
        finally:
            hold.pending -= 1
        self._release_if_done(hold)

    def _release_if_done(self, hold: Hold) -> None:
        if hold.exhausted and not hold.pending and hold in self._holds:
            self._holds.remove(hold)
            self._intake.release(hold)

    def _pace(self) -> float:
        """How long to wait so that no more letters leave per second than allowed."""
        if self._settings.letters_per_second <= 0:
            return 0.0
        now = time.monotonic()
        mine = max(now, self._next_letter)
        self._next_letter = mine + 1 / self._settings.letters_per_second
        return mine - now

    async def _nap(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        # The signal to stop comes from another thread or a signal handler, so it is looked for, not awaited.
        while not self._over and (left := until - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left, 0.1))

    def _report(self, *, last: bool = False) -> None:
        """Tell how far it is. Counting a large mailing takes time, so it may use a twentieth of it at most."""
        started = time.monotonic()
        if self._progress is None or self._job.only is None or (started < self._next_report and not last):
            return
        self._progress(self.accounts())
        spent = time.monotonic() - started
        self._next_report = started + max(PROGRESS_SECONDS, 20 * spent)
