"""Leaving is always allowed, final and idempotent; what a letter's token can do ends there."""

from datetime import datetime, timedelta

import pytest

import subscribers
from newsletter.database import Database
from subscribers import Address, Evidence, InvalidToken, Keys, NotSubscribed, State, SuppressionReason, Unsubscribed
from subscribers.tokens import Purpose
from tests.keyring import RING
from tests.subscribers.people import KEYS, letter, state, subscribe

ANNA = Address.parse("anna@example.org")
DAY = timedelta(days=1)


def _leave(database: Database, token: str, now: datetime) -> Unsubscribed:
    with database.transaction() as session:
        return subscribers.unsubscribe(session, KEYS, token, now, "unsubscribe button")


def test_leaving_is_one_event_however_often_it_is_asked(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    assert _leave(database, token, now) == Unsubscribed(newsletter="world-brief", already=False)
    assert _leave(database, token, now + 400 * DAY) == Unsubscribed(newsletter="world-brief", already=True)
    assert state(database) == "ended"
    with database.snapshot() as session:
        events = subscribers.show(session, KEYS, ANNA).events
        assert subscribers.verify(session, KEYS).ok
    assert [one.kind.value for one in events] == ["requested", "given", "withdrawn"]
    assert dict(events[-1].evidence)["method"] == "unsubscribe button"


def test_a_letters_token_ends_its_own_subscription_only(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    subscribe(database, now, newsletter="evening")
    subscribe(database, now, address="ben@example.org")
    _leave(database, token, now)
    assert [state(database), state(database, newsletter="evening"), state(database, "ben@example.org")] == [
        "ended",
        "active",
        "active",
    ]


def test_forged_and_foreign_tokens_do_nothing(database: Database, now: datetime) -> None:
    confirmation = letter(database, now).token
    forged = Keys(bytes(32)).token(Purpose.LEAVE, bytes(16))
    nobody = KEYS.token(Purpose.LEAVE, bytes(16))
    for token in ("", "é" * 56, confirmation, forged, nobody):
        with pytest.raises(InvalidToken):
            _leave(database, token, now)
        with pytest.raises(InvalidToken), database.snapshot() as session:
            subscribers.preferences(session, KEYS, token)
        with pytest.raises(InvalidToken), database.transaction() as session:
            subscribers.pause(session, KEYS, token, now + DAY, now)


def test_a_token_made_before_a_new_root_still_works(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    rotated = Keys(bytes(32), number=2, former={1: bytes(range(32))}, ring=RING)
    with database.transaction() as session:
        assert subscribers.unsubscribe(session, rotated, token, now, "RFC 8058 POST").already is False
    with database.snapshot() as session:
        assert subscribers.verify(session, rotated).ok


def test_a_pause_ends_by_itself_and_shows_no_address(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    with database.transaction() as session:
        subscribers.pause(session, KEYS, token, now + 7 * DAY, now)
    with database.snapshot() as session:
        found = subscribers.preferences(session, KEYS, token)
        assert subscribers.verify(session, KEYS).ok
        assert subscribers.audience(session, "world-brief", now).excluded == {"paused": 1}
        assert subscribers.audience(session, "world-brief", now + 7 * DAY).excluded == {}
    assert found.newsletters == (("world-brief", State.PAUSED),)
    assert found.paused_until == now + 7 * DAY
    assert "anna" not in repr(found)


def test_a_pause_can_be_ended_early_but_an_end_cannot(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    with database.transaction() as session:
        subscribers.pause(session, KEYS, token, now + 7 * DAY, now)
        assert subscribers.resume(session, KEYS, token, now).state is State.ACTIVE
        assert subscribers.resume(session, KEYS, token, now).state is State.ACTIVE
        kinds = [one.kind.value for one in subscribers.show(session, KEYS, ANNA).events]
        assert subscribers.verify(session, KEYS).ok
        assert subscribers.audience(session, "world-brief", now).excluded == {}
    assert kinds == ["requested", "given", "paused", "resumed"]
    _leave(database, token, now)
    with pytest.raises(NotSubscribed), database.transaction() as session:
        subscribers.resume(session, KEYS, token, now)
    assert state(database) == "ended"


def test_a_pause_lies_ahead_is_not_for_ever_and_needs_a_subscription(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    for until in (now, now - DAY, now + 367 * DAY):
        with pytest.raises(ValueError, match="lies ahead"), database.transaction() as session:
            subscribers.pause(session, KEYS, token, until, now)
    _leave(database, token, now)
    with pytest.raises(NotSubscribed), database.transaction() as session:
        subscribers.pause(session, KEYS, token, now + DAY, now)


def test_the_desk_ends_one_newsletter_or_all_and_says_who_asked(database: Database, now: datetime) -> None:
    subscribe(database, now)
    subscribe(database, now, newsletter="evening")
    with database.transaction() as session:
        assert (
            subscribers.unsubscribe_address(
                session, KEYS, ANNA, "evening", Evidence(method="desk", by="ed", reason="phoned"), now
            )
            == 1
        )
        assert (
            subscribers.unsubscribe_address(
                session, KEYS, ANNA, "evening", Evidence(method="desk", by="ed", reason="phoned"), now
            )
            == 0
        )
        assert (
            subscribers.unsubscribe_address(
                session, KEYS, ANNA, None, Evidence(method="desk", by="ed", reason="wrote"), now
            )
            == 1
        )
        assert (
            subscribers.unsubscribe_address(
                session, KEYS, Address.parse("no@example.org"), None, Evidence(method="desk", by="ed", reason=""), now
            )
            == 0
        )
        last = subscribers.show(session, KEYS, ANNA).events[-1]
    assert dict(last.evidence) == {"at": "2026-11-23T05:00:00.000Z", "by": "ed", "method": "desk", "reason": "wrote"}


def test_a_suppression_ends_everything_and_is_idempotent(database: Database, now: datetime) -> None:
    for reason in SuppressionReason:
        address = Address.parse(f"{reason}@example.org")
        subscribe(database, now, address.text)
        subscribe(database, now, address.text, newsletter="evening")
        with database.transaction() as session:
            assert subscribers.suppress(session, KEYS, address, reason, "ed", now) == 2
            assert subscribers.suppress(session, KEYS, address, reason, "ed", now) == 0
            found = subscribers.show(session, KEYS, address)
            assert subscribers.verify(session, KEYS).ok
        assert {one.state for one in found.subscriptions} == {State.ENDED}
        assert found.suppressions == (reason.value,)


def test_a_stranger_can_be_suppressed_before_anything_is_known(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        assert subscribers.suppress(session, KEYS, ANNA, SuppressionReason.LEGAL, "ed", now) == 0
        found = subscribers.show(session, KEYS, ANNA)
    assert (found.subject, found.suppressions, found.events) == ("", ("legal",), ())
