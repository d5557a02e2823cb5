"""What a worker writes of the letters it has leased: claimed, dot marked, settled, or handed back.

Every write is fenced by the lease's epoch, and none is held across the network.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, func
from sqlmodel import Session

from newsletter.database import Moment, Prepared
from newsletter.delivery.leases import Lease, close, renew, within
from newsletter.delivery.ledger import ATTEMPTS, DELIVERIES, MAILINGS, READY
from newsletter.delivery.outcome import DeliveryState, Reply
from newsletter.safekeeping import arming


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claimed letter: whose it is, the lease it was claimed under, and the tries before."""

    lease: Lease
    recipient: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What is written of one try: where the letter stands now, what the try was (`outcome`), and the relay's words."""

    state: DeliveryState
    outcome: str
    phase: str = ""
    due_at: datetime | None = None
    code: int = 0
    enhanced: str = ""
    reply: str = ""
    reason: str = ""
    counted: bool = True


def take(session: Session, lease: Lease, limit: int, until: datetime, now: datetime) -> list[Claim] | None:
    """Claim up to `limit` letters that are due, and renew the lease. Empty = no more for now, None = the lease is lost.

    Once the mailing has expired or was cancelled, what is left of the chunk is settled instead.
    """
    if not renew(session, lease, until):
        return None
    if close(session, lease, now):
        return []
    due = (
        sa.select(DELIVERIES.c.recipient_id)
        .where(
            *within(lease),
            DELIVERIES.c.state.in_(READY),
            sa.or_(DELIVERIES.c.due_at.is_(None), DELIVERIES.c.due_at <= now),
            _leaving(lease.mailing.id, now),
        )
        .order_by(DELIVERIES.c.attempts, DELIVERIES.c.recipient_id)
        .limit(limit)
    )
    rows = _execute(
        session,
        sa.update(DELIVERIES)
        .where(DELIVERIES.c.mailing_id == lease.mailing.id, DELIVERIES.c.recipient_id.in_(due))
        .values(state=DeliveryState.CLAIMED.value, epoch=lease.epoch, dot_at=None)
        .returning(DELIVERIES.c.attempts, DELIVERIES.c.recipient_id),
    )
    return [
        Claim(lease=lease, recipient=recipient, attempts=attempts)
        for attempts, recipient in sorted(tuple(row) for row in rows)
    ]


def mark_dots(session: Session, claimed: Sequence[Claim], now: datetime) -> list[bool]:
    """Write down that the last bytes of these letters are about to leave. False = one must not leave any more."""
    rows = [{**_names(one.lease, one.recipient), "this_moment": now} for one in claimed]
    if not rows or _MARK_DOT.all(session, rows) == len(rows):
        return [True] * len(rows)
    # Which of them it was is learned one by one; a mark that stands is only made again.
    return [_MARK_DOT.all(session, [row]) == 1 for row in rows]


def accept(session: Session, accepted: Sequence[tuple[Claim, Reply]], now: datetime) -> bool:
    """Write that these letters were accepted at their first try. False = the lease of one was lost meanwhile."""
    rows = [
        {
            **_names(one.lease, one.recipient),
            "this_code": reply.code,
            "this_enhanced": reply.enhanced,
            "this_reply": reply.text,
            "this_moment": now,
        }
        for one, reply in accepted
    ]
    return not rows or _ACCEPT.all(session, rows) == len(rows)


def record(session: Session, lease: Lease, recipient: int, result: Settlement, now: datetime) -> bool:
    """Write what became of a letter, and the try itself unless it was a plain first acceptance. False = lease lost."""
    is_open = result.state in READY
    values = {
        "new_state": result.state.value,
        "new_due_at": result.due_at,
        "new_code": result.code,
        "new_enhanced": result.enhanced,
        "new_reply": result.reply,
        "new_reason": result.reason,
        "new_settled_at": None if is_open else now,
        "is_open": is_open,
        "counted": int(result.counted),
    }
    tries = _execute(session, _RECORD, {**_names(lease, recipient), **values}).scalar_one_or_none()
    if tries is None:
        return False
    if result.phase and not (result.state is DeliveryState.ACCEPTED and tries == 1):
        _keep_try(session, lease, recipient, tries, result, now=now)
    return True


