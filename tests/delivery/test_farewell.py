"""Who is erased gets one letter that says so, and then nothing anywhere tells where it went."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
import sqlalchemy as sa

import subscribers
from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import erasure, farewell
from newsletter.delivery.erasure import Wish
from newsletter.delivery.outcome import DeliveryState
from newsletter.postbox import Act, Postbox, Say, Stage, at, refuse, running
from newsletter.scheduling.retention import Retention
from subscribers import Address, Erased, Evidence, Hold, Keyring, Keys, SuppressionReason
from subscribers.last_letters import LIFETIME
from subscribers.retention import ORPHANED
from tests.delivery.newsroom import KEYS, VAULT, Clock, address, arrivals, make_config, subscribe, work
from tests.subscribers.people import wanted

FAST = 30_000.0  # a day in three seconds
LONG_LEASE = 10_000_000
ASKED = Evidence(method="erase command", by="ana", reason="wrote a letter")
WHO = Address.parse(address(0))
once = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def own_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    """A keyring of the test's own, for what sweeps through all keys there are."""
    store = Database(f"sqlite:///{tmp_path / 'own-keyring.db'}")
    ring = Keyring(store.transaction, store.snapshot)
    ring.prepare()
    monkeypatch.setattr(KEYS, "ring", ring)
    yield ring
    KEYS.forget()
    store.close()


def erase(database: Database, config: Config, now: datetime, who: Address = WHO, keys: Keys = KEYS) -> Erased:
    return erasure.erase(database, keys, config, Wish(address=who, evidence=ASKED), now)


def suppress(database: Database, reason: SuppressionReason, now: datetime) -> None:
    with database.transaction() as session:
        subscribers.suppress(session, KEYS, WHO, reason, "test", now)


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.snapshot() as session:
        return [tuple(row) for row in session.connection().execute(sa.text(query))]


def left(database: Database) -> list[tuple[object, ...]]:
    """Where last letters go, as far as that is known."""
    return rows(database, "SELECT subject, sealed FROM last_letter")


def states(database: Database) -> list[tuple[object, ...]]:
    return rows(
        database, "SELECT state, reason, reply FROM delivery JOIN mailing ON id = mailing_id WHERE kind = 'erased'"
    )


def test_one_letter_says_it_is_done_and_then_its_address_is_nowhere(
    database: Database, postbox: Postbox, now: datetime
) -> None:
    subscribe(database, 2, now)
    config, ring = make_config(postbox.port), KEYS.ring
    assert ring
    gone = erase(database, config, now)
    assert gone.letter
    [(subject, sealed)] = left(database)
    assert isinstance(subject, bytes)
    assert isinstance(sealed, bytes)
    # Its pseudonym is nobody's, and its key alone opens where it goes.
    assert subject not in gone.subjects
    assert subject in ring.find([subject])
    work(database, config, Clock(now), None)
    assert arrivals(postbox) == {address(0): 1}
    [arrived] = postbox.messages
    letter = message_from_bytes(arrived.data, policy=policy.default)
    assert letter["Subject"] == "Everything on you is erased: World Brief"
    assert letter["List-Unsubscribe"] is None
    body = letter.get_body(("plain",))
    assert body
    assert "has erased everything it kept on this address" in " ".join(body.get_content().split())
    assert "legal claim" not in body.get_content()
    assert left(database) == []
    assert subject not in ring.find([subject])
    assert states(database) == [("accepted", "", "")]
    # The second time there is nobody, and so no letter.
    assert not erase(database, config, now).subjects
    work(database, config, Clock(now), None)
    assert len(postbox.messages) == 1
    with database.snapshot() as session:
        assert subscribers.verify(session, KEYS).ok


def test_it_waits_for_a_relay_that_says_later_and_is_forgotten_after_a_day(database: Database, now: datetime) -> None:
    subscribe(database, 1, now)
    with running(Postbox(script=at(Stage.RCPT, Say("451 4.7.1 Not now")))) as box:
        config = make_config(box.port, lease_seconds=LONG_LEASE)
        erase(database, config, now)
        [(subject, _)] = left(database)
        assert isinstance(subject, bytes)
        farewell.forget_last_letters(database, KEYS, now + timedelta(hours=23))
        assert len(left(database)) == 1
        work(database, config, Clock(now, FAST), None)
    assert left(database) == []
    assert KEYS.ring
    assert subject not in KEYS.ring.find([subject])
    [(state, _, reply)] = states(database)
    assert (state, reply) == (DeliveryState.EXPIRED, "")


@once
def test_a_mailbox_that_refuses_it_is_forgotten_at_once(database: Database, now: datetime) -> None:
    subscribe(database, 1, now)
    with running(Postbox(script=refuse("reader0000", "550 5.1.1 <reader0000@inbox.test>: no such user"))) as box:
        config = make_config(box.port)
        erase(database, config, now)
        work(database, config, Clock(now), None)
    assert left(database) == []
    assert [state for state, _, _ in states(database)] == ["refused"]


