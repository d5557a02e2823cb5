"""Exports of other platforms keep what they say of people who left; none of them brings anybody in without evidence."""

import io
from datetime import datetime
from pathlib import Path

import pytest

import subscribers
from newsletter.database import Database
from subscribers import Address, Imported, ImportJob, ImportRefused
from subscribers.transfers.loaders import LOADERS, plan
from tests.subscribers.people import KEYS, state, subscribe

CORPUS = Path(__file__).parents[2] / "corpus" / "imports"
SHOWN = "Send me the morning letter. I can leave with one click."


def bring(database: Database, now: datetime, name: str, shown: str = "", loader: str = "") -> Imported:
    job = ImportJob(file=name, newsletter="world-brief", by="ed", now=now, shown=shown, loader=loader)
    with (CORPUS / name).open("rb") as lines:
        done = subscribers.import_csv(database.transaction, KEYS, lines, job)
    sums = (done.imported, done.unchanged, done.unknown, done.suppressed, done.ended, len(done.refused))
    assert done.rows == sum(sums)
    with database.snapshot() as session:
        assert subscribers.verify(session, KEYS).ok
    return done


def standing(database: Database, name: str) -> tuple[str, str, tuple[str, ...]]:
    """State, reason of its end, suppressions."""
    with database.snapshot() as session:
        found = subscribers.show(session, KEYS, Address.parse(f"{name}@inbox.test"))
    [one] = found.subscriptions
    return str(one.state), str(one.ended_reason or ""), found.suppressions


EXPORTS = [
    ("listmonk.csv", {"anna": "unknown", "ben": "suppressed", "cleo": "withdrawn", "emil": "unknown"}),
    ("mailchimp_subscribed.csv", {"anna": "active", "ben": "unknown", "cleo": "active", "dora": "unknown"}),
    ("mailchimp_unsubscribed.csv", {"emil": "withdrawn", "fred": "complained", "gina": "withdrawn"}),
    ("mailchimp_cleaned.csv", {"hugo": "bounced"}),
    ("ghost.csv", {"anna": "unknown", "ben": "withdrawn", "cleo": "withdrawn"}),
    ("substack.csv", {"anna": "unknown", "ben": "withdrawn"}),
    ("keila.csv", {"anna": "unknown", "ben": "withdrawn", "cleo": "bounced"}),
    ("phplist.csv", {"anna": "unknown", "ben": "suppressed", "cleo": "unknown", "dora": "withdrawn"}),
]


@pytest.mark.parametrize(("name", "expected"), EXPORTS)
def test_each_export_is_known_by_its_header_and_its_states_are_kept(
    database: Database, now: datetime, name: str, expected: dict[str, str]
) -> None:
    bring(database, now, name, shown=SHOWN)
    found = {}
    for who in expected:
        state_now, reason, suppressions = standing(database, who)
        found[who] = reason or state_now
        assert bool(suppressions) == (reason in {"complained", "suppressed"})
    assert found == expected
    again = bring(database, now, name, shown=SHOWN)
    assert (again.imported, again.unknown, again.ended) == (0, 0, 0)


@pytest.mark.parametrize("name", [name for name, _ in EXPORTS])
def test_without_the_words_people_were_shown_no_export_makes_anybody_active(
    database: Database, now: datetime, name: str
) -> None:
    assert bring(database, now, name).imported == 0
    with database.snapshot() as session:
        assert not list(session.connection().execute(subscribers.audience(session, "world-brief", now).eligible))


def test_what_a_platform_witnessed_is_kept_as_evidence_with_its_network_cut(database: Database, now: datetime) -> None:
    bring(database, now, "mailchimp_subscribed.csv", shown=SHOWN)
    with database.snapshot() as session:
        [anna] = subscribers.show(session, KEYS, Address.parse("anna@inbox.test")).events
        [cleo] = subscribers.show(session, KEYS, Address.parse("cleo@inbox.test")).events
    kept = dict(anna.evidence)
    assert kept["given_at"] == "2021-03-04T09:12:30.000Z"
    assert kept["source"] == "Mailchimp, from 203.0.113.0/24"
    assert kept["method"] == "double opt-in"
    assert dict(cleo.evidence)["source"] == "Mailchimp, from 2001:db8:5::/48"
    assert dict(cleo.evidence)["method"] == "sign-up form"


