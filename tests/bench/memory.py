"""What a sender holds in memory, and whether ten times the letters take ten times as long."""

import json
import subprocess
import sys
from functools import partial
from typing import Final

from tests.bench import mailings, sinks
from tests.bench.engines import folder
from tests.bench.mailings import Ready, Sent
from tests.bench.measure import Scale, Table, alternated, middle, ratio
from tests.bench.sinks import ROOT, Sink

CONNECTIONS: Final = 4


def run(scale: Scale) -> Table:
    """A process of its own for each mailing, of 1,000 and of 10,000 letters."""
    held: dict[str, list[Sent]] = {}
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
            "Time: the whole path with the freeze of the audience, without the start of the process.",
        ),
    )


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
