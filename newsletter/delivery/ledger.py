"""The accounts of every mailing: who was due, what became of each letter. No address stands in any of these tables.

A mailing is frozen in one transaction: its row, one delivery per recipient, and the chunks they are leased in. A
worker's `leases`, `claims` and `roster` are the other writers. Progress is counted from the rows, never stored.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NewType

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, func
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.database import Moment, step_by_index, upsert
from newsletter.delivery.outcome import DeliveryState
from newsletter.errors import LedgerError

MailingId = NewType("MailingId", int)

EDITION: Final = "edition"
CONFIRMATION: Final = "confirm"
ERASED: Final = "erased"
LETTER_PRIORITY: Final = 10


STATE_NAMES: Final = tuple(state.value for state in DeliveryState)
READY: Final = (DeliveryState.WAITING, DeliveryState.DEFERRED)
OPEN: Final = (*READY, DeliveryState.CLAIMED)
Excluded = Callable[[Session, sa.Select[int]], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """One frozen proof and the audience it was frozen for."""

    id: MailingId
    newsletter: str
    kind: str
    on: date | None
    proof_digest: str
    frozen_at: datetime
    expires_at: datetime
    priority: int
    candidates: int
    excluded: Mapping[str, int]
    paused: bool
    cancelled: bool
    checkpoint: str | None = None

    @property
    def due(self) -> int:
        """How many letters were frozen."""
        return self.candidates - sum(self.excluded.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a mailing is frozen from: a document, and the recipients `eligible` selects. `excluded` is asked, once they
    are frozen, why the other candidates get no letter. Only an edition has a date, and the blinded line of a
    checkpoint of the consent ledger.
    """

    newsletter: str
    kind: str
    proof_digest: str
    expires_at: datetime
    eligible: sa.Select[int]
    candidates: int
    excluded: Excluded = lambda _session, _queued: {}
    on: date | None = None
    priority: int = 0
    chunk_size: int = 500
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The letters of a mailing by state; `due` is the frozen audience and always their sum."""

    due: int
    waiting: int = 0
    claimed: int = 0
    accepted: int = 0
    deferred: int = 0
    refused: int = 0
    dropped: int = 0
    uncertain: int = 0
    expired: int = 0

    @property
    def open(self) -> int:
        """The letters something may still happen to by itself."""
        return self.waiting + self.claimed + self.deferred

    @property
    def settled(self) -> int:
        """The letters nothing more happens to."""
        return self.due - self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One letter in a listing; `recipient` is a subscription's number, never an address."""

    recipient: int
    state: DeliveryState
    attempts: int
    at: datetime | None
    code: int
    reply: str
    enhanced: str = ""
    reason: str = ""


_UNSETTLED: Final = sa.text("due_at IS NOT NULL")


class MailingRow(SQLModel, table=True):
    """An edition or a single letter, and its frozen audience as two numbers and a tally."""

    __tablename__ = "mailing"
    __table_args__ = (
        UniqueConstraint("newsletter", "on", "kind", name="uq_mailing_newsletter_on_kind"),
        CheckConstraint("""(kind = 'edition') = ("on" IS NOT NULL)""", name="dated"),
    )

    id: int | None = Field(default=None, primary_key=True)
    newsletter: str
    on: date | None = None
    kind: str
    priority: int = 0
    proof_digest: str
    frozen_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    candidates: int
    excluded: str = "{}"
    paused: bool = False
    cancelled: bool = False
    checkpoint: str | None = None


class ChunkRow(SQLModel, table=True):
    """A range of a mailing's recipients, leased to one worker at a time; `due_at` is empty when all are settled."""

    __tablename__ = "chunk"
    __table_args__ = (
        CheckConstraint("first_recipient <= last_recipient", name="range"),
        # A worker looks for due chunks often, and nearly all chunks are finished ones.
        Index("ix_chunk_due_at", "due_at", sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED),
    )

    mailing_id: int = Field(primary_key=True, foreign_key="mailing.id")
    n: int = Field(primary_key=True)
    first_recipient: int
    last_recipient: int
    due_at: datetime | None = Field(default=None, sa_column=Column(Moment))
    epoch: int = 0
    worker: str | None = None
    lease_until: datetime | None = Field(default=None, sa_column=Column(Moment))


