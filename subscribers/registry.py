"""Who is known and what they subscribe to. With `particulars` the only writer of its two tables.

It decides nothing: opt_in, opt_out and imports do, and append to the consent ledger before they call here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    UniqueConstraint,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers import bulk
from subscribers.addresses import Address
from subscribers.instants import from_ms, to_ms, to_text
from subscribers.keys import Keys, Sealed
from subscribers.ledger import triggers
from subscribers.states import EndReason, Place, Rhythm, State
from subscribers.tokens import ID_BYTES


class SubscriberRow(SQLModel, table=True):
    """A person known by an address, which only the keys can read."""

    __tablename__ = "subscriber"
    __table_args__ = (
        UniqueConstraint("subject", name="uq_subscriber_subject"),
        UniqueConstraint("fingerprint", name="uq_subscriber_fingerprint"),
        # An id is never used again: a letter that waits must not find somebody else behind it.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary(33), nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    language: str
    created_on: str


class SubscriptionRow(SQLModel, table=True):
    """One subscriber's relation to one newsletter; active only by an event of the consent ledger."""

    __tablename__ = "subscription"
    __table_args__ = (
        UniqueConstraint("subscriber_id", "newsletter", name="uq_subscription_subscriber_newsletter"),
        UniqueConstraint("public_id", name="uq_subscription_public_id"),
        CheckConstraint("state IN ('active', 'paused', 'ended', 'unknown')", name=conv("ck_subscription_state")),
        CheckConstraint(
            "state NOT IN ('active', 'paused') OR authorised_by IS NOT NULL", name=conv("ck_subscription_authorised")
        ),
        CheckConstraint("(state = 'ended') = (ended_reason IS NOT NULL)", name=conv("ck_subscription_ended")),
        CheckConstraint("(state = 'paused') = (paused_until IS NOT NULL)", name=conv("ck_subscription_paused")),
        CheckConstraint("rhythm IN ('every', 'weekdays', 'friday')", name=conv("ck_subscription_rhythm")),
        # One newsletter's subscriptions in the order they are written to.
        Index("ix_subscription_newsletter", "newsletter", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(
        sa_column=Column(Integer, ForeignKey("subscriber.id", name="fk_subscription_subscriber"), nullable=False)
    )
    newsletter: str
    public_id: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    state: str
    ended_reason: str | None = None
    authorised_by: int | None = Field(
        sa_column=Column(Integer, ForeignKey("consent.seq", name="fk_subscription_authorised_by"), nullable=True)
    )
    paused_until: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    changed_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    rhythm: str = Field(default=Rhythm.EVERY.value, sa_column_kwargs={"server_default": Rhythm.EVERY.value})


triggers.attach_standing(SQLModel.metadata)
COMMON_BYTES: Final = 4
SUBSCRIBERS: Final = SQLModel.metadata.tables["subscriber"]
SUBSCRIPTIONS: Final = SQLModel.metadata.tables["subscription"]


# Asked for every row of an import, so without SQLAlchemy's care for each of a thousand values.
_HOLDINGS: Final = (
    "SELECT p.fingerprint, p.id, p.subject, s.id, s.state, s.ended_reason, s.authorised_by FROM subscriber p "
    "LEFT JOIN subscription s ON s.subscriber_id = p.id AND s.newsletter = {} WHERE p.fingerprint {among}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A subscriber, address still sealed."""

    id: int
    subject: bytes
    fingerprint: bytes
    sealed: bytes
    language: str
    created_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscription with the subject and fingerprint of its subscriber."""

    id: int
    subscriber_id: int
    subject: bytes
    fingerprint: bytes
    newsletter: str
    public_id: bytes
    state: State
    ended_reason: EndReason | None
    authorised_by: int | None
    paused_until: datetime | None
    rhythm: Rhythm
    changed_at: datetime

    @property
    def place(self) -> Place:
        """Where it stands, for the table of changes."""
        return Place(self.state, self.ended_reason)

    def state_at(self, now: datetime) -> State:
        """The state as it works now: a pause ends by itself."""
        over = self.paused_until is not None and self.paused_until <= now
        return State.ACTIVE if self.state is State.PAUSED and over else self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An address that is to become a subscriber."""

    address: Address
    subject: bytes
    fingerprint: bytes
    language: str


class Holding(NamedTuple):
    """A known address, and how it stands to one newsletter; a tuple, since an import looks up every row."""

    person: int
    subject: bytes
    subscription: int | None
    state: str | None
    ended_reason: str | None
    authorised_by: int | None

    @property
    def place(self) -> Place:
        """Where it stands, for the table of changes."""
        return Place(
            State(self.state) if self.state else None, EndReason(self.ended_reason) if self.ended_reason else None
        )


class SealedPerson(NamedTuple):
    """A newcomer whose address is sealed already."""

    subject: bytes
    fingerprint: bytes
    sealed: bytes


class NewSubscription(NamedTuple):
    """A subscription that is to be added, with the event it rests on."""

    subscriber_id: int
    state: State
    authorised_by: int | None
    ended_reason: EndReason | None = None


def people(session: Session, fingerprints: Iterable[bytes]) -> dict[bytes, Person]:
    """The known subscribers among these fingerprints."""
    found = session.connection().execute(select(SUBSCRIBERS).where(SUBSCRIBERS.c.fingerprint.in_(list(fingerprints))))
    return {bytes(row.fingerprint): as_person(row) for row in found}


def holdings(session: Session, fingerprints: Collection[bytes], newsletter: str) -> dict[bytes, Holding]:
    """The known among these addresses, with their subscriptions to one newsletter."""
    found = bulk.among(session, _HOLDINGS, fingerprints, newsletter)
    return {mark: Holding(*held) for mark, *held in map(tuple, found)}


def subscription(session: Session, public_id: bytes) -> Subscription | None:
    """The subscription a token names."""
    row = session.connection().execute(_joined().where(SUBSCRIPTIONS.c.public_id == public_id)).one_or_none()
    return None if row is None else _subscription(row)


def subscriptions(session: Session, public_ids: Collection[bytes]) -> dict[bytes, Subscription]:
    """The subscriptions many tokens name."""
    wanted = _joined().where(SUBSCRIPTIONS.c.public_id.in_(list(public_ids)))
    return {bytes(row.public_id): _subscription(row) for row in session.connection().execute(wanted)}


def subscriptions_of(session: Session, fingerprints: Iterable[bytes]) -> list[Subscription]:
    """Every subscription of these addresses."""
    wanted = _joined().where(SUBSCRIBERS.c.fingerprint.in_(list(fingerprints))).order_by(SUBSCRIPTIONS.c.id)
    return [_subscription(row) for row in session.connection().execute(wanted)]


def running_of(session: Session, subjects: Iterable[bytes], newsletter: str) -> list[Subscription]:
    """The subscriptions of these subjects to one newsletter that have not ended."""
    wanted = _joined().where(
        SUBSCRIBERS.c.subject.in_(list(subjects)),
        SUBSCRIPTIONS.c.newsletter == newsletter,
        SUBSCRIPTIONS.c.state != State.ENDED.value,
    )
    return [_subscription(row) for row in session.connection().execute(wanted.order_by(SUBSCRIPTIONS.c.id))]


def running(session: Session, newsletter: str, limit: int) -> list[Subscription]:
    """Some subscriptions to a newsletter that are active or paused."""
    states = (State.ACTIVE.value, State.PAUSED.value)
    wanted = _joined().where(SUBSCRIPTIONS.c.newsletter == newsletter, SUBSCRIPTIONS.c.state.in_(states))
    return [
        _subscription(row) for row in session.connection().execute(wanted.order_by(SUBSCRIPTIONS.c.id).limit(limit))
    ]


def fingerprints_of(session: Session, subject: bytes) -> set[bytes]:
    """The fingerprint of a subscriber's address."""
    wanted = select(SUBSCRIBERS.c.fingerprint).where(SUBSCRIBERS.c.subject == subject)
    return {bytes(one) for one in session.connection().execute(wanted).scalars()}


def known_among(session: Session, subjects: Collection[bytes]) -> set[bytes]:
    """Those of the subjects that are subscribers."""
    return {
        bytes(row[0]) for row in bulk.among(session, "SELECT subject FROM subscriber WHERE subject {among}", subjects)
    }


def left_before(session: Session, before: datetime, limit: int) -> list[bytes]:
    """The fingerprints of some subscribers all of whose subscriptions ended before a moment."""
    wanted = _left(before).order_by(SUBSCRIBERS.c.id).limit(limit)
    return [bytes(one) for one in session.connection().execute(wanted).scalars()]


def count_left_before(session: Session, before: datetime) -> int:
    """How many subscribers `left_before` would find in all."""
    return int(session.connection().execute(select(func.count()).select_from(_left(before).subquery())).scalar_one())


def add_people(session: Session, keys: Keys, newcomers: Sequence[Newcomer], now: datetime) -> dict[bytes, int]:
    """Add subscribers and return their ids by fingerprint."""
    ids: dict[bytes, int] = {}
    for one in newcomers:
        sealed = keys.seal(one.subject, Sealed.ADDRESS, one.address.text.encode())
        ids |= add_sealed(session, [SealedPerson(one.subject, one.fingerprint, sealed)], one.language, now)
    return ids


def add_sealed(session: Session, people: Sequence[SealedPerson], language: str, now: datetime) -> dict[bytes, int]:
    """Add subscribers of one language, their addresses sealed, and return their ids by fingerprint."""
    ids = bulk.reserve(session, SUBSCRIBERS, len(people)) if people else ()
    day = to_text(now)[:10]
    rows = [(number, *one, language, day) for number, one in zip(ids, people, strict=True)]
    bulk.insert(session, SUBSCRIBERS, ("id", "subject", "fingerprint", "sealed", "language", "created_on"), rows)
    return {one.fingerprint: number for number, one in zip(ids, people, strict=True)}


def add_subscriptions(
    session: Session, keys: Keys, newsletter: str, wanted: Sequence[NewSubscription], now: datetime
) -> None:
    """Add subscriptions of people who have none to this newsletter."""
    at = to_ms(now)
    # Ids that begin alike stand side by side in the index: beside each other they cost a fraction of the writing. What
    # is left of chance tells them apart; that nobody can make one up is the work of the token's signature.
    common, own = keys.chance(COMMON_BYTES), ID_BYTES - COMMON_BYTES
    chance = keys.chance(own * len(wanted))
    rows = [
        (person, newsletter, common + chance[n * own : (n + 1) * own], str(state), ended_reason, authorised_by, at)
        for n, (person, state, authorised_by, ended_reason) in enumerate(wanted)
    ]
    columns = ("subscriber_id", "newsletter", "public_id", "state", "ended_reason", "authorised_by", "changed_at")
    bulk.insert(session, SUBSCRIPTIONS, columns, rows)


def activate(session: Session, subscription_id: int, seq: int, now: datetime) -> None:
    """Make a subscription active by event `seq`."""
    activate_all(session, {subscription_id: seq}, now)


def activate_all(session: Session, seqs: Mapping[int, int], now: datetime) -> None:
    """Make subscriptions active, each by its event."""
    changes: list[dict[str, object]] = [{"key": key, "authorised_by": seq} for key, seq in seqs.items()]
    _change_all(session, changes, now, State.ACTIVE)


def pause(session: Session, subscription_id: int, until: datetime, now: datetime) -> None:
    """Send nothing until a moment."""
    _change(session, subscription_id, now, state=State.PAUSED.value, paused_until=to_ms(until))


def end(session: Session, subscription_id: int, reason: EndReason, now: datetime) -> None:
    """End a subscription for good."""
    end_all(session, {subscription_id: reason}, now)


def end_all(session: Session, reasons: Mapping[int, EndReason], now: datetime) -> None:
    """End subscriptions for good, each for its reason; who comes back gets every edition again."""
    ended: list[dict[str, object]] = [
        {"key": key, "ended_reason": reason.value, "rhythm": Rhythm.EVERY.value} for key, reason in reasons.items()
    ]
    _change_all(session, ended, now, State.ENDED)


def remove(session: Session, people: Collection[int]) -> list[int]:
    """Delete subscribers with their subscriptions, and return the numbers of these."""
    connection = session.connection()
    mine = delete(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.subscriber_id.in_(people)).returning(SUBSCRIPTIONS.c.id)
    gone = sorted(int(one) for one in connection.execute(mine).scalars())
    connection.execute(delete(SUBSCRIBERS).where(SUBSCRIBERS.c.id.in_(people)))
    return gone


def _left(before: datetime) -> Any:
    """Every subscription ended, the last one before a moment."""
    others = SUBSCRIPTIONS.c.subscriber_id == SUBSCRIBERS.c.id
    late = (SUBSCRIPTIONS.c.state != State.ENDED.value) | (SUBSCRIPTIONS.c.changed_at >= to_ms(before))
    return select(SUBSCRIBERS.c.fingerprint).where(exists().where(others), ~exists().where(others, late))


def _change(session: Session, subscription_id: int, now: datetime, **values: str | int) -> None:
    cleared: dict[str, object] = {"paused_until": None, "ended_reason": None, "changed_at": to_ms(now)}
    statement = update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == subscription_id)
    session.connection().execute(statement.values({**cleared, **values}))


def _change_all(session: Session, changes: Sequence[dict[str, object]], now: datetime, state: State) -> None:
    if not changes:
        return
    cleared: dict[str, object] = {"paused_until": None, "ended_reason": None, "changed_at": to_ms(now)}
    values = {**cleared, "state": state.value}
    values |= {name: bindparam(name) for name in changes[0] if name != "key"}
    session.connection().execute(
        update(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.id == bindparam("key")).values(values), changes
    )


def _joined() -> Any:
    return select(SUBSCRIPTIONS, SUBSCRIBERS.c.subject, SUBSCRIBERS.c.fingerprint).join(
        SUBSCRIBERS, SUBSCRIBERS.c.id == SUBSCRIPTIONS.c.subscriber_id
    )


def as_person(row: Row[Any]) -> Person:
    """A row of subscribers as a value."""
    return Person(**row._asdict())


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=int(row.id),
        subscriber_id=int(row.subscriber_id),
        subject=bytes(row.subject),
        fingerprint=bytes(row.fingerprint),
        newsletter=str(row.newsletter),
        public_id=bytes(row.public_id),
        state=State(row.state),
        ended_reason=None if row.ended_reason is None else EndReason(row.ended_reason),
        authorised_by=row.authorised_by,
        paused_until=None if row.paused_until is None else from_ms(row.paused_until),
        rhythm=Rhythm(row.rhythm),
        changed_at=from_ms(row.changed_at),
    )