def test_what_another_platform_knew_does_not_end_a_later_confirmation_here(database: Database, now: datetime) -> None:
    subscribe(database, now, "emil@inbox.test")
    subscribe(database, now, "fred@inbox.test")
    done = bring(database, now, "mailchimp_unsubscribed.csv")
    assert (done.unchanged, done.ended) == (1, 2)
    assert standing(database, "emil")[0] == "active"
    assert standing(database, "fred") == ("ended", "complained", ("complained",))


def test_who_was_imported_as_active_ends_when_the_platform_says_they_left(database: Database, now: datetime) -> None:
    proof = "email,consent_at,consent_source,consent_wording,consent_method\nemil@inbox.test,2020-05-01,x,Yes,box\n"
    job = ImportJob(file="a.csv", newsletter="world-brief", by="ed", now=now)
    subscribers.import_csv(database.transaction, KEYS, io.BytesIO(proof.encode()), job)
    assert state(database, "emil@inbox.test") == "active"
    bring(database, now, "mailchimp_unsubscribed.csv")
    assert standing(database, "emil") == ("ended", "withdrawn", ())


def test_in_one_file_leaving_is_stronger_than_any_evidence(database: Database, now: datetime) -> None:
    header = "Email Address,Status,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,UNSUB_TIME,CLEAN_TIME,LEID,EUID\n"
    proof = "2021-01-01 00:00:00,203.0.113.1,2021-01-01 00:00:00,203.0.113.1"
    rows = f"a@x.org,subscribed,{proof},,,1,1\na@x.org,unsubscribed,{proof},2022-01-01 00:00:00,,1,1\n"
    job = ImportJob(file="a.csv", newsletter="world-brief", by="ed", now=now, shown=SHOWN)
    done = subscribers.import_csv(database.transaction, KEYS, io.BytesIO((header + rows).encode()), job)
    assert (done.imported, done.ended, done.unchanged) == (0, 1, 1)
    assert state(database, "a@x.org") == "ended"


def test_the_nonsubscribed_of_mailchimp_are_told_by_the_name_of_their_file(database: Database, now: datetime) -> None:
    data = (CORPUS / "mailchimp_subscribed.csv").read_bytes()
    job = ImportJob(file="nonsubscribed_audience_1.csv", newsletter="world-brief", by="ed", now=now, shown=SHOWN)
    assert subscribers.import_csv(database.transaction, KEYS, io.BytesIO(data), job).imported == 0


AMBIGUOUS = [
    (
        ["uuid", "email", "name", "attributes", "status", "created_at", "updated_at", "consent_at"],
        "",
        "csv or listmonk",
    ),
    (["email"], "acme", "there is no loader 'acme'; there are csv"),
    (["email", "name"], "ghost", "no export of Ghost"),
]


@pytest.mark.parametrize(("header", "wanted", "reason"), AMBIGUOUS)
def test_a_doubtful_header_is_refused_with_what_to_do(header: list[str], wanted: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        plan(header, wanted, "a.csv")


def test_a_loader_may_be_named(database: Database, now: datetime) -> None:
    assert bring(database, now, "keila.csv", loader="keila").ended == 2
    with pytest.raises(ImportRefused, match="no export of Ghost"):
        bring(database, now, "keila.csv", loader="ghost")


def test_every_loader_has_an_export_in_the_corpus() -> None:
    headers = [(name, (CORPUS / name).read_text("utf-8").splitlines()[0]) for name, _ in EXPORTS]
    plain = [(name, text.replace("\t", ",").replace('"', "").split(",")) for name, text in headers]
    tested = {plan(header, "", name).loader.name for name, header in plain}
    assert tested | {"csv", "worldbrief"} == set(LOADERS)
