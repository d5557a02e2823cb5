"""Where editions are kept: the shell over their tables, and the only writer of them. The caller owns the transaction.

One row a date is claimed by whoever inserts it; a state moves only by an UPDATE that names the state it expects. A
proof that was approved is frozen under its own SHA-256 and never changed.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, NewType

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.database import Moment, Prepared, upsert
from newsletter.editions import workflow
from newsletter.editions.edition import Edition, from_json, to_json
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError
from newsletter.stories.story import StoryKind, canonical_url

EditionId = NewType("EditionId", int)

# What counts as printed: approved, on its way, or out. An edition held in mid-send has partly left.
PRINTED: Final = (State.APPROVED, State.SCHEDULED, State.SENDING, State.SENT)
# A second writer of the same number waits for the first, fails, and counts again; each failure is another's success.
NUMBERING_TRIES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A blocking finding somebody answers for."""

    rule: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved what, when, and in spite of which findings."""

    digest: str
    by: str
    at: datetime
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an edition's history."""

    at: datetime
    by: str
    event: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionRecord:
    """An edition as it is stored; `version` rises with every change, `proof_digest` names the frozen proof."""

    id: EditionId
    newsletter: str
    on: date
    number: int
    state: State
    held_from: State | None = None
    edition: Edition | None = None
    approval: Approval | None = None
    proof_digest: str = ""
    version: int
    send_at: datetime
    edited_by: str = ""


class EditionRow(SQLModel, table=True):
    __tablename__ = "edition"
    __table_args__ = (
        sa.UniqueConstraint("newsletter", "on", name="uq_edition_newsletter_on"),
        sa.UniqueConstraint("newsletter", "number", name="uq_edition_newsletter_number"),
        sa.CheckConstraint(sa.column("state").in_([one.value for one in State]), name="state"),
        sa.CheckConstraint("number IS NULL OR number > 0", name="number"),
        sa.CheckConstraint("(state = 'held') = (held_from IS NOT NULL)", name="held_from"),
    )

    id: int | None = Field(default=None, primary_key=True)
    newsletter: str = Field(sa_type=sa.Text)
    on: date = Field(sa_type=sa.Date)
    number: int | None = None
    state: str = Field(sa_type=sa.Text)
    held_from: str | None = Field(default=None, sa_type=sa.Text)
    document: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    approval: bytes | None = Field(default=None, sa_type=sa.LargeBinary)
    proof_digest: str = Field(default="", sa_type=sa.Text)
    version: int = 0
    send_at: datetime = Field(sa_type=Moment)
    edited_by: str = Field(default="", sa_type=sa.Text)
    changed_at: datetime = Field(sa_type=Moment)


class EditionHistoryRow(SQLModel, table=True):
    __tablename__ = "edition_history"

    id: int | None = Field(default=None, primary_key=True)
    edition_id: int = Field(foreign_key="edition.id", index=True)
    at: datetime = Field(sa_type=Moment)
    by: str = Field(sa_type=sa.Text)
    event: str = Field(sa_type=sa.Text)
    reason: str = Field(sa_type=sa.Text)


class FrozenRow(SQLModel, table=True):
    __tablename__ = "frozen"

    digest: str = Field(primary_key=True, sa_type=sa.Text)
    document: bytes = Field(sa_type=sa.LargeBinary)
    at: datetime = Field(sa_type=Moment)


class PrintedRow(SQLModel, table=True):
    """A story's key or address in an edition. Addresses may be longer than an index takes, so the id is the key."""

    __tablename__ = "edition_printed"

    id: int | None = Field(default=None, primary_key=True)
    edition_id: int = Field(foreign_key="edition.id", index=True)
    name: str = Field(sa_type=sa.Text)


_APPROVAL: Final = TypeAdapter(Approval)


