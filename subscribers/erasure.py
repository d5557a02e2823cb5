"""Erasing a person: every row goes, the ledger keeps that it happened, and the key that opens the rest is destroyed.

What is erased in the database becomes unreadable everywhere, old backups included, once the key is shredded after the
commit. A crash in between is found by `verify` as unfinished, and finished by the daily retention.

A keyed mark that names nobody stays behind, as in a withdrawal: an old file imported by mistake must not bring the
person back. It keeps nobody from signing up again by their own hand, unless they asked never to be written to.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import Column, Date, LargeBinary, delete, select
from sqlmodel import Field, Session, SQLModel

from subscribers import departures, grants, limits, registry, requests, rights, suppressions
from subscribers.addresses import Address
from subscribers.departures import Departure
from subscribers.errors import ErasureHeld, UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.registry import Person
from subscribers.requests import Request
from subscribers.rights import Answering, Asking, Right
from subscribers.states import EndReason, SuppressionReason

PROOF_OVER: Final = "proof no longer needed"


class LegalHoldRow(SQLModel, table=True):
    """An address whose evidence must be kept for now (GDPR 17(3)(e)): why, on whose word, and until when."""

    __tablename__ = "legal_hold"

    fingerprint: bytes = Field(sa_column=Column(LargeBinary(33), primary_key=True))
    reason: str
    owner: str
    until: date = Field(sa_column=Column(Date, nullable=False))


_HOLDS: Final = SQLModel.metadata.tables["legal_hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why an address cannot be erased yet."""

    reason: str
    owner: str
    until: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What went. The keys of `subjects` are to be shredded after the commit; the numbers are those of deliveries."""

    subjects: tuple[bytes, ...] = ()
    subscriptions: tuple[int, ...] = ()
    requests: tuple[int, ...] = ()

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

    Raises ErasureHeld while a legal hold stands. `keys.shred(erased.subjects)` belongs after the commit.
    """
    consent.lock(session)
    marks = registry.fingerprints_of(session, subject) | requests.fingerprints_of(session, subject)
    for mark in marks:
        held = hold_of(session, mark)
        if held and held.until >= now.date():
            raise ErasureHeld(held.reason, held.owner, held.until)
        if never_again:
            reason = SuppressionReason.OBJECTED.value
            suppressions.add(session, mark, reason, evidence.by or "holder", now)
            departures.note(session, [Departure(mark, departures.SUPPRESSED, "", reason, now)])
    if marks:
        asking = Asking(kind=Right.ERASURE, fingerprint=None, received_at=now, channel=evidence.method)
        rights.answer(session, rights.ask(session, asking), Answering(by=evidence.by or "holder", at=now))
    actor = Actor.DESK if evidence.by else Actor.SUBJECT
    return _close(session, keys, marks, Closing(actor=actor, evidence=evidence, now=now))


def erase_fingerprint(session: Session, keys: Keys, fingerprint: bytes, evidence: Evidence, now: datetime) -> Erased:
    """Erase again, after a restore, who had been erased: whatever a hold says now, it did not then."""
    consent.lock(session)
    return _close(session, keys, [fingerprint], Closing(evidence=evidence, now=now))


def erase_left_before(session: Session, keys: Keys, before: datetime, now: datetime, limit: int) -> Erased:
    """Take out some of those who left every newsletter before a moment, whose proof is not needed any longer."""
    consent.lock(session)
    found = registry.left_before(session, before, limit)
    held = {mark for mark in found if (one := hold_of(session, mark)) and one.until >= now.date()}
    evidence = Evidence(method="retention", reason=PROOF_OVER)
    closing = Closing(reason=PROOF_OVER, evidence=evidence, now=now)
    return _close(session, keys, [mark for mark in found if mark not in held], closing)


def hold(session: Session, fingerprint: bytes, why: Hold) -> None:
    """Let nobody erase this address until a day; a later hold takes an earlier one's place."""
    release(session, fingerprint)
    values = {"fingerprint": fingerprint, "reason": why.reason, "owner": why.owner, "until": why.until}
    session.connection().execute(_HOLDS.insert().values(values))


def release(session: Session, fingerprint: bytes) -> bool:
    """End a hold; returns whether there was one."""
    done = session.connection().execute(delete(_HOLDS).where(_HOLDS.c.fingerprint == fingerprint))
    return bool(done.rowcount)


def hold_of(session: Session, fingerprint: bytes) -> Hold | None:
    """The hold on an address, over or not."""
    row = session.connection().execute(select(_HOLDS).where(_HOLDS.c.fingerprint == fingerprint)).one_or_none()
    return None if row is None else Hold(reason=row.reason, owner=row.owner, until=row.until)


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
    limits.forget_letters(session, _mailboxes(keys, people, asked))
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
    )


def _mailboxes(keys: Keys, people: Sequence[Person], asked: Sequence[Request]) -> set[bytes]:
    """By what letters to these people are counted; whose key is gone already has none that can be found."""
    sealed = [(one.subject, Sealed.ADDRESS, one.sealed) for one in people]
    sealed += [(one.subject, Sealed.REQUEST, one.sealed) for one in asked]
    found = set()
    for subject, kind, seal in sealed:
        with suppress(UnreadableSeal):
            found.add(keys.mailbox(Address.parse(keys.open(subject, kind, seal).decode())))
    return found
