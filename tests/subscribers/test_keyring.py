"""The keyring keeps, finds, shreds and rewraps, on both databases, and holds nothing that opens by itself."""

from datetime import datetime, timedelta

import pytest

from newsletter.database import Database
from subscribers import Keyring, Keys
from subscribers.errors import UnreadableSeal
from subscribers.keys import Sealed

ROOT, NEW_ROOT = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture
def ring(database: Database) -> Keyring:
    one = Keyring(database.transaction, database.snapshot)
    one.prepare()
    one.prepare()
    return one


def test_many_keys_are_read_at_once(ring: Keyring, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscribers.keyring.STEP", 7)
    keys = Keys(ROOT, ring=ring)
    drawn = [keys.draw(bytes([n]) * 16)[1] for n in range(30)]
    keys.keep(drawn, now)
    assert ring.find([one.subject for one in drawn] + [b"?" * 16]) == {one.subject: one for one in drawn}
    assert list(ring.subjects()) == [one.subject for one in drawn]
    assert list(ring.subjects(made_before="2026-11-23")) == []
    assert ring.count() == 30
    assert ring.shred([one.subject for one in drawn[:20]]) == 20
    assert ring.count() == 10


def test_a_key_is_never_replaced_by_another(ring: Keyring, now: datetime) -> None:
    keys = Keys(ROOT, ring=ring)
    subject = keys.new_subject(now)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        keys.keep([keys.draw(subject)[1]], now)


def test_rewrapping_changes_no_key_and_goes_on_where_it_stopped(
    ring: Keyring, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("subscribers.keyring.STEP", 4)
    old = Keys(ROOT, ring=ring)
    subjects = [old.new_subject(now) for _ in range(10)]
    seals = [old.seal(one, Sealed.ADDRESS, b"a") for one in subjects]
    new = Keys(NEW_ROOT, number=2, former={1: ROOT}, ring=ring)

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new.rewrap(interrupt)
    assert new.rewrap() == 6
    assert new.rewrap() == 0
    alone = Keys(NEW_ROOT, number=2, ring=ring)
    assert [alone.open(one, Sealed.ADDRESS, seal) for one, seal in zip(subjects, seals, strict=True)] == [b"a"] * 10
    with pytest.raises(UnreadableSeal):
        Keys(ROOT, ring=ring).box(subjects[0])


def test_keys_of_a_root_that_is_missing_are_named(ring: Keyring, now: datetime) -> None:
    Keys(ROOT, ring=ring).new_subject(now)
    with pytest.raises(UnreadableSeal, match="put that root back"):
        Keys(NEW_ROOT, number=2, ring=ring).rewrap()


def test_a_key_made_late_outlives_the_sweep_of_the_old(ring: Keyring, now: datetime) -> None:
    keys = Keys(ROOT, ring=ring)
    old, new = keys.new_subject(now - timedelta(days=3)), keys.new_subject(now)
    assert list(ring.subjects(made_before="2026-11-22")) == [old]
    assert new in set(ring.subjects())
