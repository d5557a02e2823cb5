"""Backups: one SQLite file each, whole or not there, private, checked after writing. And putting one in place.

The keyring has its own, which must not grow old: a key that was shredded lives on in every older copy of it.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from newsletter.database import Database
from newsletter.errors import BackupError
from newsletter.safekeeping import arming, copies
from newsletter.safekeeping.copies import Progress

PAGES: Final = 1_000
KEYS: Final = "subject_key"


def back_up(database: Database, folder: Path, now: datetime, progress: Progress | None = None) -> Path:
    """Copy the database, as of one moment, into a new file of the folder, and return it."""
    path = folder / f"worldbrief-{now:%Y%m%dT%H%M%SZ}.db"
    with _whole(path) as part:
        if database.dialect == "sqlite":
            _copy_file(_file(database), part, progress)
        copied = Database(f"sqlite:///{part}")
        try:
            if database.dialect != "sqlite":
                copies.copy(database, copied, progress)
            with copied.transaction() as session:
                arming.disarm(session, now)
        finally:
            copied.close()
        _seal(part)
        check(part)
    return path


def back_up_keyring(ring: Database, folder: Path, now: datetime, keep_days: int) -> Path:
    """Copy the keyring into a new file of the folder, and delete the copies there that are older than `keep_days`."""
    path = folder / f"keyring-{now:%Y%m%dT%H%M%SZ}.db"
    with _whole(path) as part:
        if ring.dialect == "sqlite":
            _copy_file(_file(ring), part, None)
        else:
            _copy_keys(ring, part)
        _seal(part)
        _check_integrity(part)
    oldest = f"keyring-{now - timedelta(days=keep_days):%Y%m%dT%H%M%SZ}.db"
    for one in folder.glob("keyring-*.db"):
        if one.name < oldest:
            one.unlink()
    return path


def restore(file: Path, database: Database, progress: Progress | None = None) -> dict[str, int]:
    """Put a backup in the database's place, whole or not at all, and return the rows of each table.

    It is the backup's own mark that disarms the house. One of an older schema is brought to this program's first.
    """
    check(file)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".restore-") as folder:
        part = Path(folder) / "restore.db"
        _copy_file(file, part, None)
        copied = Database(f"sqlite:///{part}")
        try:
            rows = _prepared(file, copied)
            if database.dialect != "sqlite":
                return copies.replace(copied, database, progress)
        finally:
            copied.close()
        _seal(part)
        _copy_file(part, _file(database), progress)
    return rows


def _prepared(file: Path, copied: Database) -> dict[str, int]:
    copied.upgrade()
    with copied.snapshot() as session:
        if arming.taken(session) is None:
            raise BackupError(file, "was not written by `worldbrief backup`: it does not say that it is a copy")
        return copies.counts(session)


def check(file: Path) -> None:
    """Raise BackupError unless the file is a sound database with our tables, every reference in it met."""
    _check_integrity(file)
    with _opened(file) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            raise BackupError(file, "is not a database of World Brief")
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise BackupError(file, "has rows that refer to rows that are not there")


def _check_integrity(file: Path) -> None:
    with _opened(file) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise BackupError(file, f"is damaged: {found}")


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    if not file.is_file():
        raise BackupError(file, "no such file")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise BackupError(file, f"cannot be read as a database ({error})") from error


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A private file that gets its name only when it is finished and on the disk."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield part
        _synced(part)
        part.replace(path)
        _synced(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(path, f"could not be written ({error})") from error
    finally:
        for left in (part, Path(f"{part}-wal"), Path(f"{part}-shm"), Path(f"{part}-journal")):
            left.unlink(missing_ok=True)


def _synced(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _file(database: Database) -> Path:
    return Path(make_url(database.url).database or "")


def _copy_file(source: Path, target: Path, progress: Progress | None) -> None:
    """SQLite's own online copy: of one moment, while others write; into a file that others have open, too."""

    def tell(_status: int, remaining: int, total: int) -> None:
        if progress:
            progress(total - remaining, total)

    with closing(sqlite3.connect(source, timeout=30)) as old, closing(sqlite3.connect(target, timeout=30)) as new:
        old.backup(new, pages=PAGES if progress else -1, progress=tell)


def _seal(part: Path) -> None:
    """One file, with no log beside it."""
    with closing(sqlite3.connect(part)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _copy_keys(ring: Database, part: Path) -> None:
    with closing(sqlite3.connect(part)) as connection, ring.snapshot() as session:
        connection.execute(f"CREATE TABLE {KEYS} (subject BLOB PRIMARY KEY, kek INT, wrapped BLOB, made_on TEXT)")
        found = session.connection().exec_driver_sql(f"SELECT subject, kek, wrapped, made_on FROM {KEYS}")  # noqa: S608
        connection.executemany(f"INSERT INTO {KEYS} VALUES (?, ?, ?, ?)", (tuple(row) for row in found))  # noqa: S608
        connection.commit()
