"""What leaves the house: whole, harmless to a spreadsheet, and no way back for anybody."""

import csv
import io
from collections.abc import Callable
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

import subscribers
from newsletter.database import Database
from subscribers import Address, ImportJob, SuppressionReason
from subscribers.transfers.drafts import NEUTRALISED
from subscribers.transfers.exports import Exported, neutral
from subscribers.transfers.loaders import OWN_COLUMNS
from tests.subscribers.people import KEYS, WORDING, leave_token, state, subscribe

PROOF = "2024-05-01,=cmd()|'/c calc'!A0,Yes please,checkbox\n"
HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
ODD = ("+tag@example.org", "-dash@example.org", "=calc@example.org", "'+quoted@example.org")


def export(database: Database, newsletter: str | None = "world-brief") -> str:
    with database.snapshot() as session:
        return "".join(subscribers.csv_lines(subscribers.export(session, KEYS, newsletter)))


def bring(database: Database, now: datetime, data: str, wordings: tuple[str, ...] = (WORDING,)) -> subscribers.Imported:
    job = ImportJob(file="people.csv", newsletter="world-brief", by="ed", now=now, wordings=wordings)
    done = subscribers.import_csv(database.transaction, KEYS, io.BytesIO(data.encode()), job)
    with database.snapshot() as session:
        assert subscribers.verify(session, KEYS).ok
    return done


def populate(database: Database, now: datetime) -> None:
    """One of each state."""
    for name in ("stays", "leaves", "complains", "pauses"):
        subscribe(database, now, f"{name}@example.org")
    bring(database, now, f"{HEADER}came@example.org,{PROOF}unproved@example.org,,,,\n")
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, leave_token(database, "leaves@example.org"), now, "button")
        who = Address.parse("complains@example.org")
        subscribers.suppress(session, KEYS, who, SuppressionReason.COMPLAINED, "fbl", now)
        later = now.replace(month=12)
        subscribers.pause(session, KEYS, leave_token(database, "pauses@example.org"), later, now)


def test_every_subscription_is_a_row_with_its_consent(database: Database, now: datetime) -> None:
    populate(database, now)
    rows = {row["address"]: row for row in csv.DictReader(io.StringIO(export(database)))}
    assert tuple(rows["stays@example.org"]) == OWN_COLUMNS == tuple(Exported.__slots__)
    assert {name.partition("@")[0]: row["state"] for name, row in rows.items()} == {
        "stays": "active",
        "leaves": "ended",
        "complains": "suppressed",
        "pauses": "paused",
        "came": "active",
        "unproved": "unknown",
    }
    came, stays = rows["came@example.org"], rows["stays@example.org"]
    assert (came["consent_kind"], came["consent_at"]) == ("imported", "2024-05-01T00:00:00.000Z")
    assert came["consent_source"] == "'=cmd()|'/c calc'!A0"
    assert (stays["consent_kind"], stays["consent_at"]) == ("given", "2026-11-23T05:00:00.000Z")
    assert len(stays["consent_wording"]) == 64
    assert rows["leaves@example.org"]["ended_reason"] == "withdrawn"


def test_an_export_is_of_one_newsletter_or_of_all(database: Database, now: datetime) -> None:
    subscribe(database, now, newsletter="evening")
    assert len(export(database).splitlines()) == 1
    assert len(export(database, None).splitlines()) == 2


def test_our_own_export_changes_nothing_where_it_came_from(database: Database, now: datetime) -> None:
    populate(database, now)
    before = export(database)
    done = bring(database, now, before)
    assert (done.imported, done.unknown, done.ended, len(done.refused)) == (0, 0, 0, 0)
    assert export(database) == before


def test_our_own_export_restores_nobody_who_left(
    fresh: Callable[[], Database], database: Database, now: datetime
) -> None:
    populate(database, now)
    data = export(database)
    other = fresh()
    done = bring(other, now, data, (WORDING, "Yes please"))
    assert (done.imported, done.unknown, done.ended) == (2, 2, 2)
    found = {name: state(other, f"{name}@example.org") for name in ("stays", "leaves", "complains", "pauses", "came")}
    assert found == {"stays": "active", "leaves": "ended", "complains": "ended", "pauses": "unknown", "came": "active"}
    with other.snapshot() as session:
        assert subscribers.show(session, KEYS, Address.parse("complains@example.org")).suppressions
    other.close()


def test_rows_of_another_newsletter_are_refused(database: Database, now: datetime) -> None:
    subscribe(database, now, newsletter="evening")
    done = bring(database, now, export(database, None))
    assert [one.reason for one in done.refused] == ["is of the newsletter 'evening'"]


def test_odd_addresses_survive_the_way_out_and_in(database: Database, now: datetime) -> None:
    assert bring(database, now, HEADER + "".join(f"{one},{PROOF}" for one in ODD)).imported == len(ODD)
    data = export(database)
    for row in csv.reader(io.StringIO(data)):
        assert not [cell for cell in row if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    done = bring(database, now, data)
    assert (done.unchanged, len(done.refused)) == (len(ODD), 0)


@given(st.text(st.sampled_from("'=+-@\t\r\na,\""), max_size=8) | st.text(max_size=20))
def test_no_cell_starts_what_a_spreadsheet_runs_and_each_can_be_read_back(cell: str) -> None:
    written = neutral(cell)
    assert written[:1] not in {"=", "+", "-", "@", "\t", "\r"} or not written
    assert (written[1:] if NEUTRALISED.match(written) else written) == cell


def test_a_damaged_address_costs_its_own_cell(database: Database, now: datetime) -> None:
    subscribe(database, now, "a@example.org")
    subscribe(database, now, "b@example.org")
    with database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE subscriber SET sealed = subject WHERE id = 1")
    assert [row["address"] for row in csv.DictReader(io.StringIO(export(database)))] == ["", "b@example.org"]