def resolve(session: Session, mailing_id: int, recipient: int, reason: str, now: datetime) -> bool:
    """Settle a letter in doubt as accepted, since something came back about it. False = it was in no doubt."""
    doubted = sa.exists().where(
        ATTEMPTS.c.mailing_id == mailing_id,
        ATTEMPTS.c.recipient_id == recipient,
        ATTEMPTS.c.outcome == DeliveryState.UNCERTAIN.value,
    )
    in_doubt = (DeliveryState.WAITING.value, DeliveryState.UNCERTAIN.value)
    settled = _execute(
        session,
        sa.update(DELIVERIES)
        .where(
            DELIVERIES.c.mailing_id == mailing_id,
            DELIVERIES.c.recipient_id == recipient,
            DELIVERIES.c.state.in_(in_doubt),
            doubted,
        )
        .values(state=DeliveryState.ACCEPTED.value, reason=reason, due_at=None, settled_at=now),
    )
    return bool(settled.rowcount == 1)


def tries(session: Session, lease: Lease, recipient: int) -> Counter[str]:
    """How often this letter was tried before, by what came of it."""
    kept = (ATTEMPTS.c.mailing_id == lease.mailing.id, ATTEMPTS.c.recipient_id == recipient)
    rows = _execute(session, sa.select(ATTEMPTS.c.outcome, func.count()).where(*kept).group_by(ATTEMPTS.c.outcome))
    return Counter(dict(rows.all()))


def hand_back(session: Session, lease: Lease, recipients: Collection[int], until: datetime | None = None) -> None:
    """Let claimed letters wait again, until then; none of them has left."""
    due = {} if until is None else {"due_at": until}
    _execute(
        session,
        sa.update(DELIVERIES)
        .where(*_mine(lease, recipients), DELIVERIES.c.dot_at.is_(None))
        .values(state=DeliveryState.WAITING.value, **due),
    )


def _mine(lease: Lease, recipients: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    """The letters claimed under this very lease: the fence before every write."""
    return (
        DELIVERIES.c.mailing_id == lease.mailing.id,
        DELIVERIES.c.recipient_id.in_(recipients),
        DELIVERIES.c.state == DeliveryState.CLAIMED.value,
        DELIVERIES.c.epoch == lease.epoch,
    )


def _leaving(mailing_id: object, now: object) -> ColumnElement[bool]:
    """Whether letters of the mailing may leave at that moment, and from this database."""
    return sa.exists().where(
        MAILINGS.c.id == mailing_id,
        MAILINGS.c.paused.is_(False),
        MAILINGS.c.cancelled.is_(False),
        MAILINGS.c.expires_at > now,
        arming.is_armed(),
    )


def _keep_try(session: Session, lease: Lease, recipient: int, tries: int, result: Settlement, *, now: datetime) -> None:
    _execute(
        session,
        sa.insert(ATTEMPTS).values(
            mailing_id=lease.mailing.id,
            recipient_id=recipient,
            n=tries,
            at=now,
            outcome=result.outcome,
            phase=result.phase,
            code=result.code,
            reply=result.reply,
        ),
    )


def _names(lease: Lease, recipient: int) -> dict[str, object]:
    return {"this_mailing": lease.mailing.id, "this_recipient": recipient, "this_epoch": lease.epoch}


def _execute(
    session: Session,
    statement: sa.Executable,
    parameters: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
) -> Any:
    return session.connection().execute(statement, parameters)


# The statements of every letter, made once: SQLAlchemy takes longer to put them together than to run them.
_THIS: Final = (
    DELIVERIES.c.mailing_id == sa.bindparam("this_mailing"),
    DELIVERIES.c.recipient_id == sa.bindparam("this_recipient"),
    DELIVERIES.c.state == DeliveryState.CLAIMED.value,
    DELIVERIES.c.epoch == sa.bindparam("this_epoch"),
)
_MARK_DOT: Final = Prepared(
    sa.update(DELIVERIES)
    .where(*_THIS, _leaving(sa.bindparam("this_mailing"), sa.bindparam("this_moment", type_=Moment)))
    .values(dot_at=sa.bindparam("this_moment", type_=Moment))
)
_ACCEPT: Final = Prepared(
    sa.update(DELIVERIES)
    .where(*_THIS)
    .values(
        state=DeliveryState.ACCEPTED.value,
        attempts=1,
        code=sa.bindparam("this_code"),
        enhanced=sa.bindparam("this_enhanced"),
        reply=sa.bindparam("this_reply"),
        settled_at=sa.bindparam("this_moment", type_=Moment),
    )
)
_RECORD: Final = (
    sa.update(DELIVERIES)
    .where(*_THIS)
    .values(
        attempts=DELIVERIES.c.attempts + sa.bindparam("counted", type_=sa.Integer),
        dot_at=sa.case((sa.bindparam("is_open", type_=sa.Boolean), sa.null()), else_=DELIVERIES.c.dot_at),
        **{
            name: sa.bindparam(f"new_{name}")
            for name in ("state", "due_at", "code", "enhanced", "reply", "reason", "settled_at")
        },
    )
    .returning(DELIVERIES.c.attempts)
)
