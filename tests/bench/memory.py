"""What a sender holds in memory, and whether ten times the letters take ten times as long."""

from functools import partial
from typing import Final

from tests.bench import mailings, sinks
from tests.bench.engines import folder
from tests.bench.mailings import Ready
from tests.bench.measure import Scale, Table, alternated, middle, ratio
from tests.bench.sender import Manner, Spent
from tests.bench.sinks import Sink

CONNECTIONS: Final = 4


def run(scale: Scale) -> Table:
    """A process of its own for each mailing, of 1,000 and of 10,000 letters."""
    held: dict[str, list[Spent]] = {}
    with folder() as place, sinks.postbox() as sink:
        sizes = {}
        for letters in (scale.size(1_000, least=10), scale.size(10_000, least=20)):
            scale.tell(f"memory: importing {letters:,} subscribers")
            sizes[f"{letters:,}"] = mailings.ready(place, letters)
        runs = {name: partial(_microseconds, ready, sink, held.setdefault(name, [])) for name, ready in sizes.items()}
        found = alternated(scale, runs, "memory")
    few = next(iter(sizes))
    return Table(
        name="memory",
        title="The sender’s memory, and time against size",
        columns=("letters", "resident MB", "of it libraries", "µs a letter", f"ratio to {few}"),
        rows=tuple(
            (
                sizes[name].letters,
                middle([one.peak_mb for one in held[name]]),
                middle([one.libraries_mb for one in held[name]]),
                middle(cost),
                ratio(cost, found[few]),
            )
            for name, cost in found.items()
        ),
        notes=(
            f"A process with {CONNECTIONS} connections to the postbox; the most memory it ever held, and of it before.",
            "Time: the whole path with the freeze of the audience, without the start of the process, which only sends.",
        ),
    )


def _microseconds(ready: Ready, sink: Sink, held: list[Spent]) -> float:
    with sink.taking(ready.letters):
        sent = ready.send(sink.port, Manner(connections=CONNECTIONS))
    held += sent.spent
    return 1e6 * sent.seconds / ready.letters
