"""The ledger's scenarios C1 to C10: whatever is changed is found and named, and what is certified can be checked alone.

The rows are those of the privacy notes' table of bad inputs and attacks.
"""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld
from sqlalchemy import text
from sqlmodel import Session, SQLModel

import subscribers
from newsletter.database import Database
from subscribers import Address, Issuer, Office, ReceiptRefused, Verdict, Witnessed, registry
from subscribers.ledger import checkpoints, consent, evidence, forest, notices, vocabulary
from subscribers.ledger.consent import append, stored
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.ledger.forest import Forest
from subscribers.ledger.merkle import root as tree_root
from subscribers.ledger.notices import Draft, NoticeKind
from subscribers.ledger.signed_notes import Claim
from tests.bench.children import ROOT
from tests.subscribers.ledger.test_consent import unguard
from tests.subscribers.people import KEYS, SIGNER, WORDING, confirm, letter, subscribe, wanted
from tests.subscribers.test_audit import filled, run, tamper

ISSUER = Issuer(
    name="Example Press",
    address="1 Printing House Lane, London",
    contact="desk@worldbrief.test",
    url="https://worldbrief.test",
    country="GB",
    authority="https://ico.org.uk/",
    relay="mail.worldbrief.test",
)
OFFICE = Office(issuer=ISSUER, newsletters={"world-brief": "World Brief"}, signer=SIGNER)
ANNA = Address.parse("anna@example.org")


@pytest.fixture
def ledger(database: Database, now: datetime) -> Database:
    """Seven events of three people; ben has left."""
    return filled(database, now)


def checked(database: Database, witnessed: Witnessed | None = None) -> Verdict:
    with database.snapshot() as session:
        return subscribers.verify(session, KEYS, SIGNER.verifier, witnessed)


def checkpoint(database: Database, now: datetime) -> checkpoints.Checkpoint:
    with database.transaction() as session:
        return checkpoints.make(session, KEYS, SIGNER, now)


def certificate(database: Database, now: datetime, address: Address = ANNA) -> dict[str, Any]:
    with database.transaction() as session:
        return subscribers.certify(session, KEYS, OFFICE, address, now)


@pytest.mark.parametrize(
    ("seq", "change"),
    [
        (3, "DELETE FROM consent WHERE seq = 3"),
        (5, "UPDATE subscription SET state = 'active', ended_reason = NULL WHERE id = 2"),
        (7, "UPDATE consent SET subject = (SELECT subject FROM consent WHERE seq = 1) WHERE seq = 7"),
        (3, "UPDATE consent_notice SET text = 'another form'"),
        (3, "DELETE FROM consent_notice"),
    ],
)
def test_c1_what_is_removed_moved_or_altered_is_named(ledger: Database, seq: int, change: str) -> None:
    tamper(ledger, change)
    assert seq in {broken.seq for broken in checked(ledger).broken}


def test_c1_a_tail_that_was_cut_off_is_missed_by_the_checkpoint(ledger: Database, now: datetime) -> None:
    checkpoint(ledger, now)
    rewrite(ledger, now, keep=5)
    found = checked(ledger)
    assert any("the first 7 events" in broken.reason for broken in found.broken)


def rewrite(database: Database, now: datetime, keep: int = 7) -> None:
    """What somebody does who holds the database and every key: another history, consistent in itself."""
    with database.snapshot() as session:
        before = [one for one in stored(session) if one.seq <= keep]
    unguard(database)
    run(database, "DELETE FROM consent_payload", "DELETE FROM consent", "DELETE FROM consent_head")
    with database.transaction() as session:
        events = [
            Event(
                subject=one.subject,
                newsletter=one.newsletter,
                kind=Kind(one.kind),
                evidence=Evidence(method="rewritten"),
                actor=Actor(json.loads(one.header)["actor"]),
                wording=one.wording,
                reason=str(json.loads(one.header)["reason"]),
            )
            for one in before
        ]
        append(session, KEYS, events, now)


def test_c2_a_history_rewritten_whole_is_contradicted_by_its_own_checkpoints(ledger: Database, now: datetime) -> None:
    checkpoint(ledger, now)
    rewrite(ledger, now)
    assert [(one.seq, one.reason) for one in checked(ledger).broken] == [
        (7, "the first 7 events are not those of the checkpoint made of them")
    ]


