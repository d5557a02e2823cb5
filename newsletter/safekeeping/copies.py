"""Every row of one database into another, SQLite or PostgreSQL either way: in one transaction, so all or nothing.

The numbers that were ever given are copied too: a subscription must never get the number of one that was erased.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Table
from sqlmodel import Session, SQLModel

from newsletter.database import Database
from newsletter.errors import CopyError

STEP: Final = 2_000
Progress = Callable[[int, int | None], None]


def copy(source: Database, target: Database, progress: Progress | None = None) -> dict[str, int]:
    """Fill an empty database, and return the rows of each table. Interrupted at any point it leaves it empty.

    Raises CopyError when the target has rows of its own, or another schema.
    """
    target.upgrade()
    require_same_schema(source, target)
    with source.snapshot() as old, target.transaction() as new:
        busy = [one.name for one in _tables() if _count(new, one)]
        if busy:
            raise CopyError(f"the target is not empty ({', '.join(busy[:3])}); nothing was copied")
        return _fill(old, new, progress)


def replace(source: Database, target: Database, progress: Progress | None = None) -> dict[str, int]:
    """Put the rows of one database in the place of another's, on PostgreSQL; raises CopyError."""
    require_same_schema(source, target)
    with source.snapshot() as old, target.transaction() as new:
        connection = new.connection()
        names = [one.name for one in _tables()]
        # The ledger's guards allow no removal; only the owner of the tables can set them aside, and here it must.
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        connection.exec_driver_sql(f"TRUNCATE {', '.join(names)}")
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        return _fill(old, new, progress)


def require_same_schema(source: Database, target: Database) -> None:
    """Raise CopyError unless both have the schema of this program."""
    here, wanted = source.revision()
    there, _ = target.revision()
    if not here == there == wanted:
        raise CopyError(f"the schemas differ: {here} and {there}, the program wants {wanted}")


def counts(session: Session) -> dict[str, int]:
    """The rows of every table."""
    return {one.name: _count(session, one) for one in _tables()}


def _fill(old: Session, new: Session, progress: Progress | None) -> dict[str, int]:
    expected = counts(old)
    total, done = sum(expected.values()), 0
    for table in _tables():
        for rows in _steps(old, table):
            new.connection().execute(sa.insert(table), rows)
            done += len(rows)
            if progress:
                progress(done, total)
        _count_on(new, table, _highest(old, table))
    made = counts(new)
    if made != expected:
        raise CopyError("the copy has other rows than the original; nothing was kept")
    return made


def _tables() -> Sequence[Table]:
    return SQLModel.metadata.sorted_tables


def _steps(session: Session, table: Table) -> Iterator[list[dict[str, Any]]]:
    wanted = sa.select(table).order_by(*table.primary_key.columns).execution_options(yield_per=STEP)
    with session.connection().execute(wanted) as found:
        rows = found.mappings()
        while some := [dict(row) for row in islice(rows, STEP)]:
            yield some


def _count(session: Session, table: Table) -> int:
    return int(session.connection().execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _highest(session: Session, table: Table) -> int:
    """The highest number this table ever gave to a row by itself."""
    column = table.autoincrement_column
    if column is None:
        return 0
    connection = session.connection()
    given = connection.execute(sa.select(sa.func.max(column))).scalar_one() or 0
    if connection.dialect.name == "postgresql":
        sequence = _sequence(session, table, column.name)
        if sequence:
            given_last = f"SELECT last_value, is_called FROM {sequence}"  # noqa: S608 -- the server's own name
            last, called = connection.exec_driver_sql(given_last).one()
            given = max(given, last if called else 0)
    elif table.dialect_options["sqlite"]["autoincrement"]:
        known = connection.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        given = max(given, known.scalar_one_or_none() or 0)
    return int(given)


def _count_on(session: Session, table: Table, highest: int) -> None:
    column = table.autoincrement_column
    if column is None or not highest:
        return
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        sequence = _sequence(session, table, column.name)
        if sequence:
            connection.execute(sa.select(sa.func.setval(sequence, highest)))
    elif table.dialect_options["sqlite"]["autoincrement"]:
        name = {"name": table.name, "seq": highest}
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), name)
        connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), name)


def _sequence(session: Session, table: Table, column: str) -> str | None:
    wanted = sa.select(sa.func.pg_get_serial_sequence(table.name, column))
    found: str | None = session.connection().execute(wanted).scalar_one()
    return found
