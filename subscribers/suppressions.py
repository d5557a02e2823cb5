"""Who must never be written to. The only writer of its table, in which no person can be found again."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Column, LargeBinary, bindparam, delete, select, update
from sqlmodel import Field, Session, SQLModel

from subscribers import bulk
from subscribers.instants import to_text
from subscribers.ledger import consent
from subscribers.states import Bar, SuppressionReason


class SuppressionRow(SQLModel, table=True):
    """An address never to be written to. No subject and only the month: it must not lead back to an erased person."""

    __tablename__ = "suppression"

    fingerprint: bytes = Field(sa_column=Column(LargeBinary(33), primary_key=True))
    reason: str = Field(primary_key=True)
    month: str
    letter_month: str | None = None
    added_by: str


SUPPRESSIONS: Final = SQLModel.metadata.tables["suppression"]


def suppressed(session: Session, fingerprints: Iterable[bytes]) -> set[bytes]:
    """Those of the fingerprints that must never be written to."""
    statement = "SELECT fingerprint FROM suppression WHERE fingerprint {among}"
    return {bytes(row[0]) for row in bulk.among(session, statement, list(fingerprints))}


def reasons(session: Session, fingerprint: bytes) -> list[str]:
    """Why one address is suppressed; empty when it is not."""
    wanted = select(SUPPRESSIONS.c.reason).where(SUPPRESSIONS.c.fingerprint == fingerprint)
    return sorted(str(one) for one in session.connection().execute(wanted).scalars())


def bars(session: Session, fingerprint: bytes) -> list[Bar]:
    """What stands against writing to one address."""
    wanted = select(SUPPRESSIONS.c.reason, SUPPRESSIONS.c.month, SUPPRESSIONS.c.letter_month)
    found = session.connection().execute(wanted.where(SUPPRESSIONS.c.fingerprint == fingerprint))
    return [Bar(SuppressionReason(reason), str(month), letter or "") for reason, month, letter in found]


def add(session: Session, fingerprint: bytes, reason: str, by: str, now: datetime) -> None:
    """Suppress an address for one more reason, or for the same one anew."""
    add_all(session, {fingerprint: reason}, by, now)


def add_all(session: Session, why: Mapping[bytes, str], by: str, now: datetime) -> None:
    """Suppress many addresses, each for its reason."""
    month = to_text(now)[:7]
    rows = [{"fingerprint": mark, "reason": reason, "month": month, "added_by": by} for mark, reason in why.items()]
    if not rows:
        return
    session.connection().execute(consent.insert_new(session, SUPPRESSIONS), rows)
    # What rests for a time after a complaint rests anew after the next.
    again = update(SUPPRESSIONS).where(SUPPRESSIONS.c.fingerprint == bindparam("mark"), SUPPRESSIONS.c.month < month)
    same = again.where(SUPPRESSIONS.c.reason == bindparam("for_reason")).values(month=month)
    session.connection().execute(same, [{"mark": mark, "for_reason": reason} for mark, reason in why.items()])


def note_letter(session: Session, fingerprint: bytes, now: datetime) -> None:
    """Keep that a suppressed address is sent a confirmation letter."""
    mine = update(SUPPRESSIONS).where(SUPPRESSIONS.c.fingerprint == fingerprint)
    session.connection().execute(mine.values(letter_month=to_text(now)[:7]))


def lift(session: Session, fingerprint: bytes, reasons: Iterable[SuppressionReason]) -> None:
    """Let an address be written to again, as far as these reasons go."""
    gone = delete(SUPPRESSIONS).where(
        SUPPRESSIONS.c.fingerprint == fingerprint, SUPPRESSIONS.c.reason.in_([one.value for one in reasons])
    )
    session.connection().execute(gone)
