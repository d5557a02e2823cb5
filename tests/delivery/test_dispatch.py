"""An edition is dispatched once, to everybody it may go to, and only as it was approved."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

import subscribers
from newsletter.database import Database
from newsletter.delivery import dispatch, ledger
from newsletter.delivery.dispatch import Single
from newsletter.delivery.ledger import EDITION, Opening
from newsletter.editions import store
from newsletter.editions.edition import revise
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError, LedgerError
from subscribers import Address, Evidence, SuppressionReason
from tests.builders import make_edition
from tests.delivery.builders import counts
from tests.delivery.newsroom import (
    KEYS,
    NEWSLETTER,
    address,
    approve,
    make_config,
    make_press,
    move,
    ring,
    sending,
    state,
    subscribe,
    terms,
)

CONFIG = make_config()


def test_an_approved_edition_is_dispatched_to_everybody_and_is_sending(database: Database, now: datetime) -> None:
    mailing = sending(database, CONFIG, 5, now)
    assert counts(database, mailing) == {"waiting": 5}
    assert state(database, now) is State.SENDING
    with database.snapshot() as session:
        record = store.load(session, NEWSLETTER.key, now.date())
        frozen = ledger.mailing(session, mailing)
    assert record is not None
    assert frozen.proof_digest == record.proof_digest
    assert frozen.expires_at == now + timedelta(hours=NEWSLETTER.expires_after_hours)


def test_dispatching_again_doubles_nothing(database: Database, now: datetime) -> None:
    first = sending(database, CONFIG, 5, now)
    assert ring(database, CONFIG, now + timedelta(minutes=1)) == first
    assert counts(database, first) == {"waiting": 5}


def test_two_processes_at_once_open_one_mailing(database: Database, now: datetime) -> None:
    subscribe(database, 5, now)
    approve(database, CONFIG, now)
    with ThreadPoolExecutor(4) as pool:
        mailings = set(pool.map(lambda _: ring(database, CONFIG, now), range(4)))
    assert len(mailings) == 1
    assert counts(database, mailings.pop()) == {"waiting": 5}


def test_whoever_may_not_be_written_to_is_excluded_and_counted(database: Database, now: datetime) -> None:
    subscribe(database, 5, now)
    with database.transaction() as session:
        subscribers.suppress(session, KEYS, Address.parse(address(1)), SuppressionReason.DESK, "test", now)
        subscribers.unsubscribe_address(
            session, KEYS, Address.parse(address(2)), None, Evidence(method="desk", by="test", reason="asked"), now
        )
    approve(database, CONFIG, now)
    mailing = ring(database, CONFIG, now)
    assert counts(database, mailing) == {"waiting": 3}
    with database.snapshot() as session:
        frozen = ledger.mailing(session, mailing)
    assert (frozen.candidates, sum(frozen.excluded.values())) == (5, 2)


def test_who_is_neither_queued_nor_excluded_stops_the_freeze(database: Database, now: datetime) -> None:
    subscribe(database, 5, now)
    with database.transaction() as session:
        subscribers.suppress(session, KEYS, Address.parse(address(1)), SuppressionReason.DESK, "test", now)
    with database.transaction() as session:
        found = subscribers.candidates(session, NEWSLETTER.key, now)
        opening = Opening(
            newsletter=NEWSLETTER.key,
            kind=EDITION,
            on=now.date(),
            proof_digest="0" * 64,
            expires_at=now + timedelta(hours=1),
            eligible=found.eligible.limit(3),
            candidates=found.count,
            excluded=found.excluded,
        )
        with pytest.raises(LedgerError, match="5 candidates, but 3 queued and 1 excluded"):
            ledger.open_mailing(session, opening, now)


def test_an_edition_for_nobody_is_sent_at_once(database: Database, now: datetime) -> None:
    mailing = sending(database, CONFIG, 0, now)
    assert counts(database, mailing) == {}
    assert state(database, now) is State.SENT
    assert ring(database, CONFIG, now) == mailing


def test_an_edition_never_built_is_refused(database: Database, now: datetime) -> None:
    with pytest.raises(EditionError, match="has not been built yet"):
        ring(database, CONFIG, now)


def test_an_edition_without_approval_is_refused(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        record = store.claim(session, NEWSLETTER.key, now.date(), now, now)
        assert record is not None
        record = store.move(session, record.id, Event.BUILD, "test", now)
        store.save(session, record.id, make_edition(), "test", now)
    with pytest.raises(EditionError, match="in review: nothing is sent"):
        ring(database, CONFIG, now)


def test_a_held_edition_is_refused(database: Database, now: datetime) -> None:
    approve(database, CONFIG, now)
    move(database, Event.HOLD, now)
    with pytest.raises(EditionError, match="is held: nothing is sent"):
        ring(database, CONFIG, now)


def test_a_changed_edition_has_lost_its_approval(database: Database, now: datetime) -> None:
    record = approve(database, CONFIG, now)
    with database.transaction() as session:
        store.save(session, record.id, revise(make_edition(), subject="Another subject line entirely"), "editor", now)
    with pytest.raises(EditionError, match="in review"):
        ring(database, CONFIG, now)


@pytest.mark.parametrize("what", ["sender", "site", "rule"])
def test_what_was_approved_must_be_what_would_be_sent(database: Database, now: datetime, what: str) -> None:
    approve(database, CONFIG, now)
    changed = {
        "sender": make_press(CONFIG, newsletter=replace(NEWSLETTER, sender_name="Somebody Else")),
        "site": make_press(CONFIG, site=replace(CONFIG.site, postal_address="2 Other Street, London EC4A 1AB, UK")),
        "rule": make_press(CONFIG, audience_rule="everybody"),
    }[what]
    with pytest.raises(EditionError, match="the approval is void"):
        dispatch.dispatch(database, changed, terms(CONFIG), now.date(), now)
    assert state(database, now) is State.APPROVED
    with database.snapshot() as session:
        assert ledger.mailing_of(session, NEWSLETTER.key, now.date()) is None


def test_a_frozen_proof_that_is_gone_stops_the_dispatch(database: Database, now: datetime) -> None:
    approve(database, CONFIG, now)
    with database.transaction() as session:
        session.connection().execute(sa.text("DELETE FROM frozen"))
    with pytest.raises(EditionError, match="nothing is sent"):
        ring(database, CONFIG, now)
    with database.snapshot() as session:
        assert ledger.mailing_of(session, NEWSLETTER.key, now.date()) is None


def test_a_single_letter_goes_ahead_of_editions(database: Database, now: datetime) -> None:
    edition = sending(database, CONFIG, 2, now)
    single = Single(
        kind=ledger.CONFIRMATION,
        newsletter=NEWSLETTER.key,
        person=42,
        proof_digest="0" * 64,
        expires_at=now + timedelta(hours=72),
    )
    with database.transaction() as session:
        key = dispatch.letter(session, single, now)
        ordered = [ledger.mailing(session, one) for one in (edition, key)]
    assert counts(database, key) == {"waiting": 1}
    assert ordered[0].priority < ordered[1].priority
