"""Counters hold nobody; what is kept about readers who agreed goes with the agreement, the subscription and time."""

from datetime import date, datetime, timedelta

from sqlalchemy import text

from newsletter import readership
from newsletter.database import Database
from newsletter.readership import Followed, Reading
from tests.subscribers.people import subscribe

ON = date(2026, 11, 23)
FIRST = Followed(newsletter="world-brief", on=ON, link=1)
SECOND = Followed(newsletter="world-brief", on=ON, link=2)


def subscription(database: Database) -> int:
    with database.snapshot() as session:
        return int(session.connection().execute(text("SELECT min(id) FROM subscription")).scalar_one())


def test_a_link_is_shown_from_ten_clicks_on_over_all_days(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        for n in range(9):
            readership.count(session, FIRST, now + timedelta(days=n % 2))
        for _ in range(12):
            readership.count(session, SECOND, now)
    with database.snapshot() as session:
        assert readership.counts(session, "world-brief", ON) == {2: 12}
        assert readership.counts(session, "other", ON) == {}
    with database.transaction() as session:
        readership.count(session, FIRST, now)
    with database.snapshot() as session:
        assert list(readership.counts(session, "world-brief", ON).items()) == [(2, 12), (1, 10)]


def test_of_a_reader_the_last_day_is_kept_and_no_time(database: Database, now: datetime) -> None:
    subscribe(database, now)
    mine = subscription(database)
    with database.transaction() as session:
        for hours in (0, 5, 30):
            readership.note(session, mine, FIRST, now + timedelta(hours=hours))
        readership.note(session, mine, SECOND, now)
    with database.snapshot() as session:
        assert readership.of(session, mine) == [
            Reading(newsletter="world-brief", on=ON, link=1, day=date(2026, 11, 24)),
            Reading(newsletter="world-brief", on=ON, link=2, day=date(2026, 11, 23)),
        ]
    with database.transaction() as session:
        assert readership.prune(session, now + timedelta(days=90)) == 0
        assert readership.prune(session, now + timedelta(days=91)) == 1
        assert readership.forget(session, mine) == 1


def test_what_was_kept_goes_with_the_subscription(database: Database, now: datetime) -> None:
    subscribe(database, now)
    with database.transaction() as session:
        readership.note(session, subscription(database), FIRST, now)
        readership.count(session, FIRST, now)
    with database.transaction() as session:
        session.connection().execute(text("DELETE FROM subscription"))
    with database.snapshot() as session:
        asked = (text(f"SELECT count(*) FROM {name}") for name in ("reading", "click"))
        reading, clicks = (session.connection().execute(one).scalar_one() for one in asked)
    assert [reading, clicks] == [0, 1]
