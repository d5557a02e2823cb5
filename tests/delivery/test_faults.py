"""Every phase of a submission against every misbehaviour of a real server: the outcome is the one the table names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.delivery.outcome import DeliveryState, Fault, Outcome, Scope, Submitted
from newsletter.delivery.relay import Relay, RelayRefused, RelayUnreachable
from newsletter.postbox import Postbox, Script, Service, Stage, after, at, mixed
from newsletter.relays import RelaySettings
from tests.delivery.faults import CHUNKED, COMMANDS, DEAD, ENVELOPE, MOVES, SILENT, cells
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


def tried(table: str, manners: tuple[Manner, ...]) -> Iterator[object]:
    for stage, column, expected in cells(table):
        for manner in manners:
            # The next envelope is on its way with a dot only where there was a letter before; and a reply that is
            # held back for the next one needs a client that does not wait for it.
            senseless = manner is ONE_WRITE and stage not in ENVELOPE
            if senseless or (column == "mixed" and not manner.ahead):
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
    [*tried(COMMANDS, tuple(one for one in MANNERS if one is not CHUNKS)), *tried(CHUNKED, (CHUNKS,))],
)
async def test_a_fault_has_the_outcome_of_the_table(
    stage: Stage, column: str, expected: str, manner: Manner, certificate: Path
) -> None:
    async with Postbox(script=script(stage, column, manner), service=service(stage, manner, certificate)) as box:
        result = await submitted(wanted(box, stage, column, manner, certificate), stage, manner)
    assert named(judged(result)) == expected
    before = 1 if manner is ONE_WRITE else 0
    if expected in {"relay", "stop", "refused", "later"} and stage is not Stage.ANSWER:
        assert box.count == before, "what is said not to have arrived has not"
    if expected == "sent":
        assert box.count == before + 1
