"""Sign-up requests: what anybody may cause by typing an address. A table apart, which never touches a subscription."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers import bulk
from subscribers.instants import from_ms, to_ms
from subscribers.ledger.consent import insert_new
from subscribers.states import RequestState

KEPT: Final = timedelta(days=7)


class Hold(StrEnum):
    """What became of a letter that the breaker kept back; a request that it did not concern has none of these."""

    HELD = "held"
    RELEASED = "released"
    DROPPED = "dropped"


_LIVE = text("state = 'pending'")


class SignupRequestRow(SQLModel, table=True):
    """One request; at most one is pending for an address and newsletter."""

    __tablename__ = "signup_request"
    __table_args__ = (
        UniqueConstraint("public_id", name="uq_signup_request_public_id"),
        CheckConstraint(
            "state IN ('pending', 'confirmed', 'superseded', 'withdrawn', 'refused', 'expired')",
            name=conv("ck_signup_request_state"),
        ),
        Index(
            "uq_signup_request_live",
            "fingerprint",
            "newsletter",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index("ix_signup_request_requested_at", "requested_at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    public_id: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary(33), nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    newsletter: str
    language: str
    wording: str = Field(
        sa_column=Column(
            String(64), ForeignKey("consent_wording.digest", name="fk_signup_request_wording"), nullable=False
        )
    )
    form: str = Field(sa_column=Column(String(64), nullable=False))
    requested_by: int = Field(
        sa_column=Column(Integer, ForeignKey("consent.seq", name="fk_signup_request_requested_by"), nullable=False)
    )
    state: str
    requested_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    hold: str | None = None


_REQUESTS: Final = SQLModel.metadata.tables["signup_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request that is to be kept."""

    public_id: bytes
    subject: bytes
    fingerprint: bytes
    sealed: bytes
    newsletter: str
    language: str
    wording: str
    form: str
    requested_by: int
    expires_at: datetime
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A request whose letter waits for a person's word."""

    id: int
    newsletter: str
    language: str
    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it is kept."""

    id: int
    public_id: bytes
    subject: bytes
    fingerprint: bytes
    sealed: bytes
    newsletter: str
    language: str
    wording: str
    form: str
    requested_by: int
    state: RequestState
    requested_at: datetime
    expires_at: datetime


def keep(session: Session, new: NewRequest, now: datetime) -> int | None:
    """Store a request and return its id; None when another one is pending for this address and newsletter."""
    row = {
        "public_id": new.public_id,
        "subject": new.subject,
        "fingerprint": new.fingerprint,
        "sealed": new.sealed,
        "newsletter": new.newsletter,
        "language": new.language,
        "wording": new.wording,
        "form": new.form,
        "requested_by": new.requested_by,
        "state": RequestState.PENDING.value,
        "requested_at": to_ms(now),
        "expires_at": to_ms(new.expires_at),
        "hold": Hold.HELD.value if new.held else None,
    }
    statement = insert_new(session, _REQUESTS).returning(_REQUESTS.c.id)
    found = session.connection().execute(statement, row).scalar_one_or_none()
    return None if found is None else int(found)


def by_id(session: Session, request_id: int) -> Request | None:
    """The request a letter is for."""
    return _one(session, _REQUESTS.c.id == request_id)


def by_public_id(session: Session, public_id: bytes) -> Request | None:
    """The request a token names."""
    return _one(session, _REQUESTS.c.public_id == public_id)


def of_address(session: Session, fingerprint: bytes) -> list[Request]:
    """Every request for one address, oldest first."""
    wanted = select(_REQUESTS).where(_REQUESTS.c.fingerprint == fingerprint).order_by(_REQUESTS.c.id)
    return [_request(row) for row in session.connection().execute(wanted)]


def confirmed_of_last(session: Session, most: int, before: datetime) -> tuple[int, int]:
    """Of the last requests whose letter was not held: how many there are, at most so many, and how many confirmed.

    They begin anew after held ones were released or dropped: whoever decided that has seen those before.
    """
    decided = select(func.coalesce(func.max(_REQUESTS.c.id), 0)).where(
        _REQUESTS.c.hold.in_([Hold.RELEASED.value, Hold.DROPPED.value])
    )
    wanted = (
        select(_REQUESTS.c.state)
        .where(
            _REQUESTS.c.hold.is_(None),
            _REQUESTS.c.requested_at <= to_ms(before),
            _REQUESTS.c.id > decided.scalar_subquery(),
        )
        .order_by(_REQUESTS.c.id.desc())
        .limit(most)
    )
    states = [str(one) for one in session.connection().execute(wanted).scalars()]
    return len(states), states.count(RequestState.CONFIRMED.value)


def held(session: Session, now: datetime) -> list[Held]:
    """The requests whose letters are held and would still be of use, oldest first."""
    wanted = (
        select(_REQUESTS)
        .where(
            _REQUESTS.c.hold == Hold.HELD.value,
            _REQUESTS.c.state == RequestState.PENDING.value,
            _REQUESTS.c.expires_at > to_ms(now),
        )
        .order_by(_REQUESTS.c.id)
    )
    return [
        Held(
            id=int(row.id),
            newsletter=str(row.newsletter),
            language=str(row.language),
            requested_at=from_ms(row.requested_at),
            expires_at=from_ms(row.expires_at),
        )
        for row in session.connection().execute(wanted)
    ]


def release_held(session: Session, request_id: int) -> None:
    """Let the letter of a held request be sent; whoever calls this queues it."""
    _settle(session, _REQUESTS.c.id == request_id, hold=Hold.RELEASED.value)


def drop_held(session: Session) -> int:
    """Close every held request, so that no letter is ever sent for it; returns how many."""
    held_ones = (_REQUESTS.c.hold == Hold.HELD.value) & (_REQUESTS.c.state == RequestState.PENDING.value)
    return _settle(session, held_ones, hold=Hold.DROPPED.value, state=RequestState.WITHDRAWN.value)


def move(session: Session, request_id: int, state: RequestState) -> None:
    """Take a request out of `pending`."""
    session.connection().execute(update(_REQUESTS).where(_REQUESTS.c.id == request_id).values(state=state.value))


def close(session: Session, fingerprints: Collection[bytes], newsletters: Iterable[str] | None = None) -> None:
    """Make the pending requests of addresses good for nothing, for some newsletters or all."""
    statement = update(_REQUESTS).where(
        _REQUESTS.c.fingerprint.in_(fingerprints), _REQUESTS.c.state == RequestState.PENDING.value
    )
    if newsletters is not None:
        statement = statement.where(_REQUESTS.c.newsletter.in_(list(newsletters)))
    session.connection().execute(statement.values(state=RequestState.WITHDRAWN.value))


def close_all(session: Session, pairs: Collection[tuple[bytes, str]]) -> None:
    """`close` for many addresses, each for one newsletter; most have no pending request, which one look tells."""
    wanted = select(_REQUESTS.c.fingerprint, _REQUESTS.c.newsletter).where(
        _REQUESTS.c.fingerprint.in_([fingerprint for fingerprint, _ in pairs]),
        _REQUESTS.c.state == RequestState.PENDING.value,
    )
    pending = {(bytes(mark), str(newsletter)) for mark, newsletter in session.connection().execute(wanted)}
    for fingerprint, newsletter in pending.intersection(pairs):
        close(session, [fingerprint], [newsletter])


def fingerprints_of(session: Session, subject: bytes) -> set[bytes]:
    """The fingerprints a pseudonym has requests for."""
    wanted = select(_REQUESTS.c.fingerprint).where(_REQUESTS.c.subject == subject)
    return {bytes(one) for one in session.connection().execute(wanted).scalars()}


def forget(session: Session, fingerprint: bytes) -> None:
    """Delete every request for an address; their ledger entries stay."""
    session.connection().execute(_REQUESTS.delete().where(_REQUESTS.c.fingerprint == fingerprint))


def known_among(session: Session, subjects: Collection[bytes]) -> set[bytes]:
    """Those of the subjects that have a request."""
    statement = "SELECT subject FROM signup_request WHERE subject {among}"
    return {bytes(row[0]) for row in bulk.among(session, statement, subjects)}


def expired_before(session: Session, before: datetime, limit: int) -> list[Request]:
    """Some requests whose link expired before a moment, the oldest first."""
    wanted = select(_REQUESTS).where(_REQUESTS.c.expires_at <= to_ms(before)).order_by(_REQUESTS.c.id).limit(limit)
    return [_request(row) for row in session.connection().execute(wanted)]


def count_expired(session: Session, before: datetime) -> int:
    """How many requests expired before a moment."""
    wanted = select(func.count()).where(_REQUESTS.c.expires_at <= to_ms(before))
    return int(session.connection().execute(wanted).scalar_one())


def delete(session: Session, ids: Collection[int]) -> None:
    """Delete requests; their ledger entries stay."""
    session.connection().execute(_REQUESTS.delete().where(_REQUESTS.c.id.in_(ids)))


def _settle(session: Session, where: ColumnElement[bool], **values: str) -> int:
    return int(session.connection().execute(update(_REQUESTS).where(where).values(values)).rowcount)


def _one(session: Session, where: ColumnElement[bool]) -> Request | None:
    row = session.connection().execute(select(_REQUESTS).where(where)).one_or_none()
    return None if row is None else _request(row)


def _request(row: Row[Any]) -> Request:
    return Request(
        id=int(row.id),
        public_id=bytes(row.public_id),
        subject=bytes(row.subject),
        fingerprint=bytes(row.fingerprint),
        sealed=bytes(row.sealed),
        newsletter=str(row.newsletter),
        language=str(row.language),
        wording=str(row.wording),
        form=str(row.form),
        requested_by=int(row.requested_by),
        state=RequestState(row.state),
        requested_at=from_ms(row.requested_at),
        expires_at=from_ms(row.expires_at),
    )
