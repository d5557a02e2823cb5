"""The tables of editions, on both databases: one claim a date, numbers without gaps, moves that cannot be lost."""

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from newsletter.database import Database
from newsletter.editions import store
from newsletter.editions.compose import compose
from newsletter.editions.edition import Edition
from newsletter.editions.store import Approval, EditionId, EditionRecord, Override
from newsletter.editions.workflow import Event, State
from newsletter.errors import EditionError, IllegalMove
from tests.editions.examples import MONDAY, SEND_AT, bank, plan, story

PROOF = b"the proof's bytes"
DIGEST = hashlib.sha256(PROOF).hexdigest()
TUESDAY = MONDAY + timedelta(days=1)


def edition(on: date = MONDAY, newsletter: str = "world-brief") -> Edition:
    return replace(compose(plan(), bank(), on), newsletter=newsletter)


def approval(now: datetime) -> Approval:
    override = Override(rule="C20", by="ana", reason="the name is long")
    return Approval(digest="what was seen", by="ana", at=now, overrides=(override,))


def claimed(database: Database, now: datetime, on: date = MONDAY, newsletter: str = "world-brief") -> EditionRecord:
    with database.transaction() as session:
        record = store.claim(session, newsletter, on, SEND_AT, now)
    assert record
    return record


def saved(database: Database, now: datetime, on: date = MONDAY, newsletter: str = "world-brief") -> EditionRecord:
    record = claimed(database, now, on, newsletter)
    with database.transaction() as session:
        return store.save(session, record.id, edition(on, newsletter), "ana", now)


def approved(database: Database, now: datetime, on: date = MONDAY) -> EditionRecord:
    record = saved(database, now, on)
    with database.transaction() as session:
        return store.approve(session, record.id, approval(now), PROOF, now)


def moved(database: Database, record: EditionRecord, now: datetime, *events: Event) -> EditionRecord:
    for event in events:
        with database.transaction() as session:
            record = store.move(session, record.id, event, "ana", now)
    return record


def test_a_claim_gives_an_open_edition_and_a_second_one_gives_nothing(database: Database, now: datetime) -> None:
    record = claimed(database, now)
    assert (record.state, record.number, record.edition, record.send_at) == (State.OPEN, 0, None, SEND_AT)
    with database.transaction() as session:
        assert store.claim(session, "world-brief", MONDAY, SEND_AT, now) is None
        assert store.claim(session, "other", MONDAY, SEND_AT, now)
        assert store.load(session, "world-brief", MONDAY) == record
        assert store.load(session, "world-brief", TUESDAY) is None


def test_of_four_claims_at_once_exactly_one_wins(database: Database, now: datetime) -> None:
    barrier = Barrier(4)

    def race(_: int) -> EditionRecord | None:
        barrier.wait(timeout=10)
        with database.transaction() as session:
            return store.claim(session, "world-brief", MONDAY, SEND_AT, now)

    with ThreadPoolExecutor(4) as pool:
        assert len([one for one in pool.map(race, range(4)) if one]) == 1


def test_four_first_saves_at_once_number_without_a_gap(database: Database, now: datetime) -> None:
    dates = [MONDAY + timedelta(days=n) for n in range(8)]
    records = [claimed(database, now, on) for on in dates]
    barrier = Barrier(4)

    def race(record: EditionRecord) -> int:
        barrier.wait(timeout=10)
        with database.transaction() as session:
            return store.save(session, record.id, edition(record.on), "ana", now).number

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(race, records)) == list(range(1, 9))


def test_a_number_is_given_once_and_per_newsletter(database: Database, now: datetime) -> None:
    first = saved(database, now)
    assert (first.number, saved(database, now, TUESDAY).number, saved(database, now, MONDAY, "other").number) == (
        1,
        2,
        1,
    )
    assert first.edition
    assert first.edition.number == 1
    with database.transaction() as session:
        assert store.save(session, first.id, edition(), "ben", now).number == 1


def test_a_number_cannot_be_given_twice(database: Database, now: datetime) -> None:
    saved(database, now)
    second = saved(database, now, TUESDAY)
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.exec(sa.update(store.EditionRow).where(store.EditionRow.id == second.id).values(number=1))  # type: ignore[arg-type]


def test_a_number_of_an_undone_save_is_not_lost(database: Database, now: datetime) -> None:
    record = claimed(database, now)
    # The second save fails, and the transaction takes the first one with it.
    with contextlib.suppress(LookupError), database.transaction() as session:
        for one in (record.id, EditionId(99)):
            store.save(session, one, edition(), "ana", now)
    with database.snapshot() as session:
        assert store.load_id(session, record.id).number == 0
    assert saved(database, now, TUESDAY).number == 1


