"""Fixtures every room's tests share: one clock, both databases, and the rule that nothing leaves loopback."""

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.database import Database
from tests.postgres import Cluster, binaries

REQUIRED = frozenset(os.environ.get("WORLD_BRIEF_REQUIRE", "").replace(",", " ").split())


def missing(what: str, why: str) -> None:
    """Skip a test whose means are not on this machine; in CI, where they must be, fail it."""
    if what in REQUIRED:
        pytest.fail(f"{what} is required here: {why}")
    pytest.skip(why)


@pytest.fixture
def now() -> datetime:
    """Monday 23 November 2026, 05:00 UTC."""
    return datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real PostgreSQL server for this test process, on loopback, without fsync."""
    found = binaries()
    if found is None:
        missing("postgres", "no PostgreSQL server on this machine (Debian: postgresql)")
    assert found is not None
    with Cluster(found).running() as one:
        template = one.create("template_world_brief")
        database = Database(template)
        database.upgrade()
        database.close()
        yield one


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from: migrating once is faster than once a test."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated database; every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("migrated_file")
        one = Database(f"sqlite:///{shutil.copy(template, tmp_path / 'test.db')}")
        yield one
        one.close()
        return
    server: Cluster = request.getfixturevalue("cluster")
    name = f"test_{abs(hash(request.node.nodeid))}"
    one = Database(server.create(name, "template_world_brief"))
    yield one
    one.close()
    server.drop(name)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to connect to {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
