"""What a mailing costs as it grows: CPU and ledger a letter, the sender’s memory, and whether time stays linear."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import mailings, sinks
from tests.bench.engines import folder
from tests.bench.mailings import Ready, Sent
from tests.bench.measure import FULL, Scale, Table, alternated, middle, ratio
from tests.bench.sinks import ROOT, Sink

CONNECTIONS: Final = 8
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
AGAIN: Final = 10_000  # what takes longer is sent once: so many letters are rounds enough in themselves


def run(scale: Scale) -> Table:
    """A process of its own for each mailing, of 1,000 letters to 1,000,000."""
    held: dict[str, list[Sent]] = {}
    with folder() as place, sinks.postbox() as sink:
        # The last is for a full run alone: its letters take as long as all the rest.
        made = _made(place, scale, SIZES if scale.share >= FULL.share else SIZES[:-1])
        runs = {name: partial(_microseconds, one, sink, held.setdefault(name, [])) for name, one in made.items()}
        often = {name: one for name, one in runs.items() if made[name].letters <= AGAIN}
        found = alternated(scale, often, "growth")
        seldom = {name: one for name, one in runs.items() if name not in often}
        found |= alternated(replace(scale, rounds=1), seldom, "growth")
    few, middles = next(iter(made)), {name: [middle(costs)] for name, costs in found.items()}
    return Table(
        name="growth",
        title="A mailing that grows",
        columns=(
            *("letters", "µs a letter", "µs CPU a letter", "ledger bytes a letter", "resident MB", "of it libraries"),
            f"time, to {few}’s",
        ),
        rows=tuple(
            (
                one.letters,
                middle(found[name]),
                middle([1e6 * sent.cpu_seconds / one.letters for sent in held[name]]),
                middle([sent.grown_bytes / one.letters for sent in held[name]]),
                middle([sent.peak_mb for sent in held[name]]),
                middle([sent.libraries_mb for sent in held[name]]),
                f"{ratio(middles[name], middles[few]):.2f}",
            )
            for name, one in made.items()
        ),
        notes=(
            f"A process with {CONNECTIONS} connections to the postbox, on SQLite; its most memory, ever and before.",
            "Time and CPU: the sender’s whole path with the freeze of the audience, without the start of its process.",
            "Asked for: under 100 MB at any size; the time of a letter the same within a tenth.",
            f"Mailings of more than {AGAIN:,} letters in one round.",
        ),
    )


def _made(place: Path, scale: Scale, sizes: Sequence[int]) -> dict[str, Ready]:
    made: dict[str, Ready] = {}
    for letters in (scale.size(one, least=2) for one in sizes):
        scale.tell(f"growth: importing {letters:,} subscribers")
        made[f"{letters:,}"] = mailings.ready(place, letters)
    return made


def _microseconds(ready: Ready, sink: Sink, held: list[Sent]) -> float:
    before = sink.count()
    command = [sys.executable, "-m", "tests.bench.mailings", str(ready.copy()), str(sink.port), str(CONNECTIONS)]
    # Ctrl-C is ours to answer; `run` then ends the sender.
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, start_new_session=True).stdout
    sent = Sent(**json.loads(answer))
    after = sink.count()
    assert before is not None
    assert after == before + ready.letters, "every letter arrived once"
    held.append(sent)
    return 1e6 * sent.seconds / ready.letters
