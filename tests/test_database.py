"""Transactions keep all or nothing, lose no update, and say in one line what is wrong with the database."""

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from newsletter.database import Database, Moment
from newsletter.errors import DatabaseError


def _counter(database: Database) -> None:
    with database.transaction() as session:
        session.connection().execute(text("CREATE TABLE counter (n INTEGER)"))
        session.connection().execute(text("INSERT INTO counter VALUES (0)"))


def _value(database: Database) -> int:
    with database.snapshot() as session:
        return int(session.connection().execute(text("SELECT n FROM counter")).scalar_one())


def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    _counter(database)

    def fail() -> None:
        with database.transaction() as session:
            session.connection().execute(text("UPDATE counter SET n = 1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _value(database) == 0


def test_a_snapshot_keeps_nothing(database: Database) -> None:
    _counter(database)
    with database.snapshot() as session:
        session.connection().execute(text("SELECT n FROM counter"))
    assert _value(database) == 0


def test_writers_that_read_first_lose_no_update(database: Database) -> None:
    _counter(database)
    lock = " FOR UPDATE" if database.dialect == "postgresql" else ""

    def add() -> None:
        for _ in range(25):
            with database.transaction() as session:
                n = session.connection().execute(text(f"SELECT n FROM counter{lock}")).scalar_one()
                session.connection().execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert _value(database) == 100


def test_the_schema_is_at_this_programs_revision_and_upgrading_again_changes_nothing(database: Database) -> None:
    here, wanted = database.revision()
    assert here == wanted is not None
    database.upgrade()
    assert database.revision() == (here, wanted)


def test_a_locked_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "locked.db"
    database = Database(f"sqlite:///{path}", busy_timeout_seconds=0.05)
    _counter(database)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(DatabaseError, match="locked by another process"), database.transaction() as session:
            session.connection().execute(text("UPDATE counter SET n = 1"))
    finally:
        other.close()
        database.close()


def test_a_full_disk_is_one_clear_line_and_keeps_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'full.db'}")
    _counter(database)

    def fill() -> None:
        with database.transaction() as session:
            # SQLite reports a file at its page limit exactly as it reports a full disk.
            session.connection().exec_driver_sql("PRAGMA max_page_count=3")
            session.connection().exec_driver_sql("UPDATE counter SET n = 7")
            session.connection().exec_driver_sql("CREATE TABLE big (x)")
            session.connection().exec_driver_sql("INSERT INTO big VALUES (zeroblob(100000))")

    with pytest.raises(DatabaseError, match="disk is full"):
        fill()
    assert _value(database) == 0
    database.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://localhost/x", "cannot be used|not supported"),
        ("nonsense", "cannot be used"),
        ("postgresql://127.0.0.1:port/x", "cannot be used"),
        ("postgresql://127.0.0.1:1/x", "does not answer"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_clear_line(url: str, says: str) -> None:
    with pytest.raises(DatabaseError, match=says):
        Database(url).upgrade()


def test_moments_are_aware_utc_or_refused() -> None:
    class Dialect:
        name = "sqlite"

    aware = datetime(2026, 11, 23, 5, tzinfo=UTC)
    moment = Moment()
    stored = moment.process_bind_param(aware, Dialect())  # type: ignore[arg-type]
    assert moment.process_result_value(stored, Dialect()) == aware  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="naive"):
        moment.process_bind_param(aware.replace(tzinfo=None), Dialect())  # type: ignore[arg-type]
