"""Erasing a person: every row goes, the ledger keeps that it happened, and the key that opens the rest is destroyed.

What is erased in the database becomes unreadable everywhere, old backups included, once the key is shredded after the
commit. A crash in between is found by `verify` as unfinished, and finished by the daily retention.

A keyed mark that names nobody stays behind, as in a withdrawal: an old file imported by mistake must not bring the
person back. It keeps nobody from signing up again by their own hand, unless they asked never to be written to.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlmodel import Session

from subscribers import (
    access,
    departures,
    grants,
    holds,
    last_letters,
    limits,
    registry,
    requests,
    rights,
    states,
    suppressions,
)
from subscribers.addresses import Address
from subscribers.departures import Departure
from subscribers.errors import ErasureHeld, UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.last_letters import LastLetter
from subscribers.ledger import consent
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.registry import Person
from subscribers.requests import Request
from subscribers.rights import Answering, Asking, Right
from subscribers.states import EndReason, State, SuppressionReason

PROOF_OVER: Final = "proof no longer needed"
SEALED: Final = "the evidence stays sealed under a legal hold until {} (GDPR 17(3)(e))"
# A subject, and the fingerprint of an address of theirs.
Mark = tuple[bytes, bytes]
UNREACHABLE: Final = frozenset({EndReason.BOUNCED, EndReason.COMPLAINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What went. The keys of `subjects` are to be shredded after the commit; the numbers are those of deliveries.

    `letter` is due to who was erased, and `held_until` the day to which their evidence is kept sealed, if it is.
    """

    subjects: tuple[bytes, ...] = ()
    subscriptions: tuple[int, ...] = ()
    requests: tuple[int, ...] = ()
    letter: LastLetter | None = None
    held_until: date | None = None

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(
            subjects=self.subjects + other.subjects,
            subscriptions=self.subscriptions + other.subscriptions,
            requests=self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """The last that the ledger says of somebody: what happened, by whom, and why."""

    kind: Kind = Kind.ERASED
    actor: Actor = Actor.SYSTEM
    reason: str = ""
    evidence: Evidence
    now: datetime


def subject_of(session: Session, keys: Keys, address: Address) -> bytes | None:
    """The pseudonym of an address: a subscriber's, or that of its last sign-up request."""
    fingerprint = keys.fingerprint(address)
    person = registry.people(session, [fingerprint]).get(fingerprint)
    asked = requests.of_address(session, fingerprint)
    return person.subject if person else (asked[-1].subject if asked else None)


def erase(
    session: Session, keys: Keys, subject: bytes, evidence: Evidence, now: datetime, *, never_again: bool = False
) -> Erased:
    """Take out everything that is held on the person behind a pseudonym; nobody behind it is nothing to do.

    Under a legal hold the evidence is sealed before; raises ErasureHeld where there is no key to seal it to.
    `keys.shred(erased.subjects)` belongs after the commit.
    """
    consent.lock(session)
    marks = registry.fingerprints_of(session, subject) | requests.fingerprints_of(session, subject)
    for one in holds.standing(session, marks, now.date()).values():
        if not keys.offline:
            raise ErasureHeld(one.reason, one.owner, one.until)
    letter = _last_letter(session, keys, marks, now)
    for mark in marks:
        if never_again:
            reason = SuppressionReason.OBJECTED.value
            suppressions.add(session, mark, reason, evidence.by or "holder", now)
            departures.note(session, [Departure(mark, departures.SUPPRESSED, "", reason, now)])
    actor = Actor.DESK if evidence.by else Actor.SUBJECT
    gone = _close(session, keys, marks, Closing(actor=actor, evidence=evidence, now=now))
    if marks:
        asking = Asking(kind=Right.ERASURE, fingerprint=None, received_at=now, channel=evidence.method)
        note = SEALED.format(gone.held_until) if gone.held_until else ""
        rights.answer(session, rights.ask(session, asking), Answering(by=evidence.by or "holder", at=now, note=note))
    return replace(gone, letter=letter and replace(letter, held_until=gone.held_until))


def erase_fingerprint(session: Session, keys: Keys, fingerprint: bytes, evidence: Evidence, now: datetime) -> Erased:
    """Erase again, after a restore, who had been erased; what a hold needs is sealed, as far as it can be read."""
    consent.lock(session)
    return _close(session, keys, [fingerprint], Closing(evidence=evidence, now=now))


def erase_left_before(session: Session, keys: Keys, before: datetime, now: datetime, limit: int) -> Erased:
    """Take out some of those who left every newsletter before a moment, whose proof is not needed any longer."""
    consent.lock(session)
    found = registry.left_before(session, before, limit)
    held = holds.standing(session, found, now.date())
    evidence = Evidence(method="retention", reason=PROOF_OVER)
    closing = Closing(reason=PROOF_OVER, evidence=evidence, now=now)
    return _close(session, keys, [mark for mark in found if mark not in held], closing)


def close_ledger(session: Session, keys: Keys, subjects: Sequence[bytes], closing: Closing) -> None:
    """Append the last event of each subject, its evidence sealed with a key that nobody keeps.

    So it can be written of somebody whose key is gone, and what is said of the dead is shredded with them.
    """
    events = [
        Event(
            subject=one,
            newsletter="",
            kind=closing.kind,
            evidence=closing.evidence,
            actor=closing.actor,
            reason=EndReason.ERASED.value if closing.kind is Kind.ERASED else "",
        )
        for one in subjects
    ]
    packed = [consent.pack(keys, closing.evidence, closing.now, keys.draw(one)[0]) for one in subjects]
    consent.append(session, keys, events, closing.now, packed)


def _close(session: Session, keys: Keys, marks: Collection[bytes], closing: Closing) -> Erased:
    """Append `erased` for every subject of these addresses and delete their rows."""
    people = list(registry.people(session, marks).values())
    asked = [one for mark in marks for one in requests.of_address(session, mark)]
    subjects = tuple(sorted({one.subject for one in people} | {one.subject for one in asked}))
    if not subjects:
        return Erased()
    addresses = _addresses(keys, people, asked)
    limits.forget_letters(session, {keys.mailbox(one) for one in addresses.values()})
    held_until = _keep_held(session, keys, addresses, closing.now.date())
    close_ledger(session, keys, subjects, closing)
    gone = sorted({one.fingerprint for one in people} | {one.fingerprint for one in asked})
    departures.note(session, [Departure(mark, departures.ERASED, "", closing.reason, closing.now) for mark in gone])
    suppressions.add_all(session, dict.fromkeys(gone, SuppressionReason.LEFT.value), closing.actor.value, closing.now)
    rights.forget(session, gone)
    requests.delete(session, [one.id for one in asked])
    for subject in subjects:
        grants.forget(session, subject)
    return Erased(
        subjects=subjects,
        subscriptions=tuple(registry.remove(session, [one.id for one in people])),
        requests=tuple(one.id for one in asked),
        held_until=held_until,
    )


def _keep_held(session: Session, keys: Keys, addresses: Mapping[Mark, Address], today: date) -> date | None:
    """Seal the evidence of those who are under a hold, and return until when; None where nobody is, or nothing can."""
    found = holds.standing(session, {mark for _, mark in addresses}, today) if keys.offline else {}
    for (subject, mark), address in addresses.items():
        if mark in found:
            holds.keep_evidence(session, keys, subject, address, found[mark])
    return max((one.until for one in found.values()), default=None)


def _last_letter(session: Session, keys: Keys, marks: Collection[bytes], now: datetime) -> LastLetter | None:
    """The letter that tells of an erasure, to the newest address; None where nothing more may be written."""
    people = list(registry.people(session, marks).values())
    asked = [one for mark in marks for one in requests.of_address(session, mark)]
    mine = registry.subscriptions_of(session, [one.fingerprint for one in people])
    dead = any(one.ended_reason in UNREACHABLE for one in mine) and all(one.state is State.ENDED for one in mine)
    address = next(iter(_addresses(keys, people, [] if people else asked[-1:]).values()), None)
    barred = any(states.bars_last_letter(suppressions.bars(session, one)) for one in marks)
    if dead or barred or address is None:
        return None
    number, expires_at = last_letters.keep(session, keys, address, now)
    return LastLetter(
        id=number,
        newsletter=access.known_from(session, people[0]) if people else asked[-1].newsletter,
        language=people[0].language if people else asked[-1].language,
        expires_at=expires_at,
    )


def _addresses(keys: Keys, people: Sequence[Person], asked: Sequence[Request]) -> dict[Mark, Address]:
    """The addresses of these people, each once; whose key is gone already has none that can be read."""
    sealed = [(one.subject, one.fingerprint, Sealed.ADDRESS, one.sealed) for one in people]
    sealed += [(one.subject, one.fingerprint, Sealed.REQUEST, one.sealed) for one in asked]
    found: dict[Mark, Address] = {}
    for subject, mark, kind, seal in sealed:
        with suppress(UnreadableSeal):
            found.setdefault((subject, mark), Address.parse(keys.open(subject, kind, seal).decode()))
    return found
