"""Which edition goes to whom: the frozen audience and the last look agree on every date and rhythm."""

from datetime import date, datetime, timedelta

import pytest

import subscribers
from newsletter.database import Database
from subscribers import Dropped, NotSubscribed, Recipient, Rhythm
from subscribers.registry import subscriptions_of
from tests.subscribers.people import KEYS, leave_token, subscribe

WEEK = [date(2026, 11, 23) + timedelta(days=n) for n in range(7)]
WANTED = {
    Rhythm.EVERY: [True] * 7,
    Rhythm.WEEKDAYS: [True] * 5 + [False] * 2,
    Rhythm.FRIDAY: [False] * 4 + [True] + [False] * 2,
}


def _subject(database: Database, address: str) -> bytes:
    with database.snapshot() as session:
        [mine] = subscriptions_of(session, [KEYS.fingerprint(subscribers.Address.parse(address))])
    return mine.subject


def _set(database: Database, address: str, rhythm: Rhythm, now: datetime) -> None:
    subject = _subject(database, address)
    with database.transaction() as session:
        subscribers.set_rhythm(session, KEYS, subject, "world-brief", rhythm, now=now)


def test_the_audience_and_the_last_look_agree_on_every_day_and_rhythm(database: Database, now: datetime) -> None:
    for rhythm in Rhythm:
        subscribe(database, now, f"{rhythm}@example.org")
        _set(database, f"{rhythm}@example.org", rhythm, now)
    with database.snapshot() as session:
        for number, on in enumerate(WEEK):
            wanted = {f"{rhythm}@example.org" for rhythm in Rhythm if WANTED[rhythm][number]}
            found = subscribers.audience(session, "world-brief", now, on)
            eligible = list(session.connection().execute(found.eligible).scalars())
            assert found.candidates == 3 == len(eligible) + sum(found.excluded.values())
            assert dict(found.excluded) == ({"rhythm": 3 - len(wanted)} if len(wanted) < 3 else {})
            answers = subscribers.recipients(session, KEYS, [1, 2, 3], "world-brief", now, on=on)
            assert {one.address for one in answers.values() if isinstance(one, Recipient)} == wanted
            assert [key for key, one in answers.items() if isinstance(one, Recipient)] == eligible
            assert {one.reason for one in answers.values() if isinstance(one, Dropped)} <= {"rhythm"}
        assert subscribers.audience(session, "world-brief", now).excluded == {}


def test_a_graver_reason_is_told_before_the_rhythm(database: Database, now: datetime) -> None:
    subscribe(database, now)
    _set(database, "anna@example.org", Rhythm.FRIDAY, now)
    with database.transaction() as session:
        subscribers.pause(session, KEYS, leave_token(database, "anna@example.org"), now + timedelta(days=7), now)
    with database.snapshot() as session:
        assert subscribers.audience(session, "world-brief", now, WEEK[0]).excluded == {"paused": 1}


def test_a_rhythm_outlives_a_pause_and_ends_with_its_subscription(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    _set(database, "anna@example.org", Rhythm.FRIDAY, now)
    with database.transaction() as session:
        subscribers.pause(session, KEYS, token, now + timedelta(days=7), now)
        subscribers.resume(session, KEYS, token, now)
        assert subscribers.audience(session, "world-brief", now, WEEK[0]).excluded == {"rhythm": 1}
        subscribers.unsubscribe(session, KEYS, token, now, "button")
    with pytest.raises(NotSubscribed):
        _set(database, "anna@example.org", Rhythm.FRIDAY, now)
    subscribe(database, now + timedelta(days=2))
    with database.snapshot() as session:
        assert subscribers.audience(session, "world-brief", now, WEEK[0]).excluded == {}
        assert subscribers.verify(session, KEYS).ok


def test_choosing_what_is_chosen_already_is_no_event(database: Database, now: datetime) -> None:
    subscribe(database, now)
    subject = _subject(database, "anna@example.org")
    with database.transaction() as session:
        subscribers.set_rhythm(session, KEYS, subject, "world-brief", Rhythm.EVERY, now=now)
        subscribers.set_language(session, KEYS, subject, "en", now)
        assert subscribers.verify(session, KEYS).events == 2
        subscribers.set_language(session, KEYS, subject, "fr", now)
        assert subscribers.verify(session, KEYS).events == 3
