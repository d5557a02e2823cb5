"""What a worker does to the ledger: lease a chunk, take its letters, mark the dot, record, release.

A lease is an epoch and an expiry. Whoever leases a chunk raises its epoch, and every later write names the epoch it was
made under, so that a worker that lost its lease changes nothing. What a dead worker left is recovered with the lease.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from newsletter.database import Moment
from newsletter.delivery.ledger import (
    OPEN,
    READY,
    AttemptRow,
    ChunkRow,
    DeliveryRow,
    Mailing,
    MailingId,
    MailingRow,
    State,
    WorkerRow,
    mailing,
)

# Tries of one letter that may end in doubt before it is left so: a relay that always hangs up after the dot would
# otherwise fill one inbox until the edition expires.
MOST_UNCERTAIN: Final = 3
# After this long without a heartbeat a row of another machine's worker is only litter.
FORGET_WORKER: Final = timedelta(days=1)


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
    """Which chunk a worker asks for: of `only` this mailing, and of a priority above `above`."""

    worker: str
    until: datetime
    only: MailingId | None = None
    above: int = -1
    resend: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What is written of one try: where the letter stands now, what the try was (`outcome`), and the relay's words."""

    state: State
    outcome: str
    phase: str = ""
    due_at: datetime | None = None
    code: int = 0
    enhanced: str = ""
    reply: str = ""
    reason: str = ""
    counted: bool = True


def enrol(session: Session, worker: str, host: str, pid: int, now: datetime) -> None:
    """Say that a worker lives, and forget those long gone."""
    session.exec(sa.delete(WorkerRow).where(col(WorkerRow.heartbeat_at) < now - FORGET_WORKER))
    session.add(WorkerRow(id=worker, host=host, pid=pid, heartbeat_at=now))


def workers(session: Session, host: str) -> dict[str, int]:
    """The process number of each worker enrolled on this host."""
    rows = session.exec(select(WorkerRow).where(col(WorkerRow.host) == host))
    return {row.id: row.pid for row in rows}


def retire(session: Session, worker: str) -> None:
    """Strike a worker that ended or died, and end its leases, so that others need not wait for their expiry."""
    session.exec(sa.update(ChunkRow).where(col(ChunkRow.worker) == worker).values(lease_until=None, worker=None))
    session.exec(sa.delete(WorkerRow).where(col(WorkerRow.id) == worker))


def beat(session: Session, worker: str, leases: Sequence[Lease], until: datetime, now: datetime) -> list[Lease]:
    """Renew the leases and return those that were lost to another worker."""
    session.exec(sa.update(WorkerRow).where(col(WorkerRow.id) == worker).values(heartbeat_at=now))
    return [lease for lease in leases if not _renew(session, lease, until)]


def claim(session: Session, wanted: Wanted, now: datetime) -> Lease | None:
    """Lease the most pressing due chunk that nobody holds, and recover what its last holder left. None = none is due.

    Letters come before editions, and new work before retries. A conditional UPDATE decides between racers.
    """
    for _ in range(16):
        found = session.exec(_most_pressing(wanted, now)).first()
        if found is None:
            return None
        taken = session.exec(
            sa.update(ChunkRow)
            .where(col(ChunkRow.mailing_id) == found[0], col(ChunkRow.n) == found[1], _free(now))
            .values(epoch=col(ChunkRow.epoch) + 1, worker=wanted.worker, lease_until=wanted.until)
            .returning(col(ChunkRow.first_recipient), col(ChunkRow.last_recipient), col(ChunkRow.epoch))
        ).first()
        if taken is not None:
            one = mailing(session, MailingId(found[0]))
            lease = Lease(mailing=one, chunk=found[1], first=taken[0], last=taken[1], epoch=taken[2])
            _recover(session, lease, now, resend=wanted.resend)
            _close(session, lease, now)
            return lease
    return None


def take(session: Session, lease: Lease, limit: int, until: datetime, now: datetime) -> list[int] | None:
    """Claim up to `limit` letters that are due, and renew the lease. Empty = no more for now, None = the lease is lost.

    Once the mailing has expired or was cancelled, what is left of the chunk is settled instead.
    """
    if not _renew(session, lease, until):
        return None
    if _close(session, lease, now):
        return []
    due = (
        select(col(DeliveryRow.recipient_id))
        .where(
            *_within(lease),
            col(DeliveryRow.state).in_(READY),
            sa.or_(col(DeliveryRow.due_at).is_(None), col(DeliveryRow.due_at) <= now),
            _may_leave(lease, now),
        )
        .order_by(col(DeliveryRow.attempts), col(DeliveryRow.recipient_id))
        .limit(limit)
    )
    rows = session.exec(
        sa.update(DeliveryRow)
        .where(col(DeliveryRow.mailing_id) == lease.mailing.id, col(DeliveryRow.recipient_id).in_(due))
        .values(state=State.CLAIMED.value, epoch=lease.epoch, dot_at=None)
        .returning(col(DeliveryRow.attempts), col(DeliveryRow.recipient_id))
    )
    return [recipient for _, recipient in sorted(tuple(row) for row in rows)]


