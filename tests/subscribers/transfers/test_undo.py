"""An import is on record, and can be taken back, but for those somebody touched since."""

import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

import subscribers
from newsletter.database import Database
from subscribers import Batch, Imported, ImportJob, Taking, Undone, UndoRefused
from subscribers.transfers import imports
from tests.subscribers.people import KEYS, WORDING, leave_token, state, subscribe

HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
PROOF = "2024-05-01T10:00:00+02:00,old shop,Yes please,checkbox\n"
BY = "mia"


def bring(database: Database, now: datetime, data: str, newsletter: str = "world-brief") -> Imported:
    job = ImportJob(file="people.csv", newsletter=newsletter, by="ed", now=now, wordings=(WORDING,))
    later = now + timedelta(seconds=90)
    return subscribers.import_csv(database.transaction, KEYS, io.BytesIO(data.encode()), job, clock=lambda: later)


def take_back(database: Database, batch: int, now: datetime) -> Undone:
    done = subscribers.undo(database.transaction, KEYS, Taking(batch=batch, by=BY, reason="wrong list"), now)
    with database.snapshot() as session:
        assert subscribers.verify(session, KEYS).ok
    return done


def listed(database: Database) -> list[Batch]:
    with database.snapshot() as session:
        return subscribers.imports_made(session)


def eligible(database: Database, now: datetime) -> int:
    with database.snapshot() as session:
        return len(list(session.connection().execute(subscribers.audience(session, "world-brief", now).eligible)))


def test_an_import_is_on_record(database: Database, now: datetime) -> None:
    data = f"{HEADER}anna@example.org,{PROOF}ben@example.org,,,,\nnobody\n"
    done = bring(database, now, data)
    [batch] = listed(database)
    assert (batch.id, batch.file, batch.newsletter, batch.by, batch.loader) == (
        done.batch,
        "people.csv",
        "world-brief",
        "ed",
        "csv",
    )
    assert batch.sha256 == hashlib.sha256(data.encode()).hexdigest()
    assert batch.started_at == now
    assert batch.finished_at == now + timedelta(seconds=90)
    counts = batch.counts
    assert (counts.rows, counts.imported, counts.unknown, counts.refused) == (3, 1, 1, 1)
    bring(database, now, data)
    assert [one.counts.unchanged for one in listed(database)] == [2, 0]


def test_undoing_ends_what_the_import_made_and_says_so_in_the_ledger(database: Database, now: datetime) -> None:
    done = bring(database, now, f"{HEADER}anna@example.org,{PROOF}ben@example.org,,,,\n")
    day = now + timedelta(days=3)
    assert take_back(database, done.batch, day) == Undone(batch=done.batch, file="people.csv", ended=2, kept=0)
    assert eligible(database, day) == 0
    with database.snapshot() as session:
        found = subscribers.show(session, KEYS, subscribers.Address.parse("anna@example.org"))
    assert [str(one.kind) for one in found.events] == ["imported", "invalidated"]
    assert dict(found.events[1].evidence)["reason"] == "wrong list"
    assert dict(found.events[1].evidence)["by"] == BY
    [batch] = listed(database)
    assert (batch.undone_at, batch.undone_by) == (day, BY)


def test_whom_somebody_touched_since_is_left_alone(database: Database, now: datetime) -> None:
    subscribe(database, now, "here@example.org")
    names = ("leaves", "pauses", "stays", "here", "rejoins")
    done = bring(database, now, HEADER + "".join(f"{one}@example.org,{PROOF}" for one in names))
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, leave_token(database, "leaves@example.org"), now, "button")
        subscribers.pause(session, KEYS, leave_token(database, "pauses@example.org"), now + timedelta(days=9), now)
        subscribers.unsubscribe(session, KEYS, leave_token(database, "rejoins@example.org"), now, "button")
    subscribe(database, now + timedelta(days=2), "rejoins@example.org")
    undone = take_back(database, done.batch, now + timedelta(days=3))
    assert (undone.ended, undone.kept) == (1, 3)
    assert {one: state(database, f"{one}@example.org") for one in names} == {
        "leaves": "ended",
        "pauses": "paused",
        "stays": "ended",
        "here": "active",
        "rejoins": "active",
    }


def test_a_better_file_brings_the_undone_back_but_nobody_who_left_meanwhile(database: Database, now: datetime) -> None:
    data = f"{HEADER}anna@example.org,{PROOF}ben@example.org,{PROOF}"
    done = bring(database, now, data)
    token = leave_token(database, "ben@example.org")
    take_back(database, done.batch, now)
    with database.transaction() as session:
        assert not subscribers.unsubscribe(session, KEYS, token, now, "RFC 8058 POST").already
    assert bring(database, now, "email\nanna@example.org\n").unchanged == 1
    again = bring(database, now, data)
    assert (again.imported, again.unchanged) == (1, 1)
    assert (state(database, "anna@example.org"), state(database, "ben@example.org")) == ("active", "ended")
    with database.snapshot() as session:
        assert subscribers.verify(session, KEYS).ok


def test_there_is_one_undo_within_thirty_days(database: Database, now: datetime) -> None:
    done = bring(database, now, f"{HEADER}anna@example.org,{PROOF}")
    with pytest.raises(UndoRefused, match="more than 30 days ago"):
        take_back(database, done.batch, now + timedelta(days=30, seconds=1))
    with pytest.raises(UndoRefused, match="no such import"):
        take_back(database, 99, now)
    take_back(database, done.batch, now + timedelta(days=30))
    with pytest.raises(UndoRefused, match="was undone on 2026-12-23 by mia"):
        take_back(database, done.batch, now)


def test_an_interrupted_import_can_be_undone_and_so_can_an_interrupted_undoing(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 10)
    monkeypatch.setattr(sys.modules["subscribers.transfers.undo"], "STEP", 7)

    def failing(after: int) -> Callable[[], AbstractContextManager[Session]]:
        begun = iter(range(100))

        @contextmanager
        def transaction() -> Iterator[Session]:
            with database.transaction() as session:
                yield session
                if next(begun) == after:
                    raise KeyboardInterrupt

        return transaction

    data = HEADER + "".join(f"reader{n}@example.org,{PROOF}" for n in range(35))
    job = ImportJob(file="people.csv", newsletter="world-brief", by="ed", now=now)
    with pytest.raises(KeyboardInterrupt):
        subscribers.import_csv(failing(2), KEYS, io.BytesIO(data.encode()), job)
    [batch] = listed(database)
    assert (batch.counts.imported, batch.finished_at, batch.sha256) == (20, None, "")
    with pytest.raises(KeyboardInterrupt):
        subscribers.undo(failing(2), KEYS, Taking(batch=batch.id, by=BY), now)
    assert eligible(database, now) == 13
    take_back(database, batch.id, now)
    assert eligible(database, now) == 0


def test_only_the_newsletter_of_the_import_is_touched(database: Database, now: datetime) -> None:
    bring(database, now, f"{HEADER}anna@example.org,{PROOF}")
    other = bring(database, now, f"{HEADER}anna@example.org,{PROOF}", "evening")
    take_back(database, other.batch, now)
    assert (state(database), state(database, newsletter="evening")) == ("active", "ended")
