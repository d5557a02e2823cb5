"""A relay far away: letters a second through the whole product where every answer comes 20 ms late."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.bench import mailings, sinks
from tests.bench.engines import folder
from tests.bench.mailings import Ready
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.bench.sender import Manner
from tests.bench.sinks import Sink

LETTERS: Final = 10_000
LATENCY_MS: Final = 20.0
CONNECTIONS: Final = 50
QUESTIONS: Final = 11
NOTES: Final = (
    "The whole path with RSA-2048, a ledger on SQLite, two sending processes; the relay is a drain in Python.",
    "The bound: connections / (round trips a letter × a round trip, measured beside).",
    "Opening the connections, the freeze of the audience and the last letters are within the time.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way of handing letters over: how many round trips that takes, and what must be reached of the bound."""

    manner: Manner
    round_trips: int
    bar: str
    bounds: list[float] = field(default_factory=list)


def _ways() -> dict[str, Way]:
    """In turn: the shipped one; the next envelope behind the dot."""
    near = Manner(processes=2, connections=CONNECTIONS, keys="rsa")
    ahead = Manner(processes=2, connections=CONNECTIONS, keys="rsa", one_write=True)
    return {
        'pipelining = "auto"': Way(manner=near, round_trips=2, bar="90%"),
        'pipelining = "one-write"': Way(manner=ahead, round_trips=1, bar="85%"),
    }


def run(scale: Scale) -> Table:
    """Both ways in alternated rounds, letters of three sizes."""
    rows: list[tuple[Cell, ...]] = []
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        sink = stack.enter_context(sinks.drain(LATENCY_MS, "PIPELINING"))
        for kilobytes in mailings.sizes(scale):
            scale.tell(f"latency: readers for letters of {kilobytes} KB")
            ready = mailings.ready(place, scale.size(LETTERS, least=CONNECTIONS), mailings.of_size(kilobytes))
            rows += _rows(kilobytes, ready, sink, scale)
    return Table(
        name="latency",
        title=f"Sending to a relay that answers {LATENCY_MS:.0f} ms late, {CONNECTIONS} connections",
        columns=("letter", "manner", "round trips", "letters/s", "bound", "of it", "bar"),
        rows=tuple(rows),
        notes=NOTES,
    )


def _rows(kilobytes: int, ready: Ready, sink: Sink, scale: Scale) -> Iterator[tuple[Cell, ...]]:
    ways = _ways()
    runs: dict[str, Callable[[], float]] = {name: partial(_rate, ready, sink, way) for name, way in ways.items()}
    for name, rates in alternated(scale, runs, f"latency, {kilobytes} KB").items():
        way = ways[name]
        share = f"{ratio(rates, way.bounds):.0%}"
        yield f"{kilobytes} KB", name, way.round_trips, middle(rates), middle(way.bounds), share, way.bar


def _rate(ready: Ready, sink: Sink, way: Way) -> float:
    way.bounds.append(CONNECTIONS / (way.round_trips * _round_trip(sink)))
    with sink.taking(ready.letters):
        return ready.send(sink.port, way.manner).rate


def _round_trip(sink: Sink) -> float:
    """Seconds from a command to its answer, with nobody else there."""
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as one, one.makefile("rb") as answers:
        answers.readline()
        taken = []
        for _ in range(QUESTIONS):
            began = time.perf_counter()
            one.sendall(b"NOOP\r\n")
            answers.readline()
            taken.append(time.perf_counter() - began)
    return middle(taken)
