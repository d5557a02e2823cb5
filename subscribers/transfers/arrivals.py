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
    size = consent.head(session).size
    for one in ordered:
        draft, fate, holding = one
        made = seals.get(draft.fingerprint)
        subject = made.subject if made else holding.subject if holding else b""
        if holding is None or holding.subscription is None or fate is Fate.IMPORTED:
            event, ready = _coming(keys, one, subject, made, job)
            events.append(event)
            packed.append(ready)
        if fate is Fate.ENDED and not _has_ended(one):
            event = _ending(one, subject, job)
            events.append(event)
            packed.append(consent.pack(keys, event.evidence, job.now, keys.box(subject)))
        # The number of the row's last event.
        seq = size + len(events)
        if holding is None or holding.subscription is None:
            person = holding.person if holding else ids[draft.fingerprint]
            added.append(_subscription(one, person, seq))
        elif fate is Fate.IMPORTED:
            activated[holding.subscription] = seq
        elif not _has_ended(one):
            ended[holding.subscription] = _reason(one)
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
    authorised_by = seq if one.fate is Fate.IMPORTED else None
    ended_reason = _reason(one) if one.fate is Fate.ENDED else None
    return NewSubscription(person, _STATES[one.fate], authorised_by, ended_reason)


def _coming(keys: Keys, one: Turn, subject: bytes, made: Seals | None, job: ImportJob) -> tuple[Event, Packed]:
    """What the ledger is told of how a row came in."""
    proof, proved = one.draft.proof, one.fate is Fate.IMPORTED
    kind = Kind.IMPORTED if proved else Kind.IMPORTED_WITHOUT_EVIDENCE
    wording = proof.digest if proof and proved else ""
    if made and made.proved is proved:
        return Event(subject, job.newsletter, kind, _PACKED, Actor.IMPORT, wording), made.evidence
    evidence = drafts.evidence_of(one.draft, job, proved=proved)
    ready = consent.pack(keys, evidence, job.now, keys.box(subject))
    return Event(subject, job.newsletter, kind, evidence, Actor.IMPORT, wording), ready


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
