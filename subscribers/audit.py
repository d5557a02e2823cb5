"""Does the ledger still say what was written, and do the subscriptions still say what the ledger says? Reads only.

Everything is recomputed from stored bytes. What needs a witness outside the database (a chain rewritten whole with the
keys at hand, or put back to an older state) is not found here.
"""

import json
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from sqlmodel import Session

from subscribers import registry, states
from subscribers.errors import IllegalChange, UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent, evidence
from subscribers.ledger.consent import Stored
from subscribers.ledger.evidence import AUTHORISING, GENESIS, RELEASING, Actor, Kind
from subscribers.ledger.merkle import Tree
from subscribers.states import NONE, Change, EndReason, Place

_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One thing that is not as it was written, at the event it concerns."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: `root` is the RFC 9162 tree hash over the entries, `shredded` the payloads destroyed with cause.

    `unfinished` is how many were erased or expired whose key is still there; the next `privacy retain` shreds it.
    """

    ok: bool
    events: int
    shredded: int
    root: str
    broken: tuple[Broken, ...]
    unfinished: int = 0


@dataclass(slots=True, kw_only=True)
class _Standing:
    """What the events so far say of one subject and newsletter."""

    place: Place
    authorised_by: int | None
    seq: int

    def __str__(self) -> str:
        return f"{self.place} by event {self.authorised_by}"


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
    unopened: dict[bytes, list[int]] = field(default_factory=dict)
    released: set[bytes] = field(default_factory=set)

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
    shredded, unfinished = _shredded(walk)
    broken = tuple(sorted(walk.broken, key=lambda one: (one.seq, one.reason)))
    return Verdict(
        ok=not broken,
        events=walk.size,
        shredded=shredded,
        root=walk.tree.root().hex(),
        broken=broken,
        unfinished=unfinished,
    )


def _shredded(walk: _Replay) -> tuple[int, int]:
    """The payloads whose key is gone with cause, and the subjects whose key is still to go; no cause is a damage."""
    for subject in walk.unopened.keys() - walk.released:
        for seq in walk.unopened[subject]:
            walk.blame(seq, "its payload does not open")
    walk.keys.forget()
    left = sorted(walk.released)
    unfinished = 0
    for start in range(0, len(left), consent.STREAM_ROWS):
        step = left[start : start + consent.STREAM_ROWS]
        walk.keys.fetch(step)
        unfinished += sum(walk.keys.holds(one) for one in step)
    # The last event of each was sealed with a key that nobody kept.
    return sum(len(walk.unopened.get(one, ())) + 1 for one in left), unfinished


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
    header = _header(event)
    if not _columns_match(event, header):
        walk.blame(event.seq, "columns differ from the header")
    if event.wording and event.wording not in walk.wordings:
        walk.blame(event.seq, "its wording is missing or altered")
    _payload(walk, event)
    walk.tree.add(computed)
    walk.last_seq, walk.last_entry = event.seq, event.entry
    _apply(walk, event, header)


def _header(event: Stored) -> dict[str, Any]:
    try:
        header = json.loads(event.header)
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def _columns_match(event: Stored, header: dict[str, Any]) -> bool:
    told = tuple(header.get(name) for name in ("seq", "subject", "newsletter", "kind", "wording"))
    held = (event.seq, event.subject.hex(), event.newsletter, event.kind, event.wording)
    return told == held and event.kind in _KINDS


def _payload(walk: _Replay, event: Stored) -> None:
    if event.sealed is None:
        walk.blame(event.seq, "its payload is missing")
        return
    if event.kind in RELEASING:
        walk.released.add(event.subject)
        return
    try:
        plain = walk.keys.open(event.subject, Sealed.EVIDENCE, event.sealed)
    except UnreadableSeal:
        if not walk.keys.holds(event.subject):
            walk.unopened.setdefault(event.subject, []).append(event.seq)
            return
        walk.blame(event.seq, "its payload does not open")
        return
    if evidence.commitment(plain) != event.commitment:
        walk.blame(event.seq, "its payload is not the one committed to")


def _apply(walk: _Replay, event: Stored, header: dict[str, Any]) -> None:
    """What the event does to its subscription, as the table of changes says."""
    before = walk.standings.get((event.subject, event.newsletter))
    try:
        reason = header.get("reason")
        change = Change(Kind(event.kind), Actor(header["actor"]), EndReason(reason) if reason else None)
        place = states.after(before.place if before else NONE, change)
    except IllegalChange as error:
        walk.blame(event.seq, str(error))
        return
    except (KeyError, ValueError):
        walk.blame(event.seq, "its header names no known event, hand or reason")
        return
    if place == (before.place if before else NONE) and change.kind not in AUTHORISING:
        return
    earlier = before.authorised_by if before else None
    authorised_by = event.seq if change.kind in AUTHORISING else earlier
    standing = _Standing(place=place, authorised_by=authorised_by, seq=event.seq)
    walk.standings[event.subject, event.newsletter] = standing


def _end_of_chain(walk: _Replay, head: consent.Head) -> None:
    if not head.is_genuine(walk.keys):
        walk.blame(head.size, "the head of the chain was not written by this program, or its key is another")
    if (head.size, head.entry) != (walk.last_seq, walk.last_entry):
        at = min(head.size, walk.last_seq) + 1 if head.size != walk.last_seq else head.size
        walk.blame(at, f"the chain ends at event {walk.last_seq}, its head says {head.size}")


def _projection(walk: _Replay, session: Session) -> None:
    expected = {name: told for name, told in walk.standings.items() if name[0] not in walk.released}
    for one in registry.all_subscriptions(session):
        told = expected.pop((one.subject, one.newsletter), None)
        found = _Standing(place=one.place, authorised_by=one.authorised_by, seq=0)
        if told is None:
            walk.blame(one.authorised_by or 0, f"subscription {one.id} is {found}, no event says so")
        elif str(told) != str(found):
            walk.blame(told.seq, f"subscription {one.id} is {found}, the ledger says {told}")
    for (_, newsletter), told in expected.items():
        walk.blame(told.seq, f"the ledger says {told}, but there is no such subscription to {newsletter}")
