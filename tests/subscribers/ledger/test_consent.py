"""The ledger only grows: without gaps, without forks, and the database refuses anything else."""

import threading
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from newsletter.database import Database
from subscribers.audit import verify
from subscribers.errors import BrokenChain
from subscribers.ledger import checkpoints, consent
from subscribers.ledger.consent import append, keep_wording, stored, wordings
from subscribers.ledger.evidence import Event, Evidence, Kind, digest
from subscribers.ledger.triggers import GUARDED, ledger_triggers
from tests.subscribers.people import KEYS, NOBODY, SIGNER, subscribe

SUBJECT = NOBODY


def event(kind: Kind = Kind.REQUESTED, subject: bytes = SUBJECT) -> Event:
    return Event(subject=subject, newsletter="world-brief", kind=kind, evidence=Evidence(method="test"))


def test_numbers_run_on_over_transactions_and_batches(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        assert append(session, KEYS, [], now) == []
        assert append(session, KEYS, [event(), event()], now) == [1, 2]
    with database.transaction() as session:
        assert append(session, KEYS, [event()], now) == [3]
        assert append(session, KEYS, [event()], now) == [4]
    with database.snapshot() as session:
        assert verify(session, KEYS).ok
        assert consent.head(session).size == 4


def test_an_undone_transaction_leaves_neither_event_nor_gap(database: Database, now: datetime) -> None:
    def fail() -> None:
        with database.transaction() as session:
            append(session, KEYS, [event()], now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.transaction() as session:
        assert append(session, KEYS, [event()], now) == [1]
        assert verify(session, KEYS).ok


def test_headers_hold_neither_the_time_nor_the_evidence(database: Database, now: datetime) -> None:
    subscribe(database, now)
    with database.snapshot() as session:
        headers = [one.header for one in stored(session)]
    assert all('"day":"2026-11-23"' in one for one in headers)
    for secret in ("05:00", "203.0.113", "button", "anna", "example"):
        assert secret not in "".join(headers)


def test_a_wording_is_kept_once_under_the_digest_of_its_bytes(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        assert keep_wording(session, "Yes — please", "en") == keep_wording(session, "Yes — please", "de")
        name = digest("Yes — please")
        assert wordings(session, [name, "0" * 64]) == {name: "Yes — please"}


def test_the_database_refuses_to_change_replace_or_remove(database: Database, now: datetime) -> None:
    subscribe(database, now)
    with database.transaction() as session:
        checkpoints.make(session, KEYS, SIGNER, now)
        session.connection().execute(text("INSERT INTO consent_subtree VALUES (0, :root)"), {"root": bytes(32)})
    for table, key in GUARDED.items():
        forbidden = [f"UPDATE {table} SET {key} = {key}", f"DELETE FROM {table}"]
        if database.dialect == "postgresql":
            forbidden.append(f"TRUNCATE {table} CASCADE")
        else:
            forbidden.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        for statement in forbidden:
            with pytest.raises(DBAPIError, match="append-only"), database.transaction() as session:
                session.connection().execute(text(statement))


def test_the_guards_are_the_same_for_a_migration() -> None:
    assert len(ledger_triggers("sqlite", tuple(GUARDED))) == 3 * len(GUARDED)
    assert len(ledger_triggers("postgresql", tuple(GUARDED))) == 2 * len(GUARDED)


def test_eight_writers_at_once_make_one_gapless_chain(database: Database, now: datetime) -> None:
    failures: list[BaseException] = []
    gate = threading.Barrier(8)

    def write(number: int) -> None:
        gate.wait()
        try:
            for _ in range(6):
                with database.transaction() as session:
                    append(session, KEYS, [event(subject=KEYS.new_subject(now)), event()], now)
        except BaseException as error:  # noqa: BLE001 -- reported below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    with database.snapshot() as session:
        assert [one.seq for one in stored(session)] == list(range(1, 97))
        assert verify(session, KEYS).ok


def test_a_number_that_is_taken_is_a_broken_chain(database: Database, now: datetime) -> None:
    subscribe(database, now)
    with database.transaction() as session:
        session.connection().execute(text("UPDATE consent_head SET size = 1"))
    with pytest.raises(BrokenChain) as refusal, database.transaction() as session:
        append(session, KEYS, [event()], now)
    assert refusal.value.seq == 2


def unguard(database: Database) -> None:
    """What an attacker who owns the database does first."""
    with database.transaction() as session:
        run: Any = session.connection().exec_driver_sql
        for name in ("subscription_rests_insert", "subscription_rests_update"):
            run(f"DROP TRIGGER {name}{' ON subscription' * (database.dialect == 'postgresql')}")
        for table in GUARDED:
            if database.dialect == "postgresql":
                run(f"DROP TRIGGER {table}_append_only ON {table}")
                run(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            else:
                for name in ("no_update", "no_delete", "no_replace"):
                    run(f"DROP TRIGGER {table}_{name}")