def test_a_saved_edition_comes_back_in_review(database: Database, now: datetime) -> None:
    record = saved(database, now)
    assert (record.state, record.edited_by, record.edition) == (State.IN_REVIEW, "ana", replace(edition(), number=1))
    with database.snapshot() as session:
        assert store.load_id(session, record.id) == record
        assert [one.event for one in store.history(session, record.id)] == ["save"]


def test_a_building_edition_is_in_review_once_saved(database: Database, now: datetime) -> None:
    record = moved(database, claimed(database, now), now, Event.BUILD)
    with database.transaction() as session:
        assert store.save(session, record.id, edition(), "ana", now).state is State.IN_REVIEW


def test_an_edition_of_another_date_is_refused(database: Database, now: datetime) -> None:
    record = claimed(database, now)
    with pytest.raises(EditionError, match="cannot hold"), database.transaction() as session:
        store.save(session, record.id, edition(TUESDAY), "ana", now)


def test_an_approval_keeps_who_why_and_the_frozen_proof(database: Database, now: datetime) -> None:
    record = approved(database, now)
    assert (record.state, record.approval, record.proof_digest) == (State.APPROVED, approval(now), DIGEST)
    with database.snapshot() as session:
        assert store.frozen(session, DIGEST) == store.frozen_of(session, record.id) == PROOF
        entry = store.history(session, record.id)[-1]
    assert (entry.event, entry.by, entry.reason) == ("approve", "ana", "C20 overridden by ana: the name is long")


def test_nothing_unbuilt_or_approved_already_is_approved(database: Database, now: datetime) -> None:
    bare, done = claimed(database, now, TUESDAY), approved(database, now)
    with pytest.raises(EditionError, match="not been built"), database.transaction() as session:
        store.approve(session, bare.id, approval(now), PROOF, now)
    with pytest.raises(IllegalMove), database.transaction() as session:
        store.approve(session, done.id, approval(now), PROOF, now)
    with pytest.raises(EditionError, match="no approved proof"), database.snapshot() as session:
        store.frozen_of(session, bare.id)


@pytest.mark.parametrize("events", [(), (Event.SCHEDULE,), (Event.HOLD,)])
def test_a_save_voids_the_approval_and_says_so(database: Database, now: datetime, events: tuple[Event, ...]) -> None:
    record = moved(database, approved(database, now), now, *events)
    with database.transaction() as session:
        again = store.save(session, record.id, edition(), "ben", now)
        assert store.history(session, record.id)[-1].reason == "the approval by ana is void"
    held = events == (Event.HOLD,)
    assert (again.state, again.approval, again.proof_digest) == (State.HELD if held else State.IN_REVIEW, None, "")


def test_an_edit_and_a_release_void_the_approval_and_say_so(database: Database, now: datetime) -> None:
    edited = moved(database, approved(database, now), now, Event.EDIT)
    assert (edited.state, edited.approval) == (State.IN_REVIEW, None)
    released = moved(database, approved(database, now, TUESDAY), now, Event.HOLD, Event.RELEASE)
    assert (released.state, released.approval, released.held_from) == (State.IN_REVIEW, None, None)
    with database.snapshot() as session:
        assert store.history(session, released.id)[-1].reason == "the approval by ana is void"


@pytest.mark.parametrize(
    "events",
    [(Event.SEND,), (Event.SEND, Event.FINISH), (Event.KILL,), (Event.SEND, Event.HOLD), (Event.HOLD, Event.KILL)],
)
def test_what_has_left_or_was_killed_cannot_be_saved(
    database: Database, now: datetime, events: tuple[Event, ...]
) -> None:
    record = moved(database, approved(database, now), now, *events)
    with pytest.raises(EditionError, match="cannot be changed any more"), database.transaction() as session:
        store.save(session, record.id, edition(), "ben", now)


def test_an_edition_held_in_mid_send_keeps_its_approval_and_goes_on(database: Database, now: datetime) -> None:
    held = moved(database, approved(database, now), now, Event.SEND, Event.HOLD)
    assert (held.state, held.held_from, held.approval) == (State.HELD, State.SENDING, approval(now))
    released = moved(database, held, now, Event.RELEASE)
    assert (released.state, released.held_from, released.approval) == (State.SENDING, None, approval(now))


def test_another_slot_voids_the_approval(database: Database, now: datetime) -> None:
    record, later = approved(database, now), SEND_AT + timedelta(hours=1)
    with database.transaction() as session:
        again = store.reschedule(session, record.id, later, "ben", now)
    assert (again.send_at, again.state, again.approval) == (later, State.IN_REVIEW, None)


def test_a_stale_version_is_refused(database: Database, now: datetime) -> None:
    record = saved(database, now)
    with database.transaction() as session:
        assert store.save(session, record.id, edition(), "ben", now, version=record.version).version > record.version
    with pytest.raises(EditionError, match="somebody else"), database.transaction() as session:
        store.save(session, record.id, edition(), "eva", now, version=record.version)


