"""Whether this database may send. One that was copied as a backup says no until people have left it once more.

The mark is in the copy itself, written when it is made: however it is put in place, by command or by hand, it holds.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column
from sqlmodel import Field, Session, SQLModel

from newsletter.errors import Disarmed


class RestorationRow(SQLModel, table=True):
    """A copy that was made of this database at a moment; without `armed_at` it was not reconciled since."""

    __tablename__ = "restoration"

    id: int | None = Field(default=None, primary_key=True)
    taken_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    armed_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))


_COPIES = SQLModel.metadata.tables["restoration"]
_OPEN = _COPIES.c.armed_at.is_(None)


def disarm(session: Session, taken_at: datetime) -> None:
    """Mark this database as a copy of that moment."""
    session.connection().execute(_COPIES.insert().values(taken_at=_ms(taken_at), armed_at=None))


def arm(session: Session, now: datetime) -> None:
    """Let the house send again."""
    session.connection().execute(sa.update(_COPIES).where(_OPEN).values(armed_at=_ms(now)))


def taken(session: Session) -> int | None:
    """When the copy was made that has not been reconciled yet, in milliseconds; None = this house may send."""
    found = session.connection().execute(sa.select(sa.func.min(_COPIES.c.taken_at)).where(_OPEN)).scalar_one()
    return None if found is None else int(found)


def is_armed() -> sa.ColumnElement[bool]:
    """The same in SQL, for a statement that must not hold otherwise."""
    return ~sa.exists().where(_OPEN)


def require(session: Session) -> None:
    """Raise Disarmed, with what to do about it, unless this house may send."""
    if taken(session) is not None:
        raise Disarmed


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
