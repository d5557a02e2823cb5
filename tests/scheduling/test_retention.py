"""The daily cleaning deletes what is over, finishes what was interrupted, and tells people once what is overdue."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import subscribers
from newsletter.database import Database
from newsletter.safekeeping.journal import Entry, Journal
from newsletter.scheduling.retention import Retained, Retention
from newsletter.vault import Vault
from subscribers import Address, Asking, Keyring, Right, SignUp
from tests.delivery.newsroom import make_config

DAY = timedelta(days=1)


@pytest.fixture
def cleaning(database: Database, tmp_path: Path) -> Retention:
    store = Database(f"sqlite:///{tmp_path / 'keyring.db'}")
    ring = Keyring(store.transaction, store.snapshot)
    ring.prepare()
    vault = Vault(master=bytes(range(32)), ring=ring)
    config = replace(make_config(), home=tmp_path)
    return Retention(database=database, config=config, vault=vault, stop=threading.Event())


def ask(cleaning: Retention, number: int, now: datetime) -> None:
    wanted = SignUp(address=Address.parse(f"reader{number}@example.org"), newsletter="world-brief", wording="Send it.")
    with cleaning.database.transaction() as session:
        subscribers.sign_up(session, cleaning.vault.keys, wanted, now)


def test_it_says_beforehand_what_will_go_and_a_second_time_there_is_nothing(cleaning: Retention, now: datetime) -> None:
    for number in range(3):
        ask(cleaning, number, now)
    Journal(cleaning.config.home).write(
        [Entry(fingerprint="ab", action="ended", newsletter="", reason="withdrawn", at=now - 500 * DAY)]
    )
    later = now + 10 * DAY
    assert cleaning.rehearse(later) == Retained(requests=3, people=0, keys=0, journal=0)
    assert cleaning.run(later) == Retained(requests=3, people=0, keys=0, journal=1)
    assert cleaning.run(later) == Retained(requests=0, people=0, keys=0, journal=0)
    ring = cleaning.vault.keys.ring
    assert ring
    assert ring.count() == 0
    with cleaning.database.snapshot() as session:
        verdict = subscribers.verify(session, cleaning.vault.keys)
    assert (verdict.ok, verdict.shredded) == (True, 6)


def test_told_to_stop_it_leaves_the_rest_for_the_next_run(cleaning: Retention, now: datetime) -> None:
    ask(cleaning, 1, now)
    cleaning.stop.set()
    assert cleaning.run(now + 10 * DAY).requests == 0
    cleaning.stop.clear()
    assert cleaning.run(now + 10 * DAY).requests == 1


def test_an_overdue_request_is_told_of_once(cleaning: Retention, now: datetime) -> None:
    asking = Asking(kind=Right.ERASURE, fingerprint=None, received_at=now, channel="letter")
    with cleaning.database.transaction() as session:
        subscribers.ask(session, asking)
    assert cleaning.warn(now + 30 * DAY) == []
    assert cleaning.warn(now + 31 * DAY) == ["request 1 (erasure) was due on 2026-12-23 and is not answered"]
    assert cleaning.warn(now + 31 * DAY) == []