@pytest.mark.parametrize("witness", ["note", "journal", "letter"])
def test_c2_with_the_checkpoints_rewritten_too_whoever_kept_one_outside_finds_it(
    ledger: Database, now: datetime, witness: str
) -> None:
    kept = checkpoint(ledger, now)
    folded = kept.line.replace(" ", "\r\n ")
    files = {
        "note": kept.note,
        "journal": f"{kept.note}\n{kept.note}\n",
        "letter": f"Subject: Today\r\nX-Consent-Checkpoint: {folded}\r\n\r\nHi\r\n",
    }
    witnessed = subscribers.read_witnessed(files[witness].encode())
    assert checked(ledger, witnessed).ok
    rewrite(ledger, now)
    run(ledger, "DELETE FROM consent_checkpoint")
    checkpoint(ledger, now)
    assert checked(ledger).ok
    found = checked(ledger, witnessed)
    assert not found.ok
    assert found.broken
    assert not found.incomplete


def test_c2_a_ledger_that_is_shorter_than_a_witness_says_is_told(ledger: Database, now: datetime) -> None:
    kept = checkpoint(ledger, now)
    rewrite(ledger, now, keep=4)
    run(ledger, "DELETE FROM consent_checkpoint", "DELETE FROM subscription")
    found = checked(ledger, Witnessed(notes=(kept.note,)))
    assert any("there were 7 events once" in one.reason for one in found.broken)


def test_a_checkpoint_that_cannot_be_checked_leaves_the_verdict_incomplete(ledger: Database, now: datetime) -> None:
    other = subscribers.Signer(SIGNER.origin, subscribers.new_key(bytes(32)))
    note = other.sign(Claim(origin=SIGNER.origin, size=7, root=bytes(32)))
    for witnessed in (Witnessed(notes=(note,)), subscribers.read_witnessed(b"nothing of the kind")):
        found = checked(ledger, witnessed)
        assert (found.ok, found.broken) == (False, ())
        assert found.incomplete


def test_a_checkpoint_signed_by_another_key_is_named(ledger: Database, now: datetime) -> None:
    other = subscribers.Signer(SIGNER.origin, subscribers.new_key(bytes(32)))
    with ledger.transaction() as session:
        checkpoints.make(session, KEYS, other, now)
    assert [(one.seq, "not signed with this key" in one.reason) for one in checked(ledger).broken] == [(7, True)]


def test_a_kept_hash_that_is_not_of_its_events_is_named(ledger: Database) -> None:
    run(ledger, "INSERT INTO consent_subtree VALUES (0, :root)", root=bytes(32))
    assert any("kept hash" in one.reason for one in checked(ledger).broken)


def erase(session: Session, subject: bytes, now: datetime) -> None:
    """What an erasure leaves in the ledger; the key is shredded after it."""
    append(session, KEYS, [Event(subject, "world-brief", Kind.ERASED, Evidence(method="desk"), reason="erased")], now)


def test_c3_an_erased_subject_is_counted_and_the_root_stays(ledger: Database, now: datetime) -> None:
    with ledger.transaction() as session:
        subject = next(one.subject for one in stored(session) if one.seq == 6)
        erase(session, subject, now)
        session.connection().execute(text("DELETE FROM subscription WHERE id = 3"))
    before = checked(ledger)
    assert before.ok
    KEYS.shred([subject])
    after = checked(ledger)
    assert (after.ok, after.shredded, after.root) == (True, 3, before.root)


def test_c4_a_key_that_is_gone_without_an_erasure_is_data_loss(ledger: Database) -> None:
    with ledger.snapshot() as session:
        subject = next(one.subject for one in stored(session) if one.seq == 6)
    KEYS.shred([subject])
    found = checked(ledger)
    assert {one.seq for one in found.broken} == {6, 7}
    assert all("data are lost" in one.reason for one in found.broken)
    assert found.shredded == 0


def test_c4_a_request_that_expired_may_lose_its_key(ledger: Database, now: datetime) -> None:
    subject = KEYS.new_subject(now)
    with ledger.transaction() as session:
        for kind in (Kind.REQUESTED, Kind.REQUEST_EXPIRED):
            actor = Actor.SUBJECT if kind is Kind.REQUESTED else Actor.SYSTEM
            append(session, KEYS, [Event(subject, "world-brief", kind, Evidence(method="job"), actor)], now)
    KEYS.shred([subject])
    found = checked(ledger)
    assert (found.ok, found.shredded) == (True, 2)


