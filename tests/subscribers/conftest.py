"""Databases for property tests, which need many."""

from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.database import Database


@pytest.fixture
def fresh(migrated_file: Path, tmp_path: Path) -> Callable[[], Database]:
    """Makes empty SQLite databases, as many as are asked for."""
    made = iter(range(10_000))

    def make() -> Database:
        path = tmp_path / f"fresh-{next(made)}.db"
        path.write_bytes(migrated_file.read_bytes())
        return Database(f"sqlite:///{path}")

    return make
