"""Databases for property tests, which need many."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from newsletter.database import Database
from subscribers import Keyring
from tests.subscribers.people import KEYS


@pytest.fixture
def fresh(migrated_file: Path, tmp_path: Path) -> Callable[[], Database]:
    """Makes empty SQLite databases, as many as are asked for."""
    made = iter(range(10_000))

    def make() -> Database:
        path = tmp_path / f"fresh-{next(made)}.db"
        path.write_bytes(migrated_file.read_bytes())
        return Database(f"sqlite:///{path}")

    return make


@pytest.fixture
def own_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A keyring of the test's own, for what sweeps through all keys there are."""
    store = Database(f"sqlite:///{tmp_path / 'own-keyring.db'}")
    ring = Keyring(store.transaction, store.snapshot)
    ring.prepare()
    monkeypatch.setattr(KEYS, "ring", ring)
    yield store
    KEYS.forget()
    store.close()
