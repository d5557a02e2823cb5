"""What a mailing costs as it grows: CPU and ledger a letter, the sender’s memory, and whether time stays linear."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import mailings, sinks
from tests.bench.engines import folder
from tests.bench.mailings import Ready
from tests.bench.measure import FULL, Scale, Table, alternated, middle, ratio
from tests.bench.sender import Manner
from tests.bench.sending import Sent
from tests.bench.sinks import Sink

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
AGAIN: Final = 10_000  # what takes longer is sent once: so many letters are rounds enough in themselves
# Unsigned: a signature takes the same time for each letter of any mailing, and would hide what grows.
MANNER: Final = Manner(connections=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """One sending, and by how much the ledger’s file grew."""

    sent: Sent
    octets: int


def run(scale: Scale) -> Table:
    """A sender of its own for each mailing, of 1,000 letters to 1,000,000."""
    grown: dict[str, list[Grown]] = {}
    with folder() as place, sinks.fast_drain(place, "PIPELINING") as sink:
        made = _made(place, scale, _sizes(scale))
        runs = {name: partial(_microseconds, one, sink, grown.setdefault(name, [])) for name, one in made.items()}
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
                middle([each.sent.cpu_microseconds for each in grown[name]]),
                middle([each.octets / one.letters for each in grown[name]]),
                middle([spent.peak_mb for each in grown[name] for spent in each.sent.spent]),
                middle([spent.libraries_mb for each in grown[name] for spent in each.sent.spent]),
                f"{ratio(middles[name], middles[few]):.2f}",
            )
            for name, one in made.items()
        ),
        notes=(
            f"One sending process of {MANNER.connections} connections, the standard brief unsigned, ledger on SQLite.",
            f"The relay: {sink.name}, on the other core.",
            "Time: the whole path with the freeze of the audience. CPU and memory: of the sending process, its most",
            "memory ever, and before it began; the freeze is made in another.",
            "Asked for: under 100 MB at any size; the time of a letter at most a tenth longer.",
            f"Mailings of more than {AGAIN:,} letters in one round.",
        ),
    )


def _sizes(scale: Scale) -> Sequence[int]:
    if not scale.every:
        return SIZES[:2]
    # The last is for a full run alone: its letters take as long as all the rest.
    return SIZES if scale.share >= FULL.share else SIZES[:-1]


def _made(place: Path, scale: Scale, sizes: Sequence[int]) -> dict[str, Ready]:
    made: dict[str, Ready] = {}
    for letters in (scale.size(one, least=2) for one in sizes):
        scale.tell(f"growth: importing {letters:,} subscribers")
        made[f"{letters:,}"] = mailings.ready(place, letters)
    return made


def _microseconds(ready: Ready, sink: Sink, grown: list[Grown]) -> float:
    with sink.taking(ready.letters):
        sent = ready.send(sink.port, MANNER)
    # The last connection to close has brought the write-ahead log into the file.
    grown.append(Grown(sent=sent, octets=ready.copy.stat().st_size - ready.file.stat().st_size))
    return 1e6 * sent.seconds / ready.letters
