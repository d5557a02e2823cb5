"""What was imported when, by whom, and which events of the ledger came of it. The only writer of its two tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, Row, String, select, update
from sqlalchemy.sql.elements import conv
from sqlmodel import Field, Session, SQLModel

from subscribers.instants import from_ms, to_ms


class ImportBatchRow(SQLModel, table=True):
    """One import. The counts are those of its finished part; `sha256` is known when the whole file was read."""

    __tablename__ = "import_batch"
    __table_args__ = (
        CheckConstraint(
            "rows = imported + unchanged + unknown + suppressed + ended + refused", name=conv("ck_import_batch_rows")
        ),
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name=conv("ck_import_batch_undone")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    newsletter: str
    file: str
    loader: str
    sha256: str | None = Field(sa_column=Column(String(64), nullable=True))
    added_by: str
    started_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    finished_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    rows: int
    imported: int
    unchanged: int
    unknown: int
    suppressed: int
    ended: int
    refused: int
    undone_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))
    undone_by: str | None = None


class ImportSpanRow(SQLModel, table=True):
    """Consecutive events of the ledger that one transaction of an import made."""

    __tablename__ = "import_span"
    __table_args__ = (CheckConstraint("first_seq <= last_seq", name=conv("ck_import_span_order")),)

    batch_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("import_batch.id", name="fk_import_span_batch"), primary_key=True, autoincrement=False
        )
    )
    first_seq: int = Field(
        sa_column=Column(
            Integer, ForeignKey("consent.seq", name="fk_import_span_first"), primary_key=True, autoincrement=False
        )
    )
    last_seq: int = Field(
        sa_column=Column(Integer, ForeignKey("consent.seq", name="fk_import_span_last"), nullable=False)
    )


_BATCHES: Final = SQLModel.metadata.tables["import_batch"]
_SPANS: Final = SQLModel.metadata.tables["import_span"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What became of rows; `rows` is the sum of the others."""

    imported: int = 0
    unchanged: int = 0
    unknown: int = 0
    suppressed: int = 0
    ended: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        return self.imported + self.unchanged + self.unknown + self.suppressed + self.ended + self.refused

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            imported=self.imported + other.imported,
            unchanged=self.unchanged + other.unchanged,
            unknown=self.unknown + other.unknown,
            suppressed=self.suppressed + other.suppressed,
            ended=self.ended + other.ended,
            refused=self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """An import that begins."""

    newsletter: str
    file: str
    loader: str
    by: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One import; without `finished_at` it was interrupted, or is at work now."""

    id: int
    newsletter: str
    file: str
    loader: str
    sha256: str
    by: str
    started_at: datetime
    finished_at: datetime | None
    counts: Counts
    undone_at: datetime | None
    undone_by: str


def begin(session: Session, new: NewBatch) -> int:
    """Begin an import and return its number."""
    row = {
        "newsletter": new.newsletter,
        "file": new.file,
        "loader": new.loader,
        "added_by": new.by,
        "started_at": to_ms(new.now),
        "rows": 0,
        "imported": 0,
        "unchanged": 0,
        "unknown": 0,
        "suppressed": 0,
        "ended": 0,
        "refused": 0,
    }
    made = session.connection().execute(_BATCHES.insert().values(row).returning(_BATCHES.c.id))
    return int(made.scalar_one())


def record(session: Session, batch: int, so_far: Counts, seqs: Sequence[int]) -> None:
    """Keep how far an import is, and the events this transaction appended for it."""
    counts = {name: getattr(so_far, name) for name in Counts.__slots__}
    _change(session, batch, rows=so_far.rows, **counts)
    if seqs:
        span = {"batch_id": batch, "first_seq": seqs[0], "last_seq": seqs[-1]}
        session.connection().execute(_SPANS.insert(), span)


def finish(session: Session, batch: int, sha256: str, now: datetime) -> None:
    """The whole file was read."""
    _change(session, batch, sha256=sha256, finished_at=to_ms(now))


def undone(session: Session, batch: int, by: str, now: datetime) -> None:
    """What the import made has ended."""
    _change(session, batch, undone_at=to_ms(now), undone_by=by)


def load(session: Session, batch: int) -> Batch | None:
    """One import."""
    row = session.connection().execute(select(_BATCHES).where(_BATCHES.c.id == batch)).one_or_none()
    return None if row is None else _batch(row)


def listing(session: Session, limit: int = 50) -> list[Batch]:
    """The imports, newest first."""
    found = session.connection().execute(select(_BATCHES).order_by(_BATCHES.c.id.desc()).limit(limit))
    return [_batch(row) for row in found]


def spans(session: Session, batch: int) -> list[tuple[int, int]]:
    """The events of an import, as first and last numbers."""
    wanted = select(_SPANS.c.first_seq, _SPANS.c.last_seq).where(_SPANS.c.batch_id == batch)
    found = session.connection().execute(wanted.order_by(_SPANS.c.first_seq))
    return [(int(first), int(last)) for first, last in found]


def _change(session: Session, batch: int, **values: str | int) -> None:
    session.connection().execute(update(_BATCHES).where(_BATCHES.c.id == batch).values(values))


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        id=int(row.id),
        newsletter=str(row.newsletter),
        file=str(row.file),
        loader=str(row.loader),
        sha256=row.sha256 or "",
        by=str(row.added_by),
        started_at=from_ms(row.started_at),
        finished_at=None if row.finished_at is None else from_ms(row.finished_at),
        counts=Counts(**{name: int(getattr(row, name)) for name in Counts.__slots__}),
        undone_at=None if row.undone_at is None else from_ms(row.undone_at),
        undone_by=row.undone_by or "",
    )
