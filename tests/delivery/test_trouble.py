"""The whole sender against a relay that does one thing wrong, once: the ledger then says what the table names.

Nobody is lost, nobody gets two letters but who is listed as uncertain, and no reader is any other for it.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Accounts, Line, MailingId
from newsletter.delivery.outcome import DeliveryState
from newsletter.editions.workflow import State
from newsletter.errors import RelayError
from newsletter.postbox import Postbox, Service, Stage, at, running
from newsletter.relays import ONLY
from tests.builders import MORNING
from tests.delivery import certificates
from tests.delivery.faults import COMMANDS, ENVELOPE, MOVES, SILENT, cells
from tests.delivery.newsroom import VAULT, Clock, arrivals, everybody, make_config, sending, state, with_relay, work

READERS: Final = 6
FAST: Final = 3_000.0  # fifty minutes a second, for a retry that is due in five
LONG_LEASE: Final = 1_000_000
LOGIN: Final = ("desk", "right")
# Where nothing hangs a busy machine may take its time.
PATIENT_SECONDS: Final = 30.0
HASTY_SECONDS: Final = 0.5
# A letter fits into the kernel's buffers: whether its end was on the way when the line broke is a matter of moments.
EITHER: Final = {(Stage.BODY, column) for column in ("reset", "close", "half", "hang", "unasked")}
# The postbox then takes the rest of the letter for commands; who speaks ahead cannot tell its answers apart.
ASTRAY: Final = {(Stage.BODY, "451"), (Stage.BODY, "550")}
# What becomes of a mailing is kept in these tables; who is written to, in all others.
ACCOUNTS: Final = {"attempt", "chunk", "delivery", "edition", "edition_history", "mailing", "worker"}

Frozen = tuple[Path, MailingId]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Frozen:
    """A file with a mailing to six readers, of which nothing has left yet."""
    file = tmp_path_factory.mktemp("frozen") / "frozen.db"
    database = Database(f"sqlite:///{shutil.copy(migrated_file, file)}")
    mailing = sending(database, make_config(), READERS, MORNING)
    database.close()
    return file, mailing


@pytest.fixture
def ready(frozen: Frozen, tmp_path: Path) -> Iterator[tuple[Database, MailingId]]:
    """Such a mailing of this test's own."""
    file, mailing = frozen
    database = Database(f"sqlite:///{shutil.copy(file, tmp_path / 'test.db')}")
    yield database, mailing
    database.close()


def _tried() -> Iterator[object]:
    for stage, column, expected in cells(COMMANDS):
        for pipelining in ("auto", "one-write"):
            senseless = pipelining == "one-write" and (stage not in ENVELOPE or (stage, column) in ASTRAY)
            if column == "mixed" or senseless:
                continue
            wanted = "relay or doubt" if (stage, column) in EITHER else expected
            yield pytest.param(stage, column, wanted, pipelining, id=f"{stage}-{column}-{pipelining}")


def _service(stage: Stage, certificate: Path) -> Service:
    tls = certificates.served(certificate) if stage is Stage.TLS else None
    return Service(tls=tls, login=LOGIN if stage is Stage.AUTH else None)


def _config(box: Postbox, stage: Stage, certificate: Path, **changes: Any) -> Config:
    """One connection where the relay must be the worse for it, or another would find it well at once."""
    names = ("connect", "command", "data", "block", "dot")
    relay: dict[str, Any] = {f"{name}_timeout_seconds": PATIENT_SECONDS for name in names} | changes
    if stage is Stage.TLS:
        relay |= {"tls": "starttls", "ca_file": str(certificate)}
    if stage is Stage.AUTH:
        relay |= {"username": LOGIN[0]}
    return with_relay(make_config(box.port, lease_seconds=LONG_LEASE), **relay)


def _hasty(stage: Stage, column: str) -> dict[str, float]:
    """Where the relay never answers, the timeout that ends it is a short one; all others stay long."""
    if column not in SILENT:
        return {}
    name = {Stage.TLS: "connect", Stage.DATA: "data", Stage.BODY: "dot", Stage.DOT: "dot", Stage.ANSWER: "dot"}
    return {f"{name.get(stage, 'command')}_timeout_seconds": HASTY_SECONDS}


def _lines(database: Database, mailing: MailingId) -> list[Line]:
    with database.snapshot() as session:
        return [line for one in DeliveryState for line in ledger.listing(session, mailing, one)]


def _uncertain(database: Database, mailing: MailingId) -> list[Line]:
    with database.snapshot() as session:
        return ledger.uncertain(session, mailing)


