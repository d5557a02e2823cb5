"""A copy has every row and every number ever given, whichever way it goes; and a restored one sends nothing."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

import subscribers
from newsletter.database import Database
from newsletter.errors import BackupError, CopyError, Disarmed
from newsletter.safekeeping import arming, backups, copies
from tests.keyring import STORE
from tests.postgres import Cluster
from tests.subscribers.people import KEYS, state, subscribe
from tests.subscribers.test_erasure import erase, verdict


def lived_in(database: Database, now: datetime) -> Database:
    for name in ("anna", "ben", "eve"):
        subscribe(database, now, f"{name}@example.org")
    return database


def other(database: Database, cluster: Cluster, tmp_path: Path) -> Database:
    """An empty database of the other kind."""
    if database.dialect == "sqlite":
        return Database(cluster.create("copy_target", "template_world_brief"))
    return Database(f"sqlite:///{tmp_path / 'target.db'}")


def test_a_copy_into_the_other_kind_has_the_same_root(
    database: Database, cluster: Cluster, tmp_path: Path, now: datetime
) -> None:
    lived_in(database, now)
    erase(database, now)
    told: list[tuple[int, int | None]] = []
    target = other(database, cluster, tmp_path)
    try:
        rows = copies.copy(database, target, lambda done, total: told.append((done, total)))
        assert told[-1] == (sum(rows.values()), sum(rows.values()))
        assert verdict(target) == verdict(database)
        assert state(target, "ben@example.org") == "active"
        # The numbers go on, so that nobody gets the one of somebody whose letters still wait.
        subscribe(target, now, "new@example.org")
        with target.snapshot() as session:
            newest = session.connection().execute(text("SELECT max(id) FROM subscription")).scalar_one()
        assert newest == 4
        with pytest.raises(CopyError, match="not empty"):
            copies.copy(database, target)
    finally:
        target.close()
        if database.dialect == "sqlite":
            cluster.drop("copy_target")


def test_a_copy_that_dies_leaves_an_empty_target(database: Database, tmp_path: Path, now: datetime) -> None:
    lived_in(database, now)
    target = Database(f"sqlite:///{tmp_path / 'dies.db'}")

    def die(done: int, _total: int | None) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copies.copy(database, target, die)
    assert copies.copy(database, target)["subscriber"] == 3
    target.close()


def test_a_backup_is_private_whole_and_disarmed_and_can_be_put_back(
    database: Database, tmp_path: Path, now: datetime
) -> None:
    lived_in(database, now)
    path = backups.back_up(database, tmp_path / "backups", now)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    with database.transaction() as session:
        subscribers.lock(session)
    subscribe(database, now, "late@example.org")
    before = verdict(database).events
    rows = backups.restore(path, database)
    assert rows["subscriber"] == 3
    assert verdict(database).ok
    assert verdict(database).events == before - 2
    with pytest.raises(Disarmed, match="--reconcile"), database.snapshot() as session:
        arming.require(session)
    with database.transaction() as session:
        arming.arm(session, now)
        arming.require(session)


def test_what_is_no_backup_is_refused_and_nothing_is_replaced(
    database: Database, tmp_path: Path, now: datetime
) -> None:
    lived_in(database, now)
    damaged = backups.back_up(database, tmp_path, now)
    data = bytearray(damaged.read_bytes())
    data[4096:12288] = bytes(8192)
    damaged.write_bytes(data)
    (tmp_path / "text.db").write_text("no database " * 500)
    for file in (damaged, tmp_path / "text.db", tmp_path / "none.db"):
        with pytest.raises(BackupError):
            backups.restore(file, database)
    assert state(database, "eve@example.org") == "active"


def test_the_keyrings_copies_are_its_own_and_do_not_grow_old(tmp_path: Path, now: datetime) -> None:
    KEYS.new_subject(now)
    old = backups.back_up_keyring(STORE, tmp_path, now - timedelta(days=31), 30)
    new = backups.back_up_keyring(STORE, tmp_path, now, 30)
    assert not old.exists()
    assert new.exists()
    assert new.stat().st_mode & 0o777 == 0o600
