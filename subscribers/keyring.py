"""The subjects' own keys, in a database apart from all that they open, with backups of its own.

What is sealed for one person opens with that person's key alone. To shred it here is to shred what it opens in every
copy of the main database, old backups included. Keys are stored wrapped: this file alone opens nothing either.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlmodel import Session

from subscribers import bulk
from subscribers.instants import to_text

METADATA: Final = MetaData()
# Parameters of one statement; SQLite takes 32,766.
STEP: Final = 5_000
_KEYS: Final = Table(
    "subject_key",
    METADATA,
    Column("subject", LargeBinary(16), primary_key=True),
    Column("kek", Integer, nullable=False),
    Column("wrapped", LargeBinary(60), nullable=False),
    Column("made_on", String(10), nullable=False),
    sqlite_with_rowid=False,
)
_FOUND: Final = "SELECT subject, kek, wrapped FROM subject_key WHERE subject {among}"

Transaction = Callable[[], AbstractContextManager[Session]]


class WrappedKey(NamedTuple):
    """One subject's key as it is stored: encrypted under the key-encryption key of that number."""

    subject: bytes
    kek: int
    wrapped: bytes


class Keyring:
    """The stored keys. Every change is a short transaction of its own, durable before it returns."""

    def __init__(
        self, transaction: Transaction, snapshot: Transaction, scrub: Callable[[], None] = lambda: None
    ) -> None:
        self._transaction, self._snapshot = transaction, snapshot
        self.scrub = scrub

    def prepare(self) -> None:
        """Create the one table where it is missing."""
        with self._transaction() as session:
            METADATA.create_all(session.connection())

    def keep(self, keys: Sequence[WrappedKey], now: datetime) -> None:
        """Store new keys. They come before what they seal, so that nothing is ever sealed by a key that was lost."""
        day = to_text(now)[:10]
        with self._transaction() as session:
            bulk.insert(session, _KEYS, ("subject", "kek", "wrapped", "made_on"), [(*one, day) for one in keys])

    def find(self, subjects: Collection[bytes]) -> dict[bytes, WrappedKey]:
        """The keys of these subjects that are there."""
        found: dict[bytes, WrappedKey] = {}
        wanted = list(subjects)
        with self._snapshot() as session:
            for start in range(0, len(wanted), STEP):
                rows = bulk.among(session, _FOUND, wanted[start : start + STEP])
                found |= {bytes(row.subject): _wrapped(row) for row in rows}
        return found

    def shred(self, subjects: Collection[bytes]) -> int:
        """Destroy keys for good; returns how many were there."""
        wanted, gone = list(subjects), 0
        with self._transaction() as session:
            for start in range(0, len(wanted), STEP):
                among = delete(_KEYS).where(_KEYS.c.subject.in_(wanted[start : start + STEP]))
                gone += session.connection().execute(among).rowcount
        return gone

    def subjects(self, made_before: str = "9999") -> Iterator[bytes]:
        """Every subject that has a key made before a day (ISO 8601), in order."""
        last = b""
        while True:
            wanted = select(_KEYS.c.subject).where(_KEYS.c.subject > last, _KEYS.c.made_on < made_before)
            with self._snapshot() as session:
                step = [
                    bytes(one) for one in session.connection().execute(wanted.order_by("subject").limit(STEP)).scalars()
                ]
            yield from step
            if len(step) < STEP:
                return
            last = step[-1]

    def wrapped_by_others(self, kek: int) -> Sequence[WrappedKey]:
        """Some keys that another key-encryption key than this one wraps; none when all are wrapped by it."""
        wanted = select(_KEYS.c.subject, _KEYS.c.kek, _KEYS.c.wrapped).where(_KEYS.c.kek != kek).limit(STEP)
        with self._snapshot() as session:
            return [_wrapped(row) for row in session.connection().execute(wanted)]

    def replace(self, keys: Sequence[WrappedKey]) -> None:
        """Store the same keys wrapped anew; one that was shredded meanwhile stays so."""
        anew = (
            update(_KEYS)
            .where(_KEYS.c.subject == bindparam("mine"))
            .values(kek=bindparam("by"), wrapped=bindparam("to"))
        )
        with self._transaction() as session:
            changes = [{"mine": one.subject, "by": one.kek, "to": one.wrapped} for one in keys]
            if changes:
                session.connection().execute(anew, changes)

    def count(self) -> int:
        """How many keys there are."""
        with self._snapshot() as session:
            return int(session.connection().execute(select(func.count()).select_from(_KEYS)).scalar_one())


def _wrapped(row: Any) -> WrappedKey:
    return WrappedKey(bytes(row.subject), int(row.kek), bytes(row.wrapped))
