"""The sender against a real SMTP relay that behaves, and against ones that do not."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import subscribers
from newsletter.database import Database
from newsletter.delivery import claims, dispatch, keyfiles, ledger, worker
from newsletter.delivery.dispatch import Single
from newsletter.delivery.ledger import Accounts, Line, MailingId
from newsletter.delivery.outcome import DeliveryState
from newsletter.delivery.worker import Work
from newsletter.editions import store
from newsletter.editions.workflow import Event, State
from newsletter.errors import DatabaseError, LedgerError, RelayError, SecretError
from newsletter.postbox import (
    Act,
    Moment,
    Move,
    Postbox,
    Say,
    Stage,
    at,
    greylist,
    refuse,
    running,
)
from newsletter.rendering import proof
from newsletter.signing import Dkim
from subscribers import Address, Evidence, Pending
from tests.builders import make_letter
from tests.delivery import oracle
from tests.delivery.builders import counts
from tests.delivery.newsroom import (
    KEYS,
    NEWSLETTER,
    VAULT,
    Clock,
    address,
    arrivals,
    everybody,
    make_config,
    move,
    ring,
    sending,
    state,
    with_relay,
    work,
)
from tests.subscribers.people import wanted

READERS = 30
FAST = 3_000.0  # fifty minutes a second, for retries that are due in five
LONG_LEASE = 1_000_000


# What the relay does is the same on every database; what the ledger does is tested on both.
once = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def _listing(database: Database, mailing: MailingId, wanted_state: DeliveryState) -> list[Line]:
    with database.snapshot() as session:
        return ledger.listing(session, mailing, wanted_state)


def _uncertain(database: Database, mailing: MailingId) -> list[Line]:
    with database.snapshot() as session:
        return ledger.uncertain(session, mailing)


def _ids(lines: list[Line]) -> list[int]:
    return [line.recipient for line in lines]


def test_everybody_gets_the_edition_once_and_it_is_sent(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port, chunk_size=7)
        mailing = sending(database, config, READERS, now)
        accounts = work(database, config, Clock(now), mailing)
        again = work(database, config, Clock(now), ring(database, config, now))
    assert accounts == again == Accounts(due=READERS, accepted=READERS)
    assert arrivals(box) == everybody(READERS)
    assert state(database, now) is State.SENT


@once
def test_a_letter_names_its_own_way_back_and_its_own_way_out(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port, bounce_domain="bounce.worldbrief.test")
        work(database, config, Clock(now), sending(database, config, 3, now))
    senders = {one.mail_from for one in box.messages}
    assert len(senders) == 3
    assert all(sender.startswith("b+") and sender.endswith("@bounce.worldbrief.test") for sender in senders)
    assert len({one.data for one in box.messages}) == 3


def test_who_leaves_after_the_audience_was_frozen_is_dropped_with_the_reason(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 5, now)
        with database.transaction() as session:
            subscribers.unsubscribe_address(
                session, KEYS, Address.parse(address(2)), None, Evidence(method="desk", by="test", reason="asked"), now
            )
        accounts = work(database, config, Clock(now), mailing)
    assert (accounts.accepted, accounts.dropped) == (4, 1)
    assert address(2) not in arrivals(box)
    [line] = _listing(database, mailing, DeliveryState.DROPPED)
    assert (line.reason, line.attempts) == ("ended", 0)
    assert state(database, now) is State.SENT


@once
def test_who_leaves_while_a_slow_relay_keeps_the_claimed_letters_waiting_gets_none(
    database: Database, now: datetime
) -> None:
    left = threading.Event()

    def slowly(moment: Moment) -> Move | None:
        if moment.stage is Stage.DATA and not left.is_set():
            left.set()
            with database.transaction() as session:
                evidence = Evidence(method="desk", by="test", reason="asked")
                subscribers.unsubscribe_address(session, KEYS, Address.parse(address(3)), None, evidence, now)
        return None

    with running(Postbox(script=slowly)) as box:
        config = with_relay(make_config(box.port, lease_seconds=LONG_LEASE), connections=1)
        mailing = sending(database, config, 4, now)
        accounts = work(database, config, Clock(now, FAST), mailing)
    assert (accounts.accepted, accounts.dropped) == (3, 1)
    assert address(3) not in arrivals(box)


def test_an_objection_in_mid_mailing_is_obeyed_by_the_batches_that_remain(database: Database, now: datetime) -> None:
    # Article 21: what is claimed may be under way, what is not has no letter any more.
    objected = threading.Event()

    def slowly(moment: Moment) -> Move | None:
        if moment.stage is Stage.DATA and not objected.is_set():
            objected.set()
            with database.transaction() as session:
                for n in range(4, 10):
                    reason = subscribers.SuppressionReason.OBJECTED
                    subscribers.suppress(session, KEYS, Address.parse(address(n)), reason, "reader", now)
        return None

    with running(Postbox(script=slowly)) as box:
        config = with_relay(make_config(box.port, lease_seconds=LONG_LEASE, chunk_size=2), connections=1)
        mailing = sending(database, config, 10, now)
        accounts = work(database, config, Clock(now, FAST), mailing)
    assert (accounts.accepted, accounts.dropped) == (4, 6)
    assert arrivals(box) == everybody(4)
    assert {line.reason for line in _listing(database, mailing, DeliveryState.DROPPED)} == {"suppressed"}


@once
def test_a_stop_does_not_wait_for_a_relay_that_says_nothing(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.RCPT, Act.HANG))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 5, now)
        stop = threading.Event()
        timer = threading.Timer(0.3, stop.set)
        timer.start()
        began = time.monotonic()
        work(database, config, Clock(now), mailing, stop=stop)
        timer.join()
    # The relay may take five minutes for an answer; the bound here is a broken promise, not a speed.
    assert time.monotonic() - began < config.relay.command_timeout_seconds / 5
    assert counts(database, mailing) == {"waiting": 5}


@once
def test_a_relay_that_will_not_have_us_is_told_in_the_editions_history(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.BANNER, Say("554 5.3.2 No service here")))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 2, now)
        with pytest.raises(RelayError, match="554"):
            work(database, config, Clock(now), mailing, patience_seconds=60)
    with database.snapshot() as session:
        record = store.load(session, NEWSLETTER.key, now.date())
        assert record is not None
        [told] = [entry for entry in store.history(session, record.id) if entry.event == "alert"]
    assert "554" in told.reason


@once
def test_a_refused_recipient_is_refused_with_whose_fault_it_is(database: Database, now: datetime) -> None:
    script = refuse("reader0003", "550 5.1.1 <reader0003@inbox.test>: no such user")
    with running(Postbox(script=script)) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 6, now)
        accounts = work(database, config, Clock(now), mailing)
    assert (accounts.accepted, accounts.refused) == (5, 1)
    [line] = _listing(database, mailing, DeliveryState.REFUSED)
    assert (line.code, line.enhanced, line.reason, line.attempts) == (550, "5.1.1", "recipient-dead", 1)
    assert "inbox.test" not in line.reply, "no address is kept, whatever the relay says"
    assert "no such user" in line.reply


def test_a_greylisted_letter_is_tried_again_when_it_is_due(database: Database, now: datetime) -> None:
    with running(Postbox(script=greylist())) as box:
        config = make_config(box.port, lease_seconds=LONG_LEASE)
        mailing = sending(database, config, 8, now)
        accounts = work(database, config, Clock(now, FAST), mailing)
    assert accounts.accepted == 8
    assert arrivals(box) == everybody(8)
    assert {line.attempts for line in _listing(database, mailing, DeliveryState.ACCEPTED)} == {2}


def test_nothing_leaves_after_the_expiry(database: Database, now: datetime) -> None:
    always = at(Stage.RCPT, Say("451 4.7.1 Not now"))
    with running(Postbox(script=always)) as box:
        config = make_config(box.port, lease_seconds=LONG_LEASE, retry_minutes=(300,))
        mailing = sending(database, config, 3, now)
        accounts = work(database, config, Clock(now, 400_000), mailing)
        late = work(database, config, Clock(now + timedelta(hours=30)), mailing)
    assert accounts == late == Accounts(due=3, expired=3)
    assert not box.messages
    assert state(database, now) is State.SENT


@once
def test_a_mailing_begun_too_late_expires_without_a_word_to_the_relay(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 5, now)
        accounts = work(database, config, Clock(now + timedelta(hours=NEWSLETTER.expires_after_hours)), mailing)
    assert accounts == Accounts(due=5, expired=5)
    assert not box.messages


def test_a_connection_lost_before_the_dot_loses_and_doubles_nothing(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.DATA, Act.RESET, times=3))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 10, now)
        accounts = work(database, config, Clock(now), mailing, patience_seconds=0.6)
    assert accounts == Accounts(due=10, accepted=10)
    assert arrivals(box) == everybody(10)
    assert _uncertain(database, mailing) == []
    assert {line.attempts for line in _listing(database, mailing, DeliveryState.ACCEPTED)} == {1}


def test_a_letter_in_doubt_is_sent_again_to_the_byte_and_stays_listed(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.ANSWER, Act.RESET, times=1))) as box:
        config = make_config(box.port, lease_seconds=LONG_LEASE)
        mailing = sending(database, config, 6, now)
        accounts = work(database, config, Clock(now, FAST), mailing, patience_seconds=0.6)
    assert accounts == Accounts(due=6, accepted=6)
    arrived = arrivals(box)
    [doubled] = [reader for reader, count in arrived.items() if count == 2]
    assert arrived - Counter([doubled]) == everybody(6)
    assert len({one.data for one in box.messages if one.rcpt_to[0] == doubled}) == 1
    assert [line.state for line in _uncertain(database, mailing)] == [DeliveryState.ACCEPTED]


@once
def test_a_signed_letter_is_signed_the_same_when_it_is_sent_again(
    database: Database, now: datetime, tmp_path: Path
) -> None:
    keys = [keyfiles.create(tmp_path, name) for name in keyfiles.pair("wb1", twin=True)]
    with running(Postbox(script=at(Stage.ANSWER, Act.RESET, times=1))) as box:
        config = make_config(box.port, lease_seconds=LONG_LEASE)
        config = replace(config, home=tmp_path, dkim=Dkim(selector="wb1", ed25519=True))
        mailing = sending(database, config, 6, now)
        accounts = work(database, config, Clock(now, FAST), mailing, patience_seconds=0.6)
    assert accounts == Accounts(due=6, accepted=6)
    records = oracle.published(keys, "worldbrief.test")
    assert [oracle.verdicts(one.data, records, now) for one in box.messages] == [[True, True]] * 7
    assert len({one.data for one in box.messages}) == 6


@once
def test_a_relay_gets_the_headers_it_asked_for(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = with_relay(make_config(box.port), headers={"X-PM-Message-Stream": "brief", "Feedback-ID": ""})
        work(database, config, Clock(now), sending(database, config, 2, now))
    assert arrivals(box) == everybody(2)
    for one in box.messages:
        assert b"\r\nX-PM-Message-Stream: brief\r\n" in one.data
        assert b"Feedback-ID" not in one.data


@once
def test_nothing_is_claimed_when_the_key_is_missing(database: Database, now: datetime, tmp_path: Path) -> None:
    with running(Postbox()) as box:
        config = replace(make_config(box.port), home=tmp_path, dkim=Dkim(selector="wb1"))
        mailing = sending(database, config, 3, now)
        with pytest.raises(SecretError, match="wb1"):
            work(database, config, Clock(now), mailing)
    assert counts(database, mailing) == {"waiting": 3}
    assert not box.messages


@once
def test_a_letter_in_doubt_may_be_left_in_doubt(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.ANSWER, Act.RESET, times=1))) as box:
        config = make_config(box.port, on_uncertain="hold")
        mailing = sending(database, config, 6, now)
        accounts = work(database, config, Clock(now), mailing, patience_seconds=0.6)
    assert accounts == Accounts(due=6, accepted=5, uncertain=1)
    assert arrivals(box) == everybody(6)
    assert _ids(_uncertain(database, mailing)) == _ids(_listing(database, mailing, DeliveryState.UNCERTAIN))


@once
@pytest.mark.parametrize("came_back", [True, False])
def test_a_letter_in_doubt_waits_for_a_sign_that_it_arrived(database: Database, now: datetime, came_back: bool) -> None:
    with running(Postbox(script=at(Stage.ANSWER, Act.RESET, times=1))) as box:
        config = make_config(box.port, on_uncertain="reconcile")
        mailing = sending(database, config, 6, now)
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            sending_on = pool.submit(work, database, config, Clock(now), mailing, stop=stop, until_done=False)
            until = time.monotonic() + 20
            while counts(database, mailing).get("accepted") != 5 and time.monotonic() < until:
                time.sleep(0.02)
            stop.set()
            sending_on.result(timeout=20)
        [doubted] = _uncertain(database, mailing)
        assert (doubted.state, doubted.at) == (DeliveryState.WAITING, doubted.at)
        if came_back:
            with database.transaction() as session:
                assert claims.resolve(session, mailing, doubted.recipient, "came back: bounce", now)
                assert not claims.resolve(session, mailing, doubted.recipient, "came back: bounce", now)
        accounts = work(database, config, Clock(now + timedelta(minutes=31)), mailing)
    assert accounts == Accounts(due=6, accepted=6)
    # The postbox keeps a letter before it answers, so the one in doubt is there already.
    assert sum(arrivals(box).values()) == (6 if came_back else 7)
    assert len(_uncertain(database, mailing)) == 1


@once
def test_a_relay_that_always_hangs_up_after_the_dot_does_not_fill_an_inbox(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.ANSWER, Act.RESET))) as box:
        config = make_config(box.port, lease_seconds=LONG_LEASE)
        mailing = sending(database, config, 1, now)
        accounts = work(database, config, Clock(now, FAST), mailing, patience_seconds=0.6)
    assert accounts == Accounts(due=1, uncertain=1)
    assert arrivals(box) == {address(0): 3}


def test_a_relay_that_does_not_answer_is_said_so_and_nothing_is_lost(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        port = box.port
    config = make_config(port)
    mailing = sending(database, config, 5, now)
    with pytest.raises(RelayError, match=f"127.0.0.1:{port}"):
        work(database, config, Clock(now), mailing)
    assert counts(database, mailing) == {"waiting": 5}
    assert state(database, now) is State.SENDING
    with running(Postbox()) as box:
        other = make_config(box.port)
        assert work(database, other, Clock(now), mailing).accepted == 5
    assert arrivals(box) == everybody(5)


@once
@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        (Stage.BANNER, "554 5.3.2 No service here"),
        (Stage.MAIL, "550 5.7.30 Authentication required"),
        (Stage.MAIL, "451 4.3.0 Throttling"),
        (Stage.MAIL, "550 5.1.1 No such user"),
        (Stage.RCPT, "421 4.7.0 Too much"),
    ],
)
def test_a_refusing_relay_is_never_held_against_a_letter(
    database: Database, now: datetime, stage: Stage, reply: str
) -> None:
    with running(Postbox(script=at(stage, Say(reply)))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 5, now)
        with pytest.raises(RelayError, match=reply[:3]):
            work(database, config, Clock(now), mailing, patience_seconds=0.01)
    assert counts(database, mailing) == {"waiting": 5}
    assert {line.attempts for line in _listing(database, mailing, DeliveryState.WAITING)} == {0}


@once
def test_an_edition_too_large_for_the_relay_is_held_for_its_editors(database: Database, now: datetime) -> None:
    with running(Postbox(script=at(Stage.DOT, Say("552 5.3.4 Message too large")))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 30, now)
        accounts = work(database, config, Clock(now), mailing)
    assert accounts == Accounts(due=30, waiting=30)
    assert state(database, now) is State.HELD


class _Interrupting:
    """A script that does something once, when so many letters have been taken."""

    def __init__(self, after: int, deed: Callable[[], object]) -> None:
        self._taken, self._after, self._deed = 0, after, deed

    def __call__(self, moment: Moment) -> Move | None:
        if moment.stage is Stage.ANSWER:
            self._taken += 1
            if self._taken == self._after:
                self._deed()
        return None


def test_a_held_edition_stops_at_once_and_goes_on_when_released(database: Database, now: datetime) -> None:
    script = _Interrupting(8, lambda: move(database, Event.HOLD, now))
    with running(Postbox(script=script)) as box:
        config = make_config(box.port)
        mailing = sending(database, config, READERS, now)
        held = work(database, config, Clock(now), mailing)
        assert state(database, now) is State.HELD
        assert 8 <= held.accepted <= 8 + config.relay.connections
        assert held.waiting == READERS - held.accepted == READERS - len(box.messages)
        move(database, Event.RELEASE, now)
        done = work(database, config, Clock(now), mailing)
    assert done == Accounts(due=READERS, accepted=READERS)
    assert arrivals(box) == everybody(READERS)
    assert state(database, now) is State.SENT


@once
def test_a_killed_edition_drops_what_has_not_left(database: Database, now: datetime) -> None:
    script = _Interrupting(8, lambda: move(database, Event.HOLD, now))
    with running(Postbox(script=script)) as box:
        config = make_config(box.port)
        mailing = sending(database, config, READERS, now)
        held = work(database, config, Clock(now), mailing)
        move(database, Event.KILL, now)
        done = work(database, config, Clock(now), mailing)
    assert done == Accounts(due=READERS, accepted=held.accepted, dropped=READERS - held.accepted)
    assert state(database, now) is State.KILLED


@once
def test_an_edition_held_as_its_last_letter_left_is_sent_once_released(database: Database, now: datetime) -> None:
    script = _Interrupting(5, lambda: move(database, Event.HOLD, now))
    with running(Postbox(script=script)) as box:
        config = with_relay(make_config(box.port), connections=1)
        mailing = sending(database, config, 5, now)
        assert work(database, config, Clock(now), mailing).accepted == 5
        assert state(database, now) is State.HELD
        move(database, Event.RELEASE, now)
        work(database, config, Clock(now), mailing)
    assert state(database, now) is State.SENT


def test_a_stop_finishes_what_is_in_flight_and_gives_the_rest_back(database: Database, now: datetime) -> None:
    stop = threading.Event()
    with running(Postbox(script=_Interrupting(5, stop.set))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, READERS, now)
        accounts = work(database, config, Clock(now), mailing, stop=stop)
        assert accounts.claimed == accounts.uncertain == 0
        assert 5 <= accounts.accepted == len(box.messages) <= 5 + config.relay.connections
        assert work(database, config, Clock(now), mailing).accepted == READERS
    assert arrivals(box) == everybody(READERS)


def test_two_workers_share_a_mailing_without_doubling(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port, chunk_size=4)
        mailing = sending(database, config, READERS, now)
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda _: work(database, config, Clock(now), mailing), range(2)))
    assert both[0] == both[1] == Accounts(due=READERS, accepted=READERS)
    assert arrivals(box) == everybody(READERS)


def test_a_worker_without_end_sends_what_comes_until_it_is_stopped(database: Database, now: datetime) -> None:
    stop = threading.Event()
    with running(Postbox()) as box, ThreadPoolExecutor(1) as pool:
        config = make_config(box.port)
        running_worker = pool.submit(work, database, config, Clock(now), None, until_done=False, stop=stop)
        mailing = sending(database, config, 10, now)
        for _ in range(200):
            if state(database, now) is State.SENT:
                break
            stop.wait(0.05)
        stop.set()
        running_worker.result()
    assert counts(database, mailing) == {"accepted": 10}
    assert state(database, now) is State.SENT


def _confirmation(database: Database, now: datetime, who: str) -> MailingId:
    made = make_letter()
    with database.transaction() as session:
        pending = subscribers.sign_up(session, KEYS, wanted(who), now)
        assert isinstance(pending, Pending)
        store.freeze(session, made.digest, proof.to_bytes(made), now)
        single = Single(
            kind=ledger.CONFIRMATION,
            newsletter=NEWSLETTER.key,
            person=pending.request_id,
            proof_digest=made.digest,
            expires_at=pending.expires_at,
        )
        return dispatch.letter(session, single, now)


@once
def test_a_confirmation_overtakes_the_edition(database: Database, now: datetime) -> None:
    late = _Interrupting(3, lambda: _confirmation(database, now, "new@inbox.test"))
    with running(Postbox(script=late)) as box:
        config = with_relay(make_config(box.port), connections=1)
        sending(database, config, 40, now)
        work(database, config, Clock(now), None)
    order = [one.rcpt_to[0] for one in box.messages]
    assert len(order) == 41
    assert order.index("new@inbox.test") < 20


@once
def test_a_confirmation_that_is_not_wanted_any_more_is_dropped(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port)
        letter = _confirmation(database, now, "new@inbox.test")
        with database.transaction() as session:
            subscribers.suppress(
                session, KEYS, Address.parse("new@inbox.test"), subscribers.SuppressionReason.DESK, "test", now
            )
        accounts = work(database, config, Clock(now), letter)
    assert accounts == Accounts(due=1, dropped=1)
    assert not box.messages


@once
def test_a_letter_goes_by_what_was_frozen_not_by_what_is_configured(database: Database, now: datetime) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 1, now)
        changed = replace(
            config, newsletters={NEWSLETTER.key: replace(NEWSLETTER, sender_address="intruder@elsewhere.test")}
        )
        work(database, changed, Clock(now), mailing)
    assert box.messages[0].mail_from == NEWSLETTER.sender_address


@once
def test_the_accounts_are_told_on_the_way(database: Database, now: datetime) -> None:
    told: list[Accounts] = []
    with running(Postbox()) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 5, now)
        job = Work(database=database, config=config, vault=VAULT, only=mailing, until_done=True, stop=threading.Event())
        worker.work(job, Clock(now), told.append)
    assert told[-1] == Accounts(due=5, accepted=5)


@once
@pytest.mark.parametrize("damage", ["DELETE FROM frozen", "UPDATE frozen SET document = X'78'"])
def test_a_frozen_proof_that_was_lost_or_altered_is_not_sent(database: Database, now: datetime, damage: str) -> None:
    with running(Postbox()) as box:
        config = make_config(box.port)
        mailing = sending(database, config, 5, now)
        with database.transaction() as session:
            session.connection().execute(sa.text(damage))
        with pytest.raises(LedgerError, match="nothing is sent"):
            work(database, config, Clock(now), mailing)
    assert not box.messages
    assert counts(database, mailing) == {"waiting": 5}


def test_a_database_that_fails_in_mid_mailing_loses_nothing(database: Database, now: datetime) -> None:
    def break_it() -> None:
        with database.transaction() as session:
            session.connection().execute(sa.text("ALTER TABLE mailing RENAME TO mislaid"))

    with running(Postbox(script=_Interrupting(5, break_it))) as box:
        config = make_config(box.port)
        mailing = sending(database, config, READERS, now)
        with pytest.raises((DatabaseError, sa.exc.DBAPIError)):
            work(database, config, Clock(now), mailing)
        with database.transaction() as session:
            session.connection().execute(sa.text("ALTER TABLE mislaid RENAME TO mailing"))
        accounts = work(
            database,
            replace(config, delivery=replace(config.delivery, on_uncertain="hold")),
            Clock(now + timedelta(minutes=5)),
            mailing,
        )
    assert accounts.accepted + accounts.uncertain == READERS
    assert arrivals(box) == everybody(READERS)
    assert len(_uncertain(database, mailing)) == accounts.uncertain <= config.relay.connections
