"""Letters a second through the whole product, beside Postfix’s own load generator, into Postfix’s own test relay."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import mailings, sinks
from tests.bench.engines import folder
from tests.bench.mailings import BAR_KILOBYTES, Ready
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.bench.sender import Manner
from tests.bench.sinks import SOURCE, Sink, Volley

LETTERS: Final = 20_000
PROCESSES: Final = 2
# What each of them is at its best with here: a commit of ours is shared by the connections that wait for it.
OURS: Final = 32
THEIRS: Final = 8
RSA: Final = "World Brief, RSA-2048"
ED25519: Final = "World Brief, Ed25519 alone"
MANNERS: Final = {
    RSA: Manner(processes=PROCESSES, connections=OURS, keys="rsa"),
    "World Brief, RSA-2048, one write": Manner(processes=PROCESSES, connections=OURS, keys="rsa", one_write=True),
    ED25519: Manner(processes=PROCESSES, connections=OURS, keys="ed25519"),
}
BARS: Final = {RSA: "0.7 (0.9)", ED25519: "1.0"}
NOTES: Final = (
    "World Brief: freeze the audience, check each reader’s consent, address, sign, submit, settle each in the ledger.",
    "Two sending processes of sixteen connections; the ledger is on SQLite with the shipped settings.",
    f"{SOURCE}: eight connections, kept open; the same octets each time, without tokens, signature or ledger.",
    "Sender and relay share this machine’s cores; at 3,000 letters/s and more one core is smtp-sink’s.",
    "The bar is for 60 KB, behind it what is aimed at. Ed25519 alone is to be measured, not to be used.",
)


def run(scale: Scale) -> Table:
    """Each sender in alternated rounds, letters of three sizes."""
    sink_program, source = (sinks.smtp_sink(), sinks.smtp_source()) if scale.servers else (None, None)
    rows: list[tuple[Cell, ...]] = []
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        sink = stack.enter_context(_sink(sink_program, place))
        for kilobytes in mailings.sizes(scale):
            scale.tell(f"throughput: readers for letters of {kilobytes} KB")
            ready = mailings.ready(place, scale.size(LETTERS, least=40), mailings.of_size(kilobytes))
            manners = MANNERS if scale.every else {name: MANNERS[name] for name in BARS}
            found = alternated(scale, _runs(ready, sink, source, manners), f"throughput, {kilobytes} KB")
            rows += _rows(kilobytes, found)
    absent = [told for told, there in ((sinks.NO_SMTP_SINK, sink_program), (sinks.NO_SOURCE, source)) if not there]
    return Table(
        name="throughput",
        title="Sending a personalised brief, the whole path",
        columns=("letter", "sender", "letters/s", f"ratio to {SOURCE}", "bar (aim)"),
        rows=tuple(rows),
        notes=(f"The relay: {sink.name}.", *NOTES, *absent),
    )


def _sink(program: str | None, place: Path) -> AbstractContextManager[Sink]:
    return sinks.postfix(program) if program else sinks.fast_drain(place, "PIPELINING")


def _runs(
    ready: Ready, sink: Sink, source: str | None, manners: Mapping[str, Manner]
) -> dict[str, Callable[[], float]]:
    runs: dict[str, Callable[[], float]] = {
        name: partial(_rate, ready, sink, manner) for name, manner in manners.items()
    }
    if source:
        volley = Volley(letters=ready.letters, octets=ready.octets(MANNERS[RSA]), connections=THEIRS)
        runs[SOURCE] = partial(sinks.source_rate, source, sink, volley)
    return runs


def _rate(ready: Ready, sink: Sink, manner: Manner) -> float:
    with sink.taking(ready.letters):
        return ready.send(sink.port, manner).rate


def _rows(kilobytes: int, found: Mapping[str, list[float]]) -> Iterator[tuple[Cell, ...]]:
    for name, rates in found.items():
        compared = f"{ratio(rates, found[SOURCE]):.2f}" if SOURCE in found else "not measured"
        bar = BARS.get(name, "") if kilobytes == BAR_KILOBYTES else ""
        yield f"{kilobytes} KB", name, middle(rates), "" if name == SOURCE else compared, bar
