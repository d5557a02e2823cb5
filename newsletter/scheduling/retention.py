"""The daily cleaning: what is not needed any longer goes, in short steps that may stop between any two."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import subscribers
from newsletter import readership
from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import correspondence, farewell
from newsletter.safekeeping.journal import Journal
from newsletter.vault import Vault
from subscribers import Erased

STEP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What went, or with a rehearsal would go: requests, people whose proof is over, keys, lines of the journal."""

    requests: int
    people: int
    keys: int
    journal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The cleaning of one installation."""

    database: Database
    config: Config
    vault: Vault
    stop: threading.Event
    tell: Callable[[int, int | None], None] = lambda _done, _total: None

    def run(self, now: datetime) -> Retained:
        """Delete what is over; again, and after an interruption, it goes on where it stopped."""
        keys = self.vault.keys
        requests = self._steps(lambda session: subscribers.expire_requests(session, keys, now, STEP))
        left = self._before(now)
        people = self._steps(lambda session: subscribers.erase_left_before(session, keys, left, now, STEP))
        with self.database.transaction() as session:
            readership.prune(session, now)
            subscribers.prune_links(session, now)
            subscribers.prune_counts(session, now)
            subscribers.prune_holds(session, now.date())
        farewell.forget_last_letters(self.database, keys, now)
        swept = 0 if self.stop.is_set() else subscribers.sweep_keys(self.database.transaction, keys, now)
        if requests.requests or people.subjects or swept:
            farewell.finish(self.database, keys, ())
        cut = Journal(self.config.home).cut(now - timedelta(days=self.config.privacy.journal_days))
        return Retained(requests=len(requests.requests), people=len(people.subjects), keys=swept, journal=cut)

    def rehearse(self, now: datetime) -> Retained:
        """Count what `run` would delete, and write nothing."""
        with self.database.snapshot() as session:
            requests = subscribers.count_expired(session, now)
            people = subscribers.count_left_before(session, self._before(now))
        keys = subscribers.sweep_keys(self.database.snapshot, self.vault.keys, now, dry_run=True)
        return Retained(requests=requests, people=people, keys=keys, journal=0)

    def warn(self, now: datetime) -> list[str]:
        """Mail who runs the house, once, about each request of a reader whose month is over."""
        with self.database.transaction() as session:
            late = subscribers.newly_overdue(session, now.date())
        lines = [f"request {one.id} ({one.kind}) was due on {one.due_on} and is not answered" for one in late]
        correspondence.alert(lines, self.config, self.vault, now)
        return lines

    def _steps(self, step: Callable[..., Erased]) -> Erased:
        """Repeat a step until it finds nothing, shredding after each commit."""
        gone = Erased()
        while not self.stop.is_set():
            with self.database.transaction() as session:
                now_gone = step(session)
                farewell.forget(session, now_gone)
            if not (now_gone.subjects or now_gone.requests):
                break
            self.vault.keys.shred(now_gone.subjects)
            gone += now_gone
            self.tell(len(gone.subjects) + len(gone.requests), None)
        return gone

    def _before(self, now: datetime) -> datetime:
        months = self.config.privacy.proof_months
        return datetime.combine(subscribers.months_later(now.date(), -months), time(), UTC)
