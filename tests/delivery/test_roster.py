"""A dead process is seen to be dead, and a living one is left alone."""

import socket
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta

from newsletter.database import Database
from newsletter.delivery import roster
from newsletter.delivery.roster import Worker
from tests.delivery.builders import lease_one, open_one


def _enrol(database: Database, worker: Worker, now: datetime) -> None:
    with database.transaction() as session:
        roster.enrol(session, worker, now)


def _dead(database: Database) -> list[str]:
    with database.snapshot() as session:
        return roster.dead(session)


def _ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_living_process_is_not_dead(database: Database, now: datetime) -> None:
    first, second = roster.this_worker(), roster.this_worker()
    assert first.id != second.id, "two workers of one process are told apart"
    for worker in (first, second):
        _enrol(database, worker, now)
    assert _dead(database) == []


def test_an_ended_process_is_dead_and_its_leases_are_free_at_once(database: Database, now: datetime) -> None:
    gone = Worker(host=socket.gethostname(), pid=_ended(), started="1.1")
    open_one(database, 3, now)
    _enrol(database, gone, now)
    lease_one(database, now, worker=gone.id)
    assert _dead(database) == [gone.id]
    with database.transaction() as session:
        roster.retire(session, gone.id)
    assert _dead(database) == []
    assert lease_one(database, now, worker="w2").epoch == 2


def test_a_process_that_got_a_dead_ones_number_does_not_pass_for_it(database: Database, now: datetime) -> None:
    impostor = replace(roster.this_worker(), started="1.1")
    _enrol(database, impostor, now)
    assert _dead(database) == [impostor.id]


def test_of_another_machines_workers_nothing_is_known(database: Database, now: datetime) -> None:
    _enrol(database, Worker(host="elsewhere", pid=_ended(), started="1.1"), now)
    assert _dead(database) == []


def test_a_worker_silent_for_a_day_is_forgotten(database: Database, now: datetime) -> None:
    gone = Worker(host=socket.gethostname(), pid=_ended(), started="1.1")
    _enrol(database, gone, now - timedelta(days=2))
    _enrol(database, roster.this_worker(), now)
    assert _dead(database) == []
