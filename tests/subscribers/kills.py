"""`python -m tests.subscribers.kills [--kills N] [--database URL]`: kill a writer again and again, at any moment.

The writer signs up, confirms and unsubscribes person after person; after each kill -9 the ledger must verify with the
subscriptions that follow from it, and hold everything the writer had been told was done (C7 of the privacy notes).
"""

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn

import subscribers
from newsletter.database import Database
from tests.bench.engines import engines
from tests.bench.measure import TINY, Scale, timed
from tests.keyring import STORE
from tests.subscribers.people import KEYS, state, subscribe

NOW: Final = datetime(2026, 11, 23, tzinfo=UTC)
PERSONS: Final = 2  # come and go at most before the kill, at the pace of this machine
FULL: Final = 1_000
OPENED, CONFIRMED, LEFT = b"-", b"+", b"."


def main(arguments: Sequence[str]) -> int:
    """Kill as often as asked; 1 when something was torn or lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.subscribers.kills", description="Kill a writer.")
    parser.add_argument("--kills", type=int, default=FULL, metavar="N", help=f"how often; {FULL} by default")
    parser.add_argument("--database", metavar="URL", help="an empty, migrated one; by default new ones of every kind")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the moments; drawn by default")
    asked = parser.parse_args(arguments)
    if asked.database:
        return _killed("the database", Database(asked.database), asked.kills, asked.seed)
    with engines(Scale(share=TINY.share, rounds=1)) as made:
        return max([_killed(name, opened(), asked.kills, asked.seed) for name, opened in made.items()])


def _killed(name: str, database: Database, kills: int, seed: int) -> int:
    chance, done = random.Random(seed), 0
    # What is worked out once is worked out before the first fork, so that a writer writes from its first moment.
    _deeds(database, "reader1@example.org")
    pace = timed(lambda: _deeds(database, "reader2@example.org"))
    for turn in range(kills):
        told = _turn(database, turn, chance.uniform(0, PERSONS * pace))
        done += len(told)
        torn = _torn(database, turn, told)
        if torn:
            sys.stdout.write(f"{name}, seed {seed}, kill {turn + 1}: {torn}\n")
            return 1
    with database.snapshot() as session:
        events = subscribers.verify(session, KEYS).events
    database.close()
    counted = f"{kills} kills, {done} deeds told as done, {events} events, nothing torn or lost"
    sys.stdout.write(f"{name}, seed {seed}: {counted}\n")
    return 0 if done else 1


def _turn(database: Database, turn: int, seconds: float) -> bytes:
    """What the writer had been told was done when it was killed, so long after it had begun."""
    # A connection that is open in two processes is nobody's: each opens its own.
    database.close()
    STORE.close()
    ours, theirs = os.pipe()
    writer = os.fork()
    if not writer:
        _write(database, turn, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as pipe:
        pipe.read(1)
        time.sleep(seconds)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        return pipe.readall()


def _write(database: Database, turn: int, told: int) -> NoReturn:
    try:
        # Its connections are opened by a first person, whom nobody counts.
        _deeds(database, _address(turn, -1))
        os.write(told, OPENED)
        for number in range(10_000):
            _deeds(database, _address(turn, number), told)
    finally:
        os._exit(1)


def _deeds(database: Database, address: str, told: int | None = None) -> None:
    token = subscribe(database, NOW, address)
    if told is not None:
        os.write(told, CONFIRMED)
    with database.transaction() as session:
        subscribers.unsubscribe(session, KEYS, token, NOW, "unsubscribe button")
    if told is not None:
        os.write(told, LEFT)


def _torn(database: Database, turn: int, told: bytes) -> str:
    """What is not as it was told, or empty."""
    with database.snapshot() as session:
        verdict = subscribers.verify(session, KEYS)
    if not verdict.ok:
        return str(verdict.broken)
    for number in range(told.count(CONFIRMED)):
        # The last one may have gone on before the pipe could tell.
        left = number < told.count(LEFT)
        found = state(database, _address(turn, number))
        if found not in ({"ended"} if left else {"active", "ended"}):
            return f"{_address(turn, number)} is {found}, and was told to have {'left' if left else 'confirmed'}"
    return ""


def _address(turn: int, number: int) -> str:
    return f"reader{number}@turn{turn}.example.org"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
