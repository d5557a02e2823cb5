"""The walk of a sign-up, and everything that must not get around it."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import subscribers
from newsletter.database import Database
from subscribers import (
    Address,
    Dropped,
    Evidence,
    ExpiredToken,
    InvalidToken,
    Keys,
    Pending,
    Quiet,
    Requester,
    Silence,
    SuppressionReason,
)
from subscribers.tokens import Purpose
from tests.subscribers.people import CLICK, KEYS, WORDING, confirm, letter, sign_up, state, subscribe, wanted

ANNA = Address.parse("anna@example.org")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _leave(database: Database, token: str, now: datetime) -> bool:
    with database.transaction() as session:
        return subscribers.unsubscribe(session, KEYS, token, now, "RFC 8058 POST").already


def _requester(database: Database, request_id: int, now: datetime) -> Requester | Dropped:
    with database.snapshot() as session:
        return subscribers.requester(session, KEYS, request_id, now)


def test_a_request_changes_no_subscription_and_its_confirmation_makes_one(database: Database, now: datetime) -> None:
    found = letter(database, now)
    assert (found.address, found.newsletter, found.language) == ("anna@example.org", "world-brief", "en")
    assert state(database) == "none"
    assert confirm(database, found.token, now + HOUR) == subscribers.Confirmed(newsletter="world-brief", already=False)
    assert state(database) == "active"


def test_both_events_carry_what_was_shown_and_how_it_was_agreed_to(database: Database, now: datetime) -> None:
    confirm(database, letter(database, now).token, now + HOUR)
    with database.snapshot() as session:
        requested, given = subscribers.show(session, KEYS, ANNA).events
    assert (requested.kind, given.kind) == (subscribers.Kind.REQUESTED, subscribers.Kind.GIVEN)
    assert requested.wording == given.wording != ""
    assert dict(requested.evidence) == {
        "at": "2026-11-23T05:00:00.000Z",
        "method": "submit button",
        "network": "203.0.113.0/24",
        "source": "form",
    }
    assert dict(given.evidence)["at"] == "2026-11-23T06:00:00.000Z"
    assert dict(given.evidence)["method"] == "confirm button"


def test_a_confirmation_twice_is_one_event(database: Database, now: datetime) -> None:
    token = letter(database, now).token
    confirm(database, token, now)
    assert confirm(database, token, now + DAY).already
    with database.snapshot() as session:
        assert len(subscribers.show(session, KEYS, ANNA).events) == 2


def test_looking_up_a_link_writes_nothing_and_shows_no_address(database: Database, now: datetime) -> None:
    token = letter(database, now).token
    for _ in range(3):
        with database.snapshot() as session:
            found = subscribers.look_up(session, KEYS, token, now)
    assert (found.wording, found.already) == (WORDING, False)
    assert "anna" not in repr(found)
    confirm(database, token, now)
    with database.snapshot() as session:
        assert subscribers.look_up(session, KEYS, token, now).already


def test_a_link_works_for_its_hours_and_says_afterwards_when_it_was_made(database: Database, now: datetime) -> None:
    token = letter(database, now).token
    with pytest.raises(ExpiredToken) as refusal:
        confirm(database, token, now + timedelta(hours=72))
    assert refusal.value.issued_at == now
    assert confirm(database, token, now + timedelta(hours=72, seconds=-1)).already is False


def test_the_letter_is_the_same_whenever_it_is_made(database: Database, now: datetime) -> None:
    pending = sign_up(database, now)
    assert isinstance(pending, Pending)
    assert _requester(database, pending.request_id, now) == _requester(database, pending.request_id, now + DAY)


def test_a_second_post_within_a_day_is_quiet(database: Database, now: datetime) -> None:
    assert isinstance(sign_up(database, now), Pending)
    for address in ("anna@example.org", "ANNA@Example.ORG"):
        again = sign_up(database, now + DAY - timedelta(seconds=1), wanted(address, letters_per_day=99))
        assert again == Quiet(reason=Silence.PENDING)


def test_the_next_day_a_new_letter_takes_the_place_of_the_old(database: Database, now: datetime) -> None:
    old = letter(database, now).token
    new = letter(database, now + DAY).token
    with pytest.raises(ExpiredToken):
        confirm(database, old, now + DAY)
    assert confirm(database, new, now + DAY).already is False


def test_two_hundred_spellings_of_one_mailbox_get_one_letter_a_day(database: Database, now: datetime) -> None:
    spellings = [f"{'.'.join('victim'[:n])}{'victim'[n:]}+{n}{tag}@gmail.com" for n in range(1, 6) for tag in range(4)]
    answers = [sign_up(database, now, wanted(one)) for one in spellings]
    assert [type(one) for one in answers].count(Pending) == 1
    assert set(answers[1:]) == {Quiet(reason=Silence.DAILY_CAP)}


def test_the_daily_cap_counts_over_all_newsletters(database: Database, now: datetime) -> None:
    assert isinstance(sign_up(database, now, wanted(newsletter="world-brief")), Pending)
    assert sign_up(database, now, wanted(newsletter="evening")) == Quiet(reason=Silence.DAILY_CAP)
    assert isinstance(sign_up(database, now, wanted(newsletter="evening", letters_per_day=2)), Pending)


def test_an_active_subscriber_gets_no_letter_and_a_paused_one_may_come_back(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    assert sign_up(database, now + 2 * DAY) == Quiet(reason=Silence.ACTIVE)
    with database.transaction() as session:
        subscribers.pause(session, KEYS, token, now + 30 * DAY, now + 2 * DAY)
    confirm(database, letter(database, now + 3 * DAY).token, now + 3 * DAY)
    assert state(database) == "active"


def test_a_suppressed_address_gets_no_letter_and_cannot_confirm(database: Database, now: datetime) -> None:
    pending = sign_up(database, now)
    assert isinstance(pending, Pending)
    found = _requester(database, pending.request_id, now)
    assert isinstance(found, Requester)
    with database.transaction() as session:
        assert subscribers.suppress(session, KEYS, ANNA, SuppressionReason.COMPLAINED, "test", now) == 0
    assert isinstance(_requester(database, pending.request_id, now), Dropped)
    with pytest.raises(InvalidToken):
        confirm(database, found.token, now)
    assert sign_up(database, now + 2 * DAY) == Quiet(reason=Silence.SUPPRESSED)


def test_a_request_by_a_stranger_leaves_a_withdrawal_as_it_is(database: Database, now: datetime) -> None:
    _leave(database, subscribe(database, now), now)
    assert isinstance(sign_up(database, now + 2 * DAY), Pending)
    assert state(database) == "ended"


def test_who_left_comes_back_by_a_fresh_confirmation_under_the_same_pseudonym(
    database: Database, now: datetime
) -> None:
    _leave(database, subscribe(database, now), now)
    confirm(database, letter(database, now + 2 * DAY).token, now + 2 * DAY)
    assert state(database) == "active"
    with database.snapshot() as session:
        kinds = [one.kind.value for one in subscribers.show(session, KEYS, ANNA).events]
        assert subscribers.verify(session, KEYS).ok
    assert kinds == ["requested", "given", "withdrawn", "requested", "given"]


def test_an_old_confirmation_link_does_not_undo_a_withdrawal(database: Database, now: datetime) -> None:
    confirmation = letter(database, now).token
    confirm(database, confirmation, now)
    _leave(database, subscribe(database, now + 2 * DAY, newsletter="evening"), now + 2 * DAY)
    with database.transaction() as session:
        assert (
            subscribers.unsubscribe_address(
                session, KEYS, ANNA, None, Evidence(method="desk", by="desk", reason="asked by phone"), now
            )
            == 1
        )
    with pytest.raises(InvalidToken):
        confirm(database, confirmation, now)


def test_leaving_makes_a_waiting_request_good_for_nothing(database: Database, now: datetime) -> None:
    leave = subscribe(database, now)
    _leave(database, leave, now)
    waiting = letter(database, now + 2 * DAY).token
    assert _leave(database, leave, now + 2 * DAY)
    with pytest.raises(InvalidToken):
        confirm(database, waiting, now + 2 * DAY)


def test_a_letter_is_not_sent_for_a_request_that_is_over(database: Database, now: datetime) -> None:
    pending = sign_up(database, now)
    assert isinstance(pending, Pending)
    assert _requester(database, pending.request_id, pending.expires_at) == Dropped(reason="request expired")
    found = _requester(database, pending.request_id, now)
    assert isinstance(found, Requester)
    confirm(database, found.token, now)
    assert _requester(database, pending.request_id, now) == Dropped(reason="request confirmed")
    assert _requester(database, 4711, now) == Dropped(reason="no such request")


def test_a_request_sealed_by_another_key_gets_no_letter(database: Database, now: datetime) -> None:
    pending = sign_up(database, now)
    assert isinstance(pending, Pending)
    with database.snapshot() as session:
        answer = subscribers.requester(session, Keys(bytes(32)), pending.request_id, now)
    assert answer == Dropped(reason="unreadable address")


def test_forged_tokens_and_tokens_to_leave_confirm_nothing(database: Database, now: datetime) -> None:
    leave = subscribe(database, now)
    forged = Keys(bytes(32)).token(Purpose.CONFIRM, bytes(16))
    nobody = KEYS.token(Purpose.CONFIRM, bytes(16))
    for token in ("", "x" * 56, leave, forged, nobody):
        with pytest.raises(InvalidToken):
            confirm(database, token, now)
        with pytest.raises(InvalidToken), database.snapshot() as session:
            subscribers.look_up(session, KEYS, token, now)


def test_concurrent_posts_make_one_request_and_one_letter(database: Database, now: datetime) -> None:
    answers: list[Pending | Quiet] = []
    gate = threading.Barrier(6)

    def post() -> None:
        gate.wait()
        answers.append(sign_up(database, now, wanted(letters_per_day=99)))

    threads = [threading.Thread(target=post) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [type(one) for one in answers].count(Pending) == 1
    assert len(answers) == 6


def test_the_database_itself_refuses_a_second_live_request_and_activity_without_consent(
    database: Database, now: datetime
) -> None:
    subscribe(database, now)
    sign_up(database, now, wanted("ben@example.org", letters_per_day=99))
    columns = "subject, fingerprint, sealed, newsletter, language, wording, form, requested_by, state"
    copy = (
        f"INSERT INTO signup_request (public_id, {columns}, requested_at, expires_at) "
        f"SELECT subject, {columns}, requested_at, expires_at FROM signup_request WHERE state = 'pending'"
    )
    for statement in (
        copy,
        "UPDATE subscription SET authorised_by = NULL",
        "UPDATE subscription SET authorised_by = 4711",
        "UPDATE subscription SET state = 'paused'",
        "UPDATE subscription SET state = 'ended'",
        "UPDATE subscription SET state = 'pending'",
    ):
        with pytest.raises(IntegrityError), database.transaction() as session:
            session.connection().execute(text(statement))


def test_nothing_in_the_database_is_the_address_or_a_token(database: Database, now: datetime) -> None:
    token = letter(database, now).token
    confirm(database, token, now)
    leave = subscribe(database, now, newsletter="evening")
    with database.snapshot() as session:
        tables = (
            "subscriber subscription suppression signup_request consent consent_payload consent_wording consent_head"
        )
        held = [
            repr(tuple(row)) for t in tables.split() for row in session.connection().execute(text(f"SELECT * FROM {t}"))
        ]
    everything = "\n".join(held).lower()
    for secret in ("anna", "example.org", "203.0.113", token, leave, token[28:], "05:00"):
        assert secret not in everything


def test_evidence_needs_no_more_than_a_method(database: Database, now: datetime) -> None:
    token = letter(database, now).token
    with database.transaction() as session:
        subscribers.confirm(session, KEYS, token, now, subscribers.Evidence(method=CLICK.method))
    assert state(database) == "active"
