"""The table of changes: what is in it leads where it says, all else is refused, and the database refuses it as well."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import subscribers
from newsletter.database import Database
from subscribers import Address, Evidence, IllegalChange, InvalidToken, Pending, Quiet, Silence, SuppressionReason
from subscribers.ledger import consent
from subscribers.ledger.evidence import AUTHORISING, ENDING, Actor, Event, Kind
from subscribers.states import (
    ACTIVE,
    BY_THE_DESK,
    NONE,
    PAUSED,
    REQUEST_RULES,
    RULES,
    SUPPRESSING,
    UNKNOWN,
    Bar,
    Change,
    EndReason,
    Place,
    RequestState,
    State,
    after,
    allows,
    bars_confirmation,
    bars_letter,
    ended,
    request_after,
)
from tests.subscribers.people import KEYS, confirm, leave_token, letter, sign_up, state, subscribe, wanted
from tests.subscribers.transfers.test_imports import HEADER, PROOF, bring, eligible

ANNA = Address.parse("anna@example.org")
DAY = timedelta(days=1)
PLACES = [NONE, ACTIVE, PAUSED, UNKNOWN, *(ended(one) for one in EndReason)]
CHANGES = st.builds(Change, st.sampled_from(Kind), st.sampled_from(Actor), st.none() | st.sampled_from(EndReason))
LEFT = [ended(one) for one in EndReason if one not in {EndReason.UNDONE, EndReason.ERASED}]


def illegal(before: Place, change: Change) -> IllegalChange:
    with pytest.raises(IllegalChange) as refusal:
        after(before, change)
    assert not allows(before, change)
    return refusal.value


@given(st.sampled_from(PLACES), CHANGES)
def test_a_subscription_runs_only_by_a_word_that_authorises_or_as_it_ran_before(before: Place, change: Change) -> None:
    try:
        place = after(before, change)
    except IllegalChange:
        return
    if place in {ACTIVE, PAUSED}:
        assert change.kind in AUTHORISING or before in {ACTIVE, PAUSED}
    assert (place != before and place.state is State.ENDED) <= (change.kind in ENDING)


@given(st.sampled_from(LEFT), CHANGES)
def test_who_left_runs_again_by_the_holders_own_confirmation_and_by_nothing_else(before: Place, change: Change) -> None:
    back = allows(before, change) and after(before, change) in {ACTIVE, PAUSED}
    assert back == (change == Change(Kind.GIVEN, Actor.SUBJECT))


@given(CHANGES)
def test_nothing_leads_out_of_erased(change: Change) -> None:
    illegal(ended(EndReason.ERASED), change)


def test_an_illegal_change_says_from_where_what_and_by_whom() -> None:
    refusal = illegal(ended(EndReason.WITHDRAWN), Change(Kind.IMPORTED, Actor.IMPORT))
    assert (refusal.before, refusal.kind, refusal.actor) == ("ended (withdrawn)", "imported", "import")
    assert str(refusal) == "ended (withdrawn) is not changed by `imported` at the hand of import"


@pytest.mark.parametrize("actor", [one for one in Actor if one is not Actor.SUBJECT])
def test_nobody_but_its_holder_confirms_a_request_or_resumes_a_pause(actor: Actor) -> None:
    with pytest.raises(IllegalChange):
        request_after(RequestState.PENDING, Kind.GIVEN, actor)
    for place in PLACES:
        illegal(place, Change(Kind.GIVEN, actor))
    if actor is not Actor.SYSTEM:
        illegal(PAUSED, Change(Kind.RESUMED, actor))


@given(st.sampled_from(RequestState), st.sampled_from(Kind), st.sampled_from(Actor))
def test_a_request_moves_once(before: RequestState, kind: Kind, actor: Actor) -> None:
    legal = before is RequestState.PENDING and kind in REQUEST_RULES and actor in REQUEST_RULES[kind][0]
    if legal:
        assert request_after(before, kind, actor) is not RequestState.PENDING
        return
    with pytest.raises(IllegalChange):
        request_after(before, kind, actor)


def test_every_suppression_ends_whatever_there_is_and_every_end_of_the_table_is_an_ending_event() -> None:
    for change in SUPPRESSING.values():
        assert {allows(one, change) for one in (ACTIVE, PAUSED, UNKNOWN)} == {True}
    assert {one.kind for one in RULES if one.after.state is State.ENDED} == ENDING
    assert {one.kind for one in RULES if one.after == ACTIVE} == AUTHORISING | {Kind.RESUMED}


def test_a_complaint_rests_thirty_days_and_is_then_asked_once_in_a_hundred_and_eighty() -> None:
    bar = Bar(SuppressionReason.COMPLAINED, "2026-11")
    first = datetime(2026, 12, 31, tzinfo=UTC)
    second = datetime(2027, 1, 1, tzinfo=UTC) + 180 * DAY
    assert bars_letter([bar], first - timedelta(seconds=1))
    assert not bars_letter([bar], first)
    asked = bar._replace(letter_month="2026-12")
    assert bars_letter([asked], second - timedelta(seconds=1))
    assert not bars_letter([asked], second)
    assert not bars_confirmation([asked], first)


@pytest.mark.parametrize("reason", SuppressionReason)
def test_what_the_desk_or_the_law_says_no_time_lifts(reason: SuppressionReason) -> None:
    late = datetime(2099, 1, 1, tzinfo=UTC)
    assert bars_confirmation([Bar(reason, "2026-11")], late) == (reason in BY_THE_DESK)


def suppress(database: Database, reason: SuppressionReason, now: datetime) -> None:
    with database.transaction() as session:
        subscribers.suppress(session, KEYS, ANNA, reason, "test", now)


def unsuppress(
    database: Database, now: datetime, by: str = "ana", second: str = "ben"
) -> tuple[SuppressionReason, ...]:
    evidence = Evidence(method="desk", by=by, second=second, reason="the court lifted it")
    with database.transaction() as session:
        return subscribers.unsuppress(session, KEYS, ANNA, evidence, now)


@pytest.mark.parametrize("reason", [SuppressionReason.OBJECTED, SuppressionReason.BOUNCED])
def test_who_objected_or_bounced_comes_back_by_a_fresh_confirmation_only(
    database: Database, now: datetime, reason: SuppressionReason
) -> None:
    subscribe(database, now)
    suppress(database, reason, now)
    # R3: a file does not bring back who asked never to be written to.
    assert bring(database, now, f"{HEADER}anna@example.org,{PROOF}").suppressed == 1
    token = letter(database, now + 2 * DAY).token
    assert (state(database), eligible(database, now)) == ("ended", 0)
    confirm(database, token, now + 2 * DAY)
    assert eligible(database, now) == 1
    with database.snapshot() as session:
        found = subscribers.show(session, KEYS, ANNA)
        assert subscribers.verify(session, KEYS).ok
    assert found.suppressions == ()
    assert [str(one.kind) for one in found.events][-3:] == ["requested", "unsuppressed", "given"]


def test_who_complained_is_not_asked_for_a_month_and_a_request_of_before_stays_dead(
    database: Database, now: datetime
) -> None:
    subscribe(database, now, newsletter="evening")
    early = letter(database, now + DAY).token
    suppress(database, SuppressionReason.COMPLAINED, now + 2 * DAY)
    later = now + 40 * DAY
    with pytest.raises(InvalidToken):
        confirm(database, early, later)
    assert sign_up(database, now + 30 * DAY) == Quiet(reason=Silence.SUPPRESSED)
    token = letter(database, later).token
    assert sign_up(database, later + 100 * DAY) == Quiet(reason=Silence.SUPPRESSED)
    assert isinstance(sign_up(database, later + 300 * DAY), Pending)
    suppress(database, SuppressionReason.COMPLAINED, later + 301 * DAY)
    assert sign_up(database, later + 310 * DAY) == Quiet(reason=Silence.SUPPRESSED)
    with pytest.raises(InvalidToken):
        confirm(database, token, later + 310 * DAY)


def test_what_the_desk_put_there_takes_two_people_and_then_a_confirmation(database: Database, now: datetime) -> None:
    subscribe(database, now)
    for reason in (SuppressionReason.DESK, SuppressionReason.LEGAL, SuppressionReason.OBJECTED):
        suppress(database, reason, now)
    assert sign_up(database, now + 400 * DAY) == Quiet(reason=Silence.SUPPRESSED)
    for by, second in (("ana", "ana"), ("ana", ""), ("", "ben")):
        with pytest.raises(IllegalChange):
            unsuppress(database, now, by, second)
    assert unsuppress(database, now) == (SuppressionReason.DESK, SuppressionReason.LEGAL)
    assert unsuppress(database, now) == ()
    with database.snapshot() as session:
        found = subscribers.show(session, KEYS, ANNA)
    assert found.suppressions == ("objected",)
    assert dict(found.events[-1].evidence)["second"] == "ben"
    assert (state(database), eligible(database, now)) == ("ended", 0)
    confirm(database, letter(database, now + 400 * DAY).token, now + 400 * DAY)
    assert eligible(database, now) == 1


def test_a_bounced_person_who_leaves_has_left_and_a_complaint_is_graver_than_both(
    database: Database, now: datetime
) -> None:
    token = subscribe(database, now)
    suppress(database, SuppressionReason.BOUNCED, now)
    with database.transaction() as session:
        assert not subscribers.unsubscribe(session, KEYS, token, now, "RFC 8058 POST").already
        assert subscribers.unsubscribe(session, KEYS, token, now, "RFC 8058 POST").already
    suppress(database, SuppressionReason.COMPLAINED, now)
    with database.snapshot() as session:
        [mine] = subscribers.show(session, KEYS, ANNA).subscriptions
        assert subscribers.verify(session, KEYS).ok
    assert mine.place == ended(EndReason.COMPLAINED)


def test_people_imported_without_evidence_are_unknown_and_get_no_letter(database: Database, now: datetime) -> None:
    # L1
    assert bring(database, now, "email\nanna@example.org\nben@example.org\n").unknown == 2
    assert (state(database), eligible(database, now)) == ("unknown", 0)


def test_the_desk_cannot_make_a_pending_request_active(database: Database, now: datetime) -> None:
    # L2: neither by the table, nor past it, nor by SQL.
    sign_up(database, now)
    bring(database, now, "email\nanna@example.org\n")
    with database.snapshot() as session:
        [mine] = subscribers.show(session, KEYS, ANNA).subscriptions
    word = Event(
        subject=mine.subject,
        newsletter="world-brief",
        kind=Kind.GIVEN,
        actor=Actor.DESK,
        evidence=Evidence(method="desk", by="ed"),
    )
    for change in ("state = 'active', authorised_by = 1", "state = 'active', authorised_by = 2"):
        with pytest.raises(IntegrityError), database.transaction() as session:
            session.connection().execute(text(f"UPDATE subscription SET {change}"))
    with database.transaction() as session:
        consent.append(session, KEYS, [word], now)
        verdict = subscribers.verify(session, KEYS)
    assert "unknown is not changed by `given` at the hand of desk" in {one.reason for one in verdict.broken}


def test_a_sign_up_by_a_stranger_leaves_who_left_as_they_are(database: Database, now: datetime) -> None:
    # S15
    token = subscribe(database, now)
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, token, now, "unsubscribe button")
    letter(database, now + 2 * DAY)
    assert (state(database), eligible(database, now + 2 * DAY)) == ("ended", 0)


def test_the_database_has_no_subscription_run_without_a_consent_of_its_own_that_stands(
    database: Database, now: datetime
) -> None:
    subscribe(database, now)
    subscribe(database, now, "ben@example.org")
    subscribe(database, now, newsletter="evening")
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, leave_token(database, "ben@example.org"), now, "unsubscribe button")
    with database.snapshot() as session:
        anna, evening = subscribers.show(session, KEYS, ANNA).subscriptions
        [ben] = subscribers.show(session, KEYS, Address.parse("ben@example.org")).subscriptions
    again = "state = 'active', ended_reason = NULL"
    copied = (
        "INSERT INTO subscription (subscriber_id, newsletter, public_id, state, authorised_by, changed_at) "
        f"SELECT subscriber_id, 'morning', fingerprint, 'active', {anna.authorised_by}, 0 FROM subscription "
        f"JOIN subscriber ON subscriber.id = subscriber_id WHERE subscription.id = {anna.id}"
    )
    for statement in (
        f"UPDATE subscription SET {again} WHERE id = {ben.id}",
        f"UPDATE subscription SET {again}, authorised_by = {anna.authorised_by} WHERE id = {ben.id}",
        f"UPDATE subscription SET authorised_by = {evening.authorised_by} WHERE id = {anna.id}",
        f"UPDATE subscription SET authorised_by = 1 WHERE id = {anna.id}",
        f"UPDATE subscription SET newsletter = 'morning' WHERE id = {anna.id}",
        f"UPDATE subscription SET subscriber_id = {ben.subscriber_id} WHERE id = {evening.id}",
        "UPDATE subscriber SET subject = fingerprint WHERE id = 1",
        copied,
    ):
        with pytest.raises(IntegrityError, match=r"rests on a consent|stays with its person"):
            with database.transaction() as session:
                session.connection().execute(text(statement))
    with database.transaction() as session:
        assert subscribers.verify(session, KEYS).ok


def test_a_letter_is_not_sent_to_who_was_suppressed_while_it_waited(database: Database, now: datetime) -> None:
    pending = sign_up(database, now, wanted(letters_per_day=9))
    assert isinstance(pending, Pending)
    bring(database, now, f"{HEADER}ben@example.org,{PROOF}")
    suppress(database, SuppressionReason.LEGAL, now)
    with database.snapshot() as session:
        answer = subscribers.requester(session, KEYS, pending.request_id, now)
    assert answer == subscribers.Dropped(reason="request withdrawn")