def test_of_four_moves_at_once_exactly_one_happens(database: Database, now: datetime) -> None:
    record = approved(database, now)
    barrier = Barrier(4)

    def race(_: int) -> bool:
        barrier.wait(timeout=10)
        try:
            with database.transaction() as session:
                store.move(session, record.id, Event.SEND, "ana", now)
        except (IllegalMove, EditionError):
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(race, range(4))) == 1
    with database.snapshot() as session:
        assert [one.event for one in store.history(session, record.id)].count("send") == 1


def test_an_illegal_move_changes_nothing(database: Database, now: datetime) -> None:
    record = saved(database, now)
    with pytest.raises(IllegalMove), database.transaction() as session:
        store.move(session, record.id, Event.SEND, "ana", now)
    with database.snapshot() as session:
        assert store.load_id(session, record.id) == record


def test_the_database_refuses_a_state_nobody_knows(database: Database, now: datetime) -> None:
    record = saved(database, now)
    for values in ({"state": "lost"}, {"state": "held"}, {"number": 0}):
        with pytest.raises(IntegrityError), database.transaction() as session:
            session.exec(sa.update(store.EditionRow).where(store.EditionRow.id == record.id).values(**values))  # type: ignore[arg-type]


def test_a_document_is_frozen_once_and_never_under_a_wrong_digest(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        store.freeze(session, DIGEST, PROOF, now)
        store.freeze(session, DIGEST, PROOF, now)
        assert store.frozen(session, DIGEST) == PROOF
        assert store.frozen(session, "nothing") is None
        with pytest.raises(ValueError, match="not the one"):
            store.freeze(session, DIGEST, b"another", now)


def test_a_frozen_document_that_was_altered_is_found_out(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        store.freeze(session, DIGEST, PROOF, now)
        session.exec(sa.update(store.FrozenRow).values(document=b"another"))
        with pytest.raises(ValueError, match="altered"):
            store.frozen(session, DIGEST)


def test_what_counts_as_used_is_what_was_approved_in_the_days_asked_for(database: Database, now: datetime) -> None:
    record = saved(database, now)
    with database.transaction() as session:
        assert store.used(session, "world-brief", TUESDAY, MONDAY) == frozenset()
        store.approve(session, record.id, approval(now), PROOF, now)
        used = store.used(session, "world-brief", TUESDAY, MONDAY)
        assert {story("lead").key, "https://worldbrief.test/lead"} <= used
        assert store.used(session, "world-brief", MONDAY, MONDAY) == frozenset()
        assert store.used(session, "world-brief", TUESDAY + timedelta(days=9), TUESDAY) == frozenset()
        assert store.used(session, "other", TUESDAY, MONDAY) == frozenset()
    moved(database, record, now, Event.SEND, Event.HOLD)
    with database.snapshot() as session:
        assert store.used(session, "world-brief", TUESDAY, MONDAY) == used


def test_a_story_taken_out_is_not_used_any_more(database: Database, now: datetime) -> None:
    record = saved(database, now)
    empty = replace(edition(), sections=())
    with database.transaction() as session:
        store.save(session, record.id, empty, "ana", now)
        store.approve(session, record.id, approval(now), PROOF, now)
        assert store.used(session, "world-brief", TUESDAY, MONDAY) == frozenset()


def test_an_address_of_any_length_is_kept(database: Database, now: datetime) -> None:
    long = "https://worldbrief.test/" + hashlib.sha256(b"x").hexdigest() * 200
    made = compose(plan(), [story("lead", section="lead", url=long)], MONDAY)
    record = claimed(database, now)
    with database.transaction() as session:
        store.save(session, record.id, made, "ana", now)
        store.approve(session, record.id, approval(now), PROOF, now)
        assert long in store.used(session, "world-brief", TUESDAY, MONDAY)


def test_the_listing_is_newest_first_and_the_last_sent_is_found(database: Database, now: datetime) -> None:
    for on in (MONDAY, TUESDAY, MONDAY + timedelta(days=2)):
        record = approved(database, now, on)
        if on <= TUESDAY:
            moved(database, record, now, Event.SEND, Event.FINISH)
    claimed(database, now, MONDAY, "other")
    with database.snapshot() as session:
        assert [one.on.day for one in store.listing(session, "world-brief")] == [25, 24, 23]
        assert len(store.listing(session)) == 4
        assert len(store.listing(session, limit=2)) == 2
        last = store.last_sent(session, "world-brief", MONDAY + timedelta(days=2))
        assert last
        assert last.on == TUESDAY
        assert store.last_sent(session, "world-brief", MONDAY) is None


def test_an_id_nobody_has_is_a_lookup_error(database: Database) -> None:
    with pytest.raises(LookupError), database.snapshot() as session:
        store.load_id(session, EditionId(99))
