"""The roster of sending processes: who lives, so that what a dead one held is free at once and not at its lease's end.

Only a worker's own machine can tell; of others' workers the lease alone decides.
"""

import itertools
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from newsletter.delivery.ledger import CHUNKS, WORKERS
from newsletter.errors import LedgerError

# After this long without a heartbeat a row of another machine's worker is only litter.
FORGET_AFTER: Final = timedelta(days=1)
AT_WORK: Final = timedelta(minutes=1)
_numbers: Final = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A sender within a process; `started` tells the process from a later one of the same number."""

    host: str
    pid: int
    started: str

    @property
    def id(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}"


def this_worker() -> Worker:
    """A new worker of this process."""
    pid = os.getpid()
    return Worker(host=socket.gethostname(), pid=pid, started=f"{_started(pid)}.{next(_numbers)}")


def enrol(session: Session, worker: Worker, now: datetime) -> None:
    """Say that a worker lives, and forget those long gone."""
    connection = session.connection()
    connection.execute(sa.delete(WORKERS).where(WORKERS.c.heartbeat_at < now - FORGET_AFTER))
    connection.execute(sa.insert(WORKERS).values(id=worker.id, host=worker.host, pid=worker.pid, heartbeat_at=now))


def retire(session: Session, worker: str) -> None:
    """Strike a worker that ended or died, and end its leases, so that others need not wait for their expiry."""
    connection = session.connection()
    connection.execute(sa.update(CHUNKS).where(CHUNKS.c.worker == worker).values(lease_until=None, worker=None))
    connection.execute(sa.delete(WORKERS).where(WORKERS.c.id == worker))


def require_none(session: Session, now: datetime) -> None:
    """Raise LedgerError while a worker is at work, who would not know of what is about to change."""
    lately = sa.select(WORKERS.c.id).where(WORKERS.c.heartbeat_at > now - AT_WORK)
    if session.connection().execute(lately.limit(1)).first() is not None:
        raise LedgerError("a sender is at work, or was in the last minute; stop `worldbrief run` and `worldbrief work`")


def dead(session: Session) -> list[str]:
    """The workers of this machine whose process is gone."""
    here = sa.select(WORKERS.c.id, WORKERS.c.pid).where(WORKERS.c.host == socket.gethostname())
    return [row.id for row in session.connection().execute(here) if not _lives(row.id, row.pid)]


def _lives(worker: str, pid: int) -> bool:
    if Path("/proc/self/stat").exists():
        return worker.rpartition(":")[2].rpartition(".")[0] == _started(pid) != ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty for a dead one, and where the kernel does not say."""
    try:
        # proc(5): the name in brackets may hold anything; the state follows it, and 19 fields later the start.
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
