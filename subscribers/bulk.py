"""Many rows into a table by the shortest way a driver has: one prepared statement on SQLite, COPY on PostgreSQL.

Constraints and triggers hold as for any other row; only SQLAlchemy's own work on each value is left out.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

# Below this a COPY costs more to begin than it saves.
COPY_FROM: Final = 20
# Rows of one INSERT on SQLite, which opens a savepoint for each statement that fires a trigger.
TOGETHER: Final = 50
CACHE_KILOBYTES: Final = 32_000
# So much may wait in SQLite's write-ahead log, 64 MB of it: what a batch writes, the next ones write again.
LOG_PAGES: Final = 16_000


def insert(session: Session, table: Table, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows of plain values, in the order of `columns`. Raises what any INSERT raises."""
    connection = session.connection()
    names = ", ".join(columns)
    postgres = connection.dialect.name == "postgresql"
    if postgres and len(rows) >= COPY_FROM:
        _copy(connection, f"COPY {table.name} ({names}) FROM STDIN", rows)
        return
    marks = f"({', '.join(['%s' if postgres else '?'] * len(columns))})"
    whole = len(rows) - len(rows) % TOGETHER
    for some, size in ((rows[:whole], TOGETHER), (rows[whole:], 1)):
        statement = f"INSERT INTO {table.name} ({names}) VALUES {', '.join([marks] * size)}"  # noqa: S608
        values = [tuple(chain.from_iterable(some[n : n + size])) for n in range(0, len(some), size)]
        if values:
            connection.exec_driver_sql(statement, values)


def make_room(session: Session) -> None:
    """Let SQLite keep so many pages at hand as a long import touches again and again; PostgreSQL has its own."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")
        connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")


def among(session: Session, statement: str, values: Collection[bytes], *before: object) -> Sequence[Row[Any]]:
    """The rows of a query that ends in `IN` or `= ANY`, as `{among}`; other values stand `{}` before it."""
    connection = session.connection()
    if not values:
        return ()
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(statement.format("%s", among="= ANY(%s)"), (*before, list(values))).all()
    marks = ", ".join("?" * len(values))
    return connection.exec_driver_sql(statement.format("?", among=f"IN ({marks})"), (*before, *values)).all()


def reserve(session: Session, table: Table, count: int) -> Sequence[int]:
    """Ids for rows that are about to be inserted, which no row ever had.

    On SQLite the transaction must have begun to write, or another could be given the same ones.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        drawn = f"SELECT nextval(pg_get_serial_sequence('{table.name}', 'id')) FROM generate_series(1, :count)"  # noqa: S608
        return [int(one) for one in connection.execute(text(drawn), {"count": count}).scalars()]
    # AUTOINCREMENT counts on from the highest id that was ever given, which it keeps here.
    highest = connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    first = int(highest.scalar_one_or_none() or 0) + 1
    return range(first, first + count)


@contextmanager
def verbatim(session: Session) -> Iterator[None]:
    """Read damaged text, too, each byte that is no UTF-8 as a surrogate: SQLite's driver would refuse the whole row.

    PostgreSQL keeps no such text.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    usual = driver.text_factory
    driver.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = usual


def _copy(connection: Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    driver: Any = connection.dialect.loaded_dbapi
    raw: Any = connection.connection
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except driver.Error as error:
        raise DBAPIError.instance(statement, None, error, driver.Error, dialect=connection.dialect) from error
