"""A dry run says exactly what the import would do, and does nothing."""

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import SQLModel

import subscribers
from newsletter.database import Database
from subscribers import Address, ImportJob, ImportRefused, SuppressionReason
from subscribers.ledger.evidence import digest
from subscribers.transfers import imports, rehearsal
from tests.subscribers.people import KEYS, WORDING, leave_token, subscribe

CORPUS = Path(__file__).parents[2] / "corpus" / "imports"
HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
PROOF = "2024-05-01,old shop,Yes please,checkbox"


def job(now: datetime, shown: str = "") -> ImportJob:
    return ImportJob(file="people.csv", newsletter="world-brief", by="ed", now=now, wordings=(WORDING,), shown=shown)


def both(database: Database, one: ImportJob, data: bytes) -> tuple[subscribers.Rehearsal, subscribers.Imported]:
    """What is foretold, and what then happens."""
    before = contents(database)
    told = subscribers.rehearse(database.snapshot, KEYS, io.BytesIO(data), one)
    assert contents(database) == before
    return told, subscribers.import_csv(database.transaction, KEYS, io.BytesIO(data), one)


def contents(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.snapshot() as session:
        connection = session.connection()
        return {
            table.name: [tuple(row) for row in connection.execute(table.select())]
            for table in SQLModel.metadata.sorted_tables
        }


def test_every_row_is_foretold_with_its_reason(database: Database, now: datetime) -> None:
    subscribe(database, now, "here@example.org")
    subscribe(database, now, "left@example.org")
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, leave_token(database, "left@example.org"), now, "button")
        subscribers.suppress(session, KEYS, Address.parse("no@example.org"), SuppressionReason.LEGAL, "ed", now)
    rows = [
        f"new@example.org,{PROOF}",
        "bare@example.org,,,,",
        f"here@example.org,{PROOF}",
        f"left@example.org,{PROOF}",
        f"no@example.org,{PROOF}",
        "NEW@example.org,,,,",
        f"named@example.org,2024-05-01,shop,{'0' * 64},box",
        "nobody",
    ]
    told, done = both(database, job(now), (HEADER + "\n".join(rows)).encode())
    assert told.outcome == done
    reasons = {
        sample.row: (fate, sample.address, sample.reason) for fate in told.samples for sample in told.samples[fate]
    }
    assert reasons == {
        2: ("imported", "n…@example.org", "consent of 2024-05-01, old shop"),
        3: ("unknown", "b…@example.org", "no complete evidence of consent"),
        4: ("unchanged", "h…@example.org", "is active here"),
        5: ("unchanged", "l…@example.org", "is ended (withdrawn) here"),
        6: ("suppressed", "n…@example.org", "is suppressed here"),
        7: ("unchanged", "N…@example.org", "another row has this address"),
        8: ("unknown", "n…@example.org", "nobody has the wording of this digest"),
    }


@pytest.mark.parametrize("name", sorted(file.name for file in CORPUS.glob("*.csv")))
def test_exports_of_others_are_foretold_too(database: Database, now: datetime, name: str) -> None:
    told, done = both(database, job(now, "Send me the morning letter."), (CORPUS / name).read_bytes())
    assert told.outcome == done
    assert told.loader == name.partition(".")[0].partition("_")[0]


ROWS = st.lists(
    st.sampled_from(
        [
            f"{who}@example.org,{proof}"
            for who in "ab"
            for proof in (PROOF, ",,,", f"2024-05-01,s,{digest('Yes please')},b")
        ]
        + ["nobody", "NO@example.org,,,,"]
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, size=st.integers(1, 3))
def test_whatever_the_batches_the_dry_run_is_exact(
    fresh: Callable[[], Database], now: datetime, rows: list[str], size: int
) -> None:
    database = fresh()
    with database.transaction() as session:
        subscribers.suppress(session, KEYS, Address.parse("no@example.org"), SuppressionReason.LEGAL, "ed", now)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imports, "BATCH", size)
        patch.setattr(rehearsal, "BATCH", size)
        told, done = both(database, job(now), (HEADER + "\n".join(rows)).encode())
    assert told.outcome == done
    database.close()


def test_in_an_export_too_the_order_of_the_batches_is_foretold(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 1)
    monkeypatch.setattr(rehearsal, "BATCH", 1)
    header = "email,first name,last name,data,status\n"
    rows = ["a@x.org,,,,active", "a@x.org,,,,unsubscribed", "a@x.org,,,,active", "b@x.org,,,,unreachable"]
    told, done = both(database, job(now), (header + "\n".join(rows)).encode())
    assert told.outcome == done
    assert (done.unknown, done.ended, done.unchanged) == (1, 2, 1)


def test_a_file_that_is_no_list_is_refused_as_it_would_be(database: Database, now: datetime) -> None:
    with pytest.raises(ImportRefused, match="no column `email`"):
        subscribers.rehearse(database.snapshot, KEYS, [b"name\n"], job(now))
