"""A worker's dealings with the ledger, each a short transaction: what to send next, and what became of it.

People are met here: a letter's address is looked up, and the consent behind it checked again, when it is claimed.
Holding or killing an edition reaches its letters here too.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

import subscribers
from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import claims, farewell, leases, ledger, returns, roster
from newsletter.delivery.claims import Claim, Settlement
from newsletter.delivery.leases import Lease, Wanted
from newsletter.delivery.ledger import CONFIRMATION, EDITION, ERASED, Accounts, Mailing, MailingId
from newsletter.delivery.outcome import DeliveryState, Fault, Outcome, Replied, Reply, Scope, Submitted, judge
from newsletter.delivery.replies import without_addresses
from newsletter.delivery.seals import Seals
from newsletter.editions import store, workflow
from newsletter.editions.workflow import Event
from newsletter.errors import Disarmed
from newsletter.providers import provider
from newsletter.rendering.letter import Asked, Recipient
from newsletter.safekeeping import arming
from newsletter.vault import Vault
from subscribers import Dropped

Person = subscribers.Recipient | subscribers.Requester | subscribers.Addressee

# Consent that was read longer ago than this is read again before the last byte of a letter.
FRESH: Final = timedelta(seconds=5)
DURABLE_SECONDS: Final = 0.1
# Who a letter that is no edition goes to, by its kind; any other is about an errand.
_FINDERS: Final = {CONFIRMATION: subscribers.requester, ERASED: subscribers.last_addressee}
LOST: Final = "lost"
LONGEST_WAIT_SECONDS: Final = 300
MOST_REPLY: Final = 500
log = logging.getLogger("world_brief.worker")


@dataclass(slots=True, eq=False)
class Hold:
    """A lease this worker has, and how many of its letters are on their way through it."""

    lease: Lease
    pending: int = 0
    exhausted: bool = False
    lost: bool = False

    @property
    def mailing(self) -> Mailing:
        return self.lease.mailing


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errand:
    """One claimed letter: whose it is, and the lease it was claimed under."""

    hold: Hold
    claim: Claim
    recipient: Recipient
    claimed_at: datetime

    @property
    def id(self) -> int:
        """The subscription's number, or the request's."""
        return self.claim.recipient

    @property
    def provider(self) -> str:
        """Where the reader has their mailbox."""
        return provider(self.recipient.address.rpartition("@")[2])


class Intake:
    """One worker's view of the ledger."""

    def __init__(
        self,
        database: Database,
        config: Config,
        vault: Vault,
        clock: Callable[[], datetime],
        only: MailingId | None,
    ) -> None:
        self._database, self._settings, self._clock, self._only = database, config.delivery, clock, only
        self._keys = vault.keys
        self._return_key = vault.derive(returns.USE)
        self.seals = Seals(config.delivery.bounce_domain)
        self._durable_at = 0.0
        self.worker = roster.this_worker()

    def enrol(self) -> None:
        """Say that this worker lives."""
        with self._database.transaction() as session:
            roster.enrol(session, self.worker, self._clock())
            if arming.taken(session) is not None:
                log.error("%s", Disarmed())

    def retire(self) -> None:
        """End this worker's leases and its row."""
        with self._database.transaction() as session:
            roster.retire(session, self.worker.id)

    def tidy(self) -> None:
        """Free what dead processes of this machine held, let mailings follow their editions' hold and release, and
        forget where last letters went.
        """
        farewell.forget_last_letters(self._database, self._keys, self._clock())
        with self._database.snapshot() as session:
            dead = roster.dead(session)
            paused = ledger.paused(session)
        for worker in dead:
            with self._database.transaction() as session:
                roster.retire(session, worker)
        for mailing in paused:
            with self._database.transaction() as session:
                if self._may_go(session, mailing):
                    ledger.pause(session, mailing.id, paused=False)
                    self._finish(session, mailing)

    def claim(self, above: int) -> Hold | None:
        """Lease the most pressing chunk of a mailing with a priority above the given one."""
        now = self._clock()
        wanted = Wanted(
            worker=self.worker.id,
            until=self._until(now),
            only=self._only,
            above=above,
            again_after=self._again_after(dead=True),
        )
        with self._database.transaction() as session:
            lease = leases.claim(session, wanted, now)
            if lease is not None:
                self.seals.proof(session, lease.mailing)
        return Hold(lease) if lease else None

    def take(self, hold: Hold, limit: int) -> list[Errand]:
        """Claim some letters; those nobody may be sent any more are dropped at once, with the reason."""
        now, lease = self._clock(), hold.lease
        with self._database.transaction() as session:
            claimed = (
                claims.take(session, lease, limit, self._until(now), now)
                if self._may_go(session, lease.mailing)
                else []
            )
            if claimed is None:
                hold.lost = True
            errands = []
            people = self._people(session, lease.mailing, [one.recipient for one in claimed or ()], now)
            for one in claimed or ():
                found = people[one.recipient]
                if isinstance(found, Dropped):
                    claims.record(session, lease, one.recipient, _dropped(found.reason), now)
                else:
                    errands.append(Errand(hold=hold, claim=one, recipient=found, claimed_at=now))
        hold.exhausted = claimed is None or len(claimed) < limit
        hold.pending += len(errands)
        return errands

    def write(self, ending: Sequence[Errand], accepted: Sequence[tuple[Errand, Reply]], *, patient: bool) -> list[bool]:
        """In one transaction: who was accepted, and which of `ending` may end now: not what is held, expired, or
        another's. Raises DatabaseBusy, unless `patient`, when somebody else is writing.
        """
        now = self._clock()
        with self._writing(patient=patient).transaction() as session:
            if not claims.accept(session, [(one.claim, reply) for one, reply in accepted], now):
                for errand, _ in accepted:
                    errand.hold.lost = errand.hold.lost or not leases.holds(session, errand.hold.lease)
            going = {
                hold.mailing.id: self._may_go(session, hold.mailing) for hold in {errand.hold for errand in ending}
            }
            allowed = [
                going[one.hold.mailing.id] and (now - one.claimed_at <= FRESH or self._still_wanted(session, one, now))
                for one in ending
            ]
            marked = iter(
                claims.mark_dots(session, [one.claim for one, may in zip(ending, allowed, strict=True) if may], now)
            )
            return [may and next(marked) for may in allowed]

    def complain(self, errand: Errand, reason: str) -> None:
        """Note in the edition's history, once for each reason, that the relay does not want us."""
        mailing = errand.hold.mailing
        if mailing.on is None:
            return
        with self._database.transaction() as session:
            record = store.load(session, mailing.newsletter, mailing.on)
            if record:
                store.note_once(session, record.id, "worker", "alert", without_addresses(reason), self._clock())

    def settle(self, errand: Errand, result: Submitted, chance: float) -> Outcome:
        """Judge what the relay answered and record it at once; says what it means for relay and mailing."""
        now, mailing = self._clock(), errand.hold.mailing
        with self._database.transaction() as session:
            tries = claims.tries(session, errand.hold.lease, errand.id)
            outcome = judge(
                result,
                attempts=tries[DeliveryState.DEFERRED] + tries[DeliveryState.UNCERTAIN],
                now=now,
                expires_at=mailing.expires_at,
                schedule=self._settings.retry_minutes,
                chance=chance,
            )
            self._record(session, errand, self._settlement(result, outcome, tries, now, mailing.expires_at), now)
            if outcome.scope is Scope.MAILING:
                self._stop(session, mailing, outcome.reason, now)
        return outcome

    def drop(self, errand: Errand, reason: str) -> None:
        """Give a letter up that cannot be written."""
        now = self._clock()
        with self._database.transaction() as session:
            self._record(session, errand, _dropped(reason), now)

    def hand_back(self, errands: Collection[Errand], until: datetime | None = None) -> None:
        """Let letters that did certainly not leave wait again, until then."""
        by_hold: dict[Hold, list[int]] = {}
        for errand in errands:
            by_hold.setdefault(errand.hold, []).append(errand.id)
        with self._database.transaction() as session:
            for hold, ids in by_hold.items():
                claims.hand_back(session, hold.lease, ids, until)

    def release(self, hold: Hold) -> None:
        """End a lease; with the last one of an edition's mailing the edition is sent."""
        with self._database.transaction() as session:
            if leases.release(session, hold.lease, self._clock()):
                self._finish(session, hold.mailing)

    def beat(self, holds: Sequence[Hold]) -> None:
        """Renew all leases, and learn which were lost."""
        now = self._clock()
        with self._database.transaction() as session:
            lost = leases.beat(session, self.worker.id, [hold.lease for hold in holds], self._until(now), now)
        for hold in holds:
            hold.lost = hold.lost or hold.lease in lost

    def next_due(self) -> datetime | None:
        """When there is something to do again, as far as this worker is concerned."""
        with self._database.snapshot() as session:
            return leases.next_due(session, self._only)

    def accounts(self, mailing_id: MailingId) -> Accounts:
        with self._database.snapshot() as session:
            return ledger.accounts(session, mailing_id)

    def _writing(self, *, patient: bool) -> Database:
        """Where the letters' marks go: now and then onto the disk, so that a loss of power costs a moment's at most."""
        if patient:
            return self._database
        now = time.monotonic()
        if now - self._durable_at < DURABLE_SECONDS:
            return self._database.hasty
        self._durable_at = now
        return self._database.durable.hasty

    def _until(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._settings.lease_seconds)

    def _people(
        self, session: Session, mailing: Mailing, ids: Sequence[int], now: datetime
    ) -> dict[int, Recipient | Dropped]:
        """Everybody's address and tokens as of now, or why there is no letter; in the order of `ids`."""
        if mailing.kind == EDITION:
            known = subscribers.recipients(session, self._keys, ids, mailing.newsletter, now, on=mailing.on)
            counted = bool(self.seals.proof(session, mailing).personal)
            reads = subscribers.reading_tokens(session, self._keys, list(ids), mailing.newsletter) if counted else {}
            return {one: self._recipient(mailing, one, known[one], reads.get(one, "")) for one in ids}
        find = _FINDERS.get(mailing.kind, subscribers.addressee)
        return {one: self._recipient(mailing, one, find(session, self._keys, one, now)) for one in ids}

    def _recipient(
        self, mailing: Mailing, number: int, found: Person | Dropped, reading: str = ""
    ) -> Recipient | Dropped:
        if isinstance(found, Dropped):
            return found
        way_back = returns.sign(self._return_key, mailing.id, number)
        asked = None
        if isinstance(found, subscribers.Requester):
            asked = Asked(code=found.code, at=found.requested_at, network=found.network)
        return Recipient(address=found.address, token=found.token, return_token=way_back, reading=reading, asked=asked)

    def _still_wanted(self, session: Session, errand: Errand, now: datetime) -> bool:
        """Whether the reader may still be written to: a slow relay can put minutes between the claim and the dot."""
        found = self._people(session, errand.hold.mailing, [errand.id], now)
        return not isinstance(found[errand.id], Dropped)

    def _record(self, session: Session, errand: Errand, result: Settlement, now: datetime) -> None:
        if not claims.record(session, errand.hold.lease, errand.id, result, now):
            errand.hold.lost = True

    def _settlement(
        self, result: Submitted, outcome: Outcome, tries: Counter[str], now: datetime, expires_at: datetime
    ) -> Settlement:
        """What the ledger keeps. A letter in doubt is sent again a few times, if so configured."""
        reply = result.reply if isinstance(result, Replied) else Reply(code=0, text=result.detail)
        settlement = Settlement(
            state=outcome.state,
            outcome=outcome.state,
            phase=result.phase,
            due_at=outcome.until,
            code=reply.code,
            enhanced=reply.enhanced,
            reply=without_addresses(reply.text)[:MOST_REPLY],
            reason=outcome.fault if outcome.fault is not Fault.NONE else "",
            counted=outcome.counted,
        )
        if outcome.state is DeliveryState.WAITING:
            # No fault of the letter: it goes at once. But one that breaks every connection must not stay first in line.
            later = now + timedelta(seconds=min(2 ** tries[LOST] - 1, LONGEST_WAIT_SECONDS))
            return replace(settlement, outcome=LOST, due_at=later)
        wait = self._again_after(dead=False) if outcome.state is DeliveryState.UNCERTAIN else None
        few = tries[DeliveryState.UNCERTAIN] + 1 < leases.MOST_UNCERTAIN
        if wait is not None and few and now + wait < expires_at:
            return replace(settlement, state=DeliveryState.WAITING, due_at=now + wait)
        return settlement

    def _again_after(self, *, dead: bool) -> timedelta | None:
        """How long a letter in doubt waits to be sent again; None = for ever. A dead sender's relay may be well."""
        match self._settings.on_uncertain:
            case "hold":
                return None
            case "reconcile":
                return timedelta(minutes=self._settings.reconcile_minutes)
            case "resend":
                return timedelta(0) if dead else timedelta(minutes=self._settings.retry_minutes[0])

    def _stop(self, session: Session, mailing: Mailing, reason: str, now: datetime) -> None:
        """Hold the edition, since no letter of it can leave: an editor decides."""
        if mailing.kind != EDITION or mailing.on is None:
            ledger.cancel(session, mailing.id, now)
            return
        record = store.load(session, mailing.newsletter, mailing.on)
        if record and record.state is workflow.State.SENDING:
            # The mailing first and then the edition, as whoever ends the last chunk locks them.
            ledger.pause(session, mailing.id, paused=True)
            store.move(session, record.id, Event.HOLD, "worker", now, without_addresses(reason)[:MOST_REPLY])

    def _may_go(self, session: Session, mailing: Mailing) -> bool:
        """Whether the edition is still to be sent; a held one pauses its mailing, a killed one cancels it."""
        if mailing.kind != EDITION or mailing.on is None:
            return True
        state = store.state(session, mailing.newsletter, mailing.on) or workflow.State.KILLED
        if state is workflow.State.HELD:
            ledger.pause(session, mailing.id, paused=True)
        elif state is workflow.State.KILLED:
            ledger.cancel(session, mailing.id, self._clock())
        return state in {workflow.State.SENDING, workflow.State.SENT}

    def _finish(self, session: Session, mailing: Mailing) -> None:
        """Call the edition sent when nothing of its mailing is open. One held just then is, once it is released."""
        if mailing.kind != EDITION or mailing.on is None or not leases.finished(session, mailing.id):
            return
        record = store.load(session, mailing.newsletter, mailing.on)
        if record and record.state is workflow.State.SENDING:
            store.move(session, record.id, Event.FINISH, "worker", self._clock())
        elif record and record.state is workflow.State.HELD:
            ledger.pause(session, mailing.id, paused=True)


def _dropped(reason: str) -> Settlement:
    kept = without_addresses(reason)[:MOST_REPLY]
    return Settlement(state=DeliveryState.DROPPED, outcome=DeliveryState.DROPPED, reason=kept, counted=False)