def test_c5_the_rows_copied_to_postgresql_make_the_same_root(
    migrated_file: Path, tmp_path: Path, cluster: Any, now: datetime
) -> None:
    source = tmp_path / "source.db"
    source.write_bytes(migrated_file.read_bytes())
    here = filled(Database(f"sqlite:///{source}"), now)
    made = checkpoint(here, now)
    there = Database(cluster.create("test_c5_copy", "template_world_brief"))
    with here.snapshot() as reading, there.transaction() as writing:
        for table in SQLModel.metadata.sorted_tables:
            rows = [dict(row) for row in reading.connection().execute(table.select()).mappings()]
            if rows:
                writing.connection().execute(table.insert(), rows)
    first, second = checked(here), checked(there, Witnessed(lines=(made.line,)))
    assert second.ok, second
    assert first == second
    here.close()
    there.close()
    cluster.drop("test_c5_copy")


def test_c6_eight_writers_and_a_witness_leave_one_chain(database: Database, now: datetime) -> None:
    failures: list[BaseException] = []
    gate = threading.Barrier(9)

    def write(number: int) -> None:
        gate.wait()
        try:
            for turn in range(4):
                subscribe(database, now, f"reader{number}x{turn}@example.org")
        except BaseException as error:  # noqa: BLE001 -- reported below
            failures.append(error)

    def witness() -> None:
        gate.wait()
        try:
            for _ in range(6):
                checkpoint(database, now)
        except BaseException as error:  # noqa: BLE001 -- reported below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)] + [threading.Thread(target=witness)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    found = checked(database)
    assert found.ok, found.broken
    assert found.events == 64


def test_c7_a_writer_killed_at_any_moment_leaves_event_and_state_or_neither(database: Database) -> None:
    # A thousand kills: `python -m tests.subscribers.kills`.
    command = [sys.executable, "-m", "tests.subscribers.kills", "--kills", "25", "--database", database.url]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (ran.returncode, "25 kills" in ran.stdout) == (0, True), ran.stdout + ran.stderr
    found = checked(database)
    assert found.ok
    assert found.events


PROCESS = ("dpv:hasRecordOfActivity", "dpv:hasProcess")
EVENT = (*PROCESS, "dpv:hasConsentStatus")
PARTIES = ((*PROCESS, "dpv:hasDataController"), (*PROCESS, "dpv:hasRecipient"))
# ISO/IEC TS 27560:2023 by the DPV community's guide to it: its mandatory fields, and where each stands in a receipt.
MANDATORY = [
    ("schema version", ("dct:conformsTo",)),
    ("schema version", ("dpv:hasRecordOfActivity", "dct:conformsTo")),
    ("receipt id", ("dpv:hasIdentifier",)),
    ("record id", ("dpv:hasRecordOfActivity", "dpv:hasIdentifier")),
    ("pii principal id", ("dpv:hasRecordOfActivity", "dpv:hasDataSubject", "dpv:hasIdentifier")),
    ("privacy notice", ("dpv:hasRecordOfActivity", "dpv:hasNotice")),
    ("language", ("dpv:hasRecordOfActivity", "dct:language")),
    ("purpose", (*PROCESS, "dpv:hasPurpose", "skos:prefLabel")),
    ("pii information, pii type", (*PROCESS, "dpv:hasPersonalData", "@type")),
    ("pii controllers", (*PROCESS, "dpv:hasDataController")),
    ("storage locations, retention period", (*PROCESS, "dpv:hasStorageCondition", "@type")),
    ("jurisdiction", (*PROCESS, "dpv:hasJurisdiction")),
    ("recipient third parties", (*PROCESS, "dpv:hasRecipient")),
    ("withdrawal method", (*PROCESS, "dpv:hasConsentControl", "dpv:isExercisedAt")),
    *(("party id", (*party, "dpv:hasIdentifier")) for party in PARTIES),
    *(("party name", (*party, "dpv:hasName")) for party in PARTIES),
    *(("party address", (*party, "dpv:hasAddress")) for party in PARTIES),
    *(("party contact", (*party, "dpv:hasContact")) for party in PARTIES),
    *(("party type", (*party, "@type")) for party in PARTIES),
    ("event time", (*EVENT, "dpv:isIndicatedAtTime")),
    ("validity duration", (*EVENT, "dpv:hasDuration")),
    ("entity id", (*EVENT, "dpv:isIndicatedBy")),
    ("event type", (*EVENT, "dpv:hasLegalBasis")),
    ("event state", (*EVENT, "@type")),
    # Optional there, and asked for by the GDPR.
    ("lawful basis", (*PROCESS, "dpv:hasLegalBasis")),
    ("collection method", (*PROCESS, "dpv:hasDataSource", "skos:prefLabel")),
    ("processing method", (*PROCESS, "dpv:hasProcessing")),
    ("privacy rights", (*PROCESS, "dpv:hasRight")),
    ("authority party", (*PROCESS, "dpv:hasAuthority", "dpv:hasName")),
    ("pii optional", (*PROCESS, "dpv:hasPersonalData", "dpv:hasNecessity")),
]


