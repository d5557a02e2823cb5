"""Whatever is changed behind the program's back is found, and named by its event."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session

import subscribers
from newsletter.database import Database
from subscribers import Address, Broken, Evidence, Keys, SuppressionReason, Verdict, registry, requests
from subscribers.keys import Sealed
from subscribers.ledger.consent import append, stored
from subscribers.ledger.evidence import Kind
from subscribers.tokens import Purpose
from tests.keyring import RING
from tests.subscribers.ledger.test_consent import event, unguard
from tests.subscribers.people import KEYS, subscribe, wanted

# Events: 1 requested, 2 given (anna); 3 requested, 4 given (ben); 5 ben withdrew; 6 requested, 7 given (eve).
FORGED_HEAD = "the head of the chain was not written by this program, or its key is another"
ADDRESSES = ("anna@example.org", "ben@example.org", "eve@example.org")


@pytest.fixture
def ledger(database: Database, now: datetime) -> Database:
    """On both kinds of database."""
    return filled(database, now)


@pytest.fixture
def file_ledger(fresh: Callable[[], Database], now: datetime) -> Iterator[Database]:
    """On SQLite alone: what is asked does not depend on the database."""
    database = filled(fresh(), now)
    yield database
    database.close()


def filled(database: Database, now: datetime) -> Database:
    subscribe(database, now, ADDRESSES[0])
    token = subscribe(database, now, ADDRESSES[1])
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, token, now, "unsubscribe button")
    subscribe(database, now, ADDRESSES[2])
    assert verdict(database).ok
    return database


def verdict(database: Database, keys: Keys = KEYS) -> Verdict:
    with database.snapshot() as session:
        return subscribers.verify(session, keys)


def tamper(database: Database, *statements: str, **values: object) -> None:
    """Drop the triggers, then run SQL."""
    unguard(database)
    run(database, *statements, **values)


def run(database: Database, *statements: str, **values: object) -> None:
    """Run SQL as somebody for whom foreign keys do not count."""
    if database.dialect == "sqlite":
        connection = sqlite3.connect(database.url.removeprefix("sqlite:///"))
        for one in statements:
            connection.execute(one, values)
        connection.commit()
        connection.close()
        return
    with psycopg.connect(database.url, autocommit=True) as server:
        server.execute("SET session_replication_role = replica")
        for one in statements:
            for name in values:
                one = one.replace(f":{name}", f"%({name})s")  # noqa: PLW2901 -- the driver's own spelling
            server.execute(one.encode(), values)


def _names(database: Database, seq: int) -> list[str]:
    found = verdict(database)
    assert not found.ok
    reasons = [one.reason for one in found.broken if one.seq == seq]
    assert reasons, found.broken
    return reasons


def test_an_empty_ledger_is_in_order(database: Database) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert verdict(database) == Verdict(ok=True, events=0, shredded=0, root=empty, broken=())


def test_the_root_is_the_same_each_time_and_grows_with_the_ledger(ledger: Database, now: datetime) -> None:
    root = verdict(ledger).root
    assert verdict(ledger).root == root
    with ledger.transaction() as session:
        append(session, KEYS, [event()], now)
    assert verdict(ledger).root != root


def test_one_changed_byte_is_found_at_its_event(ledger: Database) -> None:
    with ledger.snapshot() as session:
        events = {one.seq: one for one in stored(session)}
    unguard(ledger)
    for column in ("header", "commitment", "previous", "entry"):
        for seq in (1, 4, 7):
            value = getattr(events[seq], column)
            changed = value.replace("2026", "2027") if isinstance(value, str) else bytes([value[0] ^ 1]) + value[1:]
            run(ledger, f"UPDATE consent SET {column} = :value WHERE seq = {seq}", value=changed)
            _names(ledger, seq)
            run(ledger, f"UPDATE consent SET {column} = :value WHERE seq = {seq}", value=value)
    assert verdict(ledger).ok


def test_a_changed_payload_is_found_at_its_event(ledger: Database) -> None:
    with ledger.snapshot() as session:
        sealed = next(one.sealed for one in stored(session) if one.seq == 4)
    assert sealed
    tamper(
        ledger,
        "UPDATE consent_payload SET sealed = :changed WHERE seq = 4",
        changed=sealed[:-1] + bytes([sealed[-1] ^ 1]),
    )
    assert _names(ledger, 4) == ["its payload does not open"]


def test_a_payload_sealed_anew_with_the_keys_is_not_the_one_committed_to(ledger: Database) -> None:
    with ledger.snapshot() as session:
        subject = next(one.subject for one in stored(session) if one.seq == 4)
    changed = KEYS.seal(subject, Sealed.EVIDENCE, b'{"method":"none"}')
    tamper(ledger, "UPDATE consent_payload SET sealed = :changed WHERE seq = 4", changed=changed)
    assert _names(ledger, 4) == ["its payload is not the one committed to"]


@pytest.mark.parametrize(
    ("seq", "change", "reason"),
    [
        (3, "DELETE FROM consent WHERE seq = 3", "event is missing"),
        (3, "DELETE FROM consent WHERE seq IN (3, 4)", "events 3 to 4 are missing"),
        (7, "DELETE FROM consent WHERE seq = 7", "the chain ends at event 6, its head says 7"),
        (3, "DELETE FROM consent_payload WHERE seq = 3", "its payload is missing"),
        (3, "DELETE FROM consent_wording", "its wording is missing or altered"),
        (3, "UPDATE consent_wording SET text = 'other'", "its wording is missing or altered"),
        (4, "UPDATE consent SET kind = 'renewed' WHERE seq = 4", "columns differ from the header"),
        (4, "UPDATE consent SET newsletter = 'evening' WHERE seq = 4", "columns differ from the header"),
        (4, "UPDATE consent SET header = '[]' WHERE seq = 4", "columns differ from the header"),
        (4, "UPDATE consent SET header = 'x' WHERE seq = 4", "columns differ from the header"),
        (8, "UPDATE consent_head SET size = 9", "the chain ends at event 7, its head says 9"),
        (9, "UPDATE consent_head SET size = 9", FORGED_HEAD),
        (7, "UPDATE consent_head SET entry = mark", FORGED_HEAD),
        (1, "DELETE FROM consent_head", "the chain ends at event 7, its head says 0"),
    ],
)
def test_what_is_missing_or_altered_is_named(file_ledger: Database, seq: int, change: str, reason: str) -> None:
    tamper(file_ledger, change)
    assert reason in _names(file_ledger, seq)


def test_two_swapped_events_are_found(ledger: Database) -> None:
    tamper(
        ledger,
        "UPDATE consent SET seq = 99 WHERE seq = 3",
        "UPDATE consent SET seq = 3 WHERE seq = 4",
        "UPDATE consent SET seq = 4 WHERE seq = 99",
    )
    assert "columns differ from the header" in _names(ledger, 3)
    _names(ledger, 4)


def test_an_inserted_event_is_found(ledger: Database) -> None:
    columns = "subject, newsletter, kind, wording, header, commitment, previous, entry"
    tamper(ledger, f"INSERT INTO consent (seq, {columns}) SELECT 8, {columns} FROM consent WHERE seq = 7")
    assert "columns differ from the header" in _names(ledger, 8)


def test_a_shortened_chain_with_a_matching_head_is_found_by_the_mark(ledger: Database) -> None:
    with ledger.snapshot() as session:
        entry = next(one.entry for one in stored(session) if one.seq == 6)
    tamper(
        ledger,
        "DELETE FROM consent WHERE seq = 7",
        "DELETE FROM consent_payload WHERE seq = 7",
        "UPDATE consent_head SET size = 6, entry = :entry",
        entry=entry,
    )
    assert any("not written by this program" in one for one in _names(ledger, 6))


def test_building_on_a_forged_head_does_not_make_it_genuine_and_people_can_still_leave(
    ledger: Database, now: datetime
) -> None:
    with ledger.snapshot() as session:
        entry = next(one.entry for one in stored(session) if one.seq == 6)
    tamper(
        ledger,
        "DELETE FROM consent WHERE seq = 7",
        "DELETE FROM consent_payload WHERE seq = 7",
        "UPDATE consent_head SET size = 6, entry = :entry",
        entry=entry,
    )
    with ledger.transaction() as session:
        assert (
            subscribers.unsubscribe_address(
                session, KEYS, Address.parse(ADDRESSES[0]), None, Evidence(method="desk", by="ed", reason=""), now
            )
            == 1
        )
    assert not verdict(ledger).ok


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("state = 'active', ended_reason = NULL", "active by event 4"),
        ("state = 'unknown', ended_reason = NULL", "unknown by event 4"),
        ("ended_reason = 'bounced'", "ended (bounced) by event 4"),
        ("authorised_by = 2", "ended (withdrawn) by event 2"),
    ],
)
def test_a_subscription_changed_by_sql_is_named(file_ledger: Database, change: str, found: str) -> None:
    tamper(file_ledger, f"UPDATE subscription SET {change} WHERE id = 2")
    reason = f"subscription 2 is {found}, the ledger says ended (withdrawn) by event 4"
    assert verdict(file_ledger).broken == (Broken(seq=5, reason=reason),)


def test_a_subscription_without_events_and_events_without_subscription_are_named(ledger: Database) -> None:
    tamper(ledger, "UPDATE subscription SET newsletter = 'evening' WHERE id = 3")
    reasons = _names(ledger, 7)
    assert any("no event says so" in one for one in reasons)
    assert any("there is no such subscription" in one for one in reasons)


def test_other_keys_find_nothing_in_order(ledger: Database) -> None:
    found = verdict(ledger, Keys(bytes(32), ring=RING))
    assert {one.seq for one in found.broken} == set(range(1, 8))


def test_a_payload_without_its_event_is_named(ledger: Database) -> None:
    tamper(ledger, "INSERT INTO consent_payload (seq, sealed) VALUES (50, 'x')")
    assert _names(ledger, 50) == ["a payload without its event"]


@dataclass
class _Wish:
    """What one person has asked for, as far as a bystander can tell."""

    asked: bool = False
    willing: bool = False


def _step(database: Database, wish: _Wish, name: str, action: str, day: datetime) -> None:
    address = Address.parse(name)
    with database.transaction() as session:
        if action == "sign up":
            answer = subscribers.sign_up(session, KEYS, wanted(name), day)
            wish.asked |= isinstance(answer, subscribers.Pending)
        elif action == "confirm":
            _confirm_all(session, address, day)
            wish.willing |= wish.asked
        elif action == "suppress":
            subscribers.suppress(session, KEYS, address, SuppressionReason.COMPLAINED, "test", day)
            wish.asked = wish.willing = False
        else:
            _with_tokens(session, address, action, day)
            if action == "leave" and registry.subscriptions_of(session, [KEYS.fingerprint(address)]):
                wish.asked = wish.willing = False


def _confirm_all(session: Session, address: Address, day: datetime) -> None:
    """Click the link of every letter that ever came."""
    for one in requests.of_address(session, KEYS.fingerprint(address)):
        with suppress(subscribers.SubscribersError):
            token = KEYS.token(Purpose.CONFIRM, one.public_id)
            subscribers.confirm(session, KEYS, token, day, subscribers.Evidence(method="button"))


def _with_tokens(session: Session, address: Address, action: str, day: datetime) -> None:
    for one in registry.subscriptions_of(session, [KEYS.fingerprint(address)]):
        token = KEYS.token(Purpose.LEAVE, one.public_id)
        if action == "leave":
            subscribers.unsubscribe(session, KEYS, token, day, "button")
        elif one.state in {"active", "paused"} and action == "resume":
            subscribers.resume(session, KEYS, token, day)
        elif one.state in {"active", "paused"}:
            subscribers.pause(session, KEYS, token, day + timedelta(days=2), day)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(ADDRESSES[:2]), st.sampled_from(["sign up", "confirm", "leave", "pause", "resume", "suppress"])
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_people_do_nobody_is_written_to_without_standing_consent_and_the_books_agree(
    fresh: Callable[[], Database], now: datetime, steps: list[tuple[str, str]]
) -> None:
    database = fresh()
    wishes = {name: _Wish() for name in ADDRESSES}
    for number, (name, action) in enumerate(steps):
        _step(database, wishes[name], name, action, now + number * timedelta(hours=25))
    day = now + timedelta(days=400)
    with database.snapshot() as session:
        found = subscribers.audience(session, "world-brief", day)
        ids = list(session.connection().execute(found.eligible).scalars())
        answers = subscribers.recipients(session, KEYS, ids, "world-brief", day).values()
    assert verdict(database).ok
    written_to = {one.address for one in answers if isinstance(one, subscribers.Recipient)}
    assert written_to <= {name for name, wish in wishes.items() if wish.willing}
    assert found.candidates == len(ids) + sum(found.excluded.values())
    database.close()


def test_every_kind_is_one_the_audit_knows(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        append(session, KEYS, [event(one, KEYS.new_subject(now)) for one in Kind], now)
        names = session.connection().execute(text("SELECT count(*) FROM consent")).scalar_one()
    reasons = {one.reason for one in verdict(database).broken}
    assert names == len(Kind)
    assert "columns differ from the header" not in reasons
