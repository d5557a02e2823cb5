"""Candidates are those written to plus those excluded, always; and nobody is written to against the rule."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, false, select, text

import subscribers
from newsletter.database import Database
from subscribers import Address, Dropped, Keys, Recipient, SuppressionReason, registry, suppressions
from subscribers.ledger import consent
from subscribers.ledger.evidence import AUTHORISING, ENDING, Event, Evidence, Kind
from subscribers.registry import SUBSCRIPTIONS, Newcomer, NewSubscription
from subscribers.states import EndReason, State
from tests.subscribers.ledger.test_consent import unguard
from tests.subscribers.people import KEYS, NOBODY, leave_token, subscribe

DAY = timedelta(days=1)
NAMES = ("active", "paused", "left", "complained", "evening")


def _people(database: Database, now: datetime) -> dict[str, str]:
    """One subscriber of each kind; returns their tokens."""
    tokens = {name: subscribe(database, now, f"{name}@example.org") for name in NAMES[:4]}
    subscribe(database, now, "evening@example.org", newsletter="evening")
    with database.transaction() as session:
        subscribers.pause(session, KEYS, tokens["paused"], now + 7 * DAY, now)
        subscribers.unsubscribe(session, KEYS, tokens["left"], now, "button")
        address = Address.parse("complained@example.org")
        subscribers.suppress(session, KEYS, address, SuppressionReason.COMPLAINED, "fbl", now)
    return tokens


def _ids(database: Database, now: datetime) -> list[int]:
    with database.snapshot() as session:
        found = subscribers.audience(session, "world-brief", now)
        return list(session.connection().execute(found.eligible).scalars())


def test_everybody_is_counted_once_under_the_gravest_reason(database: Database, now: datetime) -> None:
    _people(database, now)
    with database.snapshot() as session:
        found = subscribers.audience(session, "world-brief", now)
    assert found.candidates == 4
    assert dict(found.excluded) == {"ended": 1, "paused": 1, "suppressed": 1}
    assert found.rule == subscribers.AUDIENCE_RULE
    assert len(_ids(database, now)) == 1
    assert len(_ids(database, now + 7 * DAY)) == 2


def test_whom_a_list_leaves_out_is_counted_by_what_keeps_them_from_a_letter(database: Database, now: datetime) -> None:
    _people(database, now)
    with database.snapshot() as session:
        found = subscribers.candidates(session, "world-brief", now)
        assert found.count == 4
        assert dict(found.excluded(session, found.eligible)) == {"ended": 1, "paused": 1, "suppressed": 1}
        assert dict(found.excluded(session, found.eligible.where(false()))) == {
            "ended": 1,
            "paused": 1,
            "suppressed": 1,
        }
        everybody = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.newsletter == "world-brief")
        assert dict(found.excluded(session, everybody)) == {}


def test_sqlite_finds_a_million_recipients_in_their_order_and_sorts_nothing(database: Database, now: datetime) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL plans by what it knows of its rows")
    with database.snapshot() as session:
        connection = session.connection()
        wanted = subscribers.candidates(session, "world-brief", now, now.date()).eligible
        plain = wanted.compile(connection, compile_kwargs={"literal_binds": True})
        steps = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {plain}")]
    assert steps == [
        "SEARCH subscription USING INDEX ix_subscription_newsletter (newsletter=?)",
        "SEARCH basis USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH subscriber USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH ended USING INDEX ix_consent_ending (subject=? AND newsletter=? AND seq>?) LEFT-JOIN",
        "SEARCH suppression USING COVERING INDEX sqlite_autoindex_suppression_1 (fingerprint=?) LEFT-JOIN",
    ]


def test_a_newsletter_nobody_reads_has_an_empty_audience(database: Database, now: datetime) -> None:
    with database.snapshot() as session:
        found = subscribers.audience(session, "nothing", now)
    assert (found.candidates, dict(found.excluded)) == (0, {})


def test_the_last_look_drops_whoever_left_since_and_answers_for_every_id(database: Database, now: datetime) -> None:
    tokens = _people(database, now)
    ids = _ids(database, now + 7 * DAY)
    with database.transaction() as session:
        everybody = list(session.connection().execute(text("SELECT id FROM subscription ORDER BY id")).scalars())
        subscribers.unsubscribe(session, KEYS, tokens["active"], now, "RFC 8058 POST")
        answers = subscribers.recipients(session, KEYS, [*everybody, 4711], "world-brief", now + 7 * DAY)
    assert len(ids) == 2
    assert [answers[one] for one in everybody if not isinstance(answers[one], Recipient)] == [
        Dropped(reason="ended"),
        Dropped(reason="ended"),
        Dropped(reason="suppressed"),
        Dropped(reason="not subscribed"),
    ]
    assert answers[4711] == Dropped(reason="not subscribed")
    [kept] = [one for one in answers.values() if isinstance(one, Recipient)]
    assert (kept.address, kept.token) == ("paused@example.org", tokens["paused"])
    assert "paused" not in repr(kept)


def test_a_suppression_wins_over_an_active_subscription_put_there_by_hand(database: Database, now: datetime) -> None:
    subscribe(database, now)
    [one] = _ids(database, now)
    with database.transaction() as session:
        suppressions.add(session, KEYS.fingerprint(Address.parse("anna@example.org")), "legal", "ed", now)
        assert subscribers.recipients(session, KEYS, [one], "world-brief", now) == {one: Dropped(reason="suppressed")}
    assert _ids(database, now) == []


def test_an_active_subscription_resting_on_somebody_elses_consent_is_not_mailed(
    database: Database, now: datetime
) -> None:
    subscribe(database, now)
    subscribe(database, now, "ben@example.org")
    subscribe(database, now, "anna@example.org", newsletter="evening")
    unguard(database)
    for seq in (1, 3, 4, 6):
        with database.transaction() as session:
            session.connection().execute(text(f"UPDATE subscription SET authorised_by = {seq} WHERE id = 1"))
            assert subscribers.audience(session, "world-brief", now).excluded == {"no consent": 1} or seq == 4
            answer = subscribers.recipients(session, KEYS, [1], "world-brief", now)[1]
        assert answer == Dropped(reason="no consent")


def test_one_damaged_address_does_not_keep_the_others_from_their_letters(database: Database, now: datetime) -> None:
    subscribe(database, now)
    subscribe(database, now, "ben@example.org")
    first, second = _ids(database, now)
    with database.transaction() as session:
        session.connection().execute(text("UPDATE subscriber SET sealed = subject WHERE id = 1"))
        answers = subscribers.recipients(session, KEYS, [first, second], "world-brief", now)
        assert set(subscribers.recipients(session, Keys(bytes(32)), [second], "world-brief", now).values()) == {
            Dropped(reason="unreadable address")
        }
    assert answers[first] == Dropped(reason="unreadable address")
    assert isinstance(answers[second], Recipient)


def test_a_thousand_recipients_are_one_query(database: Database, now: datetime) -> None:
    subscribe(database, now)
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    with database.snapshot() as session:
        answers = subscribers.recipients(session, KEYS, range(1, 1_001), "world-brief", now)
    assert len(answers) == 1_000
    assert len([one for one in asked if "subscription" in one]) == 1


def test_the_token_in_a_letter_is_the_one_that_leaves(database: Database, now: datetime) -> None:
    token = subscribe(database, now)
    [one] = _ids(database, now)
    with database.snapshot() as session:
        answer = subscribers.recipients(session, KEYS, [one], "world-brief", now)[one]
    assert answer == Recipient(address="anna@example.org", token=token)
    assert token == leave_token(database, "anna@example.org")


PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(State),
        st.lists(st.sampled_from(Kind), max_size=4),
        st.integers(0, 3),
        st.booleans(),
        st.integers(-2, 2),
    ),
    max_size=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(population=PEOPLE)
def test_candidates_are_those_written_to_plus_those_excluded_in_any_population(
    fresh: Callable[[], Database], now: datetime, population: list[tuple[State, list[Kind], int, bool, int]]
) -> None:
    database = fresh()
    unguard(database)
    expected: set[str] = set()
    for number, (state, kinds, rests_on, suppressed, pause) in enumerate(population):
        name = f"reader{number}@example.org"
        until = now + pause * DAY
        basis = _add(database, name, (state, until), kinds, min(rests_on, len(kinds) - 1), now)
        if suppressed:
            with database.transaction() as session:
                suppressions.add(session, KEYS.fingerprint(Address.parse(name)), "legal", "ed", now)
        running = state is State.ACTIVE or (state is State.PAUSED and until <= now)
        stands = basis >= 0 and kinds[basis] in AUTHORISING and not any(one in ENDING for one in kinds[basis + 1 :])
        if running and stands and not suppressed:
            expected.add(name)
    with database.snapshot() as session:
        found = subscribers.audience(session, "world-brief", now)
        ids = list(session.connection().execute(found.eligible).scalars())
        answers = subscribers.recipients(session, KEYS, ids, "world-brief", now)
    assert found.candidates == len(population) == len(ids) + sum(found.excluded.values())
    assert {one.address for one in answers.values() if isinstance(one, Recipient)} == expected
    assert len(ids) == len(expected)
    database.close()


def _add(
    database: Database, name: str, placed: tuple[State, datetime], kinds: list[Kind], rests_on: int, now: datetime
) -> int:
    """Put a subscription there whatever the rules say; returns which of its events it rests on, -1 for none."""
    (state, until), address, subject = placed, Address.parse(name), KEYS.new_subject(now)
    mark = KEYS.fingerprint(address)
    with database.transaction() as session:
        events = [
            Event(subject=subject, newsletter="world-brief", kind=one, evidence=Evidence(method="test"))
            for one in kinds
        ]
        seqs = consent.append(session, KEYS, events, now)
        newcomer = Newcomer(address=address, subject=subject, fingerprint=mark, language="en")
        person = registry.add_people(session, KEYS, [newcomer], now)[mark]
        basis = seqs[rests_on] if rests_on >= 0 else None
        if basis is None and state in {State.ACTIVE, State.PAUSED}:
            # The database refuses activity without an event; somebody else's will do to try it.
            [basis] = consent.append(session, KEYS, [_foreign()], now)
        new = NewSubscription(subscriber_id=person, state=State.UNKNOWN, authorised_by=basis)
        registry.add_subscriptions(session, KEYS, "world-brief", [new], now)
        [mine] = registry.subscriptions_of(session, [mark])
        if state is State.ACTIVE:
            registry.activate(session, mine.id, basis or 0, now)
        elif state is State.PAUSED:
            registry.pause(session, mine.id, until, now)
        elif state is State.ENDED:
            registry.end(session, mine.id, EndReason.WITHDRAWN, now)
    return rests_on


def _foreign() -> Event:
    return Event(subject=NOBODY, newsletter="world-brief", kind=Kind.GIVEN, evidence=Evidence(method="test"))
