"""What people asked for under their rights (GDPR 15 to 21), when it is due, and how it was answered.

Only a keyed mark of the address is kept with a request, and none after an erasure. The only writer of its table.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, LargeBinary, Row, select, update
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers.errors import RightsRefused
from subscribers.instants import from_ms, months_later, to_ms


class Right(StrEnum):
    """What was asked for."""

    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    OBJECTION = "objection"
    ERASURE = "erasure"
    RESTRICTION = "restriction"


class RightsState(StrEnum):
    """Whether it was answered."""

    OPEN = "open"
    ANSWERED = "answered"
    REFUSED = "refused"


class RightsRequestRow(SQLModel, table=True):
    """One request."""

    __tablename__ = "rights_request"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('access', 'portability', 'rectification', 'objection', 'erasure', 'restriction')",
            name=conv("ck_rights_request_kind"),
        ),
        CheckConstraint("state IN ('open', 'answered', 'refused')", name=conv("ck_rights_request_state")),
        CheckConstraint("(state = 'open') = (answered_at IS NULL)", name=conv("ck_rights_request_answered")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    fingerprint: bytes | None = Field(sa_column=Column(LargeBinary(33), nullable=True))
    received_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    due_on: date = Field(sa_column=Column(Date, nullable=False))
    channel: str
    state: str
    answered_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    answered_by: str | None = None
    note: str
    alerted_on: date | None = Field(sa_column=Column(Date, nullable=True))


_ASKED: Final = SQLModel.metadata.tables["rights_request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request as it came in; `channel` is how, such as "letter", "mail" or "erase command"."""

    kind: Right
    fingerprint: bytes | None
    received_at: datetime
    channel: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """How a request was answered, by whom, and when."""

    by: str
    at: datetime
    note: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsRequest:
    """One request as it is kept."""

    id: int
    kind: Right
    received_at: datetime
    due_on: date
    channel: str
    state: RightsState
    answered_at: datetime | None
    answered_by: str
    note: str

    def overdue(self, today: date) -> bool:
        """Whether the month is over and nobody answered."""
        return self.state is RightsState.OPEN and self.due_on < today


def ask(session: Session, asking: Asking) -> int:
    """Keep a request, due within one month of its receipt (GDPR 12(3)), and return its number."""
    values = {
        "kind": asking.kind.value,
        "fingerprint": asking.fingerprint,
        "received_at": to_ms(asking.received_at),
        "due_on": months_later(asking.received_at.date(), 1),
        "channel": _without_address(asking.channel),
        "state": RightsState.OPEN.value,
        "note": _without_address(asking.note),
    }
    made = session.connection().execute(_ASKED.insert().values(values).returning(_ASKED.c.id))
    return int(made.scalar_one())


def answer(session: Session, number: int, given: Answering) -> None:
    """Close a request. Raises RightsRefused when there is none, or it was answered."""
    values: dict[str, object] = {
        "state": (RightsState.REFUSED if given.refused else RightsState.ANSWERED).value,
        "answered_at": to_ms(given.at),
        "answered_by": given.by,
    }
    if given.note:
        values["note"] = _without_address(given.note)
    mine = update(_ASKED).where(_ASKED.c.id == number, _ASKED.c.state == RightsState.OPEN.value)
    if session.connection().execute(mine.values(values)).rowcount != 1:
        raise RightsRefused(f"there is no open request {number}")


def asked(session: Session, *, only_open: bool = False) -> list[RightsRequest]:
    """Every request, the one that is due first at the top."""
    wanted = select(_ASKED).order_by(_ASKED.c.due_on, _ASKED.c.id)
    if only_open:
        wanted = wanted.where(_ASKED.c.state == RightsState.OPEN.value)
    return [_request(row) for row in session.connection().execute(wanted)]


def newly_overdue(session: Session, today: date) -> list[RightsRequest]:
    """The open requests whose month is over and of which nobody was told yet; they count as told from now on."""
    mine = (_ASKED.c.state == RightsState.OPEN.value, _ASKED.c.due_on < today, _ASKED.c.alerted_on.is_(None))
    found = session.connection().execute(update(_ASKED).where(*mine).values(alerted_on=today).returning(_ASKED))
    return sorted((_request(row) for row in found), key=lambda one: one.id)


def forget(session: Session, fingerprints: Collection[bytes]) -> None:
    """Keep that something was asked and answered, and nothing that leads to the one who did."""
    mine = update(_ASKED).where(_ASKED.c.fingerprint.in_(list(fingerprints)))
    session.connection().execute(mine.values(fingerprint=None))


def _without_address(text: str) -> str:
    if "@" in text:
        raise RightsRefused("a note holds no address: it outlives an erasure")
    return text


def _request(row: Row[Any]) -> RightsRequest:
    return RightsRequest(
        id=int(row.id),
        kind=Right(row.kind),
        received_at=from_ms(row.received_at),
        due_on=row.due_on,
        channel=str(row.channel),
        state=RightsState(row.state),
        answered_at=None if row.answered_at is None else from_ms(row.answered_at),
        answered_by=row.answered_by or "",
        note=str(row.note),
    )