def found(within: Any, path: tuple[str, ...]) -> list[list[Any]]:
    """What every branch of a path holds; a mere reference to somebody who stands elsewhere has no branches."""
    if not path:
        return [within]
    branches = [one for one in within.get(path[0], []) if len(path) == 1 or set(one) != {"@id"}]
    if len(path) == 1:
        return [branches]
    return [held for one in branches for held in found(one, path[1:])]


@pytest.mark.parametrize("how", ["form", "import", "import without evidence"])
def test_c8_every_mandatory_field_of_iso_27560_is_in_every_record(database: Database, now: datetime, how: str) -> None:
    if how == "form":
        subscribe(database, now)
    else:
        enter(database, now, Kind.IMPORTED if how == "import" else Kind.IMPORTED_WITHOUT_EVIDENCE)
    reticent = replace(OFFICE, issuer=replace(ISSUER, address="", contact="", country="", authority=""))
    for office in (OFFICE, reticent):
        with database.transaction() as session:
            made = json.loads(json.dumps(subscribers.certify(session, KEYS, office, ANNA, now)))
        for field, path in MANDATORY:
            held = found(made, path)
            assert held, field
            assert all(branch and all(branch) for branch in held), (field, held)
        assert vocabulary.unknown(made) == set()
        assert subscribers.check_receipt(made, SIGNER.verifier) == (2 if how == "form" else 1)


def enter(database: Database, now: datetime, kind: Kind) -> None:
    """Anna as an import leaves her; without evidence no wording is known either."""
    subject, fingerprint = KEYS.new_subject(now), KEYS.fingerprint(ANNA)
    newcomer = registry.Newcomer(address=ANNA, subject=subject, fingerprint=fingerprint, language="en")
    with database.transaction() as session:
        evidence_of = Evidence(method="import", file="f" * 64, row=1)
        event = Event(subject, "world-brief", kind, evidence_of, Actor.IMPORT)
        append(session, KEYS, [event], now)
        registry.add_people(session, KEYS, [newcomer], now)


def test_c8_a_receipt_is_json_ld_of_known_words(ledger: Database, now: datetime) -> None:
    made = json.loads(json.dumps(certificate(ledger, now)))
    [expanded] = jsonld.expand(made, {"documentLoader": _no_network})
    assert expanded["@type"] == ["https://w3id.org/dpv#ConsentReceipt"]
    assert expanded["http://purl.org/dc/terms/conformsTo"] == [
        {"@id": "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr"}
    ]
    assert vocabulary.unknown(made) == set()
    written = json.dumps(expanded)
    prefixes = {name: str(iri) for name, iri in vocabulary.CONTEXT.items() if isinstance(iri, str)}
    for prefix, _, name in {path[-1].partition(":") for _, path in MANDATORY} - {("@type", "", "")}:
        assert f'"{prefixes[prefix]}{name}"' in written, name
    assert "[]" not in written.replace('"urn:world-brief:consent:beside": []', "")


