"""Who is erased is gone from every row, file and copy, and the ledger still verifies with the root it had."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

import subscribers
from newsletter.database import Database
from subscribers import (
    Address,
    Departure,
    Erased,
    ErasureHeld,
    Evidence,
    Hold,
    ImportJob,
    Keyring,
    Pending,
    UnreadableSeal,
    Verdict,
)
from subscribers.ledger.evidence import commitment as commitment_of
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


def test_a_hold_without_a_key_to_seal_to_refuses_with_its_reason_owner_and_end(
    database: Database, now: datetime
) -> None:
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


def under_hold(database: Database, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Put a hold on Anna, with a key to seal to in the house; returns its private half."""
    private, public = subscribers.new_pair(KEYS.chance)
    monkeypatch.setattr(KEYS, "offline", public)
    why = Hold(reason="claim 7", owner="counsel", until=date(2026, 12, 31))
    with database.transaction() as session:
        subscribers.hold(session, KEYS.fingerprint(ANNA), why)
    return private


def evidence(database: Database) -> list[bytes]:
    with database.snapshot() as session:
        return subscribers.evidence_of(session, KEYS.fingerprint(ANNA))


def test_under_a_hold_the_evidence_is_sealed_to_somebody_outside_and_all_else_goes(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(database, now)
    private = under_hold(database, monkeypatch)
    gone = erase(database, now)
    assert gone.held_until == date(2026, 12, 31)
    found = verdict(database)
    # The key is shredded like anybody's, and nothing in the house opens the events any more.
    assert (found.ok, found.shredded, found.unfinished) == (True, 3, 0)
    for table in ("subscriber", "subscription", "signup_request"):
        assert rows(database, f"SELECT * FROM {table}") == []
    [sealed] = evidence(database)
    assert b"anna" not in sealed
    told: Any = subscribers.read_evidence(private, sealed)
    assert (told["address"], told["subject"], told["hold"]) == ("anna@example.org", gone.subjects[0].hex(), "claim 7")
    ledger = rows(database, "SELECT seq, header, commitment FROM consent ORDER BY seq")
    for event, (seq, header, commitment) in zip(told["events"], ledger, strict=False):
        assert (event["seq"], event["header"]) == (seq, header)
        # What was sealed is what the ledger, whose root is in every letter, has bound itself to.
        assert commitment_of(event["payload"].encode()) == commitment == bytes.fromhex(event["commitment"])
    assert [json.loads(one["header"])["kind"] for one in told["events"]] == ["requested", "given"]
    assert json.loads(told["events"][1]["payload"])["method"] == "confirm button"
    with pytest.raises(UnreadableSeal, match="sealed to another key"):
        subscribers.read_evidence(subscribers.new_pair(KEYS.chance)[0], sealed)
    with database.snapshot() as session:
        [request] = subscribers.asked(session)
    assert request.note == "the evidence stays sealed under a legal hold until 2026-12-31 (GDPR 17(3)(e))"


def test_what_was_sealed_goes_with_the_hold(database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(database, now)
    under_hold(database, monkeypatch)
    erase(database, now)
    subscribe(database, now + timedelta(days=1))
    erase(database, now + timedelta(days=2))
    assert len(evidence(database)) == 2
    with database.transaction() as session:
        assert subscribers.prune_holds(session, date(2026, 12, 31)) == 0
    assert len(evidence(database)) == 2
    with database.transaction() as session:
        assert subscribers.prune_holds(session, date(2027, 1, 1)) == 1
    assert evidence(database) == []
    subscribe(database, now + timedelta(days=3))
    under_hold(database, monkeypatch)
    erase(database, now + timedelta(days=4))
    with database.transaction() as session:
        assert subscribers.release(session, KEYS.fingerprint(ANNA))
    assert evidence(database) == []


def test_nobody_gets_out_of_a_hold_by_another_address(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(database, now)
    private, new = under_hold(database, monkeypatch), Address.parse("anna.b@example.org")
    subject = subject_of(database)
    assert subject
    with database.transaction() as session:
        asked = subscribers.ask_to_move(session, KEYS, subject, new, now, letters_per_day=1)
        assert asked
        to = subscribers.addressee(session, KEYS, asked.grant_id, now)
        assert isinstance(to, subscribers.Addressee)
        subscribers.move(session, KEYS, to.token, now, ASKED)
        assert subscribers.erase(session, KEYS, subject, ASKED, now).held_until == date(2026, 12, 31)
        [sealed] = subscribers.evidence_of(session, KEYS.fingerprint(new))
    told: Any = subscribers.read_evidence(private, sealed)
    kinds = [json.loads(one["header"])["kind"] for one in told["events"]]
    assert (told["address"], kinds) == ("anna.b@example.org", ["requested", "given", "address_changed"])


def test_a_hold_that_is_over_seals_nothing(database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(database, now)
    under_hold(database, monkeypatch)
    assert erase(database, now + timedelta(days=365)).held_until is None
    assert evidence(database) == []


def test_after_a_restore_what_a_hold_needs_is_sealed_again(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(database, now)
    private = under_hold(database, monkeypatch)
    gone = Departure(KEYS.fingerprint(ANNA), "erased", "", "", now + timedelta(days=1))
    with database.transaction() as session:
        changed, erased = subscribers.depart_again(session, KEYS, gone, now + timedelta(days=2))
    assert changed
    # Nobody is told twice.
    assert erased.letter is None
    KEYS.shred(erased.subjects)
    [sealed] = evidence(database)
    assert subscribers.read_evidence(private, sealed)["address"] == "anna@example.org"


def test_an_erasure_takes_the_letters_that_were_counted_to_that_mailbox_alone(
    database: Database, now: datetime
) -> None:
    for address in ("anna@example.org", "ben@example.org"):
        letter(database, now, wanted(address))
    assert len(rows(database, "SELECT * FROM signup_letter")) == 2
    erase(database, now)
    [(mailbox,)] = rows(database, "SELECT mailbox FROM signup_letter")
    assert mailbox == KEYS.mailbox(Address.parse("ben@example.org"))


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
