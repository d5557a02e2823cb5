"""Freezing an audience: the count, the INSERT … SELECT, the chunks and the balance, in one transaction."""

import itertools
from collections.abc import Iterator
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
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio, timed
from tests.builders import MORNING
from tests.delivery.newsroom import subscribe

DAYS: Final = itertools.count()
ON_POSTGRES: Final = (
    "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(ARRAY['mailing', 'chunk', 'delivery']) AS name"
)
ON_SQLITE: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


def run(scale: Scale) -> Table:
    """Two newsletters on each database, of 10,000 and 100,000 subscriptions, frozen again and again for new dates."""
    rows: list[tuple[Cell, ...]] = []
    with engines(scale) as made:
        for name, opened in made.items():
            rows += _rows(name, opened(), scale)
        said = notes(made)
    return Table(
        name="ledger",
        title="Freezing an audience",
        columns=("database", "subscriptions", "seconds", "letters/s", "bytes a letter", "time a letter"),
        rows=tuple(rows),
        notes=("What `dispatch` does under its one lock: count, freeze, cut into chunks, prove the balance.", *said),
    )


def _rows(name: str, database: Database, scale: Scale) -> Iterator[tuple[Cell, ...]]:
    sizes = {f"{count:,}": count for count in (scale.size(10_000, least=20), scale.size(100_000, least=200))}
    for key, count in sizes.items():
        scale.tell(f"ledger: importing {count:,} subscribers into {name}")
        subscribe(database, count, MORNING, newsletter=key)
    grown: dict[str, list[float]] = {key: [] for key in sizes}
    runs = {key: partial(_freeze, database, key, count, grown[key]) for key, count in sizes.items()}
    found = alternated(scale, runs, f"ledger on {name}")
    each = {key: [one / sizes[key] for one in seconds] for key, seconds in found.items()}
    few = next(iter(sizes))
    for key, count in sizes.items():
        seconds = middle(found[key])
        against = f"{ratio(each[key], each[few]):.2f} of {few}’s"
        yield name, count, seconds, int(count / seconds), middle(grown[key]), against


def _freeze(database: Database, newsletter: str, count: int, grown: list[float]) -> float:
    now = MORNING + timedelta(days=next(DAYS))
    before = _bytes(database)

    def frozen() -> None:
        with database.transaction() as session:
            mailing = ledger.open_mailing(session, _opening(session, newsletter, now), now)
        assert mailing is not None
        assert mailing.due == count

    seconds = timed(frozen)
    grown.append((_bytes(database) - before) / count)
    return seconds


def _opening(session: Session, newsletter: str, now: datetime) -> Opening:
    subscribers.lock(session)
    audience = subscribers.audience(session, newsletter, now)
    return Opening(
        newsletter=newsletter,
        kind=EDITION,
        on=now.date(),
        proof_digest="0" * 64,
        expires_at=now + timedelta(hours=20),
        eligible=audience.eligible,
        candidates=audience.candidates,
        excluded=audience.excluded,
    )


def _bytes(database: Database) -> int:
    """What the ledger’s tables and their indexes take; on SQLite the whole file, since nothing else grows."""
    query = ON_POSTGRES if database.dialect == "postgresql" else ON_SQLITE
    with database.snapshot() as session:
        return int(session.connection().execute(sa.text(query)).scalar_one())