class DeliveryRow(SQLModel, table=True):
    """One letter. `epoch` is the lease it was claimed under, `dot_at` when its last byte was about to leave."""

    __tablename__ = "delivery"
    __table_args__ = (
        # For IN, SQLite would build a little table anew for each row it checks: two thirds of what a row costs.
        CheckConstraint(
            f"CASE state {' '.join(f'WHEN {name!r} THEN 1' for name in STATE_NAMES)} ELSE 0 END = 1", name="state"
        ),
        CheckConstraint("length(reply) <= 500", name="reply"),
        # The rows lie in the order they are claimed in, at a third of the bytes.
        {"sqlite_with_rowid": False},
    )

    # No foreign key: it would cost PostgreSQL a look-up per letter, and only the freeze below inserts rows.
    mailing_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    recipient_id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    state: str
    attempts: int = 0
    epoch: int = 0
    due_at: datetime | None = Field(default=None, sa_column=Column(Moment))
    dot_at: datetime | None = Field(default=None, sa_column=Column(Moment))
    code: int = 0
    enhanced: str = ""
    reply: str = ""
    reason: str = ""
    settled_at: datetime | None = Field(default=None, sa_column=Column(Moment))


class AttemptRow(SQLModel, table=True):
    """One try that was not a plain first acceptance, kept whatever became of the letter later."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_mailing_id_recipient_id", "mailing_id", "recipient_id"),)

    id: int | None = Field(default=None, primary_key=True)
    mailing_id: int
    recipient_id: int
    n: int
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    outcome: str
    phase: str = ""
    code: int = 0
    reply: str = ""


class WorkerRow(SQLModel, table=True):
    """A sending process, so that another one on the same machine can see that it died."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    heartbeat_at: datetime = Field(sa_column=Column(Moment, nullable=False))


# The same tables for a worker's files, since rows do not leave their file.
MAILINGS, CHUNKS, DELIVERIES, ATTEMPTS, WORKERS = (
    SQLModel.metadata.tables[name] for name in ("mailing", "chunk", "delivery", "attempt", "worker")
)


def open_mailing(session: Session, opening: Opening, now: datetime) -> Mailing | None:
    """Freeze the audience: the mailing, a waiting letter for each id `eligible` selects, and the chunks. None = exists.

    Raises LedgerError, so that the caller's transaction keeps nothing, unless candidates = queued + excluded.
    """
    key = _insert_mailing(session, opening, now)
    if key is None:
        return None
    chosen = opening.eligible.subquery().c[0]
    fresh = {"mailing_id": key, "state": DeliveryState.WAITING.value, "attempts": 0, "epoch": 0}
    fresh |= {"code": 0, "enhanced": "", "reply": "", "reason": ""}
    # In the statement's own text: SQLite would fetch a parameter anew for every row.
    rows = sa.select(chosen, *(sa.literal(value, literal_execute=True) for value in fresh.values()))
    session.exec(sa.insert(DeliveryRow).from_select(["recipient_id", *fresh], rows))
    queued = session.exec(select(func.count()).where(col(DeliveryRow.mailing_id) == key)).one()
    frozen = select(col(DeliveryRow.recipient_id)).where(col(DeliveryRow.mailing_id) == key)
    excluded = opening.excluded(session, frozen) if queued < opening.candidates else {}
    if opening.candidates != queued + sum(excluded.values()):
        raise LedgerError(
            f"the audience of {opening.newsletter} does not balance: {opening.candidates} candidates, but {queued} "
            f"queued and {sum(excluded.values())} excluded; nothing was frozen"
        )
    if excluded:
        told = json.dumps(dict(sorted(excluded.items())))
        session.exec(sa.update(MailingRow).where(col(MailingRow.id) == key).values(excluded=told))
    if queued > opening.chunk_size:
        step_by_index(session)
    session.exec(_cut(key, opening.chunk_size, now))
    return mailing(session, key)


def mailing(session: Session, mailing_id: MailingId) -> Mailing:
    """The mailing of that number; raises LedgerError when there is none."""
    row = session.get(MailingRow, mailing_id, populate_existing=True)
    if row is None:
        raise LedgerError(f"there is no mailing {mailing_id}")
    return _mailing(row)


def mailing_of(session: Session, newsletter: str, on: date) -> MailingId | None:
    """The number of the edition's mailing, if it was dispatched."""
    edition = (col(MailingRow.newsletter) == newsletter, col(MailingRow.on) == on, col(MailingRow.kind) == EDITION)
    key = session.exec(select(MailingRow.id).where(*edition)).first()
    return None if key is None else MailingId(key)


def accounts(session: Session, mailing_id: MailingId) -> Accounts:
    """Count the letters by state. Raises LedgerError when they are not as many as were frozen."""
    state, mine = col(DeliveryRow.state), col(DeliveryRow.mailing_id) == mailing_id
    due = mailing(session, mailing_id).due
    counts = dict(session.exec(select(state, func.count()).where(mine).group_by(state)).all())
    if sum(counts.values()) != due:
        raise LedgerError(f"mailing {mailing_id} does not balance: {due} were frozen, {sum(counts.values())} are there")
    return Accounts(due=due, **counts)


def states(accounts: Accounts) -> dict[str, int]:
    """The count of every state by its name, in the order of `STATE_NAMES`."""
    return {name: getattr(accounts, name) for name in STATE_NAMES}


