"""The consent ledger: append-only, every entry hashed over the stored bytes of the one before. Its only writer.

Appending takes a lock on the one head row (SQLite: the write transaction already is one), so there is no fork and no
gap. The head carries a mark made with a key outside the database: a shortened chain cannot be given a new head.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Insert,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    exists,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers import bulk
from subscribers.errors import BrokenChain, UnreadableSeal
from subscribers.keys import Box, Keys, Sealed
from subscribers.ledger import evidence, triggers
from subscribers.ledger.evidence import ENDING, GENESIS, SALT_BYTES, Event, Evidence, Kind

HEAD: Final = 1
STREAM_ROWS: Final = 2_000
_ENDS: Final[ColumnElement[bool]] = literal_column(f"kind IN ({', '.join(repr(one.value) for one in sorted(ENDING))})")


class WordingRow(SQLModel, table=True):
    """What people were shown, under the digest of its exact bytes."""

    __tablename__ = "consent_wording"

    digest: str = Field(sa_column=Column(String(64), primary_key=True))
    language: str
    text: str = Field(sa_column=Column(Text, nullable=False))


class ConsentRow(SQLModel, table=True):
    """One event. The columns repeat what the header says, so that the database can join on them."""

    __tablename__ = "consent"
    __table_args__ = (
        CheckConstraint("seq > 0", name=conv("ck_consent_seq")),
        Index("ix_consent_subject", "subject", "newsletter", "seq"),
        # Few events end a consent, and for every letter it is asked whether one did.
        Index("ix_consent_ending", "subject", "newsletter", "seq", sqlite_where=_ENDS, postgresql_where=_ENDS),
    )

    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    newsletter: str
    kind: str
    wording: str | None = Field(
        sa_column=Column(String(64), ForeignKey("consent_wording.digest", name="fk_consent_wording"), nullable=True)
    )
    header: str = Field(sa_column=Column(Text, nullable=False))
    commitment: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    previous: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    entry: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


class ConsentPayloadRow(SQLModel, table=True):
    """The personal evidence of one event, sealed under its subject's key."""

    __tablename__ = "consent_payload"

    seq: int = Field(
        sa_column=Column(
            Integer, ForeignKey("consent.seq", name="fk_consent_payload_seq"), primary_key=True, autoincrement=False
        )
    )
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ConsentHeadRow(SQLModel, table=True):
    """How long the chain is and where it ends; the row every append locks."""

    __tablename__ = "consent_head"
    __table_args__ = (CheckConstraint("id = 1", name=conv("ck_consent_head_one")),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    size: int
    entry: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    mark: bytes = Field(sa_column=Column(LargeBinary(33), nullable=False))


triggers.attach(SQLModel.metadata, ("consent_wording", "consent", "consent_payload"))
_WORDINGS: Final = SQLModel.metadata.tables["consent_wording"]
EVENTS: Final = SQLModel.metadata.tables["consent"]
_PAYLOADS: Final = SQLModel.metadata.tables["consent_payload"]
_HEAD: Final = SQLModel.metadata.tables["consent_head"]
_EVENT_COLUMNS: Final = (
    "seq",
    "subject",
    "newsletter",
    "kind",
    "wording",
    "header",
    "commitment",
    "previous",
    "entry",
)


class Packed(NamedTuple):
    """The stored form of one event's evidence. A tuple, since an import hands a million from process to process."""

    commitment: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An event exactly as the database holds it; `sealed` is None when its payload is missing."""

    seq: int
    subject: bytes
    newsletter: str
    kind: str
    wording: str
    header: str
    commitment: bytes
    previous: bytes
    entry: bytes
    sealed: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain as its head row tells it."""

    size: int = 0
    entry: bytes = GENESIS
    mark: bytes = b""

    def is_genuine(self, keys: Keys) -> bool:
        """Whether this program wrote it; an empty ledger needs no mark."""
        return self == Head() or keys.is_head(statement(self.size, self.entry), self.mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its evidence opened; `evidence` is empty when it cannot be opened any more."""

    seq: int
    newsletter: str
    kind: Kind
    wording: str
    evidence: tuple[tuple[str, str], ...]


def statement(size: int, entry: bytes) -> bytes:
    """What the mark of a head is made over."""
    return b"wb/head/v1" + size.to_bytes(8, "big") + entry


def lock(session: Session) -> None:
    """Wait until no other transaction changes consent, and let none until this one ends.

    Every writer calls this before it reads what it decides on. Taking it always first is also why none deadlock.
    """
    _locked_head(session)


def pack(keys: Keys, supporting: Evidence, now: datetime, box: Box) -> Packed:
    """What is stored of an event's evidence. It says nothing of the event's place, so it may be made beforehand."""
    plain = evidence.payload(supporting, keys.chance(SALT_BYTES), now).encode()
    sealed = box.seal(Sealed.EVIDENCE, plain)
    return Packed(commitment=evidence.commitment(plain), sealed=sealed)


def append(
    session: Session, keys: Keys, events: Sequence[Event], now: datetime, packed: Sequence[Packed] | None = None
) -> list[int]:
    """Add events in order and return their sequence numbers. Raises BrokenChain when that cannot be done.

    `packed` is for a caller who has packed the evidence of every event before it took the lock.
    """
    if not events:
        return []
    head = _locked_head(session)
    genuine, seq, previous = head.is_genuine(keys), head.size, head.entry
    made = () if packed else [pack(keys, one.evidence, now, keys.box(one.subject)) for one in events]
    rows: list[tuple[object, ...]] = []
    payloads: list[tuple[object, ...]] = []
    for event, (committed, sealed) in zip(events, packed or made, strict=True):
        seq += 1
        text = evidence.header(event, seq, now)
        entry = evidence.entry(previous, text.encode(), committed)
        wording = event.wording or None
        rows.append((seq, event.subject, event.newsletter, str(event.kind), wording, text, committed, previous, entry))
        payloads.append((seq, sealed))
        previous = entry
    try:
        bulk.insert(session, EVENTS, _EVENT_COLUMNS, rows)
        bulk.insert(session, _PAYLOADS, ("seq", "sealed"), payloads)
    except IntegrityError as error:
        raise BrokenChain(head.size + 1, "cannot be added; run `worldbrief consent verify`") from error
    # A head somebody else wrote must not become genuine by being built upon. People can still leave; verify tells.
    mark = keys.sign_head(statement(seq, previous)) if genuine else b""
    session.connection().execute(update(_HEAD).where(_HEAD.c.id == HEAD).values(size=seq, entry=previous, mark=mark))
    return list(range(head.size + 1, seq + 1))


def keep_wordings(session: Session, texts: Iterable[str], language: str) -> None:
    """Store many texts people were shown, those that are not there already."""
    named = {evidence.digest(text): text for text in texts}
    known = wordings(session, named) if named else {}
    rows = [{"digest": name, "language": language, "text": text} for name, text in named.items() if name not in known]
    if rows:
        session.connection().execute(_WORDINGS.insert(), rows)


def keep_wording(session: Session, text: str, language: str) -> str:
    """Store what people are shown, unless it is there already, and return its digest."""
    name = evidence.digest(text)
    if name not in wordings(session, [name]):
        session.connection().execute(_WORDINGS.insert(), {"digest": name, "language": language, "text": text})
    return name


def wordings(session: Session, digests: Iterable[str]) -> dict[str, str]:
    """The texts of the digests that are stored."""
    found = session.connection().execute(
        select(_WORDINGS.c.digest, _WORDINGS.c.text).where(_WORDINGS.c.digest.in_(list(digests)))
    )
    return {str(name): str(text) for name, text in found}


def intact_wordings(session: Session) -> set[str]:
    """The digests whose stored text still has them."""
    found = session.connection().execute(select(_WORDINGS.c.digest, _WORDINGS.c.text))
    return {str(name) for name, text in found if evidence.digest(str(text)) == name}


def tracking_stands(subject: ColumnElement[bytes], newsletter: ColumnElement[str]) -> ColumnElement[bool]:
    """The SQL that is true while a subject agrees to be counted as a person by one newsletter."""
    later = EVENTS.alias("later")
    ended = exists().where(
        later.c.subject == subject,
        later.c.newsletter == newsletter,
        later.c.seq > EVENTS.c.seq,
        later.c.kind.in_(sorted({Kind.TRACKING_WITHDRAWN, *ENDING})),
    )
    return exists().where(
        EVENTS.c.subject == subject,
        EVENTS.c.newsletter == newsletter,
        EVENTS.c.kind == Kind.TRACKING_GIVEN.value,
        ~ended,
    )


def tracking_stands_for(session: Session, subject: bytes, newsletter: str) -> bool:
    """The same for one subject."""
    asked = select(tracking_stands(literal(subject, LargeBinary), literal(newsletter)))
    return bool(session.connection().execute(asked).scalar_one())


def last_between(session: Session, first: int, last: int, newsletter: str) -> dict[bytes, int]:
    """The subjects whose last event for a newsletter lies between two of the ledger, with the number of that event."""
    later = EVENTS.alias("later")
    ends = ~exists().where(
        later.c.subject == EVENTS.c.subject,
        later.c.newsletter == EVENTS.c.newsletter,
        later.c.seq > EVENTS.c.seq,
    )
    wanted = select(EVENTS.c.subject, EVENTS.c.seq).where(
        EVENTS.c.seq.between(first, last), EVENTS.c.newsletter == newsletter, ends
    )
    return {bytes(subject): int(seq) for subject, seq in session.connection().execute(wanted)}


def kinds_and_days(session: Session, seqs: Iterable[int]) -> dict[int, tuple[Kind, str]]:
    """The kind of these events, and the day each was recorded on."""
    wanted = select(EVENTS.c.seq, EVENTS.c.kind, EVENTS.c.header).where(EVENTS.c.seq.in_(list(seqs)))
    found = session.connection().execute(wanted)
    return {int(seq): (Kind(kind), str(json.loads(text)["day"])) for seq, kind, text in found}


def history(session: Session, keys: Keys, subject: bytes) -> list[Recorded]:
    """Everything the ledger holds of one subject, oldest first."""
    return [_recorded(keys, one) for one in _stored(session, EVENTS.c.subject == subject)]


def recorded(session: Session, keys: Keys, seqs: Sequence[int]) -> dict[int, Recorded]:
    """These events with their evidence."""
    return {one.seq: _recorded(keys, one) for one in _stored(session, EVENTS.c.seq.in_(seqs))} if seqs else {}


def stored(session: Session, subject: bytes | None = None) -> Iterator[Stored]:
    """The whole ledger, or what it holds of one subject, in order, streamed."""
    return _stored(session) if subject is None else _stored(session, EVENTS.c.subject == subject)


def header(session: Session, seq: int) -> dict[str, str | int]:
    """What the header of an event says; empty when there is no such event."""
    found = session.connection().execute(select(EVENTS.c.header).where(EVENTS.c.seq == seq)).scalar_one_or_none()
    return {} if found is None else dict(json.loads(found))


def head(session: Session) -> Head:
    """The head row, read without a lock."""
    row = session.connection().execute(select(_HEAD.c.size, _HEAD.c.entry, _HEAD.c.mark)).one_or_none()
    return _head(row)


def payloads_without_event(session: Session) -> list[int]:
    """The payloads that belong to no event; a foreign key forbids them, an attacker may not have cared."""
    missing = ~exists().where(EVENTS.c.seq == _PAYLOADS.c.seq)
    return [int(seq) for seq in session.connection().execute(select(_PAYLOADS.c.seq).where(missing)).scalars()]


def insert_new(session: Session, table: Table) -> Insert:
    """An INSERT that leaves an existing row alone, in the words of this database."""
    if session.connection().dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _locked_head(session: Session) -> Head:
    connection = session.connection()
    wanted = select(_HEAD.c.size, _HEAD.c.entry, _HEAD.c.mark).where(_HEAD.c.id == HEAD).with_for_update()
    row = connection.execute(wanted).one_or_none()
    if row is None:
        first = {"id": HEAD, "size": 0, "entry": GENESIS, "mark": b""}
        connection.execute(insert_new(session, _HEAD), first)
        row = connection.execute(wanted).one_or_none()
    return _head(row)


def _head(row: Any) -> Head:
    return Head() if row is None else Head(size=int(row.size), entry=bytes(row.entry), mark=bytes(row.mark))


def _stored(session: Session, *where: ColumnElement[bool]) -> Iterator[Stored]:
    wanted = (
        select(EVENTS, _PAYLOADS.c.sealed)
        .outerjoin(_PAYLOADS, _PAYLOADS.c.seq == EVENTS.c.seq)
        .where(*where)
        .order_by(EVENTS.c.seq)
        .execution_options(yield_per=STREAM_ROWS)
    )
    with session.connection().execute(wanted) as found:
        for seq, subject, newsletter, kind, wording, text, committed, previous, entry, sealed in found:
            yield Stored(
                seq=seq,
                subject=subject,
                newsletter=newsletter,
                kind=kind,
                wording=wording or "",
                header=text,
                commitment=committed,
                previous=previous,
                entry=entry,
                sealed=sealed,
            )


def _recorded(keys: Keys, one: Stored) -> Recorded:
    try:
        plain = json.loads(keys.open(one.subject, Sealed.EVIDENCE, one.sealed or b""))
    except (UnreadableSeal, ValueError):
        plain = {}
    known = tuple((name, str(value)) for name, value in sorted(plain.items()) if name != "salt")
    return Recorded(seq=one.seq, newsletter=one.newsletter, kind=Kind(one.kind), wording=one.wording, evidence=known)
