"""`python -m tests.bench [NAME ...] [--quick]`: run benchmarks, print their tables, keep them as bench-<name>.json."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import (
    ceiling,
    compose,
    failover,
    features,
    growth,
    kill,
    latency,
    leaving,
    ledger,
    million,
    peers,
    people,
    preflight,
    render,
    sign,
    submission,
    throughput,
    verify,
    wire,
)
from tests.bench.measure import FULL, QUICK, Machine, Neighbours, Scale, Table

BENCHMARKS: Final[Mapping[str, Callable[[Scale], Table]]] = {
    "compose": compose.run,
    "preflight": preflight.run,
    "render": render.run,
    "sign": sign.run,
    "wire": wire.run,
    "submission": submission.run,
    "ledger": ledger.run,
    "people": people.run,
    "verify": verify.run,
    "leaving": leaving.run,
    "throughput": throughput.run,
    "ceiling": ceiling.run,
    "peers": peers.run,
    "latency": latency.run,
    "features": features.run,
    "failover": failover.run,
    "million": million.run,
    "kill": kill.run,
    "growth": growth.run,
}
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells say it
WIDTH: Final = 160  # a table is never folded: it goes into the README as it is


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Print the benchmarks’ tables.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size in fewer rounds: only to look around")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    machine, out = Machine(), Console(width=WIDTH, highlight=False)
    out.print(f"Measured on {machine}.", markup=False)
    try:
        for name in asked.names or BENCHMARKS:
            _run(name, QUICK if asked.quick else FULL, machine, out)
    except KeyboardInterrupt:
        out.print("Stopped; the tables above stand.")
        return INTERRUPTED
    return 0


def _run(name: str, scale: Scale, machine: Machine, out: Console) -> None:
    neighbours, started = Neighbours(), time.monotonic()
    with Console(stderr=True, highlight=False).status(f"{name} …") as status:
        table = BENCHMARKS[name](replace(scale, tell=lambda text: status.update(f"{text} …")))
    seconds, others = time.monotonic() - started, neighbours.cores()
    out.print(f"\n{table.title}", style="bold")
    out.print(table.printed())
    for note in table.notes:
        out.print(f"  {note}", markup=False, style="dim", soft_wrap=True)
    beside = "" if others is None else f" beside other work on {others} of {machine.cores} cores"
    path = table.write(Path.cwd(), machine.surroundings(others, seconds))
    out.print(f"  {scale.rounds} rounds in {seconds:.0f} s{beside}; {path.name}", markup=False, style="dim")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
