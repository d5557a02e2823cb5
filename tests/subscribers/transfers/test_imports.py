"""People come over with evidence or are never mailed; nobody comes back by a file."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

import subscribers
from newsletter.database import Database
from subscribers import Address, Imported, ImportJob, ImportRefused, RefusedRow, SuppressionReason
from subscribers.ledger.evidence import digest
from subscribers.transfers import imports
from tests.subscribers.people import KEYS, WORDING, leave_token, state, subscribe

HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
PROOF = "2024-05-01T10:00:00+02:00,old shop,Yes please,checkbox\n"


def job(now: datetime) -> ImportJob:
    return ImportJob(file="people.csv", newsletter="world-brief", by="ed", now=now, wordings=(WORDING,))


def bring(database: Database, now: datetime, data: str | bytes) -> Imported:
    raw = data.encode() if isinstance(data, str) else data
    done = subscribers.import_csv(database.transaction, KEYS, io.BytesIO(raw), job(now))
    assert done.rows == done.imported + done.unchanged + done.unknown + done.suppressed + len(done.refused)
    with database.snapshot() as session:
        assert subscribers.verify(session, KEYS).ok
    return done


def eligible(database: Database, now: datetime) -> int:
    with database.snapshot() as session:
        found = subscribers.audience(session, "world-brief", now)
        return len(list(session.connection().execute(found.eligible)))


def test_a_row_with_evidence_becomes_active_and_keeps_it(database: Database, now: datetime) -> None:
    done = bring(database, now, f"{HEADER}anna@example.org,{PROOF}")
    assert done == Imported(rows=1, imported=1, unchanged=0, unknown=0, suppressed=0, refused=())
    with database.snapshot() as session:
        [one] = subscribers.show(session, KEYS, Address.parse("anna@example.org")).events
    assert one.wording == digest("Yes please")
    assert dict(one.evidence) == {
        "at": "2026-11-23T05:00:00.000Z",
        "by": "ed",
        "file": "people.csv",
        "given_at": "2024-05-01T08:00:00.000Z",
        "method": "checkbox",
        "row": "2",
        "source": "old shop",
    }


INCOMPLETE = [
    ",,,",
    "2024-05-01,old shop,Yes please,",
    "2024-05-01,old shop,,checkbox",
    "2024-05-01,,Yes please,checkbox",
    ",old shop,Yes please,checkbox",
    "yesterday,old shop,Yes please,checkbox",
    "2026-11-23T05:00:01Z,old shop,Yes please,checkbox",
    "0001-01-01T00:00:00+14:00,old shop,Yes please,checkbox",
    f"2024-05-01,old shop,{'0' * 64},checkbox",
    " , , , ",
]


def test_rows_without_whole_evidence_are_kept_and_never_mailed(database: Database, now: datetime) -> None:
    rows = [f"reader{n}@example.org,{proof}\n" for n, proof in enumerate(INCOMPLETE)]
    assert bring(database, now, HEADER + "".join(rows)).unknown == len(INCOMPLETE)
    assert {state(database, f"reader{n}@example.org") for n in range(len(rows))} == {"unknown"}
    assert eligible(database, now + timedelta(days=4000)) == 0


def test_evidence_may_come_later(database: Database, now: datetime) -> None:
    assert bring(database, now, "email\nanna@example.org\n").unknown == 1
    assert bring(database, now, "email\nanna@example.org\n").unchanged == 1
    assert bring(database, now, f"{HEADER}anna@example.org,{PROOF}").imported == 1
    assert state(database) == "active"


def test_a_wording_may_be_named_by_its_digest_when_the_text_is_at_hand(database: Database, now: datetime) -> None:
    name = digest(WORDING)
    rows = f"a@example.org,2024-05-01,shop,{name},box\nb@example.org,2024-05-01,shop,{name.upper()},box\n"
    assert bring(database, now, HEADER + rows).imported == 2


def test_columns_are_found_by_name_in_any_case_and_order(database: Database, now: datetime) -> None:
    names = "Name;CONSENT_METHOD;Consent_Text;E-Mail;consent_source;consent_at"
    data = f"\ufeff{names}\nAnna;form;Yes;anna@example.org;web;2024-05-01\n"
    assert bring(database, now, data).imported == 1


def test_the_same_file_twice_adds_nothing(database: Database, now: datetime) -> None:
    data = f"{HEADER}anna@example.org,{PROOF}ben@example.org,,,,\n"
    assert bring(database, now, data).imported == 1
    assert bring(database, now, data) == Imported(rows=2, imported=0, unchanged=2, unknown=0, suppressed=0, refused=())


def test_twins_in_one_file_are_one_and_the_one_with_evidence_counts(database: Database, now: datetime) -> None:
    data = f"{HEADER}anna@example.org,,,,\nANNA@example.org,{PROOF}Anna@Example.org,,,,\n"
    done = bring(database, now, data)
    assert (done.imported, done.unchanged, done.unknown) == (1, 2, 0)
    assert state(database) == "active"


def test_nobody_who_left_or_is_suppressed_comes_back_by_a_file(database: Database, now: datetime) -> None:
    subscribe(database, now, "left@example.org")
    subscribe(database, now, "stays@example.org")
    with database.transaction() as session:
        token = leave_token(database, "left@example.org")
        subscribers.unsubscribe(session, KEYS, token, now, "unsubscribe button")
        for name in ("complained@example.org", "stranger@example.org"):
            subscribers.suppress(session, KEYS, Address.parse(name), SuppressionReason.COMPLAINED, "fbl", now)
    names = ("left", "stays", "complained", "stranger")
    done = bring(database, now, HEADER + "".join(f"{one}@example.org,{PROOF}" for one in names))
    assert (done.imported, done.unchanged, done.suppressed) == (0, 2, 2)
    assert state(database, "left@example.org") == "ended"
    assert state(database, "stranger@example.org") == "none"
    assert eligible(database, now) == 1


def test_a_subscriber_of_another_newsletter_keeps_the_pseudonym(database: Database, now: datetime) -> None:
    subscribe(database, now, newsletter="evening")
    bring(database, now, f"{HEADER}anna@example.org,{PROOF}")
    with database.snapshot() as session:
        found = subscribers.show(session, KEYS, Address.parse("anna@example.org"))
    assert {one.subject.hex() for one in found.subscriptions} == {found.subject}
    assert [one.newsletter for one in found.subscriptions] == ["evening", "world-brief"]


def test_bad_rows_are_named_and_nothing_else_is_lost(database: Database, now: datetime) -> None:
    data = (
        HEADER.encode()
        + f"anna@example.org,{PROOF}".encode()
        + b"not an address,,,,\n"
        + b"\xe9ric@example.org,,,,\n"
        + b"a\0@example.org,,,,\n"
        + b"cut@example.org,,,,,,,surplus\n"
        + b'"never@example.org,,,,\n'
        + f"ben@example.org,{PROOF}".encode()
        + b"short@example.org\n"
        + b",,,,\n"
    )
    done = bring(database, now, data)
    assert (done.rows, done.imported, done.unknown) == (9, 2, 1)
    assert [one.row for one in done.refused] == [3, 4, 5, 6, 7, 10]
    assert RefusedRow(row=4, reason="is not UTF-8: byte 0xe9") in done.refused
    assert RefusedRow(row=6, reason="has 8 fields, the header 5") in done.refused
    assert RefusedRow(row=10, reason="an address is needed") in done.refused


NO_LISTS = [
    (b"", "is empty"),
    (b"\n\n", "is empty"),
    (b"anna@example.org\nben@example.org\n", "no column `email`"),
    (b"name,phone\nAnna,1\n", "no column `email`"),
    (b"email,address\na@x.org,b@x.org\n", "two columns say email"),
    (b"email,consent_att\na@x.org,2024-05-01\n", "did you mean consent_at"),
    ("email\na@x.org\n".encode("utf-16"), "is not UTF-8"),
    (b"em\xe9il\na@x.org\n", "is not UTF-8"),
    (b"PK\x03\x04\0\0", "NUL"),
]


def test_a_file_that_is_no_list_of_people_is_refused_whole(database: Database, now: datetime) -> None:
    for data, reason in NO_LISTS:
        with pytest.raises(ImportRefused, match=reason) as refusal:
            bring(database, now, data)
        assert (refusal.value.file, refusal.value.row) == ("people.csv", 1)
        assert "\n" not in str(refusal.value)


def test_an_interrupted_import_keeps_whole_batches_and_goes_on_where_it_stopped(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 10)
    data = HEADER + "".join(f"reader{n}@example.org,{PROOF}" for n in range(35))
    told: list[int] = []
    begun = iter(range(100))

    @contextmanager
    def failing() -> Iterator[Session]:
        with database.transaction() as session:
            yield session
            if next(begun) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        subscribers.import_csv(failing, KEYS, io.BytesIO(data.encode()), job(now), told.append)
    assert told == [10, 20]
    assert eligible(database, now) == 20
    done = bring(database, now, data)
    assert (done.imported, done.unchanged) == (15, 20)


def test_imported_people_can_be_written_to_and_can_leave(database: Database, now: datetime) -> None:
    bring(database, now, f"{HEADER}anna@example.org,{PROOF}")
    with database.transaction() as session:
        found = subscribers.audience(session, "world-brief", now)
        ids = list(session.connection().execute(found.eligible).scalars())
        [one] = subscribers.recipients(session, KEYS, ids, "world-brief", now).values()
        assert isinstance(one, subscribers.Recipient)
        assert one.address == "anna@example.org"
        subscribers.unsubscribe(session, KEYS, one.token, now, "RFC 8058 POST")
    assert state(database) == "ended"