@once
def test_without_a_sender_the_daily_cleaning_forgets_it(database: Database, own_ring: Keyring, now: datetime) -> None:
    subscribe(database, 1, now)
    config = make_config()
    erase(database, config, now)
    vault = replace(VAULT, ring=own_ring)
    cleaning = Retention(database=database, config=config, vault=vault, stop=threading.Event())
    cleaning.run(now + timedelta(hours=23))
    assert len(left(database)) == 1
    cleaning.run(now + timedelta(hours=25))
    assert left(database) == []


def test_its_key_is_never_swept_before_its_day_is_over() -> None:
    assert LIFETIME <= ORPHANED


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_who_complained_or_bounced_or_is_barred_by_the_desk_gets_none(
    database: Database, now: datetime, reason: SuppressionReason
) -> None:
    subscribe(database, 1, now)
    suppress(database, reason, now)
    gone = erase(database, make_config(), now)
    assert gone.subjects
    written = reason in {SuppressionReason.OBJECTED, SuppressionReason.LEFT}
    assert (gone.letter is not None) is written
    assert len(left(database)) == written
    assert len(states(database)) == written


@once
def test_a_complaint_that_comes_while_it_waits_stops_it(database: Database, postbox: Postbox, now: datetime) -> None:
    subscribe(database, 1, now)
    config = make_config(postbox.port)
    erase(database, config, now)
    suppress(database, SuppressionReason.COMPLAINED, now)
    work(database, config, Clock(now), None)
    assert not postbox.messages
    assert states(database) == [("dropped", "suppressed", "")]
    assert left(database) == []


@once
def test_a_mailbox_that_an_imported_file_calls_dead_gets_none(database: Database, now: datetime) -> None:
    subscribe(database, 1, now)
    job = subscribers.ImportJob(file="left.csv", newsletter="world-brief", language="en", by="ed", now=now)
    lines = ["Email,First name,Last name,Data,Status", f"{address(0)},,,,unreachable"]
    done = subscribers.import_csv(database.transaction, KEYS, [f"{one}\n".encode() for one in lines], job)
    assert done.ended == 1
    gone = erase(database, make_config(), now)
    assert gone.subjects
    assert gone.letter is None


@once
def test_who_only_ever_asked_is_told_in_the_language_of_the_form(
    database: Database, postbox: Postbox, now: datetime
) -> None:
    with database.transaction() as session:
        subscribers.sign_up(session, KEYS, replace(wanted("zoe@inbox.test"), language="fr"), now)
    config = make_config(postbox.port)
    assert erase(database, config, now, Address.parse("zoe@inbox.test")).letter
    work(database, config, Clock(now), None)
    [arrived] = postbox.messages
    letter = message_from_bytes(arrived.data, policy=policy.default)
    assert letter["Subject"] == "Tout ce qui vous concerne est effacé : World Brief".replace(" : ", ": ")


@once
def test_under_a_hold_the_letter_says_what_is_kept_and_until_when(
    database: Database, postbox: Postbox, now: datetime
) -> None:
    subscribe(database, 1, now)
    private, public = subscribers.new_pair(KEYS.chance)
    keys = replace(VAULT, hold_pem=public).keys
    with database.transaction() as session:
        why = Hold(reason="claim 7", owner="counsel", until=date(2027, 3, 1))
        subscribers.hold(session, keys.fingerprint(WHO), why)
    config = make_config(postbox.port)
    gone = erase(database, config, now, keys=keys)
    assert gone.held_until == date(2027, 3, 1)
    work(database, config, Clock(now), None)
    [arrived] = postbox.messages
    body = message_from_bytes(arrived.data, policy=policy.default).get_body(("plain",))
    assert body
    said = " ".join(body.get_content().split())
    assert "One thing is kept until Monday, March 1, 2027" in said
    assert "Article 17(3)(e) GDPR" in said
    assert "claim 7" not in said
    with database.snapshot() as session:
        [sealed] = subscribers.evidence_of(session, keys.fingerprint(WHO))
    assert subscribers.read_evidence(private, sealed)["address"] == address(0)


def test_a_crash_of_the_relay_after_the_dot_leaves_no_address_either(database: Database, now: datetime) -> None:
    subscribe(database, 1, now)
    with running(Postbox(script=at(Stage.ANSWER, Act.RESET))) as box:
        config = make_config(box.port, on_uncertain="hold")
        erase(database, config, now)
        work(database, config, Clock(now), None)
    assert left(database) == []
    assert [state for state, _, _ in states(database)] == ["uncertain"]
