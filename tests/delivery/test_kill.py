"""`kill -9` in mid-mailing: nothing is lost, and what may have come twice is the same to the byte, and listed."""

import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import subscribers
from newsletter.database import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.editions.workflow import State
from newsletter.postbox import Postbox, running
from tests.delivery.builders import counts
from tests.delivery.newsroom import KEYS, NEWSLETTER, arrivals, everybody, make_config, sending, state

ROOT = Path(__file__).parents[2]
READERS = 240
KILLS = {"sqlite": 3, "postgresql": 1}
CONNECTIONS = make_config().relay.connections


def _sender(database: Database, port: int, mailing: MailingId, now: datetime) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.delivery.sender", database.url, str(port), str(mailing), now.isoformat()]
    return subprocess.Popen(command, cwd=ROOT)


def _kill_after(box: Postbox, process: "subprocess.Popen[bytes]", letters: int, pause: float) -> None:
    """Let so many more letters arrive, wait a moment, and kill."""
    goal = box.count + letters
    while box.count < goal:
        assert process.poll() is None, "the sender was done before it could be killed"
        time.sleep(0.0005)
    time.sleep(pause)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _listed(database: Database, mailing: MailingId, now: datetime) -> list[str]:
    """The addresses of the letters listed as uncertain."""
    with database.snapshot() as session:
        ids = [line.recipient for line in ledger.uncertain(session, mailing)]
        found = subscribers.recipients(session, KEYS, ids, NEWSLETTER.key, now)
    return [person.address for person in (found[one] for one in ids) if isinstance(person, subscribers.Recipient)]


def test_a_killed_sender_loses_nothing_and_doubles_at_most_what_was_in_flight(
    database: Database, now: datetime
) -> None:
    chance = random.Random(20261123)
    kills = KILLS[database.dialect]
    with running(Postbox()) as box:
        mailing = sending(database, make_config(chunk_size=50), READERS, now)
        for n in range(kills):
            process = _sender(database, box.port, mailing, now)
            _kill_after(box, process, chance.randrange(5, 40), chance.random() * 0.004)
            tally = counts(database, mailing)
            assert sum(tally.values()) == READERS
            assert tally["accepted"] < READERS, "it was killed in mid-mailing"
            assert len(_listed(database, mailing, now)) <= CONNECTIONS * n
        process = _sender(database, box.port, mailing, now)
        assert process.wait(timeout=60) == 0
    with database.snapshot() as session:
        assert ledger.accounts(session, mailing) == Accounts(due=READERS, accepted=READERS)
    assert state(database, now) is State.SENT
    _check_the_inbox(box, _listed(database, mailing, now), kills)


def _check_the_inbox(box: Postbox, listed: list[str], kills: int) -> None:
    arrived = arrivals(box)
    assert set(arrived) == set(everybody(READERS)), "nothing is lost"
    assert len(listed) <= CONNECTIONS * kills
    doubled = arrived - everybody(READERS)
    assert set(doubled) <= set(listed), "whatever came twice is listed"
    assert doubled.total() <= len(listed)
    bytes_of = defaultdict(set)
    for one in box.messages:
        bytes_of[one.rcpt_to[0]].add((one.mail_from, one.data))
    assert {len(versions) for versions in bytes_of.values()} == {1}, "and is the same to the byte"