def claim(session: Session, newsletter: str, on: date, send_at: datetime, now: datetime) -> EditionRecord | None:
    """The date's new, open edition; None when somebody has it already. Every way to start an edition passes here."""
    row = {"newsletter": newsletter, "on": on, "state": State.OPEN.value, "version": 0}
    row |= {"send_at": send_at, "changed_at": now, "proof_digest": "", "edited_by": ""}
    statement = upsert(session, EditionRow).values(**row)
    statement = statement.on_conflict_do_nothing(index_elements=["newsletter", "on"]).returning(EditionRow.id)
    number = session.exec(statement).scalar_one_or_none()
    return None if number is None else load_id(session, EditionId(number))


def load(session: Session, newsletter: str, on: date) -> EditionRecord | None:
    """The edition of a date, or None."""
    found = _rows(session, col(EditionRow.newsletter) == newsletter, col(EditionRow.on) == on)
    return _record(found[0]) if found else None


def state(session: Session, newsletter: str, on: date) -> State | None:
    """Only the state of a date's edition, as a sender asks before every letter, or None."""
    found = _STATE.one(session, {"of": newsletter, "at": on})
    return State(found[0]) if found else None


def load_id(session: Session, id: EditionId) -> EditionRecord:  # noqa: A002 -- the word of every record
    """The edition with that id; raises LookupError when there is none."""
    return _record(_row(session, id))


def listing(
    session: Session, newsletter: str | None = None, limit: int = 50, *, state: State | None = None
) -> list[EditionRecord]:
    """Editions, the newest date first; of one newsletter, in one state, if so asked."""
    conditions = [col(EditionRow.newsletter) == newsletter] if newsletter is not None else []
    conditions += [col(EditionRow.state) == state.value] if state is not None else []
    return [_record(row) for row in _rows(session, *conditions, limit=limit)]


def last_sent(session: Session, newsletter: str, before: date) -> EditionRecord | None:
    """The newest edition that was sent before a date, or None."""
    sent = (col(EditionRow.newsletter) == newsletter, col(EditionRow.state) == State.SENT.value)
    found = _rows(session, *sent, col(EditionRow.on) < before, limit=1)
    return _record(found[0]) if found else None


def save(
    session: Session,
    id: EditionId,  # noqa: A002
    edition: Edition,
    by: str,
    now: datetime,
    version: int | None = None,
) -> EditionRecord:
    """Store the edition and return it in review (a held one stays held); an approval it had is void.

    The first save gives it the newsletter's next number. Raises EditionError once it is sending, sent or killed, and
    when it is not at the given `version` any more.
    """
    record = load_id(session, id)
    if (record.newsletter, record.on) != (edition.newsletter, edition.on):
        raise EditionError(
            record.newsletter, record.on, f"cannot hold the edition of {edition.newsletter} {edition.on}"
        )
    if version is not None and version != record.version:
        raise EditionError(record.newsletter, record.on, "was changed by somebody else meanwhile; look again")
    state = _state_after_save(record)
    number = record.number or _number(session, record)
    edition = replace(edition, number=number)
    values = {"document": to_json(edition), "edited_by": by, "state": state.value, **_VOID}
    saved = _update(session, record, values, now)
    session.exec(sa.delete(PrintedRow).where(col(PrintedRow.edition_id) == id))
    names = _names(edition)
    if names:
        session.exec(sa.insert(PrintedRow), params=[{"edition_id": id, "name": name} for name in names])
    reason = f"the approval by {record.approval.by} is void" if record.approval else ""
    note(session, id, by, "save", reason, now)
    return saved


def reschedule(session: Session, id: EditionId, send_at: datetime, by: str, now: datetime) -> EditionRecord:  # noqa: A002
    """Move the slot of an edition that has not been sent; an approval was for the old one, and is void."""
    record = load_id(session, id)
    state = _state_after_save(record) if record.edition else record.state
    note(session, id, by, "reschedule", f"from {record.send_at.isoformat()} to {send_at.isoformat()}", now)
    return _update(session, record, {"send_at": send_at, "state": state.value, **_VOID}, now)


