"""The sending processes: as many as are asked for, kept alive, and gone with whoever started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from newsletter.cli.senders import Part
from newsletter.database import Database
from newsletter.delivery.ledger import WORKERS
from tests.cli.conftest import ROOT, Run

SECONDS = 30
T = TypeVar("T")


def test_a_part_is_one_of_so_many() -> None:
    assert Part.parse("2/4") == Part(number=2, of=4)
    assert str(Part(number=2, of=4)) == "2/4"
    for wrong in ("", "2", "0/4", "5/4", "2/0", "a/b", "2/4/6", "-1/4"):
        with pytest.raises(ValueError, match="no part"):
            Part.parse(wrong)


def test_senders_are_kept_alive_and_end_with_who_started_them(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init").code == 0
    database = Database(f"sqlite:///{home / 'worldbrief.db'}")

    def working() -> set[int]:
        with database.snapshot() as session:
            pids = session.connection().execute(sa.select(WORKERS.c.pid)).scalars()
            return {pid for pid in pids if _lives(pid)}

    environ = os.environ | {"WORLD_BRIEF_HOME": str(home), "WORLD_BRIEF_DELIVERY__PROCESSES": "2"}
    with subprocess.Popen([sys.executable, "-m", "newsletter", "work"], cwd=ROOT, env=environ) as parent:
        first = _awaited(working, lambda found: len(found) == 2)
        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        second = _awaited(working, lambda found: len(found) == 2 and killed not in found)
        assert len(first & second) == 1
        parent.kill()
        parent.wait()
        assert _awaited(working, lambda found: not found) == set()
    database.close()


def test_who_is_told_to_stop_stops_its_senders(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init").code == 0
    database = Database(f"sqlite:///{home / 'worldbrief.db'}")

    def working() -> int:
        with database.snapshot() as session:
            return len(session.connection().execute(sa.select(WORKERS.c.pid)).all())

    environ = os.environ | {"WORLD_BRIEF_HOME": str(home)}
    with subprocess.Popen([sys.executable, "-m", "newsletter", "work"], cwd=ROOT, env=environ) as parent:
        assert _awaited(working, lambda found: found == 1) == 1
        parent.terminate()
        assert parent.wait(timeout=SECONDS) == 0
    assert working() == 0
    database.close()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _awaited(look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    until = time.monotonic() + SECONDS
    while not wanted(found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_a_sender_loads_nothing_that_only_renders_or_serves() -> None:
    heavy = {"alembic", "babel", "css_inline", "fastapi", "jinja2", "lxml", "markdown_it", "mjml", "nh3"}
    program = "import sys, newsletter.cli.sender; print(*{one.partition('.')[0] for one in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert heavy.isdisjoint(loaded.split())