def test_c8_terms_are_called_terms_and_a_policy_a_notice(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        policy, terms = (
            notices.publish(session, Draft(kind=kind, language="en", text=text, effective_on=date(2026, 1, 1)))
            for kind, text in ((NoticeKind.PRIVACY, "Policy."), (NoticeKind.TERMS, "Terms."))
        )
    sign = replace(wanted(), notice=policy.digest, terms=terms.digest)
    confirm(database, letter(database, now, sign).token, now)
    made = certificate(database, now)
    [record] = made["dpv:hasRecordOfActivity"]
    told = {
        (where, one["@type"][0], one["dct:description"][0], one.get("dpv:hasLocation", [{}])[0].get("@id", ""))
        for where in ("dpv:hasNotice", "dpv:hasContractualClause")
        for one in record[where]
    }
    assert told == {
        ("dpv:hasNotice", "dpv:ConsentNotice", WORDING, ""),
        ("dpv:hasNotice", "dpv:PrivacyNotice", "Policy.", f"{ISSUER.url}/legal/privacy/{policy.digest}"),
        ("dpv:hasContractualClause", "dpv:TermsOfService", "Terms.", f"{ISSUER.url}/legal/terms/{terms.digest}"),
    }
    altered = _altered(made, (*RECORD, "dpv:hasContractualClause", 0, "dct:description", 0), "Other terms.")
    with pytest.raises(ReceiptRefused, match="not that of digest"):
        subscribers.check_receipt(altered, SIGNER.verifier)
    with pytest.raises(ReceiptRefused, match="the terms of event 1 is not shown"):
        subscribers.check_receipt(_altered(made, (*RECORD, "dpv:hasContractualClause"), []), SIGNER.verifier)
    # Receipts handed out before terms had a word of their own showed them among the notices; they still hold.
    record["dpv:hasNotice"] += record.pop("dpv:hasContractualClause")
    assert subscribers.check_receipt(made, SIGNER.verifier) == 2


def test_c8_the_receipt_is_checked_with_the_public_key_alone(ledger: Database, now: datetime) -> None:
    made = certificate(ledger, now)
    public = subscribers.Verifier.parse(SIGNER.verifier.pem)
    assert subscribers.check_receipt(made, public) == 2
    other = subscribers.Signer(SIGNER.origin, subscribers.new_key(bytes(32)))
    with pytest.raises(ReceiptRefused, match="not signed with this key"):
        subscribers.check_receipt(made, other.verifier)


def _altered(made: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(made))
    inner: Any = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


RECORD = ("dpv:hasRecordOfActivity", 0)
STATUS = (*RECORD, "dpv:hasProcess", 0, "dpv:hasConsentStatus", 1)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ((*STATUS, "@type", 0), "dpv:ConsentWithdrawn", "something else"),
        ((*STATUS, "dpv:isIndicatedAtTime", 0), "2020-01-01T00:00:00.000Z", "something else"),
        ((*STATUS, "dpv:hasIndicationMethod", 0), "a letter", "something else"),
        ((*STATUS, "wb:seq"), 5, "not proved"),
        ((*RECORD, "dpv:hasProcess", 0, "dpv:hasIdentifier", 0), "evening", "something else"),
        ((*RECORD, "dpv:hasDataSubject", 0, "dpv:hasIdentifier", 0), "00" * 16, "something else"),
        ((*RECORD, "dpv:hasNotice", 0, "dct:description", 0), "I agree to everything.", "not that of digest"),
        (("wb:ledgerProof", 0, "wb:events", 0, "wb:seq"), 2, "not in the ledger"),
        (("wb:ledgerProof", 0, "wb:events", 0, "wb:path", 0), "00" * 32, "not in the ledger"),
        (("wb:ledgerProof", 0, "wb:events", 0, "wb:payload"), "{}", "not in the ledger"),
        (("wb:ledgerProof", 0, "wb:checkpoint", 0), "none", "no signed checkpoint"),
        (("wb:ledgerProof",), [], "no receipt"),
        (("dpv:hasName",), "dpv:ConsentTerminated", "DPV 2.3"),
    ],
)
def test_c8_an_altered_receipt_does_not_hold(
    ledger: Database, now: datetime, path: tuple[str | int, ...], value: object, says: str
) -> None:
    made = _altered(certificate(ledger, now), path, value)
    with pytest.raises(ReceiptRefused, match=says):
        subscribers.check_receipt(made, SIGNER.verifier)


