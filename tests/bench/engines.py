"""Databases to measure on: SQLite files, and a PostgreSQL server of our own when this machine has one."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from newsletter.database import Database
from tests.bench.measure import Scale
from tests.postgres import Cluster, binaries

Engines = Mapping[str, Callable[[], Database]]
SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
UNSAFE_POSTGRES: Final = "PostgreSQL on loopback without fsync, as the tests run it."
NO_POSTGRES: Final = "PostgreSQL is not on this machine (Debian: postgresql): not measured."


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="world-brief-bench-") as name:
        yield Path(name)


@contextmanager
def engines(scale: Scale) -> Iterator[Engines]:
    """Makers of empty, migrated databases by the name of their kind; the databases are closed at the end."""
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        numbers = itertools.count()

        def opened(url: str) -> Database:
            one = Database(url)
            stack.callback(one.close)
            return one

        template = migrated(f"sqlite:///{place / 'template.db'}")
        made: dict[str, Callable[[], Database]] = {
            SQLITE: lambda: opened(f"sqlite:///{shutil.copy(template, place / f'{next(numbers)}.db')}")
        }
        found = binaries() if scale.servers else None
        if found:
            cluster = stack.enter_context(Cluster(found).running())
            migrated(cluster.create("template_bench"))
            made[POSTGRES] = lambda: opened(cluster.create(f"bench_{next(numbers)}", "template_bench"))
        yield made


def migrated(url: str) -> str:
    """Create the tables, close, and return the path of the file (or the URL)."""
    database = Database(url)
    database.upgrade()
    database.close()
    return url.removeprefix("sqlite:///")


def notes(made: Engines) -> tuple[str, ...]:
    return (UNSAFE_POSTGRES if POSTGRES in made else NO_POSTGRES,)
