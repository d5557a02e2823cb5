"""Does the ledger still say what was written, and do the subscriptions still say what the ledger says? Reads only.

Everything is recomputed from stored bytes. A chain rewritten whole with all keys at hand, or put back to an older
state, is found by what left the house: a checkpoint's note or its blinded line, given here as a witness.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from subscribers import bulk, states, witnesses
from subscribers.errors import IllegalChange, UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent, evidence, forest, merkle, notices
from subscribers.ledger.consent import Stored
from subscribers.ledger.evidence import AUTHORISING, GENESIS, RELEASING, Actor, Kind
from subscribers.ledger.merkle import Tree
from subscribers.ledger.notices import NoticeKind
from subscribers.ledger.signed_notes import Verifier
from subscribers.registry import SUBSCRIBERS, SUBSCRIPTIONS
from subscribers.states import NONE, Change, EndReason, Place
from subscribers.witnesses import Broken, Witnessed

_KINDS: Final = frozenset(Kind)
_SHOWN: Final = {"form": NoticeKind.FORM, "notice": NoticeKind.PRIVACY, "terms": NoticeKind.TERMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome: `root` is the RFC 9162 tree hash over the entries, `shredded` the payloads destroyed with cause.

    `incomplete` says what could not be checked; `ok` is whether all was checked and nothing is broken.
    `unfinished` is how many were erased or expired whose key is still there; the next `privacy retain` shreds it.
    """

    ok: bool
    events: int
    shredded: int
    root: str
    broken: tuple[Broken, ...]
    incomplete: tuple[str, ...] = ()
    unfinished: int = 0


class _Held(NamedTuple):
    """Where a subscription stands as its row has it, be it nonsense."""

    id: int
    subject: bytes
    newsletter: str
    state: str
    reason: str | None
    authorised_by: int | None

    def __str__(self) -> str:
        ended = f" ({self.reason})" if self.reason else ""
        return f"{self.state}{ended} by event {self.authorised_by}"


@dataclass(slots=True, kw_only=True)
class _Standing:
    """What the events so far say of one subject and newsletter."""

    place: Place
    authorised_by: int | None
    seq: int

    def __str__(self) -> str:
        return f"{self.place} by event {self.authorised_by}"

    def is_of(self, held: _Held) -> bool:
        """Whether a subscription stands where the events say."""
        place = self.place
        return (place.state, place.reason, self.authorised_by) == (held.state, held.reason, held.authorised_by)


@dataclass(slots=True, kw_only=True)
class _Replay:
    """The state of the walk along the chain."""

    keys: Keys
    wordings: set[str]
    shown: dict[str, NoticeKind]
    roots: dict[int, bytes]
    size: int = 0
    last_seq: int = 0
    last_entry: bytes = GENESIS
    tree: Tree = field(default_factory=Tree)
    broken: list[Broken] = field(default_factory=list)
    standings: dict[tuple[bytes, str], _Standing] = field(default_factory=dict)
    unopened: dict[bytes, list[int]] = field(default_factory=dict)
    released: set[bytes] = field(default_factory=set)

    def blame(self, seq: int, reason: str) -> None:
        # Of damaged text something may be told, which is no Unicode.
        self.broken.append(Broken(seq=seq, reason=reason.encode("utf-8", "backslashreplace").decode()))


def verify(
    session: Session, keys: Keys, verifier: Verifier | None = None, witnessed: Witnessed | None = None
) -> Verdict:
    """Replay the whole ledger: every byte, every link, the head, the texts shown, the subscriptions that follow.

    Every stored checkpoint is recomputed on the way, and with `verifier` its signature checked; so is what was
    `witnessed`, checkpoints somebody kept elsewhere.
    """
    with bulk.verbatim(session):
        return _verify(session, keys, verifier, witnessed)


def _verify(session: Session, keys: Keys, verifier: Verifier | None, witnessed: Witnessed | None) -> Verdict:
    asked = witnesses.gather(session, witnessed)
    walk = _Replay(
        keys=keys,
        wordings=consent.intact_wordings(session),
        shown=notices.intact(session),
        roots=dict.fromkeys(asked.sizes, b""),
    )
    head = consent.head(session)
    keys.forget()
    events = consent.stored(session)
    while step := list(islice(events, consent.STREAM_ROWS)):
        keys.fetch({one.subject for one in step})
        for event in step:
            _follow(walk, event)
    for seq in consent.payloads_without_event(session):
        walk.blame(seq, "a payload without its event")
    shredded, unfinished = _shredded(walk)
    _end_of_chain(walk, head)
    _projection(walk, session)
    _blocks(walk, session)
    walk.broken += asked.judge(verifier, walk.roots, walk.size)
    broken = tuple(sorted(set(walk.broken), key=lambda one: (one.seq, one.reason)))
    return Verdict(
        ok=not broken and not asked.incomplete,
        events=walk.size,
        shredded=shredded,
        root=walk.tree.root().hex(),
        broken=broken,
        incomplete=tuple(asked.incomplete),
        unfinished=unfinished,
    )


def _follow(walk: _Replay, event: Stored) -> None:
    walk.size += 1
    expected = walk.last_seq + 1
    if event.seq != expected:
        missing = f"events {expected} to {event.seq - 1} are" if event.seq - 1 > expected else "event is"
        walk.blame(expected, f"{missing} missing")
    elif event.previous != walk.last_entry:
        walk.blame(event.seq, "does not follow the event before it")
    computed = evidence.entry(event.previous, evidence.raw(event.header), event.commitment)
    if computed != event.entry:
        walk.blame(event.seq, "header, commitment or link differ from what was chained")
    header = _header(event)
    if not _columns_match(event, header):
        walk.blame(event.seq, "columns differ from the header")
    _texts(walk, event, header)
    _payload(walk, event)
    walk.tree.add(computed)
    if walk.tree.size in walk.roots:
        walk.roots[walk.tree.size] = walk.tree.root()
    walk.last_seq, walk.last_entry = event.seq, event.entry
    _apply(walk, event, header)


