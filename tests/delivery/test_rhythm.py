"""An edition goes to those who want that day's; who changes her mind while it waits is dropped at the claim."""

from datetime import UTC, datetime

import pytest

import subscribers
from newsletter.database import Database
from newsletter.delivery import history, ledger
from newsletter.delivery.ledger import EDITION
from newsletter.delivery.outcome import DeliveryState
from newsletter.postbox import Postbox, running
from subscribers import Address, Rhythm
from tests.delivery.newsroom import KEYS, NEWSLETTER, Clock, address, approve, make_config, ring, subscribe, work

MONDAY = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
once = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _choose(database: Database, number: int, rhythm: Rhythm) -> int:
    """Set a reader's rhythm; returns the number of her subscription."""
    with database.transaction() as session:
        found = subscribers.show(session, KEYS, Address.parse(address(number)))
        subject = bytes.fromhex(found.subject)
        subscribers.set_rhythm(session, KEYS, subject, NEWSLETTER.key, rhythm, now=MONDAY)
    return found.subscriptions[0].id


def test_a_mondays_edition_leaves_out_who_wants_fridays_even_at_the_last_moment(database: Database) -> None:
    subscribe(database, 4, MONDAY)
    _choose(database, 0, Rhythm.FRIDAY)
    _choose(database, 1, Rhythm.WEEKDAYS)
    with running(Postbox()) as box:
        config = make_config(box.port)
        approve(database, config, MONDAY)
        mailing = ring(database, config, MONDAY)
        late = _choose(database, 2, Rhythm.FRIDAY)
        work(database, config, Clock(MONDAY), mailing)
    assert {one.rcpt_to[0] for one in box.messages} == {address(1), address(3)}
    with database.snapshot() as session:
        frozen = ledger.mailing(session, mailing)
        assert (frozen.candidates, dict(frozen.excluded)) == (4, {"rhythm": 1})
        [dropped] = ledger.listing(session, mailing, DeliveryState.DROPPED)
        assert (dropped.recipient, dropped.reason) == (late, "rhythm")


@once
def test_the_history_of_a_reader_is_hers_alone_and_of_the_kind_asked_for(database: Database) -> None:
    subscribe(database, 3, MONDAY)
    mine = _choose(database, 1, Rhythm.WEEKDAYS)
    with running(Postbox()) as box:
        config = make_config(box.port)
        approve(database, config, MONDAY)
        work(database, config, Clock(MONDAY), ring(database, config, MONDAY))
    with database.snapshot() as session:
        [sent] = history.letters(session, {EDITION: [mine], "confirm": [mine]})
        assert history.letters(session, {"confirm": [mine], EDITION: []}) == []
    assert (sent.newsletter, sent.on, sent.state) == (NEWSLETTER.key, MONDAY.date(), DeliveryState.ACCEPTED)
    assert sent.at is not None
