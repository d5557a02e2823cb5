"""The sender: letters from leased chunks, given to the lanes of the relays until nothing is due.

Only the sockets are asynchronous; the ledger is written between two awaits, in transactions far shorter than a letter
takes. A process is one loop on one core; more of them share a mailing by its chunks, on one machine or many.
"""

import asyncio
import gc
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery.books import Books
from newsletter.delivery.intake import Errand, Hold, Intake
from newsletter.delivery.lanes import Office
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.delivery.sorting import Sorting
from newsletter.errors import DatabaseError, RelayError
from newsletter.vault import Vault

# Chunks of a mailing worked off at a time: a list sorted by address would else go to one provider after another.
MOST_HOLDS: Final = 4
# How often to look for what is more pressing than what is at hand.
LOOK_SECONDS: Final = 0.25
PROGRESS_SECONDS: Final = 0.25
REREAD_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be worked off, with what. With `until_done` work ends when nothing is left, or the relay is no use.

    `patience_seconds` is how long a relay may be of no use until then; a sixth of it is a lane's first pause. `share`
    is the part of the relays' connections that is this process's. `again` gives the configuration when it has changed.
    """

    database: Database
    config: Config
    vault: Vault
    only: MailingId | None
    until_done: bool
    stop: threading.Event
    patience_seconds: float = 3.0
    chance: Callable[[], float] = random.random
    share: float = 1.0
    again: Callable[[], Config | None] = lambda: None


def work(job: Work, clock: Callable[[], datetime], progress: Callable[[Accounts], None] | None = None) -> Accounts:
    """Send what is due until done or stopped, and return the accounts of the only mailing (else empty ones).

    When told to stop, letters in flight are finished and claims given back. Raises RelayError when with `until_done`
    no relay could be used for `patience_seconds`, and DatabaseError; either way nothing is lost.
    """
    sender = _Sender(job, clock, progress)
    asyncio.run(sender.run())
    return sender.accounts()


class _Sender:
    def __init__(self, job: Work, clock: Callable[[], datetime], progress: Callable[[Accounts], None] | None) -> None:
        self._job, self._clock, self._progress = job, clock, progress
        self._settings = job.config.delivery
        self._intake = Intake(job.database, job.config, job.vault, clock, job.only)
        self._books = Books(self._intake)
        self._wanting = asyncio.Event()
        office = Office(
            intake=self._intake,
            books=self._books,
            clock=clock,
            chance=job.chance,
            patience_seconds=job.patience_seconds,
            stopped=job.stop.is_set,
            returned=self._returned,
            settled=self._settled,
            wanting=self._wanting.set,
        )
        self._sorting = Sorting(job.database, job.vault, office, job.share)
        self._holds: list[Hold] = []
        self._next_look = self._next_report = self._next_reading = 0.0
        self._verdict: RelayError | None = None

    def accounts(self) -> Accounts:
        return Accounts(due=0) if self._job.only is None else self._intake.accounts(self._job.only)

    async def run(self) -> None:
        self._intake.enrol()
        self._beating = asyncio.create_task(self._pulse())
        try:
            self._intake.tidy()
            self._sorting.open(self._job.config)
            # What is loaded by now stays: to look it through again and again takes a twentieth of the time.
            gc.freeze()
            await self._feed()
            await self._end()
        finally:
            self._beating.cancel()
            # A database that fails here failed before; what is not given back is recovered from this process's death.
            with suppress(DatabaseError):
                await self._end()
                for hold in self._holds:
                    self._intake.release(hold)
                self._intake.retire()
        self._report(last=True)
        if self._verdict:
            raise self._verdict

    async def _end(self) -> None:
        """Close the lanes, and write what they had to say."""
        try:
            await self._sorting.close()
        finally:
            self._books.close()

    @property
    def _over(self) -> bool:
        if self._job.until_done and self._sorting.given_up:
            self._verdict = RelayError(self._sorting.given_up)
        return self._job.stop.is_set() or self._verdict is not None

    async def _feed(self) -> None:
        """Keep the lanes in letters, the most pressing first."""
        while not self._over:
            if self._beating.done():
                self._beating.result()
            self._report()
            self._reread()
            self._sorting.tend()
            self._release_done()
            if time.monotonic() < self._next_look and not self._sorting.wanting:
                await self._rest(LOOK_SECONDS)
                continue
            chunks, claimed = len(self._holds), self._claimed()
            if claimed:
                self._sorting.give(claimed)
            elif len(self._holds) > chunks:
                # A chunk with nothing to send is let go at once: of a cancelled mailing there are thousands.
                await asyncio.sleep(0)
            elif not await self._idle():
                return

    def _reread(self) -> None:
        """Go by the configuration as it is now, if it has changed."""
        now = time.monotonic()
        if now >= self._next_reading:
            self._next_reading = now + REREAD_SECONDS
            if config := self._job.again():
                self._sorting.change(config)

    def _claimed(self) -> list[Errand]:
        """The next letters: of what is more pressing than all at hand alone, else of several chunks at a time."""
        if not self._sorting.usable:
            return []
        self._next_look = time.monotonic() + LOOK_SECONDS
        held = [hold for hold in self._holds if not hold.exhausted]
        top = max((hold.mailing.priority for hold in held), default=-1)
        wanting = self._sorting.wanting
        found = self._intake.claim(above=top - 1 if wanting and len(held) < MOST_HOLDS else top)
        if found:
            self._holds.append(found)
            held.append(found)
        elif not wanting:
            return []
        top = max((hold.mailing.priority for hold in held), default=-1)
        pressing = [hold for hold in held if hold.mailing.priority == top]
        each = -(-self._sorting.batch // max(1, len(pressing)))
        return [errand for hold in pressing for errand in self._intake.take(hold, each)]

    async def _idle(self) -> bool:
        """Wait until something may be due. False = all is done."""
        if self._holds or not self._sorting.wanting:
            await self._rest(LOOK_SECONDS)
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

    def _returned(self, errands: Sequence[Errand], until: datetime | None) -> None:
        """Letters that did not leave go back to the ledger, and wait there until then."""
        if errands:
            self._intake.hand_back(errands, until)
        for errand in errands:
            self._settled(errand.hold)

    def _settled(self, hold: Hold) -> None:
        hold.pending -= 1
        if hold.exhausted and not hold.pending:
            self._wanting.set()

    def _release_done(self) -> None:
        """End the leases of chunks that nothing is left of."""
        done = [hold for hold in self._holds if hold.exhausted and not hold.pending]
        if done:
            self._books.close()
        for hold in done:
            self._holds.remove(hold)
            self._intake.release(hold)

    async def _rest(self, seconds: float) -> None:
        """Wait until a lane wants letters, at most so long, and not beyond a stop."""
        until = time.monotonic() + seconds
        self._wanting.clear()
        while not self._over and (left := until - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanting.wait(), min(left, 0.1))
                return

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
