"""Importing subscribers with their evidence, and proving the consent ledger whole."""

import csv
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Final

from email_validator import validate_email

import subscribers
from newsletter.database import Database
from subscribers import Address, ImportJob, Issuer, Office, Signer, new_key
from tests.bench.engines import Engines, engines, notes
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio, timed
from tests.builders import MORNING, SITE
from tests.delivery.newsroom import KEYS, NEWSLETTER

LIST: Final = "a plain list"
CONSENT: Final = f"{(MORNING - timedelta(days=30)).isoformat()},form,Sign up to receive World Brief.,button"
CERTIFIED: Final = 20
OFFICE: Final = Office(
    issuer=Issuer(name="Bench", address="", contact="", url=SITE, country="", authority="", relay="localhost"),
    newsletters={},
    signer=Signer("worldbrief.test/consent-ledger", new_key(bytes(32))),
)
HEADER: Final = "email,consent_at,consent_source,consent_wording,consent_method"


def run(scale: Scale) -> Table:
    """20,000 rows into an empty database, and every consent event of it checked."""
    count = scale.size(20_000, least=20)
    rows = file(count)
    with engines(scale) as made:
        found = alternated(scale, _runs(made, rows), "people")
        said = notes(made)
    return Table(
        name="people",
        title="People and their consent",
        columns=("work", "items", "items/s", "ratio"),
        rows=tuple(_row(name, count, rates, found) for name, rates in found.items()),
        notes=(
            "import: evidence checked, address sealed, consent event chained, subscription stored; rows a second.",
            "a plain list: csv, email-validator, one UNIQUE column of addresses as text, in one transaction on SQLite.",
            "verify: hashes, chain, seals and subscriptions replayed; events a second; ratio to the import of them.",
            "certify: receipts a second, each proved against a signed checkpoint; ratio to the import of a row.",
            *said,
        ),
    )


def _row(name: str, count: int, rates: list[float], found: dict[str, list[float]]) -> tuple[Cell, ...]:
    against = f"import, {name.partition(', ')[2]}" if name.startswith(("verify", "certify")) else LIST
    said = "" if name == LIST else f"{ratio(rates, found[against]):.2f} of {against}"
    return name, count, int(middle(rates)), said


def _runs(made: Engines, rows: list[str]) -> dict[str, Callable[[], float]]:
    runs: dict[str, Callable[[], float]] = {LIST: partial(_list, rows)}
    for name, opened in made.items():
        filled = opened()
        fill(filled, rows)
        runs[f"import, {name}"] = partial(_import_anew, opened, rows)
        runs[f"verify, {name}"] = partial(_verify, filled, len(rows) - 1)
        runs[f"certify, {name}"] = partial(_certify, filled, len(rows) - 1)
    return runs


def _import_anew(opened: Callable[[], Database], rows: list[str]) -> float:
    return fill(opened(), rows)


def file(count: int) -> list[str]:
    """The lines of a file of so many people with their evidence."""
    return [f"{line}\n" for line in (HEADER, *(f"reader{n:06}@inbox.test,{CONSENT}" for n in range(count)))]


def fill(database: Database, rows: list[str]) -> float:
    """Import such a file; rows a second."""
    job = ImportJob(file="bench", newsletter=NEWSLETTER.key, by="bench", now=MORNING)
    lines = [row.encode() for row in rows]
    answers = []
    seconds = timed(lambda: answers.append(subscribers.import_csv(database.transaction, KEYS, lines, job)))
    assert answers[0].imported == len(rows) - 1
    database.close()
    return (len(rows) - 1) / seconds


def _verify(database: Database, count: int) -> float:
    with database.snapshot() as session:
        verdicts = []
        seconds = timed(lambda: verdicts.append(subscribers.verify(session, KEYS)))
    assert verdicts[0].ok
    assert verdicts[0].events == count
    return count / seconds


def _certify(database: Database, count: int) -> float:
    subscribers.grow(database.transaction)
    some = [Address.parse(f"reader{count * n // CERTIFIED:06}@inbox.test") for n in range(CERTIFIED)]

    def certify() -> None:
        for one in some:
            with database.transaction() as session:
                made = subscribers.certify(session, KEYS, OFFICE, one, MORNING)
            assert subscribers.check_receipt(made, OFFICE.signer.verifier) == 1

    return CERTIFIED / timed(certify)


def _list(rows: list[str]) -> float:
    def keep() -> None:
        with closing(sqlite3.connect(":memory:")) as connection, connection:
            connection.execute("CREATE TABLE reader (address TEXT NOT NULL UNIQUE)")
            addresses = (
                (validate_email(row["email"], check_deliverability=False, test_environment=True).normalized,)
                for row in csv.DictReader(rows)
            )
            connection.executemany("INSERT INTO reader VALUES (?)", addresses)
            [(kept,)] = connection.execute("SELECT count(*) FROM reader")
        assert kept == len(rows) - 1

    return (len(rows) - 1) / timed(keep)