def mark_dot(session: Session, lease: Lease, recipient: int, now: datetime) -> bool:
    """Write down that the last byte of a letter is about to leave. False = it must not leave any more."""
    marked = session.exec(
        sa.update(DeliveryRow).where(*_mine(lease, [recipient]), _may_leave(lease, now)).values(dot_at=now)
    )
    return marked.rowcount == 1


def record(session: Session, lease: Lease, recipient: int, result: Settlement, now: datetime) -> bool:
    """Write what became of a letter, and the try itself unless it was a plain first acceptance. False = lease lost."""
    values = {
        "state": result.state.value,
        "due_at": result.due_at,
        "code": result.code,
        "enhanced": result.enhanced,
        "reply": result.reply,
        "reason": result.reason,
        "dot_at": None if result.state in READY else col(DeliveryRow.dot_at),
        "settled_at": None if result.state in READY else now,
    }
    tries = session.exec(
        sa.update(DeliveryRow)
        .where(*_mine(lease, [recipient]))
        .values(attempts=col(DeliveryRow.attempts) + int(result.counted), **values)
        .returning(col(DeliveryRow.attempts))
    ).scalar_one_or_none()
    if tries is None:
        return False
    if result.phase and not (result.state is State.ACCEPTED and tries == 1):
        _keep_try(session, lease, recipient, tries, result, now=now)
    return True


def in_doubt(session: Session, lease: Lease, recipient: int) -> int:
    """How many tries of this letter ended in doubt before."""
    return session.exec(select(_doubts(lease, sa.literal(recipient)))).one()


def hand_back(session: Session, lease: Lease, recipients: Collection[int]) -> None:
    """Let claimed letters wait again; none of them has left."""
    session.exec(
        sa.update(DeliveryRow)
        .where(*_mine(lease, recipients), col(DeliveryRow.dot_at).is_(None))
        .values(state=State.WAITING.value)
    )


def release(session: Session, lease: Lease, now: datetime) -> None:
    """End the lease, and say when the chunk is due again: never, when every letter in it is settled."""
    if not _renew(session, lease, now):
        return
    _close(session, lease, now)
    open_rows = select(func.min(func.coalesce(col(DeliveryRow.due_at), sa.literal(now, Moment())))).where(
        *_within(lease), col(DeliveryRow.state).in_(OPEN)
    )
    due_at = session.exec(open_rows).one()
    session.exec(
        sa.update(ChunkRow)
        .where(col(ChunkRow.mailing_id) == lease.mailing.id, col(ChunkRow.n) == lease.chunk)
        .values(worker=None, lease_until=None, due_at=due_at and min(due_at, lease.mailing.expires_at))
    )


def next_due(session: Session, only: MailingId | None) -> datetime | None:
    """When the next chunk that nobody stopped is due, or its lease ends. None = nothing is left to do."""
    until = sa.case(
        (col(ChunkRow.lease_until) > col(ChunkRow.due_at), col(ChunkRow.lease_until)), else_=ChunkRow.due_at
    )
    due: datetime | None = session.exec(
        select(func.min(until, type_=Moment))
        .join(MailingRow, col(MailingRow.id) == col(ChunkRow.mailing_id))
        .where(col(ChunkRow.due_at).is_not(None), col(MailingRow.paused).is_(False), *_only(only))
    ).one()
    return due


def _most_pressing(wanted: Wanted, now: datetime) -> Select[int, int]:
    return (
        select(col(ChunkRow.mailing_id), col(ChunkRow.n))
        .join(MailingRow, col(MailingRow.id) == col(ChunkRow.mailing_id))
        .where(
            col(ChunkRow.due_at) <= now,
            _free(now),
            sa.or_(col(MailingRow.paused).is_(False), col(MailingRow.cancelled), col(MailingRow.expires_at) <= now),
            col(MailingRow.priority) > wanted.above,
            *_only(wanted.only),
        )
        .order_by(col(MailingRow.priority).desc(), col(ChunkRow.due_at), col(ChunkRow.mailing_id), col(ChunkRow.n))
        .limit(1)
    )


