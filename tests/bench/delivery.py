"""Letters a second through the whole product, beside the loop most Python programs send with, into the same relay."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from newsletter.rendering.letter import Recipient
from newsletter.rendering.proof import Proof
from tests.bench import mailings, peer, sinks
from tests.bench.engines import folder
from tests.bench.mailings import Ready
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio, timed
from tests.bench.sinks import Sink
from tests.builders import MORNING

CONNECTIONS: Final = (1, 4, 8)
LOOP: Final = "smtplib + EmailMessage"
NO_SMTP_SINK: Final = "Postfix’s smtp-sink is not on this machine (Debian: postfix): not measured."
NOTES: Final = (
    "World Brief: freeze the audience, check each reader’s consent, address, submit, settle each letter in the ledger.",
    "The ledger is on SQLite with the shipped settings; the relay is another process on the same cores.",
    "smtplib + EmailMessage: one connection, one message built per reader, addresses and tokens given, no ledger.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What all senders of a run share: the mailing made ready, and the fewer letters the slow loop sends."""

    ready: Ready
    proof: Proof
    readers: list[Recipient]


def run(scale: Scale) -> Table:
    """Each sender in alternated rounds, into the postbox and into smtp-sink."""
    program = sinks.smtp_sink() if scale.servers else None
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        scale.tell("delivery: importing the subscribers")
        ready = mailings.ready(place, scale.size(1_500, least=20))
        proof, readers = mailings.recipients(ready, scale.size(200, least=5))
        field = Field(ready=ready, proof=proof, readers=readers)
        targets = [stack.enter_context(sinks.postbox())]
        if program:
            targets.append(stack.enter_context(sinks.postfix(program)))
        rows = [row for sink in targets for row in _rows(field, sink, scale)]
    return Table(
        name="delivery",
        title="Sending the standard brief",
        columns=("sender", "relay", "letters", "letters/s", f"ratio to {LOOP}"),
        rows=tuple(rows),
        notes=NOTES if program else (*NOTES, NO_SMTP_SINK),
    )


def _rows(field: Field, sink: Sink, scale: Scale) -> Iterator[tuple[Cell, ...]]:
    runs: dict[str, Callable[[], float]] = {
        f"World Brief, {count} connection{'s' if count > 1 else ''}": partial(_product, field, sink, count)
        for count in CONNECTIONS
    }
    runs[LOOP] = partial(_loop, field, sink)
    found = alternated(scale, runs, f"delivery to {sink.name}")
    for name, rates in found.items():
        letters = len(field.readers) if name == LOOP else field.ready.letters
        yield name, sink.name, letters, middle(rates), f"{ratio(rates, found[LOOP]):.1f}x"


def _product(field: Field, sink: Sink, connections: int) -> float:
    before = sink.count()
    sent = mailings.send(field.ready.copy(), sink.port, connections)
    _check(sink, before, field.ready.letters)
    return field.ready.letters / sent.seconds


def _loop(field: Field, sink: Sink) -> float:
    before = sink.count()
    seconds = timed(lambda: peer.send(field.proof, field.readers, MORNING, sink.port))
    _check(sink, before, len(field.readers))
    return len(field.readers) / seconds


def _check(sink: Sink, before: int | None, letters: int) -> None:
    after = sink.count()
    assert before is None or after is None or after - before == letters, "every letter arrived once"
