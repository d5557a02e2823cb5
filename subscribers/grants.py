"""Links mailed to somebody who is known already, and the visits they open. The only writer of its two tables.

Links and visits live for minutes or days, and are deleted with their time; what came of them is in the ledger.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, Row, UniqueConstraint, func, or_, select
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers.instants import from_ms, to_ms

KEPT: Final = timedelta(days=1)


class Errand(StrEnum):
    """What a letter to a known person is about; the first two carry a link."""

    ACCESS = "access"
    CHANGE = "change"
    MOVED = "moved"


class AccessGrantRow(SQLModel, table=True):
    """One such letter. `sealed` is the address it goes to, where that is not the subscriber's own."""

    __tablename__ = "access_grant"
    __table_args__ = (
        UniqueConstraint("public_id", name="uq_access_grant_public_id"),
        CheckConstraint("errand IN ('access', 'change', 'moved')", name=conv("ck_access_grant_errand")),
        CheckConstraint("(errand = 'access') = (sealed IS NULL)", name=conv("ck_access_grant_sealed")),
        Index("ix_access_grant_mailbox", "mailbox", "made_at"),
        Index("ix_access_grant_subject", "subject"),
        # An id is never used again: a letter that waits must not find somebody else behind it.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    public_id: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    errand: str
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    mailbox: bytes = Field(sa_column=Column(LargeBinary(33), nullable=False))
    sealed: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    made_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    used_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))


class ReaderSessionRow(SQLModel, table=True):
    """A reader's browser, known by the hash of its cookie."""

    __tablename__ = "reader_session"
    __table_args__ = (Index("ix_reader_session_subject", "subject"),)

    token_hash: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    opened_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))


_GRANTS: Final = SQLModel.metadata.tables["access_grant"]
_SESSIONS: Final = SQLModel.metadata.tables["reader_session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A letter that is to be written."""

    public_id: bytes
    errand: Errand
    subject: bytes
    mailbox: bytes
    expires_at: datetime
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A letter as it is kept."""

    id: int
    public_id: bytes
    errand: Errand
    subject: bytes
    sealed: bytes | None = field(repr=False)
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A browser that was let in, and until when."""

    subject: bytes
    opened_at: datetime
    expires_at: datetime


def keep(session: Session, new: NewGrant, now: datetime) -> int:
    """Store a letter and return its id."""
    row = {
        "public_id": new.public_id,
        "errand": new.errand.value,
        "subject": new.subject,
        "mailbox": new.mailbox,
        "sealed": new.sealed,
        "made_at": to_ms(now),
        "expires_at": to_ms(new.expires_at),
        "used_at": None,
    }
    return int(session.connection().execute(_GRANTS.insert().returning(_GRANTS.c.id), row).scalar_one())


def by_id(session: Session, grant_id: int) -> Grant | None:
    """The grant a letter is written for."""
    row = session.connection().execute(select(_GRANTS).where(_GRANTS.c.id == grant_id)).one_or_none()
    return None if row is None else _grant(row)


def by_public_id(session: Session, public_id: bytes) -> Grant | None:
    """The grant a token names."""
    row = session.connection().execute(select(_GRANTS).where(_GRANTS.c.public_id == public_id)).one_or_none()
    return None if row is None else _grant(row)


def of_subject(session: Session, subject: bytes) -> list[Grant]:
    """Every letter of one person, oldest first."""
    wanted = select(_GRANTS).where(_GRANTS.c.subject == subject).order_by(_GRANTS.c.id)
    return [_grant(row) for row in session.connection().execute(wanted)]


def letters_since(session: Session, errand: Errand, subject: bytes, mailbox: bytes, since: datetime) -> int:
    """How many letters of a kind one mailbox was sent, over all its spellings, or one person had sent to any."""
    wanted = select(func.count()).where(
        _GRANTS.c.errand == errand.value,
        or_(_GRANTS.c.mailbox == mailbox, _GRANTS.c.subject == subject),
        _GRANTS.c.made_at > to_ms(since),
    )
    return int(session.connection().execute(wanted).scalar_one())


def use(session: Session, grant_id: int, now: datetime) -> bool:
    """Use a link up; False when another click came first."""
    statement = _GRANTS.update().where(_GRANTS.c.id == grant_id, _GRANTS.c.used_at.is_(None))
    return bool(session.connection().execute(statement.values(used_at=to_ms(now))).rowcount == 1)


def use_all(session: Session, subject: bytes, now: datetime, errand: Errand | None = None) -> None:
    """Make the open links of a person good for nothing, of one kind or all."""
    statement = _GRANTS.update().where(_GRANTS.c.subject == subject, _GRANTS.c.used_at.is_(None))
    if errand is not None:
        statement = statement.where(_GRANTS.c.errand == errand.value)
    session.connection().execute(statement.values(used_at=to_ms(now)))


def open_session(session: Session, token_hash: bytes, opened: Opened) -> None:
    """Let a browser in."""
    row = {
        "token_hash": token_hash,
        "subject": opened.subject,
        "opened_at": to_ms(opened.opened_at),
        "expires_at": to_ms(opened.expires_at),
    }
    session.connection().execute(_SESSIONS.insert(), row)


def session_of(session: Session, token_hash: bytes, now: datetime) -> Opened | None:
    """Whose browser this is, while its time runs."""
    wanted = select(_SESSIONS).where(_SESSIONS.c.token_hash == token_hash, _SESSIONS.c.expires_at > to_ms(now))
    row = session.connection().execute(wanted).one_or_none()
    return None if row is None else _opened(row)


def sessions_of(session: Session, subject: bytes) -> list[Opened]:
    """The browsers of one person, oldest first."""
    wanted = select(_SESSIONS).where(_SESSIONS.c.subject == subject).order_by(_SESSIONS.c.opened_at)
    return [_opened(row) for row in session.connection().execute(wanted)]


def close_session(session: Session, token_hash: bytes) -> None:
    """Forget one browser; an unknown one is as good as forgotten."""
    session.connection().execute(_SESSIONS.delete().where(_SESSIONS.c.token_hash == token_hash))


def close_sessions(session: Session, subject: bytes) -> None:
    """Forget every browser of a person."""
    session.connection().execute(_SESSIONS.delete().where(_SESSIONS.c.subject == subject))


def forget(session: Session, subject: bytes) -> None:
    """Delete every link and visit of a person."""
    close_sessions(session, subject)
    session.connection().execute(_GRANTS.delete().where(_GRANTS.c.subject == subject))


def prune(session: Session, now: datetime) -> int:
    """Delete the links that count for no daily limit any more, and the visits that are over; returns how many links."""
    session.connection().execute(_SESSIONS.delete().where(_SESSIONS.c.expires_at <= to_ms(now)))
    over = (_GRANTS.c.made_at <= to_ms(now - KEPT), _GRANTS.c.expires_at <= to_ms(now))
    return int(session.connection().execute(_GRANTS.delete().where(*over)).rowcount)


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        id=int(row.id),
        public_id=bytes(row.public_id),
        errand=Errand(row.errand),
        subject=bytes(row.subject),
        sealed=None if row.sealed is None else bytes(row.sealed),
        made_at=from_ms(row.made_at),
        expires_at=from_ms(row.expires_at),
        used_at=None if row.used_at is None else from_ms(row.used_at),
    )


def _opened(row: Row[Any]) -> Opened:
    return Opened(subject=bytes(row.subject), opened_at=from_ms(row.opened_at), expires_at=from_ms(row.expires_at))
