"""Every phase of a submission against every misbehaviour of a real server: the outcome is the one the table names.

The rows are where the relay misbehaves, the columns how. In the cells:

sent     accepted
later    deferred, and counted as a try of this letter
refused  refused, by a verdict on this letter
relay    waits as if never tried; the relay is left alone for a while
stop     waits as if never tried; the relay is left alone until somebody looked
doubt    uncertain: the end of the letter was with the kernel, and no answer came
-        there is no such thing

The refusal is everywhere the one that calls an address dead: said before a recipient is named, it touches nobody.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from newsletter.delivery.outcome import DeliveryState, Fault, Outcome, Scope, Submitted
from newsletter.delivery.relay import Relay, RelayRefused, RelayUnreachable
from newsletter.postbox import (
    Act,
    Also,
    Drip,
    Half,
    Move,
    Postbox,
    Say,
    Script,
    Service,
    Stage,
    after,
    at,
    mixed,
)
from newsletter.relays import RelaySettings
from tests.delivery.submitting import (
    CHUNKS,
    LARGE,
    MANNERS,
    ONE_WRITE,
    Manner,
    hasty,
    judged,
    letter,
    nothing,
    offering,
    patient,
)

pytestmark = pytest.mark.anyio

DEAD: Final = "550 5.1.1 No such user"
MOVES: Final[dict[str, Move]] = {
    "421": Say("421 4.3.2 Shutting down"),
    "451": Say("451 4.3.0 Not now"),
    "550": Say(DEAD),
    "reset": Act.RESET,
    "close": Act.CLOSE,
    "half": Half("25"),
    "hang": Act.HANG,
    "unasked": Also("250 2.0.0 Nobody asked"),
    "drip": Drip(0.0005),
    "crawl": Drip(0.1),
}
# With these the relay never answers in time.
SILENT: Final = {"hang", "crawl"}

# One command after another, or the envelope in one write, or with the dot of the letter before it.
COMMANDS: Final = """
         421    451    550      reset  close  half   hang   unasked  drip  crawl  mixed
connect  relay  relay  stop     relay  relay  relay  relay  relay    -     -      -
banner   relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  -
ehlo     relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  -
tls      relay  relay  stop     relay  relay  relay  relay  sent     sent  relay  -
auth     relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  -
mail     relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  stop
rcpt     relay  later  refused  relay  relay  relay  relay  relay    sent  relay  refused
data     relay  later  refused  relay  relay  relay  relay  relay    sent  relay  -
body     relay  later  refused  relay  relay  relay  relay  relay    -     -      -
dot      relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
answer   relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
quit     sent   sent   sent     sent   sent   sent   sent   sent     sent  sent   -
"""
# With BDAT all of a letter is on its way before the first answer: a loss anywhere leaves it in doubt.
CHUNKED: Final = """
         421    451    550      reset  close  half   hang   unasked  drip  crawl  mixed
mail     relay  relay  stop     doubt  doubt  doubt  doubt  sent     sent  doubt  -
rcpt     relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
data     relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
dot      relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
answer   relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
"""
ENVELOPE: Final = {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT, Stage.ANSWER, Stage.QUIT}


def cells(table: str, manners: tuple[Manner, ...]) -> Iterator[object]:
    head, *rows = table.strip("\n").splitlines()
    for row in rows:
        stage, *outcomes = row.split()
        for column, expected in zip(head.split(), outcomes, strict=True):
            for manner in manners:
                # The next envelope is on its way with a dot only where there was a letter before; and a reply that is
                # held back for the next one needs a client that does not wait for it.
                senseless = manner is ONE_WRITE and stage not in ENVELOPE
                if expected == "-" or senseless or (column == "mixed" and not manner.ahead):
                    continue
                yield pytest.param(stage, column, expected, manner, id=f"{stage}-{column}-{manner.name}")


def script(stage: Stage, column: str, manner: Manner) -> Script:
    one = mixed(stage, DEAD) if column == "mixed" else at(stage, MOVES[column])
    # At ANSWER the letter it answers has been counted.
    return after(2 if stage is Stage.ANSWER else 1, one) if manner is ONE_WRITE else one


def service(stage: Stage, manner: Manner, certificate: Path) -> Service:
    offered = {"pipelining": manner.service.pipelining, "chunking": manner.service.chunking}
    if stage is Stage.TLS:
        return offering(certificate, **offered)
    return Service(login=("desk", "right") if stage is Stage.AUTH else None, **offered)  # type: ignore[arg-type]


def wanted(box: Postbox, stage: Stage, column: str, manner: Manner, certificate: Path) -> RelaySettings:
    changes = dict(manner.settings)
    if stage is Stage.TLS:
        changes |= {"tls": "starttls", "ca_file": str(certificate)}
        changes |= {"connect_timeout_seconds": 0.5} if column in SILENT else {}
    if stage is Stage.AUTH:
        changes |= {"username": "desk"}
    return hasty(box, **changes) if column in SILENT else patient(box, **changes)


async def submitted(settings: RelaySettings, stage: Stage, manner: Manner) -> Submitted:
    """What becomes of the letter the relay misbehaves at: the first one, or with its envelope ahead the second."""
    try:
        connection = await Relay(settings, "right").connect()
    except (RelayRefused, RelayUnreachable) as error:
        return error.result
    one = letter(LARGE if stage is Stage.BODY else letter().message)
    try:
        if manner is ONE_WRITE:
            first = judged(await connection.submit(letter(), nothing, one))
            assert first.state is DeliveryState.ACCEPTED
        return await connection.submit(one, nothing)
    finally:
        await connection.close()


def named(found: Outcome) -> str:
    if found.scope is Scope.RELAY:
        assert (found.state, found.counted, found.fault) == (DeliveryState.WAITING, False, Fault.RELAY)
        return "stop" if found.stop else "relay"
    assert found.scope is Scope.LETTER
    return {
        DeliveryState.ACCEPTED: "sent",
        DeliveryState.DEFERRED: "later",
        DeliveryState.REFUSED: "refused",
        DeliveryState.UNCERTAIN: "doubt",
    }[found.state]


@pytest.mark.parametrize(
    ("stage", "column", "expected", "manner"),
    [*cells(COMMANDS, tuple(one for one in MANNERS if one is not CHUNKS)), *cells(CHUNKED, (CHUNKS,))],
)
async def test_a_fault_has_the_outcome_of_the_table(
    stage: str, column: str, expected: str, manner: Manner, certificate: Path
) -> None:
    where = Stage(stage)
    async with Postbox(script=script(where, column, manner), service=service(where, manner, certificate)) as box:
        result = await submitted(wanted(box, where, column, manner, certificate), where, manner)
    assert named(judged(result)) == expected
    before = 1 if manner is ONE_WRITE else 0
    if expected in {"relay", "stop", "refused", "later"} and where is not Stage.ANSWER:
        assert box.count == before, "what is said not to have arrived has not"
    if expected == "sent":
        assert box.count == before + 1
