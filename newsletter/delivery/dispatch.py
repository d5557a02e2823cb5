"""From an approved edition, or one person's request, to a mailing: who gets it is frozen here, once.

Dispatching sends nothing. Whatever calls it (scheduler, cron, CLI, desk), however often and from however many
processes, there is one mailing for an edition.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

import subscribers
from newsletter.database import Database
from newsletter.delivery import idle, ledger
from newsletter.delivery.ledger import EDITION, LETTER_PRIORITY, MailingId, Opening
from newsletter.delivery.witness import Witness
from newsletter.editions import store
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError, LedgerError
from newsletter.rendering.press import Press, required
from newsletter.safekeeping import arming

READY: Final = frozenset({State.APPROVED, State.SCHEDULED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A letter to one person: `person` is the number of the sign-up request, or else of the link, that it is for."""

    kind: str
    newsletter: str
    person: int
    proof_digest: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what an edition is sent: nothing of it leaves at or after `expires_at`, which the timetable tells."""

    witness: Witness
    expires_at: datetime | None = None


def dispatch(database: Database, press: Press, terms: Terms, on: date, now: datetime) -> MailingId:
    """Freeze the audience of the approved edition and start its sending, or find the mailing that was started.

    A checkpoint of the consent ledger is made in the same transaction, and every letter carries its line.
    Raises EditionError when there is no approval or what was approved has changed since, NotReady when a check blocks
    it now, Idle or Disarmed when nothing may be sent at all, LedgerError when candidates are not queued + excluded;
    then nothing is kept.
    """
    key = press.newsletter.key
    # Proving takes longer than a write may hold the database, so it stands before the transaction, whose version
    # check notices what changed in between.
    with database.snapshot() as session:
        arming.require(session)
        record = required(session, key, on)
        started = ledger.mailing_of(session, key, on)
        if started is None:
            _require_ready(record)
            idle.require_recent(session, key, now, terms.witness.config.privacy.idle_months)
            digest = press.clear(session, record, now).digest
    if started is not None:
        return started
    subscribers.grow(database.transaction)
    with database.transaction() as session:
        arming.require(session)
        opening = _opening(session, press, terms, record, digest, now=now)
        mailing = ledger.open_mailing(session, opening, now)
        if mailing is None:
            return _started(session, opening)
        moved = store.move(session, record.id, Event.SEND, "dispatch", now)
        if moved.version != record.version + 1 or store.frozen(session, digest) is None:
            raise EditionError(key, on, "changed while it was being dispatched: nothing is sent; look again")
        if mailing.due == 0:
            store.move(session, moved.id, Event.FINISH, "dispatch", now, "nobody is due")
    terms.witness.write_down(database)
    return mailing.id


def letter(session: Session, single: Single, now: datetime) -> MailingId:
    """Queue one letter, ahead of every edition; the caller has frozen its proof."""
    opening = Opening(
        newsletter=single.newsletter,
        kind=single.kind,
        proof_digest=single.proof_digest,
        expires_at=single.expires_at,
        eligible=sa.select(sa.literal(single.person)),
        candidates=1,
        priority=LETTER_PRIORITY,
    )
    mailing = ledger.open_mailing(session, opening, now)
    return mailing.id if mailing else _started(session, opening)


def _require_ready(record: EditionRecord) -> None:
    if record.state not in READY:
        raise EditionError(record.newsletter, record.on, f"is {record.state.replace('_', ' ')}: nothing is sent")


def _opening(
    session: Session, press: Press, terms: Terms, record: EditionRecord, digest: str, *, now: datetime
) -> Opening:
    subscribers.lock(session)  # Or a consent given between its count and its selection would unbalance the accounts.
    found = subscribers.candidates(session, record.newsletter, now, record.on)
    expires_at = record.send_at + timedelta(hours=press.newsletter.expires_after_hours)
    return Opening(
        newsletter=record.newsletter,
        kind=EDITION,
        on=record.on,
        proof_digest=digest,
        expires_at=min(expires_at, terms.expires_at or expires_at),
        eligible=found.eligible,
        candidates=found.count,
        excluded=found.excluded,
        chunk_size=terms.witness.config.delivery.chunk_size,
        checkpoint=terms.witness.sign(session, now),
    )


def _started(session: Session, opening: Opening) -> MailingId:
    mailing = opening.on and ledger.mailing_of(session, opening.newsletter, opening.on)
    if not mailing:
        raise LedgerError(f"{opening.newsletter}: the mailing could neither be opened nor found")
    return mailing
