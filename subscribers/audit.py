"""Does the ledger still say what was written, and do the subscriptions still say what the ledger says? Reads only.

Everything is recomputed from stored bytes. What needs a witness outside the database (a chain rewritten whole with the
keys at hand, or put back to an older state) is not found here.
"""

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from sqlmodel import Session

from subscribers import registry
from subscribers.errors import UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent, evidence
from subscribers.ledger.consent import Stored
from subscribers.ledger.evidence import AUTHORISING, ENDING, GENESIS, Kind
from subscribers.ledger.merkle import Tree
from subscribers.registry import State

_KINDS: Final = frozenset(Kind)
_PAUSES: Final[dict[str, State]] = {Kind.PAUSED: State.PAUSED, Kind.RESUMED: State.ACTIVE}
_RUNNING: Final = frozenset({State.ACTIVE, State.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One thing that is not as it was written, at the event it concerns."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: `root` is the RFC 9162 tree hash over the entries, `shredded` the payloads destroyed with cause."""

    ok: bool
    events: int
    shredded: int
    root: str
    broken: tuple[Broken, ...]


@dataclass(slots=True, kw_only=True)
class _Standing:
    """What the events so far say of one subject and newsletter."""

    state: State
    ended_reason: str
    authorised_by: int | None
    seq: int

    def __str__(self) -> str:
        why = f" ({self.ended_reason})" if self.ended_reason else ""
        return f"{self.state}{why} by event {self.authorised_by}"


@dataclass(slots=True, kw_only=True)
class _Replay:
    """The state of the walk along the chain."""

    keys: Keys
    wordings: set[str]
    size: int = 0
    last_seq: int = 0
    last_entry: bytes = GENESIS
    tree: Tree = field(default_factory=Tree)
    broken: list[Broken] = field(default_factory=list)
    standings: dict[tuple[bytes, str], _Standing] = field(default_factory=dict)

    def blame(self, seq: int, reason: str) -> None:
        self.broken.append(Broken(seq=seq, reason=reason))


def verify(session: Session, keys: Keys) -> Verdict:
    """Replay the whole ledger: every byte, every link, the head, the wordings, and the subscriptions that follow."""
    walk = _Replay(keys=keys, wordings=consent.intact_wordings(session))
    head = consent.head(session)
    keys.forget()
    events = consent.stored(session)
    while step := list(islice(events, consent.STREAM_ROWS)):
        keys.fetch({one.subject for one in step})
        for event in step:
            _follow(walk, event)
    for seq in consent.payloads_without_event(session):
        walk.blame(seq, "a payload without its event")
    _end_of_chain(walk, head)
    _projection(walk, session)
    broken = tuple(sorted(walk.broken, key=lambda one: (one.seq, one.reason)))
    return Verdict(ok=not broken, events=walk.size, shredded=0, root=walk.tree.root().hex(), broken=broken)


def _follow(walk: _Replay, event: Stored) -> None:
    walk.size += 1
    expected = walk.last_seq + 1
    if event.seq != expected:
        missing = f"events {expected} to {event.seq - 1} are" if event.seq - 1 > expected else "event is"
        walk.blame(expected, f"{missing} missing")
    elif event.previous != walk.last_entry:
        walk.blame(event.seq, "does not follow the event before it")
    computed = evidence.entry(event.previous, event.header.encode(), event.commitment)
    if computed != event.entry:
        walk.blame(event.seq, "header, commitment or link differ from what was chained")
    if not _columns_match(event):
        walk.blame(event.seq, "columns differ from the header")
    if event.wording and event.wording not in walk.wordings:
        walk.blame(event.seq, "its wording is missing or altered")
    _payload(walk, event)
    walk.tree.add(computed)
    walk.last_seq, walk.last_entry = event.seq, event.entry
    _apply(walk, event)


def _columns_match(event: Stored) -> bool:
    try:
        header = json.loads(event.header)
        told = (header["seq"], header["subject"], header["newsletter"], header["kind"], header["wording"])
    except (ValueError, KeyError, TypeError):
        return False
    held = (event.seq, event.subject.hex(), event.newsletter, event.kind, event.wording)
    return told == held and event.kind in _KINDS


def _payload(walk: _Replay, event: Stored) -> None:
    if event.sealed is None:
        walk.blame(event.seq, "its payload is missing")
        return
    try:
        plain = walk.keys.open(event.subject, Sealed.EVIDENCE, event.sealed)
    except UnreadableSeal:
        walk.blame(event.seq, "its payload does not open")
        return
    if evidence.commitment(plain) != event.commitment:
        walk.blame(event.seq, "its payload is not the one committed to")


def _apply(walk: _Replay, event: Stored) -> None:
    """The state machine of a subscription, as the ledger alone tells it."""
    name = (event.subject, event.newsletter)
    before = walk.standings.get(name)
    after = _Standing(state=State.UNKNOWN, ended_reason="", authorised_by=None, seq=event.seq)
    if event.kind in AUTHORISING:
        after.state, after.authorised_by = State.ACTIVE, event.seq
    elif before is None:
        if event.kind != Kind.IMPORTED_WITHOUT_EVIDENCE:
            return
    elif event.kind in _PAUSES and before.state in _RUNNING:
        after.state, after.authorised_by = _PAUSES[event.kind], before.authorised_by
    elif event.kind in ENDING:
        after.state, after.authorised_by = State.ENDED, before.authorised_by
        after.ended_reason = _reason(event)
    else:
        return
    walk.standings[name] = after


def _reason(event: Stored) -> str:
    try:
        return str(json.loads(event.header)["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def _end_of_chain(walk: _Replay, head: consent.Head) -> None:
    if not head.is_genuine(walk.keys):
        walk.blame(head.size, "the head of the chain was not written by this program, or its key is another")
    if (head.size, head.entry) != (walk.last_seq, walk.last_entry):
        at = min(head.size, walk.last_seq) + 1 if head.size != walk.last_seq else head.size
        walk.blame(at, f"the chain ends at event {walk.last_seq}, its head says {head.size}")


def _projection(walk: _Replay, session: Session) -> None:
    expected = dict(walk.standings)
    for one in registry.all_subscriptions(session):
        told = expected.pop((one.subject, one.newsletter), None)
        found = _Standing(state=one.state, ended_reason=one.ended_reason or "", authorised_by=one.authorised_by, seq=0)
        if told is None:
            walk.blame(one.authorised_by or 0, f"subscription {one.id} is {found}, no event says so")
        elif str(told) != str(found):
            walk.blame(told.seq, f"subscription {one.id} is {found}, the ledger says {told}")
    for (_, newsletter), told in expected.items():
        walk.blame(told.seq, f"the ledger says {told}, but there is no such subscription to {newsletter}")