def listing(session: Session, mailing_id: MailingId, state: DeliveryState) -> list[Line]:
    """The letters in one state, with the relay's last word on each."""
    rows = session.exec(
        select(DeliveryRow)
        .where(col(DeliveryRow.mailing_id) == mailing_id, col(DeliveryRow.state) == state.value)
        .order_by(col(DeliveryRow.recipient_id))
    )
    return [
        Line(
            recipient=row.recipient_id,
            state=DeliveryState(row.state),
            attempts=row.attempts,
            at=row.settled_at or row.due_at,
            code=row.code,
            enhanced=row.enhanced,
            reply=row.reply,
            reason=row.reason,
        )
        for row in rows
    ]


def uncertain(session: Session, mailing_id: MailingId) -> list[Line]:
    """Every try whose end nobody knows, with what became of the letter since: these may have arrived twice."""
    rows = session.exec(
        select(AttemptRow, DeliveryRow)
        .join(
            DeliveryRow,
            sa.and_(
                col(DeliveryRow.mailing_id) == col(AttemptRow.mailing_id),
                col(DeliveryRow.recipient_id) == col(AttemptRow.recipient_id),
            ),
        )
        .where(col(AttemptRow.mailing_id) == mailing_id, col(AttemptRow.outcome) == DeliveryState.UNCERTAIN.value)
        .order_by(col(AttemptRow.id))
    ).all()
    return [
        Line(
            recipient=row.recipient_id,
            state=DeliveryState(row.state),
            attempts=attempt.n,
            at=attempt.at,
            code=attempt.code,
            reply=attempt.reply,
        )
        for attempt, row in rows
    ]


def pause(session: Session, mailing_id: MailingId, paused: bool) -> None:
    """Stop a mailing before its next letter, or let it go on."""
    session.exec(sa.update(MailingRow).where(col(MailingRow.id) == mailing_id).values(paused=paused))


def paused(session: Session) -> list[Mailing]:
    """The mailings that stand still."""
    return [_mailing(row) for row in session.exec(select(MailingRow).where(col(MailingRow.paused)))]


def cancel(session: Session, mailing_id: MailingId, now: datetime) -> None:
    """Drop every letter that has not left; one that is leaving just now is settled by its worker."""
    session.exec(sa.update(MailingRow).where(col(MailingRow.id) == mailing_id).values(cancelled=True))
    session.exec(
        sa.update(DeliveryRow)
        .where(col(DeliveryRow.mailing_id) == mailing_id, col(DeliveryRow.state).in_(READY))
        .values(state=DeliveryState.DROPPED.value, reason="cancelled", due_at=None, settled_at=now)
    )


def _insert_mailing(session: Session, opening: Opening, now: datetime) -> MailingId | None:
    values = {
        "newsletter": opening.newsletter,
        "on": opening.on,
        "kind": opening.kind,
        "priority": opening.priority,
        "proof_digest": opening.proof_digest,
        "frozen_at": now,
        "expires_at": opening.expires_at,
        "candidates": opening.candidates,
        "excluded": "{}",
        "paused": False,
        "cancelled": False,
        "checkpoint": opening.checkpoint,
    }
    statement = upsert(session, MailingRow).values(**values).on_conflict_do_nothing().returning(col(MailingRow.id))
    key = session.exec(statement).scalar_one_or_none()
    return None if key is None else MailingId(key)


def _cut(mailing_id: MailingId, size: int, now: datetime) -> sa.Insert:
    """Cut the deliveries, in the order of their recipients, into chunks of `size`: from each first one to the next."""
    recipient, mine = col(DeliveryRow.recipient_id), col(DeliveryRow.mailing_id) == mailing_id
    cut = sa.select(
        sa.literal(0).label("n"), sa.select(func.min(recipient)).where(mine).scalar_subquery().label("first")
    ).cte("cut", recursive=True)
    next_first = sa.select(recipient).where(mine, recipient >= cut.c.first).order_by(recipient).offset(size).limit(1)
    cut = cut.union_all(sa.select(cut.c.n + 1, next_first.scalar_subquery()).where(cut.c.first.is_not(None)))
    until_next = func.lead(cut.c.first).over(order_by=cut.c.n) - 1
    ranges = sa.select(
        sa.literal(mailing_id),
        cut.c.n,
        cut.c.first,
        func.coalesce(until_next, sa.select(func.max(recipient)).where(mine).scalar_subquery()),
        sa.literal(now, Moment()),
        sa.literal(0),
    ).where(cut.c.first.is_not(None))
    names = ["mailing_id", "n", "first_recipient", "last_recipient", "due_at", "epoch"]
    return sa.insert(ChunkRow).from_select(names, ranges)


def _mailing(row: MailingRow) -> Mailing:
    return Mailing(**row.model_dump(exclude={"excluded"}), excluded=json.loads(row.excluded))