def _free(now: datetime) -> ColumnElement[bool]:
    return sa.or_(col(ChunkRow.lease_until).is_(None), col(ChunkRow.lease_until) <= now)


def _only(only: MailingId | None) -> list[ColumnElement[bool]]:
    return [] if only is None else [col(ChunkRow.mailing_id) == only]


def _within(lease: Lease) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        col(DeliveryRow.mailing_id) == lease.mailing.id,
        col(DeliveryRow.recipient_id).between(lease.first, lease.last),
    )


def _mine(lease: Lease, recipients: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    """The letters claimed under this very lease: the fence before every write."""
    return (
        col(DeliveryRow.mailing_id) == lease.mailing.id,
        col(DeliveryRow.recipient_id).in_(recipients),
        col(DeliveryRow.state) == State.CLAIMED.value,
        col(DeliveryRow.epoch) == lease.epoch,
    )


def _may_leave(lease: Lease, now: datetime) -> ColumnElement[bool]:
    return sa.exists().where(
        col(MailingRow.id) == lease.mailing.id,
        col(MailingRow.paused).is_(False),
        col(MailingRow.cancelled).is_(False),
        col(MailingRow.expires_at) > now,
    )


def _renew(session: Session, lease: Lease, until: datetime) -> bool:
    renewed = session.exec(
        sa.update(ChunkRow)
        .where(
            col(ChunkRow.mailing_id) == lease.mailing.id,
            col(ChunkRow.n) == lease.chunk,
            col(ChunkRow.epoch) == lease.epoch,
        )
        .values(lease_until=until)
    )
    return renewed.rowcount == 1


def _recover(session: Session, lease: Lease, now: datetime, *, resend: bool) -> None:
    """Settle what the last holder had claimed: it waits again if its dot was never marked, else nobody knows."""
    claimed = (*_within(lease), col(DeliveryRow.state) == State.CLAIMED.value)
    session.exec(
        sa.update(DeliveryRow).where(*claimed, col(DeliveryRow.dot_at).is_(None)).values(state=State.WAITING.value)
    )
    doubtful = session.exec(
        sa.update(DeliveryRow)
        .where(*claimed)
        .values(
            state=State.UNCERTAIN.value,
            attempts=col(DeliveryRow.attempts) + 1,
            reason="the sender ended before the relay's answer to the dot",
            settled_at=now,
        )
        .returning(col(DeliveryRow.recipient_id), col(DeliveryRow.attempts))
    ).all()
    for recipient, tries in doubtful:
        _keep_try(
            session,
            lease,
            recipient,
            tries,
            Settlement(state=State.UNCERTAIN, outcome=State.UNCERTAIN, phase="dot"),
            now=now,
        )
    if resend and doubtful:
        session.exec(
            sa.update(DeliveryRow)
            .where(
                *_within(lease),
                col(DeliveryRow.recipient_id).in_([recipient for recipient, _ in doubtful]),
                _doubts(lease, col(DeliveryRow.recipient_id)) < MOST_UNCERTAIN,
            )
            .values(state=State.WAITING.value, due_at=None, dot_at=None, settled_at=None)
        )


def _close(session: Session, lease: Lease, now: datetime) -> bool:
    """Settle what is left of the chunk once its mailing has expired or was cancelled."""
    cancelled = session.exec(select(col(MailingRow.cancelled)).where(col(MailingRow.id) == lease.mailing.id)).one()
    if not cancelled and lease.mailing.expires_at > now:
        return False
    state, reason = (State.DROPPED, "cancelled") if cancelled else (State.EXPIRED, "")
    values = {"state": state.value, "due_at": None, "settled_at": now}
    session.exec(
        sa.update(DeliveryRow)
        .where(*_within(lease), col(DeliveryRow.state).in_(READY))
        .values(**values, **({"reason": reason} if reason else {}))
    )
    return True


def _doubts(lease: Lease, recipient: ColumnElement[int] | Mapped[int]) -> ColumnElement[int]:
    return (
        sa.select(func.count())
        .select_from(AttemptRow)
        .where(
            col(AttemptRow.mailing_id) == lease.mailing.id,
            col(AttemptRow.outcome) == State.UNCERTAIN.value,
            col(AttemptRow.recipient_id) == recipient,
        )
        .scalar_subquery()
    )


def _keep_try(session: Session, lease: Lease, recipient: int, tries: int, result: Settlement, *, now: datetime) -> None:
    session.exec(
        sa.insert(AttemptRow).values(
            mailing_id=lease.mailing.id,
            recipient_id=recipient,
            n=tries,
            at=now,
            outcome=result.outcome,
            phase=result.phase,
            code=result.code,
            reply=result.reply,
        )
    )
