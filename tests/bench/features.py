"""What each feature of sending costs: one sending process, the same mailing, one thing more or less at a time."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from newsletter.database import Database
from tests.bench import engines, mailings, sending, sinks
from tests.bench.engines import Engines
from tests.bench.mailings import BAR_KILOBYTES, UNREACHED, Ready
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.bench.sender import Manner, Order
from tests.bench.sinks import Sink
from tests.builders import MORNING
from tests.delivery import certificates
from tests.delivery.newsroom import subscribe

LETTERS: Final = 6_000
EXTENSIONS: Final = ("PIPELINING", "CHUNKING")
BASE: Final = "RSA-2048, as shipped"
POSTGRES: Final = "RSA-2048, the ledger on PostgreSQL"
TLS: Final = "RSA-2048, under TLS"
SIGNED: Final = Manner(keys="rsa")
MANNERS: Final = {
    "unsigned: the relay signs": Manner(),
    "Ed25519 alone": Manner(keys="ed25519"),
    BASE: SIGNED,
    "RSA-2048 and Ed25519": Manner(keys="both"),
    "RSA-2048, one write": replace(SIGNED, one_write=True),
    "RSA-2048, CHUNKING": replace(SIGNED, chunking=True),
    "RSA-2048, one connection": replace(SIGNED, connections=1),
    "RSA-2048, 50 connections": replace(SIGNED, connections=50),
}
NOTES: Final = (
    "One sending process of eight connections, but where it is said; the ledger is on SQLite, as shipped.",
    "The relay is a drain in Python on the other core, the same for all; under TLS it has more to do than the sender.",
    "The sender’s µs are processor time in user and kernel, with its part of TLS and loopback.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One row: to which relay, how, on which ledger; and the sender's time for a letter in each round."""

    sink: Sink
    order: Callable[[], Order]
    cpu: list[float] = field(default_factory=list)

    def rate(self) -> float:
        order = self.order()
        with self.sink.taking(order.letters):
            sent = sending.send(order)
        self.cpu.append(sent.cpu_microseconds)
        return sent.rate


def run(scale: Scale) -> Table:
    """Each feature in alternated rounds."""
    with ExitStack() as stack:
        made = stack.enter_context(engines.engines(scale))
        place = stack.enter_context(engines.folder())
        scale.tell("features: importing the subscribers")
        ready = mailings.ready(place, scale.size(LETTERS, least=20), mailings.of_size(BAR_KILOBYTES))
        features = _features(ready, made, stack)
        runs = {name: one.rate for name, one in features.items() if scale.every or name in {BASE, TLS}}
        rows = tuple(_rows(alternated(scale, runs, "features"), features))
        said = engines.notes(made)
    return Table(
        name="features",
        title=f"What each feature costs, letters of {BAR_KILOBYTES} KB",
        columns=("letters", "letters/s", f"of “{BASE}”", "sender’s µs a letter", "µs more than it"),
        rows=rows,
        notes=(*NOTES, *said),
    )


def _features(ready: Ready, made: Engines, stack: ExitStack) -> dict[str, Feature]:
    certificate = certificates.make(ready.file.parent)
    plain = stack.enter_context(sinks.drain(0.0, *EXTENSIONS))
    secured = stack.enter_context(sinks.drain(0.0, *EXTENSIONS, certificate=certificate))
    features = {
        name: Feature(sink=plain, order=partial(ready.order, plain.port, manner)) for name, manner in MANNERS.items()
    }
    under_tls = replace(SIGNED, ca_file=str(certificate))
    features[TLS] = Feature(sink=secured, order=partial(ready.order, secured.port, under_tls))
    if engines.POSTGRES in made:
        on_postgres = partial(_on_postgres, ready, made[engines.POSTGRES], plain.port)
        features[POSTGRES] = Feature(sink=plain, order=on_postgres)
    return features


def _on_postgres(ready: Ready, make: Callable[[], Database], port: int) -> Order:
    """The same mailing in a database of its own, made ready before its time begins."""
    database = make()
    subscribe(database, ready.letters, MORNING)
    mailings.approved(database, ready.edition)
    database.close()
    return replace(ready.order(UNREACHED, SIGNED), url=database.url, port=port)


def _rows(found: Mapping[str, list[float]], features: Mapping[str, Feature]) -> Iterator[tuple[Cell, ...]]:
    base = features[BASE].cpu
    for name, rates in found.items():
        cpu = features[name].cpu
        more = middle([one - other for one, other in zip(cpu, base, strict=True)])
        yield name, middle(rates), f"{ratio(rates, found[BASE]):.2f}", middle(cpu), f"{more:+,.0f}"
