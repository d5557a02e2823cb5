"""What is counted so that nobody can be buried in letters: by keyed names, in the database, for as long as it matters.

Nothing here says who: a network, a form's stamp, a solved puzzle, a mailbox is only its keyed hash. Counts outlive a
restart and hold for any number of processes.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel

from subscribers.addresses import Address
from subscribers.instants import to_ms
from subscribers.keys import Keys

HOUR_MS: Final = 3_600_000
LETTERS_KEPT: Final = timedelta(days=30)


class SignupCountRow(SQLModel, table=True):
    """How often something happened since a window opened, which closes at `until`."""

    __tablename__ = "signup_count"
    __table_args__ = (Index("ix_signup_count_until", "until"),)

    key: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    count: int
    until: int = Field(sa_column=Column(BigInteger, nullable=False))


class SignupLetterRow(SQLModel, table=True):
    """One confirmation letter that was due: to which mailbox and domain, as keyed hashes, and when."""

    __tablename__ = "signup_letter"
    __table_args__ = (
        Index("ix_signup_letter_mailbox", "mailbox", "at"),
        Index("ix_signup_letter_domain", "domain", "at"),
        Index("ix_signup_letter_at", "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    mailbox: bytes = Field(sa_column=Column(LargeBinary(33), nullable=False))
    domain: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    at: int = Field(sa_column=Column(BigInteger, nullable=False))


_COUNTS: Final = SQLModel.metadata.tables["signup_count"]
_LETTERS: Final = SQLModel.metadata.tables["signup_letter"]


def take(session: Session, keys: Keys, what: str, now: datetime, lasts: timedelta, most: int) -> bool:
    """Count one more, and say whether it is within `most` since the window opened; the first one opens it."""
    dialect: Any = postgresql if session.connection().dialect.name == "postgresql" else sqlite
    over = _COUNTS.c.until <= to_ms(now)
    new = dialect.insert(_COUNTS).values(key=keys.counted(what), count=1, until=to_ms(now + lasts))
    statement = new.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "count": case((over, 1), else_=_COUNTS.c.count + 1),
            "until": case((over, new.excluded.until), else_=_COUNTS.c.until),
        },
    ).returning(_COUNTS.c.count)
    return int(session.connection().execute(statement).scalar_one()) <= most


def counted(session: Session, keys: Keys, what: str, now: datetime) -> int:
    """How often it happened in the window that is open now."""
    wanted = select(_COUNTS.c.count).where(_COUNTS.c.key == keys.counted(what), _COUNTS.c.until > to_ms(now))
    return int(session.connection().execute(wanted).scalar_one_or_none() or 0)


def keep_letter(session: Session, keys: Keys, address: Address, now: datetime) -> None:
    """Note that a confirmation letter is due to an address."""
    row = {"mailbox": keys.mailbox(address), "domain": _domain(keys, address), "at": to_ms(now)}
    session.connection().execute(_LETTERS.insert(), row)


def letters_to(session: Session, keys: Keys, address: Address, since: datetime) -> int:
    """How many confirmation letters one mailbox was due, over all its spellings and all newsletters."""
    return _letters(session, since, _LETTERS.c.mailbox == keys.mailbox(address))


def letters_to_domain(session: Session, keys: Keys, address: Address, since: datetime) -> int:
    """The same over all mailboxes of its domain."""
    return _letters(session, since, _LETTERS.c.domain == _domain(keys, address))


def letters_since(session: Session, since: datetime) -> int:
    """The same over everybody."""
    return _letters(session, since)


def letters_by_hour(session: Session, since: datetime, until: datetime) -> list[int]:
    """How many were due in each hour between two moments, from the latest back."""
    hours = int((until - since) / timedelta(hours=1))
    ago = (to_ms(until) - _LETTERS.c.at) / HOUR_MS
    wanted = select(ago.label("ago")).where(_LETTERS.c.at > to_ms(since), _LETTERS.c.at <= to_ms(until))
    found = Counter(int(one) for one in session.connection().execute(wanted).scalars())
    return [found[n] for n in range(hours)]


def forget_letters(session: Session, mailboxes: Collection[bytes]) -> None:
    """Forget the letters to these mailboxes; counts, which end within days by themselves, stay."""
    session.connection().execute(delete(_LETTERS).where(_LETTERS.c.mailbox.in_(mailboxes)))


def prune(session: Session, now: datetime) -> None:
    """Forget the windows that have closed, and letters of more than thirty days ago."""
    session.connection().execute(delete(_COUNTS).where(_COUNTS.c.until <= to_ms(now)))
    session.connection().execute(delete(_LETTERS).where(_LETTERS.c.at <= to_ms(now - LETTERS_KEPT)))


def _letters(session: Session, since: datetime, *where: Any) -> int:
    wanted = select(func.count()).select_from(_LETTERS).where(_LETTERS.c.at > to_ms(since), *where)
    return int(session.connection().execute(wanted).scalar_one())


def _domain(keys: Keys, address: Address) -> bytes:
    return keys.counted(f"domain/{address.domain}")