def _changed(before: Path, database: Database) -> set[str]:
    """The tables in which a row is another than in that file."""
    was = Database(f"sqlite:///{before}")
    try:
        return {name for name, rows in _rows(database).items() if rows != _rows(was)[name]}
    finally:
        was.close()


def _rows(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.snapshot() as session:
        connection = session.connection()
        names = sa.inspect(connection).get_table_names()
        return {name: [tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')] for name in names}


@pytest.mark.parametrize(("stage", "column", "expected", "pipelining"), [*_tried()])
def test_one_fault_of_the_relay_has_the_outcome_of_the_table(
    ready: tuple[Database, MailingId],
    frozen: Frozen,
    certificate: Path,
    stage: Stage,
    column: str,
    expected: str,
    pipelining: str,
) -> None:
    database, mailing = ready
    script = at(stage, MOVES[column], times=1)
    with running(Postbox(script=script, service=_service(stage, certificate))) as box:
        connections = 1 if expected == "stop" else 2
        manner = {"pipelining": pipelining, "connections": connections, **_hasty(stage, column)}
        config = _config(box, stage, certificate, **manner)
        job: dict[str, Any] = {"vault": replace(VAULT, relay_passwords={ONLY: LOGIN[1]}), "patience_seconds": 0.2}
        if expected == "stop":
            with pytest.raises(RelayError, match="550"):
                work(database, config, Clock(MORNING, FAST), mailing, **job)
            assert {line.state for line in _lines(database, mailing)} == {DeliveryState.WAITING}
            assert not box.messages
        accounts = work(database, config, Clock(MORNING, FAST), mailing, **job)
    _check(expected, accounts, _lines(database, mailing), _uncertain(database, mailing))
    _check_the_inbox(box, expected, doubted=len(_uncertain(database, mailing)), refused_late=stage is Stage.ANSWER)
    assert state(database, MORNING) is State.SENT
    assert _changed(frozen[0], database) <= ACCOUNTS, "no reader is any other for it"


def _check(expected: str, accounts: Accounts, lines: list[Line], uncertain: list[Line]) -> None:
    """The ledger: how each letter ended, how often it was tried, and what is listed."""
    tries = Counter(line.attempts for line in lines)
    if expected == "refused":
        assert accounts == Accounts(due=READERS, accepted=READERS - 1, refused=1)
        [refused] = [line for line in lines if line.state is DeliveryState.REFUSED]
        assert (refused.enhanced, refused.reason) == ("5.1.1", "recipient-dead")
    else:
        assert accounts == Accounts(due=READERS, accepted=READERS)
    twice = {"later": {1}, "doubt": {1}, "relay or doubt": {0, 1}}.get(expected, {0})
    assert tries[2] in twice
    assert tries[1] + tries[2] == READERS, "what the relay did wrong is no try of a letter"
    assert len(uncertain) == (0 if expected == "later" else tries[2])


def _check_the_inbox(box: Postbox, expected: str, *, doubted: int, refused_late: bool) -> None:
    arrived = arrivals(box)
    missing, doubled = everybody(READERS) - arrived, arrived - everybody(READERS)
    assert missing.total() == (1 if expected == "refused" and not refused_late else 0)
    # At ANSWER the relay has kept the letter: if it then puts it off, it is the relay that doubles it.
    assert doubled.total() <= doubted + (1 if refused_late and expected in {"later", "relay"} else 0)
    assert len({one.data for one in box.messages}) == len(arrived), "and what came twice is the same to the byte"


@pytest.mark.parametrize(
    ("stage", "column"),
    [
        (Stage.CONNECT, "reset"),
        (Stage.BANNER, "421"),
        (Stage.MAIL, "451"),
        (Stage.RCPT, "451"),
        (Stage.DATA, "close"),
        (Stage.DOT, "451"),
        (Stage.DOT, "reset"),
    ],
)
def test_what_a_relay_held_up_past_the_expiry_never_leaves(
    ready: tuple[Database, MailingId], certificate: Path, now: datetime, stage: Stage, column: str
) -> None:
    database, mailing = ready
    with running(Postbox(script=at(stage, MOVES[column]))) as box, suppress(RelayError):
        work(database, _config(box, stage, certificate), Clock(now, 100 * FAST), mailing)
    with running(Postbox()) as box:
        late = Clock(now + timedelta(hours=21))
        accounts = work(database, _config(box, stage, certificate), late, mailing)
    assert not box.messages
    assert accounts.expired + accounts.uncertain == READERS
    assert accounts.uncertain <= len({line.recipient for line in _uncertain(database, mailing)})
    assert state(database, now) is State.SENT