def _header(event: Stored) -> dict[str, Any]:
    try:
        header = json.loads(event.header)
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def _columns_match(event: Stored, header: dict[str, Any]) -> bool:
    return (
        header.get("seq") == event.seq
        and header.get("subject") == event.subject.hex()
        and header.get("newsletter") == event.newsletter
        and header.get("kind") == event.kind
        and header.get("wording") == event.wording
        and event.kind in _KINDS
    )


def _texts(walk: _Replay, event: Stored, header: dict[str, Any]) -> None:
    """What the person was shown is still here. Headers of version 1 tell a form's digest, but it was not kept."""
    if event.wording and event.wording not in walk.wordings:
        walk.blame(event.seq, "its wording is missing or altered")
    if header.get("v") == 1:
        return
    for name, kind in _SHOWN.items():
        told = header.get(name)
        if told and walk.shown.get(str(told)) is not kind:
            walk.blame(event.seq, f"its {name} is missing or altered")


def _payload(walk: _Replay, event: Stored) -> None:
    if event.sealed is None:
        walk.blame(event.seq, "its payload is missing")
        return
    if event.kind in RELEASING:
        walk.released.add(event.subject)
        return
    if not walk.keys.has_at_hand(event.subject):
        walk.unopened.setdefault(event.subject, []).append(event.seq)
        return
    try:
        plain = walk.keys.open(event.subject, Sealed.EVIDENCE, event.sealed)
    except UnreadableSeal:
        walk.unopened.setdefault(event.subject, []).append(event.seq)
        return
    if evidence.commitment(plain) != event.commitment:
        walk.blame(event.seq, "its payload is not the one committed to")


def _shredded(walk: _Replay) -> tuple[int, int]:
    """The payloads whose key is gone with cause, and the subjects whose key is still to go; no cause is a damage."""
    gone = walk.keys.missing(walk.unopened.keys() | walk.released)
    shredded = 0
    for subject, seqs in walk.unopened.items():
        if subject not in gone:
            reason = "its payload does not open"
        elif subject not in walk.released:
            reason = "the key of its subject is gone, and no event says that it was erased: data are lost"
        else:
            shredded += len(seqs)
            continue
        for seq in seqs:
            walk.blame(seq, reason)
    # The last event of each was sealed with a key that nobody kept.
    return shredded + len(walk.released), len(walk.released - gone)


def _apply(walk: _Replay, event: Stored, header: dict[str, Any]) -> None:
    """What the event does to its subscription, as the table of changes says."""
    before = walk.standings.get((event.subject, event.newsletter))
    try:
        change = _change(event.kind, header["actor"], header.get("reason"))
        place = states.after(before.place if before else NONE, change)
    except IllegalChange as error:
        walk.blame(event.seq, str(error))
        return
    except (KeyError, TypeError, ValueError):
        walk.blame(event.seq, "its header names no known event, hand or reason")
        return
    if place == (before.place if before else NONE) and change.kind not in AUTHORISING:
        return
    earlier = before.authorised_by if before else None
    authorised_by = event.seq if change.kind in AUTHORISING else earlier
    standing = _Standing(place=place, authorised_by=authorised_by, seq=event.seq)
    walk.standings[event.subject, event.newsletter] = standing


@lru_cache(maxsize=256)
def _change(kind: str, actor: str, reason: str | None) -> Change:
    return Change(Kind(kind), Actor(actor), EndReason(reason) if reason else None)


def _end_of_chain(walk: _Replay, head: consent.Head) -> None:
    if not head.is_genuine(walk.keys):
        walk.blame(head.size, "the head of the chain was not written by this program, or its key is another")
    if (head.size, head.entry) != (walk.last_seq, walk.last_entry):
        at = min(head.size, walk.last_seq) + 1 if head.size != walk.last_seq else head.size
        walk.blame(at, f"the chain ends at event {walk.last_seq}, its head says {head.size}")


def _projection(walk: _Replay, session: Session) -> None:
    # Of an erased person no subscription is left.
    expected = {name: told for name, told in walk.standings.items() if name[0] not in walk.released}
    for one in _all_held(session):
        told = expected.pop((one.subject, one.newsletter), None)
        if told is None:
            walk.blame(one.authorised_by or 0, f"subscription {one.id} is {one}, no event says so")
        elif not told.is_of(one):
            walk.blame(told.seq, f"subscription {one.id} is {one}, the ledger says {told}")
    for (_, newsletter), told in expected.items():
        walk.blame(told.seq, f"the ledger says {told}, but there is no such subscription to {newsletter}")


def _all_held(session: Session) -> Iterator[_Held]:
    """Every subscription there is, streamed."""
    mine = SUBSCRIPTIONS.c
    wanted = select(
        mine.id, SUBSCRIBERS.c.subject, mine.newsletter, mine.state, mine.ended_reason, mine.authorised_by
    ).join(SUBSCRIBERS, SUBSCRIBERS.c.id == mine.subscriber_id)
    with session.connection().execute(wanted.execution_options(yield_per=consent.STREAM_ROWS)) as found:
        for row in found:
            yield _Held(*row)


def _blocks(walk: _Replay, session: Session) -> None:
    """The kept roots of complete blocks, from which proofs are made, are those of the entries."""
    for block, root in forest.blocks(session).items():
        if block >= len(walk.tree.blocks) or walk.tree.blocks[block] != root:
            first = block * merkle.BLOCK
            walk.blame(first + 1, f"the kept hash of events {first + 1} to {first + merkle.BLOCK} is not theirs")
