"""Rows that come together are rows like any other: keys, foreign keys and triggers look at each of them."""

from datetime import datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel

from newsletter.database import Database
from subscribers import bulk, registry
from subscribers.bulk import TOGETHER
from subscribers.ledger import consent
from subscribers.ledger.consent import Packed
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.ledger.triggers import RESTLESS
from subscribers.registry import NewSubscription, SealedPerson
from subscribers.states import State
from tests.subscribers.people import KEYS

WORDINGS = SQLModel.metadata.tables["consent_wording"]
MANY = 2 * TOGETHER + 7


def keep(session: Session, numbers: list[int]) -> None:
    rows = [(f"{n:064}", "en", f"text {n}") for n in numbers]
    bulk.insert(session, WORDINGS, ("digest", "language", "text"), rows)


@pytest.mark.parametrize("count", [0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, MANY])
def test_every_row_is_kept_as_it_came(database: Database, count: int) -> None:
    with database.transaction() as session:
        keep(session, list(range(count)))
    with database.snapshot() as session:
        found = session.connection().execute(select(WORDINGS.c.digest, WORDINGS.c.text).order_by("digest")).all()
    assert [tuple(row) for row in found] == [(f"{n:064}", f"text {n}") for n in range(count)]


@pytest.mark.parametrize("known", [3, TOGETHER, MANY - 1])
def test_one_row_that_is_there_already_refuses_them_all(database: Database, known: int) -> None:
    with database.transaction() as session:
        keep(session, [known])
    with pytest.raises(DBAPIError, match=r"append-only|unique"), database.transaction() as session:
        keep(session, list(range(MANY)))
    with database.snapshot() as session:
        assert session.connection().execute(select(func.count()).select_from(WORDINGS)).scalar_one() == 1


def add(session: Session, now: datetime, wrong: int) -> None:
    subjects = [n.to_bytes(16, "big") for n in range(MANY)]
    told = [Event(one, "world-brief", Kind.IMPORTED, Evidence(method="test"), Actor.IMPORT) for one in subjects]
    seqs = consent.append(session, KEYS, told, now, [Packed(bytes(32), b"sealed")] * MANY)
    people = [SealedPerson(one, bytes(17) + one, b"sealed") for one in subjects]
    ids = registry.add_sealed(session, people, "en", now).values()
    seqs[wrong] = seqs[wrong - 1]
    added = [NewSubscription(person, State.ACTIVE, seq) for person, seq in zip(ids, seqs, strict=True)]
    registry.add_subscriptions(session, KEYS, "world-brief", added, now)


@pytest.mark.parametrize("wrong", [0, TOGETHER + 3, MANY - 1])
def test_one_subscription_that_rests_on_anothers_consent_refuses_them_all(
    database: Database, now: datetime, wrong: int
) -> None:
    with pytest.raises(DBAPIError, match=RESTLESS), database.transaction() as session:
        add(session, now, wrong)
    with database.snapshot() as session:
        assert consent.head(session).size == 0
