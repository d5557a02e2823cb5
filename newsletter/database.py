"""The only engine: SQLite or PostgreSQL by URL, transactions, and the migrations. Knows no table of its own.

Synchronous everywhere. A `transaction` is short and never held across a network call. On SQLite it begins IMMEDIATE,
since a deferred one that reads and then writes either fails or, under the driver's default, loses updates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import DateTime, Dialect, Engine, Executable, create_engine, event, inspect, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel

from newsletter.errors import DatabaseBusy, DatabaseError

# Names of constraints must be the same whoever creates them, or a migration could not drop them.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment. SQLite has no time zones, so a naive value is refused rather than guessed."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time: {value}")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Database:
    """One engine. `transaction()` to write, `snapshot()` to read; both yield a session that lives no longer.

    `durable` has SQLite wait for the disk at every commit: what is kept then outlives a loss of power, too.
    `before_commit` sees every session that is about to be kept, for what must be written outside the database first.
    """

    def __init__(self, url: str, *, busy_timeout_seconds: float = 10.0, durable: bool = False) -> None:
        self.url, self._patience, self._durable = url, busy_timeout_seconds, durable
        self.before_commit: Callable[[Session], None] = lambda _session: None
        self.engine = _engine(url, busy_timeout_seconds, "FULL" if durable else "NORMAL")

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are kept when the block ends well, and undone when it raises."""
        with _plain_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
            self.before_commit(session)

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session for reading one moment's state: it takes no write lock, and nothing it changes is kept."""
        # SQLite's readers have a snapshot anyway; PostgreSQL's would see each other statement's own.
        steady = (
            {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if self.dialect == "postgresql" else {}
        )
        with _plain_errors(), self.engine.connect().execution_options(reading=True, **steady) as connection:
            with Session(connection, expire_on_commit=False, autoflush=False) as session:
                yield session

    def upgrade(self) -> None:
        """Bring the schema to this program's revision; does nothing when it is there already."""
        here, wanted = self.revision()
        if here == wanted:
            return
        import alembic.command  # noqa: PLC0415 -- a sixth of a sender's memory, that no sender needs

        with _plain_errors():
            alembic.command.upgrade(self._alembic(), "head")

    def revision(self) -> tuple[str | None, str]:
        """The schema's revision, and the one this program wants: its newest migration's number."""
        with _plain_errors(), self.engine.connect().execution_options(reading=True) as connection:
            known = inspect(connection).has_table("alembic_version")
            here = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() if known else None
        newest = max(file.name for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
        return here, newest.partition("_")[0]

    def scrub(self, *, compact: bool = False) -> None:
        """Leave nothing of deleted rows in the files: on SQLite in the write-ahead log, with `compact` anywhere."""
        with _plain_errors(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            driver: Any = connection.connection.driver_connection
            if compact:
                driver.execute("VACUUM")
            if self.dialect == "sqlite":
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @cached_property
    def durable(self) -> "Database":
        """The same database, but SQLite waits for the disk at every commit. Closed with this one."""
        return Database(self.url, busy_timeout_seconds=self._patience, durable=True)

    @cached_property
    def hasty(self) -> "Database":
        """The same database for who would rather come again than wait: DatabaseBusy at once. Closed with this one."""
        return Database(self.url, busy_timeout_seconds=0.0, durable=self._durable)

    def close(self) -> None:
        for name in ("durable", "hasty"):
            if name in self.__dict__:
                getattr(self, name).close()
        self.engine.dispose()

    def _alembic(self) -> Any:
        import alembic.config  # noqa: PLC0415 -- as above

        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["engine"] = self.engine
        return config


class Prepared:
    """A statement of named values that is put together once and run by the driver: for what is done for every letter.

    SQLAlchemy takes several times as long to put a statement together, and to look at each value, as SQLite to run it.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = cast("Any", statement)
        self._made: dict[str, _Made] = {}

    def all(self, session: Session, rows: Sequence[Mapping[str, object]]) -> int:
        """Run it once for each mapping of its values by name; returns how many rows were changed in all."""
        connection, made = session.connection(), self._for(session)
        result = connection.exec_driver_sql(made.text, [made.values(row) for row in rows])
        return int(result.rowcount)

    def one(self, session: Session, values: Mapping[str, object]) -> Any:
        """Its first row, or None."""
        made = self._for(session)
        return session.connection().exec_driver_sql(made.text, made.values(values)).first()

    def _for(self, session: Session) -> "_Made":
        dialect = session.get_bind().dialect
        if dialect.name not in self._made:
            self._made[dialect.name] = _Made(self._statement.compile(dialect=dialect), dialect)
        return self._made[dialect.name]


class _Made:
    """A statement in one dialect's words, and how its values are written there."""

    def __init__(self, compiled: Any, dialect: Dialect) -> None:
        self.text = str(compiled)
        self._fixed = dict(compiled.params)
        self._places: list[str] | None = compiled.positiontup
        writing = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
        }
        self._writing = {name: write for name, write in writing.items() if write}

    def values(self, told: Mapping[str, object]) -> Any:
        """The values as the driver takes them: in their places, or by name."""
        values = self._fixed | dict(told)
        for name, write in self._writing.items():
            values[name] = write(values[name])
        return values if self._places is None else tuple([values[name] for name in self._places])


def masked(url: str) -> str:
    """The URL without its password, for a person to read; what is no URL is not shown at all."""
    try:
        return make_url(url).render_as_string(hide_password=True) if url else ""
    except (ArgumentError, ValueError):
        return "***"


def upsert(session: Session, table: Any) -> Any:
    """The dialect's INSERT, which alone has ON CONFLICT."""
    name = session.get_bind().dialect.name
    return (postgresql.insert if name == "postgresql" else sqlite.insert)(table)


def step_by_index(session: Session) -> None:
    """Have PostgreSQL go from key to key, as SQLite does, until the transaction ends.

    It has no statistics of rows just inserted, and would sort all of them again for each one that is looked for.
    """
    if session.get_bind().dialect.name == "postgresql":
        for way in ("sort", "bitmapscan", "seqscan"):
            session.connection().exec_driver_sql(f"SET LOCAL enable_{way} = off")


def _engine(url: str, busy_timeout_seconds: float, synchronous: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise DatabaseError(f"{parsed.get_backend_name()} is not supported; use sqlite or postgresql")
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        postgres = parsed.get_backend_name() == "postgresql"
        # What a statement carries would stand in every message and traceback of its failure.
        engine = create_engine(parsed, pool_pre_ping=postgres, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OSError, ValueError) as error:
        raise DatabaseError(f"the database URL cannot be used: {error}") from error
    if engine.dialect.name == "sqlite":
        _pragmas(engine, busy_timeout_seconds, synchronous)
    return engine


def _pragmas(engine: Engine, busy_timeout_seconds: float, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={int(busy_timeout_seconds * 1000)}",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "secure_delete=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what the driver says of the database itself into one line; errors of a statement pass unchanged."""
    try:
        yield
    except OperationalError as error:
        locked = "locked" in str(error.orig).lower()
        raise (DatabaseBusy if locked else DatabaseError)(_plain(error)) from error
    except DBAPIError as error:
        broken = any(sign in str(error.orig) for sign in ("not a database", "malformed"))
        if error.connection_invalidated or broken:
            raise DatabaseError(_plain(error)) from error
        raise


def _plain(error: DBAPIError) -> str:
    text = " ".join(str(cast("object", error.orig)).split())
    for sign, advice in (
        ("locked", "the database is locked by another process; try again when it has finished"),
        ("disk is full", "the disk is full: nothing was kept of this step; free some space and try again"),
        ("disk i/o", "the disk is full or failing: nothing was kept of this step; make room and try again"),
        ("not a database", "the database file is damaged or is none; put a backup in its place"),
        ("malformed", "the database file is damaged or is none; put a backup in its place"),
        ("readonly", "the database file cannot be written; check its owner and mode"),
        ("unable to open", "the database file cannot be opened; check the folder exists and may be written"),
        ("no such table", "the database has no tables yet; run `worldbrief db upgrade`"),
        ("refused", "the database server does not answer; check WORLD_BRIEF_DATABASE_URL"),
    ):
        if sign in text.lower():
            return f"{advice} ({text[:160]})"
    return text[:300]
