"""What is over is deleted in short steps, its key shredded, and the ledger says so."""

from datetime import datetime, timedelta

import pytest

import subscribers
from newsletter.database import Database
from subscribers import Address
from tests.subscribers.people import KEYS, sign_up, state, subscribe, wanted
from tests.subscribers.test_erasure import ring, rows, subject_of, verdict

pytestmark = pytest.mark.usefixtures("own_ring")
DAY = timedelta(days=1)


def expire(database: Database, now: datetime) -> int:
    with database.transaction() as session:
        gone = subscribers.expire_requests(session, KEYS, now)
    KEYS.shred(gone.subjects)
    return len(gone.requests)


def test_a_request_goes_seven_days_after_its_link_expired_and_its_key_with_it(
    database: Database, now: datetime
) -> None:
    sign_up(database, now)
    subject = subject_of(database)
    assert subject
    over = now + 3 * DAY + 7 * DAY
    assert expire(database, over - timedelta(seconds=1)) == 0
    with database.snapshot() as session:
        assert subscribers.count_expired(session, over) == 1
    assert expire(database, over) == 1
    assert expire(database, over) == 0
    assert rows(database, "SELECT kind FROM consent ORDER BY seq") == [("requested",), ("request_expired",)]
    assert not ring().find([subject])
    found = verdict(database)
    assert (found.ok, found.shredded, found.unfinished) == (True, 2, 0)


def test_the_request_of_somebody_who_confirmed_goes_and_their_key_stays(database: Database, now: datetime) -> None:
    subscribe(database, now)
    assert expire(database, now + 11 * DAY) == 1
    assert state(database) == "active"
    found = verdict(database)
    assert (found.ok, found.shredded, found.events) == (True, 0, 2)


def test_the_evidence_of_who_left_goes_after_its_time_and_they_stay_away(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    subscribe(database, now, "ben@example.org")
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, token, now, "unsubscribe button")
    later = now + 1_100 * DAY
    expire(database, later)
    with database.snapshot() as session:
        assert subscribers.count_left_before(session, now) == 0
        assert subscribers.count_left_before(session, later) == 1
    with database.transaction() as session:
        gone = subscribers.erase_left_before(session, KEYS, later, later, 10)
    KEYS.shred(gone.subjects)
    assert len(gone.subscriptions) == 1
    found = verdict(database)
    assert (found.ok, found.shredded) == (True, 4)
    with database.snapshot() as session:
        assert subscribers.show(session, KEYS, Address.parse("anna@example.org")).suppressions == ("left",)
    assert state(database, "ben@example.org") == "active"


def test_a_key_that_nothing_was_sealed_with_goes_after_a_day(database: Database, now: datetime) -> None:
    sign_up(database, now, wanted("eve@example.org"))
    orphan = KEYS.new_subject(now)
    subscribers.sweep_keys(database.transaction, KEYS, now)
    assert ring().find([orphan])
    subscribers.sweep_keys(database.transaction, KEYS, now + 2 * DAY)
    assert not ring().find([orphan])
    assert subject_of(database, Address.parse("eve@example.org"))
    assert verdict(database).ok
