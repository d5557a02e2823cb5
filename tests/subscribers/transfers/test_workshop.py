"""A second process makes a long import faster, and nothing else: what is stored is the same without it."""

import io
import signal
from collections.abc import Iterator
from datetime import datetime

import pytest

import subscribers
from newsletter.database import Database
from subscribers import Imported, ImportJob
from subscribers.keys import Keys
from subscribers.transfers import imports, workshop
from subscribers.transfers.csv_rows import CsvRow
from subscribers.transfers.drafts import Drafted
from subscribers.transfers.loaders import plan
from tests.subscribers.people import KEYS

HEADER = "email,consent_at,consent_source,consent_wording,consent_method"
PROOF = '2024-05-01T10:00:00.123456+02:00,old shop,"Ja, gerne",checkbox'
ROWS = [f"reader{n}@example.org,{PROOF}" if n % 3 else f"reader{n}@example.org,,,," for n in range(60)] + ["nobody"]


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, and help from the second one on."""
    monkeypatch.setattr(imports, "BATCH", 10)
    monkeypatch.setattr(workshop, "HELP_FROM_ROWS", 10)
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def bring(database: Database, now: datetime) -> Imported:
    job = ImportJob(file="people.csv", newsletter="world-brief", by="ed", now=now)
    data = "\n".join([HEADER, *ROWS]).encode()
    done = subscribers.import_csv(database.transaction, KEYS, io.BytesIO(data), job)
    with database.snapshot() as session:
        verdict = subscribers.verify(session, KEYS)
    assert verdict.ok
    assert verdict.events == 60
    return done


@pytest.mark.usefixtures("early")
def test_with_help_the_import_is_the_same(database: Database, now: datetime) -> None:
    done = bring(database, now)
    assert (done.imported, done.unknown, [one.row for one in done.refused]) == (40, 20, [62])
    with database.snapshot() as session:
        found = subscribers.show(session, KEYS, subscribers.Address.parse("reader59@example.org"))
        [event] = found.events
        ids = list(session.connection().execute(subscribers.audience(session, "world-brief", now).eligible).scalars())
        letters = subscribers.recipients(session, KEYS, ids, "world-brief", now).values()
    assert dict(event.evidence)["given_at"] == "2024-05-01T08:00:00.123Z"
    assert dict(event.evidence)["row"] == "61"
    addresses = {one.address for one in letters if isinstance(one, subscribers.Recipient)}
    assert addresses == {f"reader{n}@example.org" for n in range(60) if n % 3}
    again = bring(database, now)
    assert (again.imported, again.unchanged) == (0, 60)


def drafting(count: int, now: datetime) -> workshop.Drafting:
    def batches() -> Iterator[list[CsvRow]]:
        for start in range(0, count, 10):
            yield [CsvRow(line=n, fields=(f"reader{n}@example.org",)) for n in range(start, start + 10)]

    job = ImportJob(file="people.csv", newsletter="world-brief", by="ed", now=now)
    return workshop.Drafting(KEYS, plan(["email"], "", ""), job, batches())


@pytest.mark.usefixtures("early")
def test_a_helper_that_dies_loses_no_row(now: datetime) -> None:
    made = drafting(60, now)
    found: list[Drafted] = []
    for one in made:
        found.append(one)
        if len(found) == 3 and made._helper:
            made._helper.send_signal(signal.SIGKILL)
            made._helper.wait()
    assert [draft.row for one in found for draft in one.drafts] == list(range(60))
    assert made._helper is None
    made.close()


@pytest.mark.usefixtures("early")
def test_the_helper_is_gone_when_the_import_is(now: datetime) -> None:
    made = drafting(60, now)
    steps = iter(made)
    for _ in range(3):
        next(steps)
    helper = made._helper
    assert helper is not None
    assert helper.poll() is None
    made.close()
    assert helper.poll() is not None


@pytest.mark.usefixtures("early")
def test_chance_that_was_given_stays_where_it_was_given(database: Database, now: datetime) -> None:
    made = drafting(30, now)
    made._keys = Keys(bytes(32), chance=bytes)
    assert sum(one.rows for one in made) == 30
    assert made._helper is None


def test_what_was_there_already_is_not_sealed_again(now: datetime) -> None:
    made = drafting(20, now)
    steps = iter(made)
    assert next(steps).drafts[0].seals
    made.tell(changed=0, of=10)
    assert next(steps).drafts[0].seals is None


@pytest.mark.usefixtures("early")
def test_where_no_helper_can_be_started_the_work_is_done_here(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    made = drafting(60, now)
    assert [draft.row for one in made for draft in one.drafts] == list(range(60))
    assert made._helper is None