def move(session: Session, id: EditionId, event: Event, by: str, now: datetime, reason: str = "") -> EditionRecord:  # noqa: A002
    """Move the edition's state. Raises IllegalMove, or EditionError when somebody else was faster."""
    record = load_id(session, id)
    state = workflow.move(record.state, event, record.held_from)
    held_from = None
    if state is State.HELD:
        held_from = (record.held_from or record.state).value
    values: dict[str, Any] = {"state": state.value, "held_from": held_from}
    if state in {State.BUILDING, State.IN_REVIEW}:
        values |= _VOID
    if record.approval and values.get("approval", b"") is None:
        reason = "; ".join(filter(None, [reason, f"the approval by {record.approval.by} is void"]))
    note(session, id, by, event, reason, now)
    return _update(session, record, values, now)


def approve(session: Session, id: EditionId, approval: Approval, document: bytes, now: datetime) -> EditionRecord:  # noqa: A002
    """Approve an edition in review and freeze its proof under the proof's own SHA-256. Raises as `move` does."""
    record = load_id(session, id)
    if record.edition is None:
        raise EditionError(record.newsletter, record.on, "has not been built yet")
    state = workflow.move(record.state, Event.APPROVE)
    digest = hashlib.sha256(document).hexdigest()
    freeze(session, digest, document, now)
    overrides = "; ".join(f"{one.rule} overridden by {one.by}: {one.reason}" for one in approval.overrides)
    note(session, id, approval.by, Event.APPROVE, overrides, now)
    values = {"state": state.value, "approval": _APPROVAL.dump_json(approval), "proof_digest": digest}
    return _update(session, record, values, now)


def freeze(session: Session, digest: str, document: bytes, now: datetime) -> None:
    """Keep a document under its SHA-256; doing it again changes nothing. Raises ValueError when they do not match."""
    if hashlib.sha256(document).hexdigest() != digest:
        raise ValueError(f"the document is not the one of digest {digest}")
    row = upsert(session, FrozenRow).values(digest=digest, document=document, at=now)
    session.exec(row.on_conflict_do_nothing(index_elements=["digest"]))


def frozen(session: Session, digest: str) -> bytes | None:
    """The document kept under a digest, or None; raises ValueError when the kept bytes are not those frozen."""
    document = session.exec(select(FrozenRow.document).where(FrozenRow.digest == digest)).one_or_none()
    if document is not None and hashlib.sha256(document).hexdigest() != digest:
        raise ValueError(f"the document kept under {digest} was altered")
    return document


def frozen_of(session: Session, id: EditionId) -> bytes:  # noqa: A002
    """The proof an edition was approved with; raises EditionError when it has no approval."""
    record = load_id(session, id)
    document = frozen(session, record.proof_digest)
    if document is None:
        raise EditionError(record.newsletter, record.on, "has no approved proof")
    return document


def used(session: Session, newsletter: str, before: date, since: date) -> frozenset[str]:
    """The keys and addresses of the stories printed from `since` up to, but not on, `before`."""
    printed = col(EditionRow.state).in_([one.value for one in PRINTED])
    statement = (
        select(PrintedRow.name)
        .join(EditionRow, col(EditionRow.id) == col(PrintedRow.edition_id))
        .where(EditionRow.newsletter == newsletter, col(EditionRow.on) >= since, col(EditionRow.on) < before)
        .where(printed | (col(EditionRow.held_from) == State.SENDING.value))
    )
    return frozenset(session.exec(statement).all())


def history(session: Session, id: EditionId) -> list[Entry]:  # noqa: A002
    """What happened to the edition, in order."""
    statement = select(EditionHistoryRow).where(EditionHistoryRow.edition_id == id)
    rows = session.exec(statement.order_by(col(EditionHistoryRow.id))).all()
    return [Entry(at=row.at, by=row.by, event=row.event, reason=row.reason) for row in rows]


def note(session: Session, id: EditionId, by: str, event: str, reason: str, now: datetime) -> None:  # noqa: A002
    """Add a line to the edition's history."""
    line = {"edition_id": id, "at": now, "by": by, "event": str(event), "reason": reason}
    session.exec(sa.insert(EditionHistoryRow).values(**line))


def note_once(session: Session, id: EditionId, by: str, event: str, reason: str, now: datetime) -> bool:  # noqa: A002
    """Add a line unless the same stands there already; False when it does. Of several processes one adds it."""
    session.exec(select(EditionRow.id).where(EditionRow.id == id).with_for_update())
    same = (EditionHistoryRow.edition_id == id, EditionHistoryRow.event == event, EditionHistoryRow.reason == reason)
    if session.exec(select(EditionHistoryRow.id).where(*same)).first() is not None:
        return False
    note(session, id, by, event, reason, now)
    return True