@pytest.mark.parametrize("document", [None, [], "text", {}, {"wb:ledgerProof": 3}])
def test_what_is_no_receipt_is_refused(document: object) -> None:
    with pytest.raises(ReceiptRefused, match="no receipt"):
        subscribers.check_receipt(document, SIGNER.verifier)


def test_c9_the_receipt_shows_the_words_and_policy_of_then(database: Database, now: datetime) -> None:
    with database.transaction() as session:
        policy = Draft(kind=NoticeKind.PRIVACY, language="en", text="Policy one.", effective_on=date(2026, 1, 1))
        shown = notices.publish(session, policy)
    sign = replace(wanted(), notice=shown.digest)
    confirm(database, letter(database, now, sign).token, now)
    with database.transaction() as session:
        notices.publish(session, replace(policy, text="Policy two.", effective_on=now.date()))
        consent.keep_wording(session, "Other words.", "en")
    made = certificate(database, now + timedelta(days=400))
    texts = [one["dct:description"][0] for one in made["dpv:hasRecordOfActivity"][0]["dpv:hasNotice"]]
    assert texts == [WORDING, "Policy one."]
    statuses = made["dpv:hasRecordOfActivity"][0]["dpv:hasProcess"][0]["dpv:hasConsentStatus"]
    assert [one["@type"][0] for one in statuses] == ["dpv:ConsentRequested", "dpv:ConsentGiven"]
    assert statuses[1]["dpv:hasIndicationMethod"] == ["confirm button"]
    assert subscribers.check_receipt(made, SIGNER.verifier) == 2
    assert checked(database).ok


def test_a_receipt_for_nobody_is_refused(ledger: Database, now: datetime) -> None:
    with pytest.raises(ReceiptRefused, match="nothing is held"):
        certificate(ledger, now, Address.parse("nobody@example.org"))


def test_an_address_is_spoken_to_in_the_language_it_asked_in(database: Database, now: datetime) -> None:
    token = letter(database, now, replace(wanted(), language="ja")).token
    for _ in ("asked for", "confirmed"):
        with database.snapshot() as session:
            assert subscribers.language_of(session, KEYS, ANNA) == "ja"
        confirm(database, token, now)
    with database.snapshot() as session, pytest.raises(ReceiptRefused, match="nothing is held"):
        subscribers.language_of(session, KEYS, Address.parse("nobody@example.org"))


def test_c10_a_clock_that_goes_back_changes_no_order(database: Database) -> None:
    times = [
        datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    ]
    for number, at in enumerate(times):
        subscribe(database, at, f"reader{number}@example.org")
        checkpoint(database, at)
    found = checked(database)
    assert (found.ok, found.events) == (True, 8)
    with database.snapshot() as session:
        days = [json.loads(one.header)["day"] for one in stored(session)]
    assert days[::2] == ["2028-02-29", "2026-10-25", "2026-10-25", "2026-03-29"]


def test_headers_of_version_one_still_verify(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = evidence.header

    def old(event: Event, seq: int, at: datetime) -> str:
        told = json.loads(new(event, seq, at))
        told = {name: value for name, value in told.items() if name not in {"notice", "terms"}} | {"v": 1}
        return evidence.canonical(told)

    subject = KEYS.new_subject(now)
    with monkeypatch.context() as before:
        before.setattr(evidence, "header", old)
        with database.transaction() as session:
            form = "f" * 64
            append(session, KEYS, [Event(subject, "n", Kind.REQUESTED, Evidence(method="old"), form=form)], now)
    subscribe(database, now)
    assert checked(database).ok


def test_a_checkpoint_is_due_once_a_day_and_only_for_something_new(ledger: Database, now: datetime) -> None:
    with ledger.snapshot() as session:
        assert checkpoints.due(session, now)
    first = checkpoint(ledger, now)
    assert checkpoint(ledger, now + timedelta(hours=1)) == first
    with ledger.snapshot() as session:
        assert not checkpoints.due(session, now + timedelta(days=1))
        assert Forest(session, 7).root() == first.root == tree_root(forest.entries(session, 0, 7))
    subscribe(ledger, now, "new@example.org")
    with ledger.snapshot() as session:
        assert not checkpoints.due(session, now)
        assert checkpoints.due(session, now + timedelta(days=1))


def _no_network(url: str, _options: object) -> Any:
    raise AssertionError(f"{url} would be fetched")
