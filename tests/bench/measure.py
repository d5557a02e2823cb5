"""What every benchmark shares: how much to do, alternated rounds, medians, the machine, a table to print and keep."""

import json
import os
import platform
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table as Printed

Cell = str | int | float
Runs = Mapping[str, Callable[[], float]]


def _silent(_text: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured: a share of the full sizes, in so many rounds; `tell` says what goes on.

    Without `every` one kind of several that are alike is enough.
    """

    share: float
    rounds: int
    servers: bool = True
    every: bool = True
    tell: Callable[[str], None] = _silent

    def size(self, full: int, least: int = 1) -> int:
        return max(int(full * self.share), least)


FULL: Final = Scale(share=1.0, rounds=5)
QUICK: Final = Scale(share=0.1, rounds=3)
TINY: Final = Scale(share=0.002, rounds=1, servers=False, every=False)  # no other server than the postbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a benchmark found: rows under columns that name their units, and what must be known to read them."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def printed(self) -> Printed:
        """As Markdown, which a terminal shows as well and a README takes as it is."""
        table = Printed(box=box.MARKDOWN)
        for n, column in enumerate(self.columns):
            table.add_column(column, justify="left" if isinstance(self.rows[0][n], str) else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*(shown(cell) for cell in row))
        return table

    def write(self, folder: Path, surroundings: Mapping[str, object]) -> Path:
        """Keep it as bench-<name>.json."""
        path = folder / f"bench-{self.name}.json"
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        told = {"name": self.name, "title": self.title, **surroundings, "rows": rows, "notes": self.notes}
        path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")
        return path


def shown(cell: Cell) -> str:
    """A number with three digits that mean something."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 100:
        return f"{cell:,.0f}"
    return f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.2f}" if abs(cell) >= 1 else f"{cell:.3f}"


def timed(call: Callable[[], object], times: int = 1) -> float:
    """Seconds for one call, on average."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def alternated(scale: Scale, runs: Runs, what: str = "") -> dict[str, list[float]]:
    """The measurement of each run, round by round; within a round the order is drawn, so that no drift favours one."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    order, chance = list(runs), random.Random(20261123)
    for number in range(scale.rounds):
        chance.shuffle(order)
        for name in order:
            scale.tell(f"{what} round {number + 1} of {scale.rounds}: {name}")
            found[name].append(runs[name]())
    return found


def middle(values: Sequence[float]) -> float:
    return statistics.median(values)


def ratio(of: Sequence[float], to: Sequence[float]) -> float:
    """The median of the rounds' ratios, which drift less than the ratio of two medians."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the figures were measured on."""

    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    processor: str = field(default_factory=_processor)
    system: str = field(default_factory=lambda: f"{platform.system()} {platform.release()}")
    python: str = field(default_factory=platform.python_version)
    sqlite: str = sqlite3.sqlite_version

    def __str__(self) -> str:
        return f"{self.cores} cores of {self.processor}, {self.system}, Python {self.python}, SQLite {self.sqlite}"

    def surroundings(self, others: float | None, seconds: float) -> dict[str, object]:
        return {"machine": asdict(self), "cores busy with other work": others, "seconds": round(seconds, 1)}


class Neighbours:
    """How many cores other programs kept busy since it was made: a figure measured beside much other work is none."""

    def __init__(self) -> None:
        self._began, self._before = time.monotonic(), self._foreign()

    def cores(self) -> float | None:
        after = self._foreign()
        if after is None or self._before is None:
            return None
        return max(0.0, round((after - self._before) / max(time.monotonic() - self._began, 1e-9), 2))

    @staticmethod
    def _foreign() -> float | None:
        """CPU seconds of the machine that were not ours or our children's."""
        try:
            user, nice, system = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:4]
        except OSError:
            return None
        busy = (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
        return busy - sum(os.times()[:4])
