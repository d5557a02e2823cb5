"""A request about rights is due in a month, is told of once when that is over, and names nobody."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import subscribers
from newsletter.database import Database
from subscribers import Answering, Asking, Right, RightsRefused, RightsState, months_later


def ask(database: Database, received_at: datetime, note: str = "") -> int:
    asking = Asking(kind=Right.ACCESS, fingerprint=b"f" * 33, received_at=received_at, channel="letter", note=note)
    with database.transaction() as session:
        return subscribers.ask(session, asking)


def test_it_is_due_one_month_after_it_came(database: Database) -> None:
    ask(database, datetime(2026, 1, 31, 12, tzinfo=UTC))
    with database.snapshot() as session:
        [one] = subscribers.asked(session, only_open=True)
    assert one.due_on == date(2026, 2, 28)
    assert not one.overdue(date(2026, 2, 28))
    assert one.overdue(date(2026, 3, 1))


def test_people_are_told_once_that_the_month_is_over(database: Database, now: datetime) -> None:
    number = ask(database, now)
    with database.transaction() as session:
        assert subscribers.newly_overdue(session, now.date() + timedelta(days=30)) == []
    for told in ([number], []):
        with database.transaction() as session:
            late = subscribers.newly_overdue(session, now.date() + timedelta(days=31))
        assert [one.id for one in late] == told


def test_an_answer_closes_it_once(database: Database, now: datetime) -> None:
    number = ask(database, now)
    with database.transaction() as session:
        subscribers.answer(session, number, Answering(by="ana", at=now, note="sent the export"))
    with database.snapshot() as session:
        [one] = subscribers.asked(session)
    assert (one.state, one.answered_by, one.note) == (RightsState.ANSWERED, "ana", "sent the export")
    with pytest.raises(RightsRefused, match="no open request"), database.transaction() as session:
        subscribers.answer(session, number, Answering(by="ana", at=now))


def test_a_note_holds_no_address(database: Database, now: datetime) -> None:
    with pytest.raises(RightsRefused, match="no address"):
        ask(database, now, "from anna@example.org")


@given(st.dates(date(2000, 1, 31), date(2100, 1, 1)), st.integers(-60, 60))
def test_months_later_is_the_same_day_or_the_last_of_its_month(day: date, months: int) -> None:
    then = months_later(day, months)
    assert (then.year * 12 + then.month) - (day.year * 12 + day.month) == months
    assert then.day == day.day or (then.day < day.day and (then + timedelta(days=1)).day == 1)
