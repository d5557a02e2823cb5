"""The accounts balance after every scenario, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from newsletter.database import Database
from newsletter.delivery import claims, leases, ledger
from newsletter.delivery.claims import Settlement
from newsletter.delivery.leases import Lease, Wanted
from newsletter.delivery.outcome import DeliveryState
from newsletter.errors import LedgerError
from tests.delivery.builders import (
    ACCEPTED,
    counts,
    lease_one,
    mark,
    open_one,
    opening,
    people,
    record,
    release,
    take,
)

MINUTE = timedelta(minutes=1)


def test_every_candidate_is_queued_or_excluded(database: Database, now: datetime) -> None:
    mailing = open_one(database, 25, now, candidates=32, excluded=lambda *_: {"suppressed": 4, "paused": 3})
    assert mailing.due == 25
    assert counts(database, mailing) == {"waiting": 25}


def test_an_audience_that_does_not_balance_is_refused_and_nothing_is_kept(database: Database, now: datetime) -> None:
    with pytest.raises(LedgerError, match="26 candidates, but 25 queued and 0 excluded"):
        open_one(database, 25, now, candidates=26)
    with database.snapshot() as session:
        assert ledger.mailing_of(session, "world-brief", now.date()) is None
        assert session.connection().execute(sa.text("SELECT count(*) FROM delivery")).scalar_one() == 0


def test_a_second_mailing_of_the_same_edition_is_refused(database: Database, now: datetime) -> None:
    first = open_one(database, 3, now)
    with database.transaction() as session:
        assert ledger.open_mailing(session, opening(3, now), now) is None
        assert ledger.mailing_of(session, "world-brief", now.date()) == first.id


def test_many_letters_of_one_kind_may_be_open_at_once(database: Database, now: datetime) -> None:
    letters = [open_one(database, 1, now, kind="confirm", on=None, eligible=people(1, n)) for n in (7, 8)]
    assert [counts(database, one) for one in letters] == [{"waiting": 1}, {"waiting": 1}]


def test_an_empty_audience_is_a_finished_mailing(database: Database, now: datetime) -> None:
    mailing = open_one(database, 0, now)
    assert counts(database, mailing) == {}
    with database.snapshot() as session:
        assert leases.next_due(session, mailing.id) is None


def test_a_mailing_is_cut_into_ranges_that_hold_every_letter_once(database: Database, now: datetime) -> None:
    mailing = open_one(database, 25, now)
    taken: list[list[int]] = []
    for _ in range(3):
        lease = lease_one(database, now)
        taken.append(take(database, lease, now))
    assert [len(ids) for ids in taken] == [10, 10, 5]
    assert sorted(recipient for ids in taken for recipient in ids) == list(range(1, 26))
    assert counts(database, mailing) == {"claimed": 25}
    with database.transaction() as session:
        assert leases.claim(session, Wanted(worker="w2", until=now + MINUTE), now) is None


def test_chunks_are_full_and_apart_however_far_apart_their_recipients_are(database: Database, now: datetime) -> None:
    numbers = people(25).subquery()
    mailing = open_one(database, 25, now, eligible=sa.select(numbers.c.id * numbers.c.id))
    leased = [lease_one(database, now) for _ in range(3)]
    assert [(one.first, one.last) for one in leased] == [(1, 120), (121, 440), (441, 625)]
    assert [len(take(database, one, now)) for one in leased] == [10, 10, 5]
    assert counts(database, mailing) == {"claimed": 25}


def test_sixteen_racers_get_one_lease(database: Database, now: datetime) -> None:
    open_one(database, 5, now)

    def race(n: int) -> Lease | None:
        with database.transaction() as session:
            return leases.claim(session, Wanted(worker=f"w{n}", until=now + MINUTE), now)

    with ThreadPoolExecutor(16) as pool:
        found = [lease for lease in pool.map(race, range(16)) if lease]
    assert len(found) == 1


def test_letters_come_before_editions_and_new_work_before_retries(database: Database, now: datetime) -> None:
    edition = open_one(database, 20, now)
    lease = lease_one(database, now)
    for recipient in take(database, lease, now):
        result = Settlement(
            state=DeliveryState.DEFERRED, outcome=DeliveryState.DEFERRED, phase="dot", due_at=now + MINUTE, code=451
        )
        assert record(database, lease, recipient, result, now)
    release(database, lease, now)
    letter = open_one(database, 1, now, kind="confirm", on=None, priority=ledger.LETTER_PRIORITY)
    later = now + 2 * MINUTE
    order = [lease_one(database, later) for _ in range(3)]
    assert [(one.mailing.id, one.chunk) for one in order] == [(letter.id, 0), (edition.id, 1), (edition.id, 0)]


def test_a_letter_is_not_behind_an_edition_already_leased(database: Database, now: datetime) -> None:
    open_one(database, 20, now)
    held = lease_one(database, now)
    with database.transaction() as session:
        above = Wanted(worker="w1", until=now + MINUTE, above=held.mailing.priority)
        assert leases.claim(session, above, now) is None
    letter = open_one(database, 1, now, kind="confirm", on=None, priority=ledger.LETTER_PRIORITY)
    assert lease_one(database, now, above=held.mailing.priority).mailing == letter


def test_an_accepted_letter_is_settled_without_a_word_more_than_needed(database: Database, now: datetime) -> None:
    mailing = open_one(database, 1, now)
    lease = lease_one(database, now)
    take(database, lease, now)
    assert mark(database, lease, 1, now)
    assert record(database, lease, 1, ACCEPTED, now)
    assert not record(database, lease, 1, ACCEPTED, now), "a letter is settled once"
    release(database, lease, now)
    assert counts(database, mailing) == {"accepted": 1}
    with database.snapshot() as session:
        [line] = ledger.listing(session, mailing.id, DeliveryState.ACCEPTED)
        assert (line.recipient, line.attempts, line.code, line.at) == (1, 1, 250, now)
        assert session.connection().execute(sa.text("SELECT count(*) FROM attempt")).scalar_one() == 0
        assert leases.next_due(session, None) is None


def test_a_deferred_letter_is_due_again_at_its_moment_and_not_before(database: Database, now: datetime) -> None:
    mailing = open_one(database, 1, now)
    lease = lease_one(database, now)
    take(database, lease, now)
    later = now + 5 * MINUTE
    record(
        database,
        lease,
        1,
        Settlement(
            state=DeliveryState.DEFERRED,
            outcome=DeliveryState.DEFERRED,
            phase="dot",
            due_at=later,
            code=451,
            reply="slow",
        ),
        now,
    )
    release(database, lease, now)
    assert counts(database, mailing) == {"deferred": 1}
    with database.transaction() as session:
        assert leases.next_due(session, mailing.id) == later
        assert leases.claim(session, Wanted(worker="w1", until=later), later - MINUTE) is None
    again = lease_one(database, later)
    assert take(database, again, later) == [1]
    record(database, again, 1, ACCEPTED, later)
    with database.snapshot() as session:
        [line] = ledger.listing(session, mailing.id, DeliveryState.ACCEPTED)
        assert line.attempts == 2
        rows = session.connection().execute(sa.text("SELECT n, outcome, code, reply FROM attempt ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(1, "deferred", 451, "slow"), (2, "accepted", 250, "2.0.0 queued")]


def test_a_lost_connection_before_the_dot_counts_no_attempt_but_is_kept(database: Database, now: datetime) -> None:
    mailing = open_one(database, 1, now)
    lease = lease_one(database, now)
    take(database, lease, now)
    record(
        database, lease, 1, Settlement(state=DeliveryState.WAITING, outcome="lost", phase="body", counted=False), now
    )
    with database.snapshot() as session:
        [line] = ledger.listing(session, mailing.id, DeliveryState.WAITING)
        assert line.attempts == 0
        assert session.connection().execute(sa.text("SELECT outcome, phase FROM attempt")).one() == ("lost", "body")


@pytest.mark.parametrize("resend", [True, False])
def test_what_a_dead_worker_held_waits_again_unless_its_dot_had_left(
    database: Database, now: datetime, resend: bool
) -> None:
    mailing = open_one(database, 5, now)
    dead = lease_one(database, now)
    take(database, dead, now, limit=3)
    mark(database, dead, 2, now)
    later = now + 2 * MINUTE
    heir = lease_one(database, later, worker="w2", again_after=timedelta(0) if resend else None)
    assert heir.epoch == dead.epoch + 1
    assert counts(database, mailing) == ({"waiting": 5} if resend else {"waiting": 4, "uncertain": 1})
    with database.snapshot() as session:
        [line] = ledger.uncertain(session, mailing.id)
    assert (line.recipient, line.attempts, line.at) == (2, 1, later)


def test_a_stale_worker_changes_nothing(database: Database, now: datetime) -> None:
    mailing = open_one(database, 3, now)
    stale = lease_one(database, now)
    assert take(database, stale, now) == [1, 2, 3]
    mark(database, stale, 2, now)
    later = now + 2 * MINUTE
    heir = lease_one(database, later, worker="w2")
    assert take(database, heir, later) == [1, 3, 2], "what was tried before comes last"
    before = counts(database, mailing)
    assert not mark(database, stale, 1, later)
    assert not record(database, stale, 2, ACCEPTED, later)
    with database.transaction() as session:
        assert claims.take(session, stale, 10, later + MINUTE, later) is None
        claims.hand_back(session, stale, [1, 2, 3])
        leases.release(session, stale, later)
        assert leases.beat(session, "w1", [stale], later + MINUTE, later) == [stale]
    assert counts(database, mailing) == before == {"claimed": 3}
    assert mark(database, heir, 1, later)


def test_a_live_worker_keeps_its_lease_by_its_heartbeat(database: Database, now: datetime) -> None:
    open_one(database, 3, now)
    lease = lease_one(database, now)
    with database.transaction() as session:
        assert leases.beat(session, "w1", [lease], now + 3 * MINUTE, now) == []
        assert leases.claim(session, Wanted(worker="w2", until=now + 9 * MINUTE), now + 2 * MINUTE) is None


def test_a_letter_in_doubt_three_times_is_left_in_doubt(database: Database, now: datetime) -> None:
    mailing = open_one(database, 1, now)
    for n in range(3):
        at = now + n * 2 * MINUTE
        lease = lease_one(database, at)
        assert take(database, lease, at) == [1]
        mark(database, lease, 1, at)
    lease_one(database, now + 10 * MINUTE)
    assert counts(database, mailing) == {"uncertain": 1}
    with database.snapshot() as session:
        assert [line.attempts for line in ledger.uncertain(session, mailing.id)] == [1, 2, 3]


def test_nothing_is_taken_or_leaves_after_the_expiry(database: Database, now: datetime) -> None:
    mailing = open_one(database, 25, now, expires_at=now + MINUTE)
    lease = lease_one(database, now)
    assert take(database, lease, now, limit=2) == [1, 2]
    late = now + MINUTE
    assert not mark(database, lease, 1, late), "the dot is refused at the very moment of expiry"
    assert take(database, lease, late) == []
    with database.transaction() as session:
        claims.hand_back(session, lease, [1, 2])
    release(database, lease, late)
    assert counts(database, mailing) == {"waiting": 15, "expired": 10}
    for _ in range(2):
        release(database, lease_one(database, late), late)
    assert counts(database, mailing) == {"expired": 25}
    with database.snapshot() as session:
        assert leases.next_due(session, mailing.id) is None


def test_a_retry_later_than_the_expiry_expires_at_the_expiry(database: Database, now: datetime) -> None:
    mailing = open_one(database, 1, now, expires_at=now + MINUTE)
    lease = lease_one(database, now)
    take(database, lease, now)
    record(
        database,
        lease,
        1,
        Settlement(
            state=DeliveryState.DEFERRED,
            outcome=DeliveryState.DEFERRED,
            phase="rcpt",
            due_at=now + 9 * MINUTE,
            code=450,
        ),
        now,
    )
    release(database, lease, now)
    with database.snapshot() as session:
        assert leases.next_due(session, mailing.id) == now + MINUTE
    release(database, lease_one(database, now + MINUTE), now + MINUTE)
    assert counts(database, mailing) == {"expired": 1}


def test_a_paused_mailing_stands_still_and_goes_on(database: Database, now: datetime) -> None:
    mailing = open_one(database, 12, now)
    lease = lease_one(database, now)
    take(database, lease, now, limit=1)
    with database.transaction() as session:
        ledger.pause(session, mailing.id, paused=True)
    assert not mark(database, lease, 1, now)
    assert take(database, lease, now) == []
    with database.transaction() as session:
        assert leases.claim(session, Wanted(worker="w2", until=now + MINUTE), now) is None
        assert leases.next_due(session, mailing.id) is None
        ledger.pause(session, mailing.id, paused=False)
    assert mark(database, lease, 1, now)
    assert counts(database, mailing) == {"waiting": 11, "claimed": 1}


def test_a_paused_mailing_still_expires(database: Database, now: datetime) -> None:
    mailing = open_one(database, 2, now, expires_at=now + MINUTE)
    with database.transaction() as session:
        ledger.pause(session, mailing.id, paused=True)
    release(database, lease_one(database, now + MINUTE), now + MINUTE)
    assert counts(database, mailing) == {"expired": 2}


def test_a_cancelled_mailing_drops_what_has_not_left(database: Database, now: datetime) -> None:
    mailing = open_one(database, 12, now)
    lease = lease_one(database, now)
    take(database, lease, now, limit=2)
    mark(database, lease, 1, now)
    with database.transaction() as session:
        ledger.cancel(session, mailing.id, now)
    assert counts(database, mailing) == {"claimed": 2, "dropped": 10}
    assert not mark(database, lease, 2, now)
    record(database, lease, 1, ACCEPTED, now)
    with database.transaction() as session:
        claims.hand_back(session, lease, [2])
    release(database, lease, now)
    assert counts(database, mailing) == {"accepted": 1, "dropped": 11}


def test_a_letter_whose_dot_was_marked_is_not_handed_back(database: Database, now: datetime) -> None:
    mailing = open_one(database, 2, now)
    lease = lease_one(database, now)
    take(database, lease, now)
    mark(database, lease, 1, now)
    with database.transaction() as session:
        claims.hand_back(session, lease, [1, 2])
    assert counts(database, mailing) == {"waiting": 1, "claimed": 1}


def test_accounts_that_do_not_balance_are_an_error_not_a_number(database: Database, now: datetime) -> None:
    mailing = open_one(database, 3, now)
    with database.transaction() as session:
        session.connection().execute(sa.text("DELETE FROM delivery WHERE recipient_id = 2"))
    with database.snapshot() as session, pytest.raises(LedgerError, match="3 were frozen, 2 are there"):
        ledger.accounts(session, mailing.id)


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE delivery SET state = 'sent'",
        """UPDATE mailing SET "on" = NULL""",
        "UPDATE chunk SET first_recipient = last_recipient + 1",
        f"UPDATE delivery SET reply = '{'x' * 501}'",
    ],
)
def test_the_database_itself_refuses_what_cannot_be(database: Database, now: datetime, broken: str) -> None:
    open_one(database, 3, now)
    with pytest.raises(sa.exc.IntegrityError), database.transaction() as session:
        session.connection().execute(sa.text(broken))


def test_no_table_of_the_ledger_has_room_for_an_address() -> None:
    tables = ("mailing", "chunk", "delivery", "attempt", "worker")
    names = {column.name for name in tables for column in SQLModel.metadata.tables[name].columns}
    assert not {name for name in names if "address" in name or "mail_to" in name or "email" in name}
