"""Checkpoints: at times the ledger says, signed, how long it is and what its tree's hash is; each is kept here.

Copies leave the house: the note in a journal beside the database, the blinded line in every letter of an edition. A
chain that is rewritten whole, with all keys at hand, no longer agrees with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, Text, select
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers.instants import from_ms, to_ms
from subscribers.keys import Keys
from subscribers.ledger import consent, forest, signed_notes, triggers
from subscribers.ledger.signed_notes import Claim, Signer


class CheckpointRow(SQLModel, table=True):
    """One checkpoint as it was signed, and the nonce that makes its blinded line again."""

    __tablename__ = "consent_checkpoint"
    __table_args__ = (CheckConstraint("size >= 0", name=conv("ck_consent_checkpoint_size")),)

    size: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    root: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    made_at: int = Field(sa_column=Column(BigInteger, nullable=False))


triggers.attach(SQLModel.metadata, ["consent_checkpoint"])
_CHECKPOINTS: Final = SQLModel.metadata.tables["consent_checkpoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A checkpoint as it is kept."""

    size: int
    root: bytes
    nonce: bytes
    note: str
    made_at: datetime

    @property
    def line(self) -> str:
        """The blinded line, as it stands in letters and in the archive."""
        origin = self.note.partition("\n")[0]
        return Claim(origin=origin, size=self.size, root=self.root).blinded(self.nonce)


def make(session: Session, keys: Keys, signer: Signer, now: datetime) -> Checkpoint:
    """Sign how the ledger stands, or find the checkpoint that says so already. Takes the ledger's lock."""
    consent.lock(session)
    size = consent.head(session).size
    known = _found(session, _CHECKPOINTS.c.size == size)
    if known:
        return known
    forest.extend(session)
    claim = Claim(origin=signer.origin, size=size, root=forest.Forest(session, size).root())
    made = Checkpoint(
        size=size,
        root=claim.root,
        nonce=keys.chance(signed_notes.NONCE_BYTES),
        note=signer.sign(claim),
        made_at=from_ms(to_ms(now)),
    )
    values = {"size": size, "root": made.root, "nonce": made.nonce, "note": made.note, "made_at": to_ms(now)}
    session.connection().execute(_CHECKPOINTS.insert(), values)
    return made


def due(session: Session, now: datetime) -> bool:
    """Whether something was recorded since the last checkpoint, and that one is not of this day (UTC)."""
    last = latest(session)
    size = consent.head(session).size
    return size > 0 if last is None else size > last.size and last.made_at.date() < now.date()


def latest(session: Session) -> Checkpoint | None:
    """The newest checkpoint."""
    return _found(session)


def all_of(session: Session, beyond: int = -1) -> Iterator[Checkpoint]:
    """The checkpoints of more than `beyond` entries, in order."""
    rows = session.connection().execute(
        select(_CHECKPOINTS).where(_CHECKPOINTS.c.size > beyond).order_by(_CHECKPOINTS.c.size)
    )
    return map(_checkpoint, rows.all())


def _found(session: Session, *where: Any) -> Checkpoint | None:
    wanted = select(_CHECKPOINTS).where(*where).order_by(_CHECKPOINTS.c.size.desc()).limit(1)
    row = session.connection().execute(wanted).one_or_none()
    return None if row is None else _checkpoint(row)


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(
        size=int(row.size),
        root=bytes(row.root),
        nonce=bytes(row.nonce),
        note=str(row.note),
        made_at=from_ms(int(row.made_at)),
    )
