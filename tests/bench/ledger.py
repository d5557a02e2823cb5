"""Freezing an audience: the count, the INSERT … SELECT, the chunks and the balance, in one transaction.

Beside it a bare INSERT … SELECT of the same numbers into a table of nothing else: what the database itself takes.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

import subscribers
from newsletter.database import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import EDITION, Opening
from tests.bench.engines import engines, notes
from tests.bench.measure import FULL, Cell, Scale, Table, alternated, middle, ratio, timed
from tests.builders import MORNING
from tests.delivery.newsroom import subscribe

SIZES: Final = (10_000, 100_000, 1_000_000)
MIXED: Final = 100_000
WEEKS: Final = itertools.count()
ON_POSTGRES: Final = (
    "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(ARRAY['mailing', 'chunk', 'delivery']) AS name"
)
ON_SQLITE: Final = (
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
BARE: Final = "INSERT INTO bare SELECT id FROM subscription WHERE newsletter = :newsletter ORDER BY id"
NOTES: Final = (
    "What `dispatch` does under its one lock: count, freeze, ask why others get none, prove the balance, cut chunks.",
    "Ratios: to a bare INSERT … SELECT of the same numbers; the time for one subscription, to the fewest’s.",
    "Mixed: every tenth gets none on a Monday, since they want Fridays only, or nobody knows how they consented.",
)


@dataclass(slots=True, kw_only=True)
class Paper:
    """A newsletter of so many subscriptions, of which so many are due, and what its mailings took of the disk."""

    name: str
    count: int
    due: int
    grown: list[float] = field(default_factory=list)


def run(scale: Scale) -> Table:
    """Newsletters of ever more subscriptions on each database, frozen again and again for new Mondays."""
    rows: list[tuple[Cell, ...]] = []
    with engines(scale) as made:
        for name, opened in made.items():
            rows += _rows(name, opened(), scale)
        said = notes(made)
    return Table(
        name="ledger",
        title="Freezing an audience",
        columns=(
            "database",
            "subscriptions",
            "seconds",
            "letters/s",
            "bytes a letter",
            "to a bare list",
            "to the fewest",
        ),
        rows=tuple(rows),
        notes=(*NOTES, *said),
    )


def _rows(name: str, database: Database, scale: Scale) -> Iterator[tuple[Cell, ...]]:
    papers = list(_papers(name, database, scale))
    runs = {one.name: partial(_freeze, database, one) for one in papers}
    runs |= {f"bare {one.name}": partial(_bare, database, one) for one in papers}
    found = alternated(scale, runs, f"ledger on {name}")
    each = {one.name: [seconds / one.count for seconds in found[one.name]] for one in papers}
    few = papers[0].name
    for one in papers:
        seconds = middle(found[one.name])
        bare, fewest = ratio(found[one.name], found[f"bare {one.name}"]), ratio(each[one.name], each[few])
        yield name, one.name, seconds, int(one.due / seconds), middle(one.grown), f"{bare:.1f}x", f"{fewest:.2f}x"


def _papers(name: str, database: Database, scale: Scale) -> Iterator[Paper]:
    # The last is for a full run alone: its people take a minute to come in.
    for count in map(scale.size, SIZES if scale.share >= FULL.share else SIZES[:-1]):
        yield _subscribed(name, database, scale, Paper(name=f"{count:,}", count=count, due=count))
    count = scale.size(MIXED)
    paper = _subscribed(name, database, scale, Paper(name=f"{count:,} mixed", count=count, due=count))
    with database.transaction() as session:
        for change, every in (("rhythm = 'friday'", 10), ("state = 'unknown'", 100)):
            chosen = f"newsletter = :newsletter AND id % {every} = 0"
            statement = sa.text(f"UPDATE subscription SET {change} WHERE {chosen}")
            session.connection().execute(statement, {"newsletter": paper.name})
        due = sa.text("SELECT count(*) FROM subscription WHERE newsletter = :newsletter AND id % 10 <> 0")
        paper.due = session.connection().execute(due, {"newsletter": paper.name}).scalar_one()
    yield paper


def _subscribed(name: str, database: Database, scale: Scale, paper: Paper) -> Paper:
    scale.tell(f"ledger: importing {paper.count:,} subscribers into {name}")
    subscribe(database, paper.count, MORNING, newsletter=paper.name)
    return paper


def _freeze(database: Database, paper: Paper) -> float:
    now = MORNING + timedelta(weeks=next(WEEKS))
    before = _bytes(database)

    def frozen() -> None:
        with database.transaction() as session:
            mailing = ledger.open_mailing(session, _opening(session, paper.name, now), now)
        assert mailing is not None
        assert (mailing.candidates, mailing.due) == (paper.count, paper.due)

    seconds = timed(frozen)
    paper.grown.append((_bytes(database) - before) / paper.due)
    return seconds


def _bare(database: Database, paper: Paper) -> float:
    def copied() -> None:
        with database.transaction() as session:
            session.connection().execute(sa.text("CREATE TABLE bare (id INTEGER NOT NULL PRIMARY KEY)"))
            done = session.connection().execute(sa.text(BARE), {"newsletter": paper.name})
            assert done.rowcount == paper.count

    seconds = timed(copied)
    with database.transaction() as session:
        session.connection().execute(sa.text("DROP TABLE bare"))
    return seconds


def _opening(session: Session, newsletter: str, now: datetime) -> Opening:
    subscribers.lock(session)
    found = subscribers.candidates(session, newsletter, now, now.date())
    return Opening(
        newsletter=newsletter,
        kind=EDITION,
        on=now.date(),
        proof_digest="0" * 64,
        expires_at=now + timedelta(hours=20),
        eligible=found.eligible,
        candidates=found.count,
        excluded=found.excluded,
    )


def _bytes(database: Database) -> int:
    """What the ledger’s tables and their indexes take; on SQLite the pages of the file that are in use."""
    query = ON_POSTGRES if database.dialect == "postgresql" else ON_SQLITE
    with database.snapshot() as session:
        return int(session.connection().execute(sa.text(query)).scalar_one())
