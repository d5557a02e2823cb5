"""A mailing made ready once, and sent by the product as often as asked: from the approved edition to the last accepted.

`python -m tests.bench.mailings FILE PORT CONNECTIONS` sends one in a process of its own and says what it took.
"""

import json
import os
import resource
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import subscribers
from newsletter.config import Config, Delivery
from newsletter.database import Database
from newsletter.delivery.ledger import Accounts
from newsletter.rendering.letter import Recipient
from newsletter.rendering.press import required
from newsletter.rendering.proof import Proof
from tests.bench.engines import migrated
from tests.builders import MORNING
from tests.delivery.newsroom import KEYS, NEWSLETTER, Clock, approve, make_config, make_press, ring, subscribe, work

UNREACHED: Final = 25  # the port of a relay nobody asks while a mailing is made ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A database file with an approved edition and so many subscribers; it is copied, never sent from itself."""

    file: Path
    letters: int

    def copy(self) -> Path:
        return Path(shutil.copy(self.file, self.file.with_suffix(".copy")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one sending took: dispatch, worker and ledger; by how much the file grew; the most memory its process held
    before it, and ever.
    """

    seconds: float
    cpu_seconds: float
    grown_bytes: int
    libraries_mb: float
    peak_mb: float


def shipped(port: int, connections: int) -> Config:
    """The settings of the shipped configuration, and so many connections."""
    config = make_config(port)
    return replace(config, delivery=Delivery(), relay=replace(config.relay, connections=connections))


def ready(folder: Path, letters: int) -> Ready:
    """Import the subscribers and approve the standard brief."""
    file = folder / f"{letters}.db"
    database = Database(f"sqlite:///{migrated(f'sqlite:///{file}')}")
    subscribe(database, letters, MORNING)
    approve(database, shipped(UNREACHED, 1), MORNING)
    database.close()  # the last connection to close leaves no write-ahead log behind
    return Ready(file=file, letters=letters)


def send(file: Path, port: int, connections: int) -> Sent:
    """The whole path of the product on this file: freeze the audience, send, and account for every letter."""
    config, database, before = shipped(port, connections), Database(f"sqlite:///{file}"), _most_memory_mb()
    size, worked, started = file.stat().st_size, sum(os.times()[:4]), time.perf_counter()
    accounts = work(database, config, Clock(MORNING), ring(database, config, MORNING))
    seconds, worked = time.perf_counter() - started, sum(os.times()[:4]) - worked
    database.close()
    assert accounts == Accounts(due=accounts.due, accepted=accounts.due), accounts
    return Sent(
        seconds=seconds,
        cpu_seconds=worked,
        grown_bytes=file.stat().st_size - size,
        libraries_mb=before,
        peak_mb=_most_memory_mb(),
    )


def _most_memory_mb() -> float:
    """The most this process ever held.

    On Linux getrusage counts what the process was forked from as well, so the kernel is asked for the program alone.
    """
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def recipients(ready: Ready, count: int) -> tuple[Proof, list[Recipient]]:
    """The proof, and the first readers with their tokens: what the peer is given for nothing."""
    database = Database(f"sqlite:///{ready.file}")
    press = make_press(shipped(UNREACHED, 1))
    with database.snapshot() as session:
        made = press.see(session, required(session, NEWSLETTER.key, MORNING.date()), MORNING).proof
        audience = subscribers.audience(session, NEWSLETTER.key, MORNING)
        ids = [int(one) for (one,) in session.connection().execute(audience.eligible.limit(count))]
        found = subscribers.recipients(session, KEYS, ids, NEWSLETTER.key, MORNING)
    database.close()
    return made, [
        Recipient(address=one.address, token=one.token, return_token=f"r{n:037}")
        for n, one in enumerate(found.values())
        if isinstance(one, subscribers.Recipient)
    ]


def main(file: str, port: str, connections: str) -> None:
    sent = send(Path(file), int(port), int(connections))
    sys.stdout.write(json.dumps(asdict(sent)))


if __name__ == "__main__":
    main(*sys.argv[1:])
