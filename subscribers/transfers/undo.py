"""Taking an import back, within 30 days: what it made active or kept as unknown ends, if nobody touched it since.

Nothing is deleted: the ledger tells of the import and of its end. Who left or was suppressed by it stays so, since
the file may well have been right about that. A better file may bring the others again.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from subscribers import registry, states
from subscribers.errors import UndoRefused
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.states import Change, EndReason
from subscribers.transfers import batches
from subscribers.transfers.batches import Batch

UNDO_DAYS: Final = 30
_UNDOING: Final = Change(Kind.INVALIDATED, Actor.DESK, EndReason.UNDONE)
# So many events of an import are looked at in one transaction.
STEP: Final = 2_000

Transaction = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Which import is taken back, by whom and why."""

    batch: int
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """How many subscriptions ended, and how many stay since they left, or somebody touched them, after the import."""

    batch: int
    file: str
    ended: int
    kept: int


def undo(
    transaction: Transaction,
    keys: Keys,
    taking: Taking,
    now: datetime,
    progress: Callable[[int], None] | None = None,
) -> Undone:
    """Take an import back, in steps: one that was interrupted goes on where it stopped. Raises UndoRefused."""
    with transaction() as session:
        found = _undoable(batches.load(session, taking.batch), taking.batch, now)
        steps = [
            (start, min(start + STEP - 1, last))
            for first, last in batches.spans(session, found.id)
            for start in range(first, last + 1, STEP)
        ]
    ended = 0
    for first, last in steps:
        with transaction() as session:
            ended += _end(session, keys, found, (first, last), taking, now)
        if progress:
            progress(ended)
    with transaction() as session:
        batches.undone(session, found.id, taking.by, now)
    made = found.counts.imported + found.counts.unknown
    return Undone(batch=found.id, file=found.file, ended=ended, kept=max(0, made - ended))


def _undoable(found: Batch | None, number: int, now: datetime) -> Batch:
    if found is None:
        raise UndoRefused(number, "there is no such import")
    if found.undone_at:
        raise UndoRefused(number, f"was undone on {found.undone_at:%Y-%m-%d} by {found.undone_by}")
    if now - found.started_at > timedelta(days=UNDO_DAYS):
        raise UndoRefused(number, f"was made on {found.started_at:%Y-%m-%d}, more than {UNDO_DAYS} days ago")
    return found


def _end(session: Session, keys: Keys, found: Batch, seqs: tuple[int, int], taking: Taking, now: datetime) -> int:
    consent.lock(session)
    # Whose last event is one of the import: nobody paused, left, confirmed or was suppressed since.
    last = consent.last_between(session, *seqs, found.newsletter)
    known = registry.running_of(session, last, found.newsletter) if last else []
    running = [one for one in known if states.allows(one.place, _UNDOING)]
    events = [
        Event(
            subject=one.subject,
            newsletter=one.newsletter,
            kind=_UNDOING.kind,
            actor=_UNDOING.actor,
            reason=EndReason.UNDONE.value,
            refers_to=last[one.subject],
            evidence=Evidence(
                method="undo", by=taking.by, reason=taking.reason or f"import {found.id} undone", file=found.file
            ),
        )
        for one in running
    ]
    keys.fetch({one.subject for one in running})
    consent.append(session, keys, events, now)
    registry.end_all(session, {one.id: EndReason.UNDONE for one in running}, now)
    return len(running)
