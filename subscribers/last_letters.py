"""The one letter to somebody who was erased, which says so. The only writer of its table.

Its address is sealed under a pseudonym of its own, which leads to nobody. Once the letter has left, or its day is over,
the row goes and the key with it, so that no copy of the database tells where it went.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, delete, select
from sqlmodel import Field, Session, SQLModel

from subscribers import states, suppressions
from subscribers.access import NO_TOKEN, Addressee
from subscribers.addresses import Address
from subscribers.audience import Dropped
from subscribers.errors import UnreadableSeal
from subscribers.instants import from_ms, to_ms
from subscribers.keys import Keys, Sealed

# Shorter than a key may lie without a row of a person (`retention.ORPHANED`), or it would be swept before.
LIFETIME: Final = timedelta(hours=24)


class LastLetterRow(SQLModel, table=True):
    """One such letter, while it waits."""

    __tablename__ = "last_letter"
    # An id is never used again: a letter that waits must not find somebody else behind it.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    subject: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))


_LETTERS: Final = SQLModel.metadata.tables["last_letter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLetter:
    """A letter is due, in the name of a newsletter its reader knew; `held_until` is what else it has to say."""

    id: int
    newsletter: str
    language: str
    expires_at: datetime
    held_until: date | None = None


def keep(session: Session, keys: Keys, address: Address, now: datetime) -> tuple[int, datetime]:
    """Store where a letter goes; returns its number, and when it is forgotten at the latest."""
    subject = keys.new_subject(now)
    expires_at = now + LIFETIME
    row = {
        "subject": subject,
        "sealed": keys.seal(subject, Sealed.REQUEST, address.text.encode()),
        "expires_at": to_ms(expires_at),
    }
    return int(session.connection().execute(_LETTERS.insert().returning(_LETTERS.c.id), row).scalar_one()), expires_at


def last_addressee(session: Session, keys: Keys, number: int, now: datetime) -> Addressee | Dropped:
    """The address of such a letter as of now, or why it is not to be sent."""
    row = session.connection().execute(select(_LETTERS).where(_LETTERS.c.id == number)).one_or_none()
    if row is None or to_ms(now) >= row.expires_at:
        return Dropped(reason="forgotten")
    try:
        address = Address.parse(keys.open(bytes(row.subject), Sealed.REQUEST, bytes(row.sealed)).decode())
    except UnreadableSeal:
        return Dropped(reason="unreadable address")
    if states.bars_last_letter(suppressions.bars(session, keys.fingerprint(address))):
        return Dropped(reason="suppressed")
    return Addressee(address=address.text, token=NO_TOKEN)


def waiting(session: Session) -> dict[int, datetime]:
    """Every letter whose address is still known, and until when at most."""
    found = session.connection().execute(select(_LETTERS.c.id, _LETTERS.c.expires_at))
    return {int(number): from_ms(expires_at) for number, expires_at in found}


def forget(session: Session, numbers: Collection[int]) -> tuple[bytes, ...]:
    """Forget where these letters went; the keys of what is returned are to be shredded after the commit."""
    gone = delete(_LETTERS).where(_LETTERS.c.id.in_(numbers)).returning(_LETTERS.c.subject)
    return tuple(bytes(one) for one in session.connection().execute(gone).scalars())
