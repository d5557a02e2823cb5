"""How long `worldbrief consent verify` takes, and whether twice the ledger takes twice as long."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import subscribers
from newsletter.database import Database
from tests.bench import people
from tests.bench.engines import engines, notes
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.delivery.newsroom import KEYS

SECONDS: Final = 5.0  # what 100,000 events may take on two cores
SIZES: Final = (10_000, 100_000)


def run(scale: Scale) -> Table:
    """Ledgers of 10,000 and 100,000 events, each verified as often as there are rounds."""
    counts = [scale.size(full, least=10 * n) for n, full in enumerate(SIZES, start=1)]
    spent: dict[str, list[float]] = {}
    with engines(scale) as made:
        runs: dict[str, Callable[[], float]] = {}
        for name, opened in made.items():
            for count in counts:
                database = opened()
                scale.tell(f"verify: {count:,} events, {name}")
                people.fill(database, people.file(count))
                one = f"{count:,} events, {name}"
                runs[one] = partial(_verify, database, count, spent.setdefault(one, []))
        walls = alternated(scale, runs, "verify")
        rows = [row for name in made for row in _rows(name, counts, walls, spent)]
        said = notes(made)
    return Table(
        name="verify",
        title="Proving the consent ledger whole",
        columns=("ledger", "seconds", "at most", "of them CPU", "events/s", "per event, to the small one"),
        rows=tuple(rows),
        notes=(
            "every hash, link, seal, text and subscription, one event a person; one process, which uses one core.",
            "of them CPU: of this program; PostgreSQL’s own is not in it.",
            *said,
        ),
    )


def _verify(database: Database, count: int, spent: list[float]) -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    with database.snapshot() as session:
        verdict = subscribers.verify(session, KEYS)
    spent.append(time.process_time() - cpu)
    seconds = time.perf_counter() - wall
    assert verdict.ok
    assert verdict.events == count
    return seconds


def _rows(
    engine: str, counts: list[int], walls: dict[str, list[float]], spent: dict[str, list[float]]
) -> list[tuple[Cell, ...]]:
    names = [f"{count:,} events, {engine}" for count in counts]
    each = [[one / count for one in walls[name]] for name, count in zip(names, counts, strict=True)]
    return [
        (
            name,
            middle(walls[name]),
            f"{SECONDS:.0f}" if count == SIZES[-1] else "-",
            middle(spent[name]),
            int(count / middle(walls[name])),
            ratio(mine, each[0]),
        )
        for name, count, mine in zip(names, counts, each, strict=True)
    ]
