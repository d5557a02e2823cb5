"""Who is erased is gone from every row, file and copy, and the ledger still verifies with the root it had."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

import subscribers
from newsletter.database import Database
from subscribers import Address, Erased, ErasureHeld, Evidence, Hold, ImportJob, Keyring, Pending, Verdict
from tests.subscribers.people import KEYS, confirm, letter, sign_up, state, subscribe, wanted

pytestmark = pytest.mark.usefixtures("own_ring")
ANNA = Address.parse("anna@example.org")
ASKED = Evidence(method="erase command", by="ana", reason="wrote a letter")


def ring() -> Keyring:
    assert KEYS.ring
    return KEYS.ring


def subject_of(database: Database, address: Address = ANNA) -> bytes | None:
    with database.snapshot() as session:
        return subscribers.subject_of(session, KEYS, address)


def erase(database: Database, now: datetime, *, never_again: bool = False, shred: bool = True) -> Erased:
    subject = subject_of(database)
    assert subject
    with database.transaction() as session:
        gone = subscribers.erase(session, KEYS, subject, ASKED, now, never_again=never_again)
    if shred:
        KEYS.shred(gone.subjects)
    return gone


def verdict(database: Database) -> Verdict:
    with database.snapshot() as session:
        return subscribers.verify(session, KEYS)


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.snapshot() as session:
        return [tuple(row) for row in session.connection().execute(text(query))]


def test_an_erased_person_has_no_row_and_the_ledger_verifies_with_the_same_root(
    database: Database, now: datetime
) -> None:
    subscribe(database, now)
    subscribe(database, now, "ben@example.org")
    gone = erase(database, now, shred=False)
    assert (len(gone.subjects), len(gone.subscriptions), len(gone.requests)) == (1, 1, 1)
    unfinished = verdict(database)
    assert (unfinished.ok, unfinished.unfinished) == (True, 1)
    KEYS.shred(gone.subjects)
    found = verdict(database)
    # Requested, given and erased can be read by nobody; Ben's two can.
    assert (found.ok, found.shredded, found.unfinished, found.events) == (True, 3, 0, 5)
    assert found.root == unfinished.root
    for table in ("subscriber", "subscription", "signup_request"):
        assert len(rows(database, f"SELECT * FROM {table}")) == 1
    assert subject_of(database) is None


def test_what_was_sealed_and_its_key_are_in_no_file_any_more(
    migrated_file: Path, tmp_path: Path, own_ring: Database, now: datetime
) -> None:
    path = tmp_path / "erase.db"
    path.write_bytes(migrated_file.read_bytes())
    database = Database(f"sqlite:///{path}")
    subscribe(database, now)
    subject = subject_of(database)
    assert subject
    [(sealed,)] = rows(database, "SELECT sealed FROM subscriber")
    wrapped = ring().find([subject])[subject].wrapped
    assert isinstance(sealed, bytes)
    erase(database, now)
    own_ring.scrub(compact=True)
    database.scrub()
    files = [*path.parent.glob("erase.db*"), *_files(own_ring)]
    everything = b"".join(one.read_bytes() for one in files)
    for secret in (sealed, wrapped, b"anna@example.org", b"anna"):
        assert secret not in everything
    assert verdict(database).ok
    database.close()


def _files(database: Database) -> list[Path]:
    path = Path(make_url(database.url).database or "")
    return list(path.parent.glob(f"{path.name}*"))


def test_a_key_that_is_missing_without_an_erasure_is_damage(database: Database, now: datetime) -> None:
    subscribe(database, now)
    subject = subject_of(database)
    assert subject
    KEYS.shred([subject])
    found = verdict(database)
    assert not found.ok
    [reason] = {one.reason for one in found.broken}
    assert reason.endswith("no event says that it was erased: data are lost")
    assert [one.seq for one in found.broken] == [1, 2]


def test_an_erasure_that_was_interrupted_is_finished_by_the_sweep(database: Database, now: datetime) -> None:
    subscribe(database, now)
    [subject] = erase(database, now, shred=False).subjects
    assert subject in ring().find([subject])
    assert subscribers.sweep_keys(database.snapshot, KEYS, now, dry_run=True) >= 1
    assert subject in ring().find([subject])
    subscribers.sweep_keys(database.transaction, KEYS, now)
    assert subject not in ring().find([subject])
    found = verdict(database)
    assert (found.ok, found.unfinished) == (True, 0)


def test_an_old_file_does_not_bring_an_erased_person_back_but_their_own_hand_does(
    database: Database, now: datetime, tmp_path: Path
) -> None:
    subscribe(database, now)
    before = subject_of(database)
    erase(database, now)
    file = tmp_path / "old.csv"
    file.write_text(
        "email,consent_at,consent_source,consent_wording,consent_method\n"
        "anna@example.org,2026-01-01T09:00:00Z,form,Send me World Brief.,button\n",
        "utf-8",
    )
    job = ImportJob(file=str(file), newsletter="world-brief", language="en", by="ed", now=now)
    with file.open("rb") as source:
        done = subscribers.import_csv(database.transaction, KEYS, source, job)
    assert (done.imported, done.suppressed) == (0, 1)
    later = now + timedelta(days=1)
    confirm(database, letter(database, later, wanted(letters_per_day=99)).token, later)
    assert state(database) == "active"
    assert subject_of(database) not in {before, None}
    with database.snapshot() as session:
        assert not subscribers.show(session, KEYS, ANNA).suppressions
    assert verdict(database).ok


def test_never_again_is_an_objection(database: Database, now: datetime) -> None:
    subscribe(database, now)
    erase(database, now, never_again=True)
    with database.snapshot() as session:
        assert set(subscribers.show(session, KEYS, ANNA).suppressions) == {"left", "objected"}


def test_a_hold_refuses_with_its_reason_owner_and_end(database: Database, now: datetime) -> None:
    subscribe(database, now)
    mark = KEYS.fingerprint(ANNA)
    why = Hold(reason="claim 7", owner="counsel", until=date(2026, 12, 31))
    with database.transaction() as session:
        subscribers.hold(session, mark, why)
    with pytest.raises(ErasureHeld, match=r"until 2026-12-31 by counsel \(claim 7\)"):
        erase(database, now)
    assert state(database) == "active"
    with database.transaction() as session:
        assert subscribers.release(session, mark)
        assert not subscribers.release(session, mark)
    assert erase(database, now).subjects


def test_a_request_nobody_confirmed_can_be_erased_too(database: Database, now: datetime) -> None:
    assert isinstance(sign_up(database, now), Pending)
    gone = erase(database, now)
    assert (len(gone.subjects), gone.subscriptions, len(gone.requests)) == (1, (), 1)
    assert verdict(database).shredded == 2


def test_an_erasure_logs_itself_as_an_answered_request_that_names_nobody(database: Database, now: datetime) -> None:
    subscribe(database, now)
    erase(database, now)
    with database.snapshot() as session:
        [one] = subscribers.asked(session)
    assert (one.kind, one.state, one.answered_by) == ("erasure", "answered", "ana")
    assert rows(database, "SELECT fingerprint FROM rights_request") == [(None,)]
