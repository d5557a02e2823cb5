"""Writing what an import decided: people, events, subscriptions and suppressions of one batch, in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlmodel import Session

from subscribers import departures, registry, requests, states, suppressions
from subscribers.departures import Departure
from subscribers.instants import to_text
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.consent import Packed
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.registry import NewSubscription, SealedPerson
from subscribers.states import UNKNOWN, Change, EndReason, State
from subscribers.transfers import drafts
from subscribers.transfers.drafts import ImportJob, Seals
from subscribers.transfers.loaders import Standing
from subscribers.transfers.triage import SUPPRESSING, Fate, Turn

# What a row does that says its person left, and why an address is then not written to at all.
_ENDINGS: Final = {
    Standing.LEFT: Change(Kind.WITHDRAWN, Actor.IMPORT, EndReason.WITHDRAWN),
    Standing.BOUNCED: Change(Kind.DELIVERY_BLOCKED, Actor.IMPORT, EndReason.BOUNCED),
    Standing.COMPLAINED: Change(Kind.WITHDRAWN, Actor.IMPORT, EndReason.COMPLAINED),
    Standing.BLOCKED: Change(Kind.SUPPRESSED, Actor.IMPORT, EndReason.SUPPRESSED),
}
# Stands for evidence that is packed already, which nobody reads again.
_PACKED: Final = Evidence(method="import")
_SUPPRESSIONS: Final = {Standing.COMPLAINED: "complained", Standing.BLOCKED: "desk"}
_STATES: Final = {Fate.IMPORTED: State.ACTIVE, Fate.UNKNOWN: State.UNKNOWN, Fate.ENDED: State.ENDED}


def write(session: Session, keys: Keys, changes: Sequence[Turn], job: ImportJob) -> list[int]:
    """Write all of it and return the numbers of the events."""
    # In the order of their fingerprints: quicker to store, and the ledger does not tell the order of the file.
    ordered = sorted(changes, key=_fingerprint)
    seals = {
        one.draft.fingerprint: one.draft.seals or drafts.seal(keys, one.draft, job, proved=one.fate is Fate.IMPORTED)
        for one in ordered
        if one.holding is None
    }
    keys.keep([made.key for made in seals.values()], job.now)
    keys.fetch({one.holding.subject for one in ordered if one.holding})
    newcomers = [SealedPerson(made.subject, mark, made.address) for mark, made in seals.items()]
    ids = registry.add_sealed(session, newcomers, job.language, job.now)
    events: list[Event] = []
    packed: list[Packed] = []
    added: list[NewSubscription] = []
    activated: dict[int, int] = {}
    ended: dict[int, EndReason] = {}
    first = consent.head(session).size + 1
    for one in ordered:
        for event, ready in _events(keys, one, seals.get(one.draft.fingerprint), job):
            events.append(event)
            packed.append(ready)
        if one.holding is None or one.holding.subscription is None:
            person = one.holding.person if one.holding else ids[one.draft.fingerprint]
            added.append(_subscription(one, person, first + len(events) - 1))
        elif one.fate is Fate.IMPORTED:
            activated[one.holding.subscription] = first + len(events) - 1
        elif not _has_ended(one):
            ended[one.holding.subscription] = _reason(one)
    seqs = consent.append(session, keys, events, job.now, packed)
    registry.add_subscriptions(session, keys, job.newsletter, added, job.now)
    registry.activate_all(session, activated, job.now)
    registry.end_all(session, ended, job.now)
    suppressed = _suppressions(ordered)
    suppressions.add_all(session, suppressed, job.by, job.now)
    if suppressed:
        requests.close(session, suppressed)
    departures.note(session, _departures(ordered, suppressed, job))
    return seqs


def _fingerprint(change: Turn) -> bytes:
    return change.draft.fingerprint


def _has_ended(one: Turn) -> bool:
    """Whether there is nothing left to end; a suppression is recorded all the same."""
    place = one.holding.place if one.holding and one.holding.subscription else UNKNOWN
    return not states.allows(place, _ENDINGS[one.draft.standing])


def _reason(one: Turn) -> EndReason:
    return _ENDINGS[one.draft.standing].reason or EndReason.WITHDRAWN


def _departures(changes: Iterable[Turn], suppressed: Mapping[bytes, str], job: ImportJob) -> Iterator[Departure]:
    """Who left by this file, for a restore: an older backup may hold them as readers, and an older file bring them."""
    for one in changes:
        mark = one.draft.fingerprint
        if one.fate is Fate.ENDED and not _has_ended(one):
            yield Departure(mark, departures.ENDED, job.newsletter, _reason(one).value, job.now)
        if mark in suppressed:
            yield Departure(mark, departures.SUPPRESSED, "", suppressed[mark], job.now)


def _suppressions(changes: Iterable[Turn]) -> dict[bytes, str]:
    return {
        one.draft.fingerprint: _SUPPRESSIONS[one.draft.standing] for one in changes if one.draft.standing in SUPPRESSING
    }


def _subscription(one: Turn, person: int, seq: int) -> NewSubscription:
    return NewSubscription(
        subscriber_id=person,
        state=_STATES[one.fate],
        authorised_by=seq if one.fate is Fate.IMPORTED else None,
        ended_reason=_reason(one) if one.fate is Fate.ENDED else None,
    )


def _events(keys: Keys, one: Turn, made: Seals | None, job: ImportJob) -> list[tuple[Event, Packed]]:
    """What the ledger is told: how a row came in, and that its person had left, where that is so."""
    draft, fate, holding = one
    proved = fate is Fate.IMPORTED
    subject = made.subject if made else holding.subject if holding else b""
    told: list[tuple[Event, Packed]] = []
    if holding is None or holding.subscription is None or proved:
        ready = made.evidence if made and made.proved is proved else None
        event = Event(
            subject=subject,
            newsletter=job.newsletter,
            kind=Kind.IMPORTED if proved else Kind.IMPORTED_WITHOUT_EVIDENCE,
            actor=Actor.IMPORT,
            wording=draft.proof.digest if draft.proof and proved else "",
            evidence=_PACKED if ready else drafts.evidence_of(draft, job, proved=proved),
        )
        told.append((event, ready or consent.pack(keys, event.evidence, job.now, keys.box(subject))))
    if fate is Fate.ENDED and not _has_ended(one):
        event = _ending(one, subject, job)
        told.append((event, consent.pack(keys, event.evidence, job.now, keys.box(subject))))
    return told


def _ending(one: Turn, subject: bytes, job: ImportJob) -> Event:
    kind, actor, _ = _ENDINGS[one.draft.standing]
    left_at = f", {to_text(one.draft.left_at)}" if one.draft.left_at else ""
    return Event(
        subject=subject,
        newsletter=job.newsletter,
        kind=kind,
        actor=actor,
        reason=_reason(one).value,
        refers_to=(one.holding.authorised_by if one.holding else None) or 0,
        evidence=Evidence(
            method="import",
            by=job.by,
            reason=f"{one.draft.standing} elsewhere{left_at}",
            file=job.file,
            row=one.draft.row,
        ),
    )