_EDITIONS: Final = SQLModel.metadata.tables["edition"].c
_STATE: Final = Prepared(
    sa.select(_EDITIONS.state).where(_EDITIONS.newsletter == sa.bindparam("of"), _EDITIONS.on == sa.bindparam("at"))
)
_VOID: Final[dict[str, Any]] = {"approval": None, "proof_digest": ""}


def _state_after_save(record: EditionRecord) -> State:
    if record.state in {State.OPEN, State.BUILDING}:
        return State.IN_REVIEW
    held_in_mid_send = record.held_from is State.SENDING
    if record.state in {State.SENDING, State.SENT, State.KILLED} or held_in_mid_send:
        word = "held in mid-send" if held_in_mid_send else record.state.value
        raise EditionError(record.newsletter, record.on, f"is {word} and cannot be changed any more")
    return workflow.move(record.state, Event.EDIT, record.held_from)


def _number(session: Session, record: EditionRecord) -> int:
    """Give the row its newsletter's next number, without a gap."""
    highest = select(sa.func.coalesce(sa.func.max(EditionRow.number), 0) + 1)
    highest = highest.where(EditionRow.newsletter == record.newsletter)
    for _ in range(NUMBERING_TRIES):
        number = session.exec(highest).one() or 1
        try:
            with session.begin_nested():
                statement = sa.update(EditionRow).where(col(EditionRow.id) == record.id).values(number=number)
                session.exec(statement)
            return number
        except IntegrityError:
            continue
    raise EditionError(record.newsletter, record.on, "found no free number; too many editions are saved at once")


def _names(edition: Edition) -> list[str]:
    """What must not be printed again soon: every story's key, and the address of those that are stories."""
    urls = [canonical_url(one.url) for one in edition.stories() if one.kind is StoryKind.STORY]
    return sorted({*(one.key for one in edition.stories()), *filter(None, urls)})


def _update(session: Session, record: EditionRecord, values: dict[str, Any], now: datetime) -> EditionRecord:
    """Change the row if it still is what was read."""
    unchanged = (col(EditionRow.id) == record.id, col(EditionRow.state) == record.state.value)
    statement = (
        sa.update(EditionRow)
        .where(*unchanged, col(EditionRow.version) == record.version)
        .values(**values, version=record.version + 1, changed_at=now)
        .returning(col(EditionRow.id))
        .execution_options(synchronize_session=False)
    )
    if session.exec(statement).scalar_one_or_none() is None:
        raise EditionError(record.newsletter, record.on, "was changed by somebody else meanwhile; look again")
    return load_id(session, record.id)


def _rows(session: Session, *conditions: sa.ColumnElement[bool], limit: int | None = None) -> list[EditionRow]:
    # Rows are read anew: an UPDATE here does not pass through the session's memory.
    statement = select(EditionRow).where(*conditions).execution_options(populate_existing=True)
    order = (col(EditionRow.on).desc(), col(EditionRow.newsletter), col(EditionRow.id))
    return list(session.exec(statement.order_by(*order).limit(limit)).all())


def _row(session: Session, id: EditionId) -> EditionRow:  # noqa: A002
    found = _rows(session, col(EditionRow.id) == id)
    if not found:
        raise LookupError(f"no edition has the id {id}")
    return found[0]


def _record(row: EditionRow) -> EditionRecord:
    return EditionRecord(
        id=EditionId(row.id or 0),
        newsletter=row.newsletter,
        on=row.on,
        number=row.number or 0,
        state=State(row.state),
        held_from=State(row.held_from) if row.held_from else None,
        edition=from_json(row.document) if row.document is not None else None,
        approval=_APPROVAL.validate_json(row.approval) if row.approval is not None else None,
        proof_digest=row.proof_digest,
        version=row.version,
        send_at=row.send_at,
        edited_by=row.edited_by,
    )
