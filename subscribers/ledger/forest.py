"""The ledger's tree read from the database: the roots of complete blocks of 1,024 entries are kept, the rest is hashed.

So a root or a proof in a ledger of a million entries reads some thousand rows. What is kept here is only ever a
shortcut: a proof is checked against a signed checkpoint, and `verify` recomputes every block.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Final

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, func, select
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers import bulk
from subscribers.ledger import consent, merkle, triggers
from subscribers.ledger.merkle import BLOCK

# Blocks added in one transaction: a tenth of a second of a write lock.
STEP: Final = 32


class SubtreeRow(SQLModel, table=True):
    """The tree hash of entries `block` * 1,024 + 1 to (`block` + 1) * 1,024."""

    __tablename__ = "consent_subtree"
    __table_args__ = (CheckConstraint("block >= 0", name=conv("ck_consent_subtree_block")),)

    block: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    root: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))


triggers.attach(SQLModel.metadata, ["consent_subtree"])
_BLOCKS: Final = SQLModel.metadata.tables["consent_subtree"]
_EVENTS: Final = SQLModel.metadata.tables["consent"]


class Forest:
    """The tree of the first `size` entries."""

    def __init__(self, session: Session, size: int) -> None:
        self._session, self.size = session, size
        self._leaves: dict[int, list[bytes]] = {}

    def root(self) -> bytes:
        """The tree's hash."""
        return self.node(0, self.size)

    def inclusion(self, seq: int) -> list[bytes]:
        """The proof that event `seq` is the leaf of that place in this tree (RFC 9162 2.1.3.1)."""
        return merkle.inclusion(seq - 1, self.size, self.node)

    def consistency(self, earlier: int) -> list[bytes]:
        """The proof that this tree begins with that of `earlier` entries (RFC 9162 2.1.4.1)."""
        return merkle.consistency(earlier, self.size, self.node)

    def node(self, first: int, last: int) -> bytes:
        """The hash of leaves `first` to `last`, the latter not included, where RFC 9162 would cut."""
        block, rest = divmod(first, BLOCK)
        if last - first > BLOCK:
            return merkle.split(first, last, self.node)
        if not rest and last - first == BLOCK and block in self._roots:
            return self._roots[block]
        leaves = self._block(block)
        return merkle.root(leaves[rest : rest + last - first])

    @cached_property
    def _roots(self) -> dict[int, bytes]:
        return {block: bytes(root) for block, root in self._session.connection().execute(select(_BLOCKS))}

    def _block(self, block: int) -> list[bytes]:
        if block not in self._leaves:
            self._leaves[block] = entries(self._session, block * BLOCK, (block + 1) * BLOCK)
        return self._leaves[block]


def entries(session: Session, first: int, last: int) -> list[bytes]:
    """The entry hashes of the events after `first` up to and with `last`."""
    wanted = select(_EVENTS.c.entry).where(_EVENTS.c.seq > first, _EVENTS.c.seq <= last).order_by(_EVENTS.c.seq)
    return [bytes(one) for one in session.connection().execute(wanted).scalars()]


def extend(session: Session, most: int | None = None) -> int:
    """Keep the roots of blocks that have become complete, at most so many; returns how many were added.

    The caller holds the ledger's lock.
    """
    connection = session.connection()
    first = int(connection.execute(select(func.count()).select_from(_BLOCKS)).scalar_one())
    last = consent.head(session).size // BLOCK
    last = last if most is None else min(last, first + most)
    rows: list[tuple[object, ...]] = [
        (block, merkle.root(entries(session, block * BLOCK, (block + 1) * BLOCK))) for block in range(first, last)
    ]
    bulk.insert(session, _BLOCKS, ("block", "root"), rows)
    return len(rows)


def grow(transaction: Callable[[], AbstractContextManager[Session]]) -> None:
    """The same in short steps, for whoever is about to need a root after a large import."""
    added = STEP
    while added == STEP:
        with transaction() as session:
            consent.lock(session)
            added = extend(session, STEP)


def blocks(session: Session) -> dict[int, bytes]:
    """What is kept, for `verify` to compare."""
    return {int(block): bytes(root) for block, root in session.connection().execute(select(_BLOCKS))}
