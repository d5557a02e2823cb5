"""The leases of chunks: how a worker gets one, keeps it, and what the next one finds when it dies.

A lease is an epoch and an expiry. Whoever leases a chunk raises its epoch, and every later write names the epoch it was
made under, so that a worker that lost its lease changes nothing. What a dead worker left is recovered with the lease.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, func
from sqlmodel import Session

from newsletter.database import Moment
from newsletter.delivery.ledger import (
    ATTEMPTS,
    CHUNKS,
    DELIVERIES,
    MAILINGS,
    OPEN,
    READY,
    WORKERS,
    Mailing,
    MailingId,
    mailing,
)
from newsletter.delivery.outcome import DeliveryState, Phase
from newsletter.safekeeping import arming

# Tries of one letter that may end in doubt before it is left so: a relay that always hangs up after the dot would
# otherwise fill one inbox until the edition expires.
MOST_UNCERTAIN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A chunk of one mailing that is this worker's until it expires or is released."""

    mailing: Mailing
    chunk: int
    first: int
    last: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which chunk a worker asks for: of `only` this mailing, and of a priority above `above`.

    `again_after` is how long after a sender's end its letters in doubt are sent again; None = never.
    """

    worker: str
    until: datetime
    only: MailingId | None = None
    above: int = -1
    again_after: timedelta | None = timedelta(0)


def beat(session: Session, worker: str, leases: Sequence[Lease], until: datetime, now: datetime) -> list[Lease]:
    """Renew the leases and return those that were lost to another worker."""
    _execute(session, sa.update(WORKERS).where(WORKERS.c.id == worker).values(heartbeat_at=now))
    return [lease for lease in leases if not renew(session, lease, until)]


def claim(session: Session, wanted: Wanted, now: datetime) -> Lease | None:
    """Lease the most pressing due chunk that nobody holds, and recover what its last holder left. None = none is due.

    Letters come before editions, and new work before retries. A conditional UPDATE decides between racers. After a
    restore nothing is leased until the house is armed again.
    """
    if arming.taken(session) is not None:
        return None
    for _ in range(16):
        found = _execute(session, _most_pressing(wanted, now)).first()
        if found is None:
            return None
        taken = (
            session.connection()
            .execute(
                sa.update(CHUNKS)
                .where(CHUNKS.c.mailing_id == found[0], CHUNKS.c.n == found[1], _free(now))
                .values(epoch=CHUNKS.c.epoch + 1, worker=wanted.worker, lease_until=wanted.until)
                .returning(CHUNKS.c.first_recipient, CHUNKS.c.last_recipient, CHUNKS.c.epoch)
            )
            .first()
        )
        if taken is not None:
            one = mailing(session, MailingId(found[0]))
            lease = Lease(mailing=one, chunk=found[1], first=taken[0], last=taken[1], epoch=taken[2])
            _recover(session, lease, now, wanted.again_after)
            close(session, lease, now)
            return lease
    return None


def release(session: Session, lease: Lease, now: datetime) -> bool:
    """End the lease, and say when the chunk is due again: never, when all in it is settled. True = so is the mailing.

    A lease that was lost releases nothing.
    """
    # Of two workers that end the last two chunks at once, the second must see that the first has ended.
    _execute(session, sa.select(MAILINGS.c.id).where(MAILINGS.c.id == lease.mailing.id).with_for_update())
    if not renew(session, lease, now):
        return False
    close(session, lease, now)
    open_rows = sa.select(func.min(func.coalesce(DELIVERIES.c.due_at, sa.literal(now, Moment())))).where(
        *within(lease), DELIVERIES.c.state.in_(OPEN)
    )
    due_at = _execute(session, open_rows).scalar_one()
    _execute(
        session,
        sa.update(CHUNKS)
        .where(CHUNKS.c.mailing_id == lease.mailing.id, CHUNKS.c.n == lease.chunk)
        .values(worker=None, lease_until=None, due_at=due_at and min(due_at, lease.mailing.expires_at)),
    )
    return finished(session, lease.mailing.id)


def finished(session: Session, mailing_id: MailingId) -> bool:
    """Whether every letter of the mailing is settled."""
    unsettled = sa.select(CHUNKS.c.n).where(CHUNKS.c.mailing_id == mailing_id, CHUNKS.c.due_at.is_not(None))
    return _execute(session, unsettled.limit(1)).first() is None


def next_due(session: Session, only: MailingId | None) -> datetime | None:
    """When the next chunk that nobody stopped is due, or its lease ends. None = nothing is left to do."""
    until = sa.case((CHUNKS.c.lease_until > CHUNKS.c.due_at, CHUNKS.c.lease_until), else_=CHUNKS.c.due_at)
    due: datetime | None = (
        session.connection()
        .execute(
            sa.select(func.min(until, type_=Moment))
            .join(MAILINGS, MAILINGS.c.id == CHUNKS.c.mailing_id)
            .where(CHUNKS.c.due_at.is_not(None), MAILINGS.c.paused.is_(False), *_only(only))
        )
        .scalar_one()
    )
    return due


def _most_pressing(wanted: Wanted, now: datetime) -> sa.Select[int, int]:
    return (
        sa.select(CHUNKS.c.mailing_id, CHUNKS.c.n)
        .join(MAILINGS, MAILINGS.c.id == CHUNKS.c.mailing_id)
        .where(
            CHUNKS.c.due_at <= now,
            _free(now),
            sa.or_(MAILINGS.c.paused.is_(False), MAILINGS.c.cancelled, MAILINGS.c.expires_at <= now),
            MAILINGS.c.priority > wanted.above,
            *_only(wanted.only),
        )
        .order_by(MAILINGS.c.priority.desc(), CHUNKS.c.due_at, CHUNKS.c.mailing_id, CHUNKS.c.n)
        .limit(1)
    )


def _free(now: datetime) -> ColumnElement[bool]:
    return sa.or_(CHUNKS.c.lease_until.is_(None), CHUNKS.c.lease_until <= now)


def _only(only: MailingId | None) -> list[ColumnElement[bool]]:
    return [] if only is None else [CHUNKS.c.mailing_id == only]


def within(lease: Lease) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        DELIVERIES.c.mailing_id == lease.mailing.id,
        DELIVERIES.c.recipient_id.between(lease.first, lease.last),
    )


def renew(session: Session, lease: Lease, until: datetime) -> bool:
    renewed = _execute(
        session,
        sa.update(CHUNKS)
        .where(
            CHUNKS.c.mailing_id == lease.mailing.id,
            CHUNKS.c.n == lease.chunk,
            CHUNKS.c.epoch == lease.epoch,
        )
        .values(lease_until=until),
    )
    return bool(renewed.rowcount == 1)


def holds(session: Session, lease: Lease) -> bool:
    """Whether the chunk is still leased under this very epoch."""
    mine = (CHUNKS.c.mailing_id == lease.mailing.id, CHUNKS.c.n == lease.chunk, CHUNKS.c.epoch == lease.epoch)
    return _execute(session, sa.select(CHUNKS.c.n).where(*mine)).first() is not None


def _recover(session: Session, lease: Lease, now: datetime, again_after: timedelta | None) -> None:
    """Settle what the last holder had claimed: it waits again if its dot was never marked, else nobody knows."""
    claimed = (*within(lease), DELIVERIES.c.state == DeliveryState.CLAIMED.value)
    _execute(
        session,
        sa.update(DELIVERIES).where(*claimed, DELIVERIES.c.dot_at.is_(None)).values(state=DeliveryState.WAITING.value),
    )
    doubtful = (
        session.connection()
        .execute(
            sa.update(DELIVERIES)
            .where(*claimed)
            .values(
                state=DeliveryState.UNCERTAIN.value,
                attempts=DELIVERIES.c.attempts + 1,
                reason="the sender ended before the relay's answer to the dot",
                settled_at=now,
            )
            .returning(DELIVERIES.c.recipient_id, DELIVERIES.c.attempts)
        )
        .all()
    )
    for recipient, tries in doubtful:
        values = {"mailing_id": lease.mailing.id, "recipient_id": recipient, "n": tries, "at": now}
        values |= {"outcome": DeliveryState.UNCERTAIN.value, "phase": Phase.DOT.value, "code": 0, "reply": ""}
        _execute(session, sa.insert(ATTEMPTS).values(**values))
    if doubtful and again_after is not None and now + again_after < lease.mailing.expires_at:
        _execute(
            session,
            sa.update(DELIVERIES)
            .where(
                *within(lease),
                DELIVERIES.c.recipient_id.in_([recipient for recipient, _ in doubtful]),
                _doubts(lease, DELIVERIES.c.recipient_id) < MOST_UNCERTAIN,
            )
            .values(
                state=DeliveryState.WAITING.value,
                due_at=now + again_after if again_after else None,
                dot_at=None,
                settled_at=None,
            ),
        )


def close(session: Session, lease: Lease, now: datetime) -> bool:
    """Settle what is left of the chunk once its mailing has expired or was cancelled."""
    cancelled = _execute(session, sa.select(MAILINGS.c.cancelled).where(MAILINGS.c.id == lease.mailing.id)).scalar_one()
    if not cancelled and lease.mailing.expires_at > now:
        return False
    state, reason = (DeliveryState.DROPPED, "cancelled") if cancelled else (DeliveryState.EXPIRED, "")
    values = {"state": state.value, "due_at": None, "settled_at": now}
    _execute(
        session,
        sa.update(DELIVERIES)
        .where(*within(lease), DELIVERIES.c.state.in_(READY))
        .values(**values, **({"reason": reason} if reason else {})),
    )
    return True


def _doubts(lease: Lease, recipient: ColumnElement[int]) -> ColumnElement[int]:
    return (
        sa.select(func.count())
        .select_from(ATTEMPTS)
        .where(
            ATTEMPTS.c.mailing_id == lease.mailing.id,
            ATTEMPTS.c.outcome == DeliveryState.UNCERTAIN.value,
            ATTEMPTS.c.recipient_id == recipient,
        )
        .scalar_subquery()
    )


def _execute(session: Session, statement: sa.Executable) -> Any:
    return session.connection().execute(statement)
