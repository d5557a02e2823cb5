"""What the signatures leave of a processor: the whole product beside its cores making RSA-2048 signatures alone.

`python -m tests.bench.ceiling SIGNATURES FILE` makes so many with the key of a file, and nothing else.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from newsletter.delivery import keyfiles
from tests.bench import mailings, sinks
from tests.bench.children import child, go, say
from tests.bench.engines import folder
from tests.bench.mailings import BAR_KILOBYTES, Ready
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.bench.sender import SELECTOR, Manner
from tests.bench.sinks import Sink

LETTERS: Final = 20_000
SIGNATURES: Final = 6_000
PROCESSES: Final = (1, 2)
CONNECTIONS: Final = 32
BARS: Final = {1: "0.6 (0.8), 1,500/s", 2: "0.6 (0.8)"}
NOTES: Final = (
    "The whole path with RSA-2048 and a ledger on SQLite, 32 connections in all, each letter in one write.",
    "Bare signatures: as many processes make signatures with the same key, and nothing else.",
    "One sending process is one core; the relay is beside it on the other, and with two of them it takes its part.",
    "The bar is for 60 KB, behind it what is aimed at; 1,500/s is asked of one core.",
)


def run(scale: Scale) -> Table:
    """Bare signatures and whole letters in alternated rounds, on one core and on two, letters of three sizes."""
    rows: list[tuple[Cell, ...]] = []
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        sink = stack.enter_context(sinks.fast_drain(place, "PIPELINING"))
        for kilobytes in mailings.sizes(scale):
            scale.tell(f"ceiling: readers for letters of {kilobytes} KB")
            ready = mailings.ready(place, scale.size(LETTERS, least=40), mailings.of_size(kilobytes))
            runs = _runs(ready, sink, scale.size(SIGNATURES, least=20))
            rows += _rows(kilobytes, alternated(scale, runs, f"ceiling, {kilobytes} KB"))
    return Table(
        name="ceiling",
        title="The whole path beside bare RSA-2048 signatures on the same cores",
        columns=("letter", "sender", "letters/s", "bare signatures/s", "of them", "bar (aim)"),
        rows=tuple(rows),
        notes=(f"The relay: {sink.name}, which is not the limit.", *NOTES),
    )


def _runs(ready: Ready, sink: Sink, signatures: int) -> dict[str, Callable[[], float]]:
    runs: dict[str, Callable[[], float]] = {}
    for processes in PROCESSES:
        runs[_bare(processes)] = partial(_bare_rate, ready.file.parent, processes, signatures)
        runs[_sender(processes)] = partial(_rate, ready, sink, _manner(processes))
    return runs


def _rows(kilobytes: int, found: Mapping[str, list[float]]) -> Iterator[tuple[Cell, ...]]:
    for processes in PROCESSES:
        name = _sender(processes)
        rates, bare = found[name], found[_bare(processes)]
        bar = BARS[processes] if kilobytes == BAR_KILOBYTES else ""
        yield f"{kilobytes} KB", name, middle(rates), middle(bare), f"{ratio(rates, bare):.2f}", bar


def _manner(processes: int) -> Manner:
    return Manner(processes=processes, connections=CONNECTIONS, keys="rsa", one_write=True)


def _bare(processes: int) -> str:
    return f"bare signatures, {processes}"


def _sender(processes: int) -> str:
    return f"{processes} process{'es' if processes > 1 else ''}"


def _rate(ready: Ready, sink: Sink, manner: Manner) -> float:
    with sink.taking(ready.letters):
        return ready.send(sink.port, manner).rate


def _bare_rate(home: Path, processes: int, signatures: int) -> float:
    """Signatures a second of so many processes together."""
    with ExitStack() as stack:
        signers = [
            stack.enter_context(child("tests.bench.ceiling", str(signatures), str(home))) for _ in range(processes)
        ]
        for signer in signers:
            signer.hear()
        for signer in signers:
            signer.tell("go")
        return sum(signatures / float(signer.hear()) for signer in signers)


def main(signatures: str, home: str) -> None:
    key, digest = keyfiles.read(Path(home), SELECTOR), sha256(b"World Brief").digest()
    go()
    began = time.perf_counter()
    for _ in range(int(signatures)):
        key.sign(digest)
    say(str(time.perf_counter() - began))


if __name__ == "__main__":
    main(*sys.argv[1:])
