"""What many connections want written, in one commit: nobody waits longer than for it, and nothing leaves without it."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
import sqlalchemy as sa

from newsletter.database import Database
from newsletter.delivery import books, ledger
from newsletter.delivery.books import Books
from newsletter.delivery.intake import Errand, Intake
from newsletter.delivery.outcome import DeliveryState, Phase, Replied, Reply
from newsletter.editions.workflow import Event
from newsletter.errors import DatabaseBusy, DatabaseError
from tests.delivery.builders import counts
from tests.delivery.newsroom import VAULT, Clock, make_config, move, sending

once = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
TAKEN = Replied(reply=Reply(code=250, enhanced="2.0.0", text="queued"), phase=Phase.DOT)


def opened(database: Database, readers: int, now: datetime) -> tuple[Intake, list[Errand]]:
    config = make_config()
    sending(database, config, readers, now)
    intake = Intake(database, config, VAULT, Clock(now), None)
    hold = intake.claim(-1)
    assert hold is not None
    return intake, intake.take(hold, readers)


@contextmanager
def commits(database: Database) -> Iterator[list[str]]:
    """The transactions of the quick connections while this lasts."""
    seen: list[str] = []
    engines = [database.hasty.engine, database.durable.hasty.engine]

    def note(_connection: object) -> None:
        seen.append("commit")

    for engine in engines:
        sa.event.listen(engine, "commit", note)
    try:
        yield seen
    finally:
        for engine in engines:
            sa.event.remove(engine, "commit", note)


def test_who_asks_at_once_shares_a_commit(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 6, now)

    async def scenario() -> list[bool]:
        one = Books(intake)
        return await asyncio.gather(*(one.may_end(errand) for errand in errands))

    with commits(database) as seen:
        assert asyncio.run(scenario()) == [True] * 6
    assert len(seen) == 1


def test_an_acceptance_is_kept_before_the_next_mark_of_its_connection_is(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 2, now)
    mailing = errands[0].hold.mailing.id

    async def scenario() -> None:
        one = Books(intake)
        assert await one.may_end(errands[0])
        assert one.settle(errands[0], TAKEN, 0.0).state is DeliveryState.ACCEPTED
        assert await one.may_end(errands[1])
        assert counts(database, mailing) == {"accepted": 1, "claimed": 1}

    asyncio.run(scenario())
    with database.snapshot() as session:
        [line] = ledger.listing(session, mailing, DeliveryState.ACCEPTED)
    assert (line.code, line.enhanced, line.reply, line.attempts) == (250, "2.0.0", "queued", 1)


def test_of_a_group_only_those_who_may_end_do(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 3, now)
    with database.transaction() as session:
        session.connection().execute(
            sa.text("UPDATE delivery SET epoch = 99 WHERE recipient_id = :id"), {"id": errands[1].id}
        )

    async def scenario() -> list[bool]:
        one = Books(intake)
        return await asyncio.gather(*(one.may_end(errand) for errand in errands))

    assert asyncio.run(scenario()) == [True, False, True]


def test_a_held_edition_ends_nothing(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 2, now)
    move(database, Event.HOLD, now)

    async def scenario() -> list[bool]:
        one = Books(intake)
        return await asyncio.gather(*(one.may_end(errand) for errand in errands))

    assert asyncio.run(scenario()) == [False, False]


def test_a_lease_that_was_lost_is_learned_from_an_acceptance(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 1, now)
    with database.transaction() as session:
        session.connection().execute(sa.text("UPDATE chunk SET epoch = epoch + 1"))
        session.connection().execute(sa.text("UPDATE delivery SET epoch = epoch + 1"))

    async def scenario() -> None:
        one = Books(intake)
        one.settle(errands[0], TAKEN, 0.0)
        one.close()

    asyncio.run(scenario())
    assert errands[0].hold.lost
    assert counts(database, errands[0].hold.mailing.id) == {"claimed": 1}


@once
def test_another_process_that_writes_is_waited_for_without_standing_still(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 1, now)
    path = sa.make_url(database.url).database
    assert path is not None
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    async def scenario() -> int:
        turns, asked = 0, asyncio.ensure_future(Books(intake).may_end(errands[0]))
        threading.Timer(0.2, other.execute, ["COMMIT"]).start()
        while not asked.done():
            turns += 1
            await asyncio.sleep(0.001)
        assert asked.result()
        return turns

    assert asyncio.run(scenario()) > 10
    other.close()


@once
def test_a_database_that_stays_locked_is_said_so(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "_PATIENCE_SECONDS", 0.05)
    intake, errands = opened(database, 1, now)
    path = sa.make_url(database.url).database
    assert path is not None
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="locked"):
        asyncio.run(_asked(Books, intake, errands[0]))
    other.close()


def test_a_database_that_fails_is_heard_of_by_all_who_wait(database: Database, now: datetime) -> None:
    intake, errands = opened(database, 2, now)
    with database.transaction() as session:
        session.connection().execute(sa.text("ALTER TABLE mailing RENAME TO mislaid"))

    async def scenario() -> list[bool | BaseException]:
        one = Books(intake)
        return await asyncio.gather(*(one.may_end(errand) for errand in errands), return_exceptions=True)

    heard = asyncio.run(scenario())
    assert all(isinstance(one, DatabaseError | sa.exc.DBAPIError) for one in heard)
    with database.transaction() as session:
        session.connection().execute(sa.text("ALTER TABLE mislaid RENAME TO mailing"))


async def _asked(kind: type[Books], intake: Intake, errand: Errand) -> bool:
    return await kind(intake).may_end(errand)
