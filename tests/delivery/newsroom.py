"""A whole newsroom for the tests of sending: subscribers, an approved edition, its configuration and its secrets."""

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import subscribers
from newsletter.config import Config, Delivery
from newsletter.database import Database
from newsletter.delivery import dispatch, worker
from newsletter.delivery.dispatch import Terms
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.delivery.witness import Witness
from newsletter.delivery.worker import Work
from newsletter.editions import store
from newsletter.editions.edition import Edition
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import Event, State
from newsletter.postbox import Postbox
from newsletter.relays import RelaySettings
from newsletter.rendering.press import Press
from newsletter.vault import Vault
from subscribers import ImportJob
from tests.builders import make_edition, make_newsletter, make_site
from tests.keyring import RING, RING_FILE

VAULT = Vault(master=bytes(range(32)), ring=RING, checkpoint_pem=subscribers.new_key(bytes(range(32))))
KEYS = VAULT.keys
NEWSLETTER = make_newsletter()
DAY = timedelta(days=1)
HOME = Path(RING_FILE).parent
"""Where the journal of checkpoints of all these newsrooms goes; it is removed with the keyring."""


def make_config(port: int = 25, **delivery: Any) -> Config:
    """Four connections to a relay on loopback."""
    return Config(
        home=HOME,
        site=make_site(),
        relay=RelaySettings(host="127.0.0.1", port=port),
        delivery=Delivery(**({"chunk_size": 100, "poll_seconds": 0.1} | delivery)),
        newsletters={NEWSLETTER.key: NEWSLETTER},
    )


def make_press(config: Config, **changes: Any) -> Press:
    values: dict[str, Any] = {
        "newsletter": NEWSLETTER,
        "site": config.site,
        "settings": config.wire,
        "audience_rule": subscribers.AUDIENCE_RULE,
    }
    return Press(**(values | changes))


def subscribe(
    database: Database,
    count: int,
    now: datetime,
    newsletter: str = NEWSLETTER.key,
    domain: str = "inbox.test",
    keys: subscribers.Keys = KEYS,
) -> None:
    """Import `reader0000@inbox.test` and on, with consent."""
    at = (now - 30 * DAY).isoformat()
    lines = ["email,consent_at,consent_source,consent_wording,consent_method"]
    lines += [f"{address(n, domain)},{at},form,Sign up to receive World Brief.,button" for n in range(count)]
    job = ImportJob(file="test", newsletter=newsletter, language="en", by="test", now=now)
    imported = subscribers.import_csv(
        database.transaction, keys, [f"{line}\n".encode() for line in lines], job, lambda _done: None
    )
    assert imported.imported == count


def address(n: int, domain: str = "inbox.test") -> str:
    return f"reader{n:04}@{domain}"


def printable(on: date) -> Edition:
    """An edition no preflight check blocks: every story says where it comes from."""
    edition = make_edition(on=on)
    named = [
        replace(section, stories=tuple(replace(one, outlet=one.outlet or "World Brief") for one in section.stories))
        for section in edition.sections
    ]
    return replace(edition, sections=tuple(named))


def approve(database: Database, config: Config, now: datetime, edition: Edition | None = None) -> EditionRecord:
    """Store an edition for today and approve what its press shows."""
    press, on = make_press(config), now.date()
    with database.transaction() as session:
        store.claim(session, NEWSLETTER.key, on, now, now)
        record = store.load(session, NEWSLETTER.key, on)
        assert record is not None
        record = store.move(session, record.id, Event.BUILD, "test", now)
        record = store.save(session, record.id, edition or printable(on), "test", now)
    return press.approve(database, record, "editor", now)


def ring(database: Database, config: Config, now: datetime) -> MailingId:
    return dispatch.dispatch(database, make_press(config), terms(config), now.date(), now)


def terms(config: Config) -> Terms:
    return Terms(witness=Witness(config=config, vault=VAULT))


def sending(database: Database, config: Config, count: int, now: datetime) -> MailingId:
    """So many subscribers, an approved edition, and its mailing."""
    subscribe(database, count, now)
    approve(database, config, now)
    return ring(database, config, now)


def state(database: Database, now: datetime) -> State:
    with database.snapshot() as session:
        record = store.load(session, NEWSLETTER.key, now.date())
    assert record is not None
    return record.state


def move(database: Database, event: Event, now: datetime) -> None:
    with database.transaction() as session:
        record = store.load(session, NEWSLETTER.key, now.date())
        assert record is not None
        store.move(session, record.id, event, "editor", now)


def with_relay(config: Config, **changes: Any) -> Config:
    return replace(config, relay=replace(config.relay, **changes))


class Clock:
    """The time of day, running `speed` times as fast as it does outside."""

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        self._start, self._speed, self._began = start, speed, time.monotonic()

    def __call__(self) -> datetime:
        return self._start + self._speed * timedelta(seconds=time.monotonic() - self._began)


def work(database: Database, config: Config, clock: Clock, only: MailingId | None, **changes: Any) -> Accounts:
    """Work until done; with little patience for a relay that is of no use."""
    values: dict[str, Any] = {
        "database": database,
        "config": config,
        "vault": VAULT,
        "only": only,
        "until_done": True,
        "stop": threading.Event(),
        "patience_seconds": 0.1,
        "chance": lambda: 0.0,
    }
    return worker.work(Work(**(values | changes)), clock)


def arrivals(box: Postbox) -> Counter[str]:
    """How many letters came for whom."""
    return Counter(one.rcpt_to[0] for one in box.messages)


def everybody(count: int) -> Counter[str]:
    return Counter(address(n) for n in range(count))
