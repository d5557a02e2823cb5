"""C1 of the privacy notes: each byte of each stored column of a ledger is flipped, one at a time; its event is named.

On SQLite every byte; on PostgreSQL, where text must stay text, the first, the middle and the last of each value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlmodel import Session, SQLModel

import subscribers
from newsletter.database import Database
from tests.subscribers.people import KEYS, subscribe

EVENTS = [
    (table, column.name)
    for table in ("consent", "consent_payload")
    for column in SQLModel.metadata.tables[table].columns
]
TEXTS = [
    *(("consent_wording", name) for name in ("digest", "text")),
    *(("consent_notice", name) for name in ("digest", "kind", "text")),
]
# What follows from the events; the other columns of a subscription are wishes, which none of them tells.
STATES = [
    ("subscriber", "subject"),
    *(("subscription", name) for name in ("newsletter", "state", "ended_reason", "authorised_by")),
]
FREE_ON_SQLITE = ("PRAGMA defer_foreign_keys = ON", "PRAGMA ignore_check_constraints = ON")
FREE_ON_POSTGRES = ("SET LOCAL session_replication_role = replica",)
TRIGGERS = "SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'"
CHECKS = (
    "SELECT 'ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || conname FROM pg_constraint"
    " WHERE contype = 'c' AND conrelid <> 0 AND connamespace = 'public'::regnamespace"
)

Value = bytes | str | int


@pytest.fixture
def ledger(database: Database, now: datetime) -> Database:
    """Anna asks (1), agrees (2) and leaves (3)."""
    token = subscribe(database, now)
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, token, now, "unsubscribe button")
    return database


@pytest.mark.parametrize(("table", "column"), EVENTS)
def test_c1_every_byte_of_an_event_counts(ledger: Database, table: str, column: str) -> None:
    assert set(_found(ledger, table, column, "seq")) == {1, 2, 3} - ({3} if column == "wording" else set())


@pytest.mark.parametrize(("table", "column"), STATES)
def test_c1_every_byte_of_a_state_counts(ledger: Database, table: str, column: str) -> None:
    assert set(_found(ledger, table, column, "id")) == {1}


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_c1_every_byte_of_what_was_shown_counts(ledger: Database, table: str, column: str) -> None:
    assert len(set(_found(ledger, table, column, "digest"))) == 1


def _found(database: Database, table: str, column: str, key: str) -> list[int | str]:
    """The key of its row for every byte that was flipped and found; each by an event of the row."""
    found: list[int | str] = []
    events = {"id": {2, 3}, "digest": {1, 2}}
    with _tampering(database) as session:
        rows = session.connection().execute(text(f"SELECT {key}, {column} FROM {table}")).all()
        for row, value in rows:
            if value is None:
                continue
            for damaged in _damaged(database, value):
                _write(session, table, column, (key, row), damaged)
                verdict = subscribers.verify(session, KEYS)
                named = {one.seq for one in verdict.broken}
                assert not verdict.ok
                assert named & events.get(key, {row}), (row, damaged, verdict.broken)
                assert all(one.reason.encode() for one in verdict.broken)
                found.append(row)
                _write(session, table, column, (key, damaged if column == key else row), value)
        assert subscribers.verify(session, KEYS).ok
    return found


def _damaged(database: Database, value: Value) -> Iterator[bytes | int]:
    """The value with one byte flipped, for each of its bytes; all eight bits have their turn."""
    if isinstance(value, int):
        yield from (value ^ 0x40 << 8 * place for place in range(8 if database.dialect == "sqlite" else 3))
        return
    whole = value.encode() if isinstance(value, str) else value
    every = range(len(whole)) if database.dialect == "sqlite" else (0, len(whole) // 2, len(whole) - 1)
    for place in every:
        bit = 1 << place % 8 if database.dialect == "sqlite" else 1
        yield whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]


def _write(session: Session, table: str, column: str, where: tuple[str, Value], value: Value) -> None:
    key, row = where
    place, value = _placed(session, "value", value, table, column)
    at, row = _placed(session, "row", row, table, key)
    written = text(f"UPDATE {table} SET {column} = {place} WHERE {key} = {at}")
    assert session.connection().execute(written, {"value": value, "row": row}).rowcount == 1


def _placed(session: Session, name: str, value: Value, table: str, column: str) -> tuple[str, Value]:
    """A value and how a statement takes it: text as the disk would have it, which may be no UTF-8 any more."""
    if SQLModel.metadata.tables[table].c[column].type.python_type is not str or not isinstance(value, bytes):
        return f":{name}", value
    if session.get_bind().dialect.name == "sqlite":
        return f"CAST(:{name} AS TEXT)", value
    return f":{name}", value.decode()


@contextmanager
def _tampering(database: Database) -> Iterator[Session]:
    """One transaction of somebody for whom no rule of the database counts; nothing of it is kept."""
    with database.engine.connect() as connection, Session(connection, autoflush=False) as session:
        sqlite = database.dialect == "sqlite"
        for statement in FREE_ON_SQLITE if sqlite else FREE_ON_POSTGRES:
            connection.exec_driver_sql(statement)
        for (statement,) in connection.exec_driver_sql(TRIGGERS if sqlite else CHECKS).all():
            connection.exec_driver_sql(statement)
        yield session
        session.rollback()
        connection.rollback()
