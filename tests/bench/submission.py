"""The SMTP client alone: letters of 60 KB to a relay that does the least it can, at once or 20 ms late."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest
from typing import Final

from newsletter.delivery.outcome import Replied
from newsletter.delivery.relay import Relay
from newsletter.delivery.submission import Connection
from newsletter.relays import RelaySettings
from newsletter.rendering.letter import Envelope, Letter
from tests.bench import sinks
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.bench.sinks import Sink, Volley

# 790 lines of 76 octets, as quoted-printable makes them.
MESSAGE: Final = b"Subject: Monday\r\n\r\n" + (b"x" * 74 + b"\r\n") * 790
LATENCY_MS: Final = 20.0
NEAR, FAR = 8, 50
NOTES: Final = (
    "The relay is a Python process beside the client on the same cores; at once it is what limits the faster manners.",
    "Late, every answer waits 20 ms; the bound: connections / (round trips a letter × a round trip, measured beside).",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How letters are handed over, and how many round trips that takes a letter."""

    name: str
    offers: tuple[str, ...]
    settings: RelaySettings
    round_trips: int


BASE: Final = RelaySettings(messages_per_connection=1_000_000)
MANNERS: Final = (
    Manner(name="command by command", offers=(), settings=BASE, round_trips=4),
    Manner(name="PIPELINING", offers=("PIPELINING",), settings=BASE, round_trips=2),
    Manner(
        name="PIPELINING, one write",
        offers=("PIPELINING",),
        settings=replace(BASE, pipelining="one-write"),
        round_trips=1,
    ),
    Manner(name="CHUNKING", offers=("PIPELINING", "CHUNKING"), settings=replace(BASE, chunking=True), round_trips=1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What each round of a manner took beside its time: seconds of our processor a letter, and for a round trip."""

    cpu: list[float] = field(default_factory=list)
    round_trip: list[float] = field(default_factory=list)


def run(scale: Scale) -> Table:
    """Each manner in alternated rounds, near and far."""
    return Table(
        name="submission",
        title="Handing over letters of 60 KB",
        columns=("manner", "latency", "connections", "letters/s", "client’s µs of CPU a letter", "of the bound"),
        rows=(*_rows(scale, 0.0, NEAR, scale.size(4_000, least=16)), *_rows(scale, LATENCY_MS, FAR, _far(scale))),
        notes=NOTES if sinks.smtp_source() or not scale.servers else (*NOTES, sinks.NO_SOURCE),
    )


def _far(scale: Scale) -> int:
    """The same number on each connection, so that none waits for the others at the end."""
    return FAR * scale.size(40, least=1)


def _rows(scale: Scale, latency_ms: float, connections: int, letters: int) -> Iterator[tuple[Cell, ...]]:
    spent = {manner.name: Spent() for manner in MANNERS}
    source = sinks.smtp_source() if scale.servers and not latency_ms else None
    with ExitStack() as stack:
        opened = {manner.name: stack.enter_context(sinks.drain(latency_ms, *manner.offers)) for manner in MANNERS}
        runs: dict[str, Callable[[], float]] = {
            manner.name: partial(_rate, manner, opened[manner.name], connections, letters, spent[manner.name])
            for manner in MANNERS
        }
        if source:
            shape = Volley(letters=letters, octets=len(MESSAGE), connections=connections)
            runs[sinks.SOURCE] = partial(sinks.source_rate, source, opened[MANNERS[0].name], shape)
        found = alternated(scale, runs, f"submission, {latency_ms:.0f} ms")
    for name, rates in found.items():
        manner = next((one for one in MANNERS if one.name == name), None)
        cpu: Cell = 1e6 * middle(spent[name].cpu) if manner else "-"
        share: Cell = "-"
        if manner and latency_ms:
            bounds = [connections / (manner.round_trips * seconds) for seconds in spent[name].round_trip]
            share = f"{ratio(rates, bounds):.0%}"
        yield name, f"{latency_ms:.0f} ms", connections, middle(rates), cpu, share


def _rate(manner: Manner, sink: Sink, connections: int, letters: int, spent: Spent) -> float:
    before = sink.count()
    seconds = asyncio.run(_send(replace(manner.settings, port=sink.port), connections, letters, spent))
    after = sink.count()
    assert before is not None
    assert after is not None
    assert after - before == letters, "every letter arrived once"
    return letters / seconds


async def _send(settings: RelaySettings, connections: int, letters: int, spent: Spent) -> float:
    relay = Relay(settings)
    lanes = await asyncio.gather(*(relay.connect() for _ in range(connections)))
    spent.round_trip.append(middle([await _round_trip(lanes[0]) for _ in range(11)]))
    written = [_letter(n) for n in range(letters)]
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(_lane(lane, written[n::connections]) for n, lane in enumerate(lanes)))
    seconds = time.perf_counter() - began
    spent.cpu.append((time.process_time() - cpu) / letters)
    await asyncio.gather(*(lane.close() for lane in lanes))
    return seconds


async def _round_trip(connection: Connection) -> float:
    began = time.perf_counter()
    await connection._dialogue.ask(b"NOOP\r\n", 10.0)
    return time.perf_counter() - began


async def _lane(connection: Connection, letters: list[Letter]) -> None:
    for one, then in zip_longest(letters, letters[1:]):
        result = await connection.submit(one, _nothing, then)
        assert isinstance(result, Replied), result
        assert result.reply.code == 250, result


def _letter(n: int) -> Letter:
    envelope = Envelope(mail_from=f"b+{n:032}@bounces.worldbrief.test", rcpt_to=f"reader{n}@example.test")
    return Letter(envelope=envelope, message=MESSAGE, message_id=f"<{n:032}@worldbrief.test>")


async def _nothing() -> None:
    """Nobody keeps books here."""
