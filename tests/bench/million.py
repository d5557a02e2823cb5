"""An import of a million rows by the command an operator types: how long, how much work, how much memory."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.children import ROOT
from tests.bench.engines import folder
from tests.bench.measure import Scale, Table, alternated, middle, ratio
from tests.bench.people import HEADER
from tests.builders import MORNING

LOOK_SECONDS: Final = 0.05
PROOF: Final = f"{(MORNING - timedelta(days=300)).isoformat()},https://example.org/signup,Send me World Brief.,button"


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """One import; `peak_mb` is the sum of what each of its processes held at most."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run(scale: Scale) -> Table:
    """A tenth of a million rows, and all of it, each into an empty home on SQLite."""
    held: dict[str, list[Took]] = {}
    with folder() as place:
        sizes = {f"{rows:,}": rows for rows in (scale.size(100_000, least=20), scale.size(1_000_000, least=200))}
        runs = {name: partial(_microseconds, place, rows, held.setdefault(name, [])) for name, rows in sizes.items()}
        # Once: a million rows are rounds enough in themselves.
        found = alternated(replace(scale, rounds=1), runs, "million")
    few = next(iter(sizes))
    return Table(
        name="million",
        title="An import of a million",
        columns=("rows", "seconds", "rows/s", "µs CPU a row", "peak MB", f"ratio to {few}"),
        rows=tuple(
            (
                sizes[name],
                middle([one.seconds for one in held[name]]),
                int(1e6 / middle(cost)),
                middle([1e6 * one.cpu_seconds / sizes[name] for one in held[name]]),
                middle([one.peak_mb for one in held[name]]),
                ratio(cost, found[few]),
            )
            for name, cost in found.items()
        ),
        notes=(
            "`worldbrief subscriber import` from start to end: evidence checked, addresses and evidence sealed by a",
            "key of each person’s own, events chained, all stored. CPU and memory (Linux) of both its processes.",
            "One round.",
        ),
    )


def _microseconds(place: Path, rows: int, held: list[Took]) -> float:
    file = place / f"{rows}.csv"
    if not file.exists():
        # In no order an index would like.
        lines = (f"reader.{n * 7_919 % rows:07}@inbox{n % 997}.test,{PROOF}\n" for n in range(rows))
        with file.open("w", encoding="utf-8") as sink:
            sink.write(f"{HEADER}\n")
            sink.writelines(lines)
    with folder() as home:
        took = _import(file, home)
    held.append(took)
    return 1e6 * took.seconds / rows


def _import(file: Path, home: Path) -> Took:
    surroundings = os.environ | {"WORLD_BRIEF_HOME": str(home), "WORLD_BRIEF_CONFIG": str(ROOT / "config.toml")}
    command = [sys.executable, "-m", "newsletter", "subscriber", "import", str(file)]
    peaks: dict[int, float] = {}
    started = time.monotonic()
    worked = os.times()
    # Ctrl-C is ours to answer.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=surroundings,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        try:
            while running.poll() is None:
                peaks |= _peaks(running.pid)
                time.sleep(LOOK_SECONDS)
        finally:
            running.kill()
    seconds, done = time.monotonic() - started, os.times()
    assert running.returncode == 0, "every row was imported"
    cpu = done.children_user - worked.children_user + done.children_system - worked.children_system
    return Took(seconds=seconds, cpu_seconds=cpu, peak_mb=sum(peaks.values()))


def _peaks(pid: int) -> dict[int, float]:
    """The most memory that a process and its children ever held, in MB; nothing where the kernel does not tell."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except OSError:
        return {}
    held = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    # One that has just ended holds nothing any more, and must not be put down as such.
    found = dict.fromkeys([pid] if held else [], held / 1000)
    for one in children:
        found |= _peaks(int(one))
    return found
