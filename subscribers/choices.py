"""What a reader who proved her address decides: what she gets and how often, her language, and a copy of it all.

Leaving and pausing are the same deeds as behind a letter's link, whose token each subscription here comes with.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from subscribers import particulars, registry, requests, suppressions
from subscribers.errors import InvalidToken, NotSubscribed
from subscribers.keys import Keys
from subscribers.ledger import consent, notices
from subscribers.ledger.evidence import Event, Evidence, Kind
from subscribers.registry import NewSubscription, Person, Subscription
from subscribers.states import Rhythm, State
from subscribers.tokens import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of her subscriptions as it stands, and the token that pauses or ends it."""

    newsletter: str
    state: State
    rhythm: Rhythm
    paused_until: datetime | None
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """What she agreed to: the exact words and the form they stood in."""

    newsletter: str
    wording: str
    form: str
    language: str


def choices(session: Session, keys: Keys, subject: bytes, now: datetime) -> dict[str, Choice]:
    """Every subscription of one person by its newsletter."""
    return {
        one.newsletter: Choice(
            newsletter=one.newsletter,
            state=one.state_at(now),
            rhythm=one.rhythm,
            paused_until=one.paused_until,
            token=keys.token(Purpose.LEAVE, one.public_id),
        )
        for one in registry.subscriptions_of(session, [_person(session, subject).fingerprint])
    }


def subscribe(
    session: Session, keys: Keys, subject: bytes, consented: Consented, now: datetime, evidence: Evidence
) -> None:
    """Begin a subscription by a `given` event of its own; one that runs stays as it is.

    No second letter is needed: who asks has opened a link mailed to the address. Raises NotSubscribed when the
    address must not be written to.
    """
    consent.lock(session)
    person = _person(session, subject)
    if suppressions.suppressed(session, [person.fingerprint]):
        raise NotSubscribed(consented.newsletter)
    mine = _subscription(session, person, consented.newsletter)
    if mine is not None and mine.state in {State.ACTIVE, State.PAUSED}:
        return
    event = Event(
        subject=subject,
        newsletter=consented.newsletter,
        kind=Kind.GIVEN,
        evidence=evidence,
        wording=consent.keep_wording(session, consented.wording, consented.language),
        form=notices.keep(session, consented.form, consented.language, now.date()),
    )
    [seq] = consent.append(session, keys, [event], now)
    requests.close(session, [person.fingerprint], [consented.newsletter])
    if mine is not None:
        registry.activate(session, mine.id, seq, now)
        return
    new = NewSubscription(subscriber_id=person.id, state=State.ACTIVE, authorised_by=seq)
    registry.add_subscriptions(session, keys, consented.newsletter, [new], now)


def set_rhythm(session: Session, keys: Keys, subject: bytes, newsletter: str, rhythm: Rhythm, *, now: datetime) -> None:
    """Send only some of a newsletter's editions from now on. Raises NotSubscribed when it does not run."""
    consent.lock(session)
    mine = _subscription(session, _person(session, subject), newsletter)
    if mine is None or mine.state not in {State.ACTIVE, State.PAUSED}:
        raise NotSubscribed(newsletter)
    if mine.rhythm is rhythm:
        return
    evidence = Evidence(method="preferences page", reason=f"rhythm: {rhythm}")
    event = Event(subject=subject, newsletter=newsletter, kind=Kind.PREFERENCE_CHANGED, evidence=evidence)
    consent.append(session, keys, [event], now)
    particulars.set_rhythm(session, mine.id, rhythm)


def set_language(session: Session, keys: Keys, subject: bytes, language: str, now: datetime) -> None:
    """Write to her in this language (BCP 47) from now on; the caller has checked that it is one of the house's."""
    consent.lock(session)
    person = _person(session, subject)
    if person.language == language:
        return
    evidence = Evidence(method="preferences page", reason=f"language: {language}")
    event = Event(subject=subject, newsletter="", kind=Kind.PREFERENCE_CHANGED, evidence=evidence)
    consent.append(session, keys, [event], now)
    particulars.set_language(session, person.id, language)


def exported(session: Session, keys: Keys, subject: bytes, evidence: Evidence, now: datetime) -> None:
    """Write down that a copy of everything was handed over."""
    consent.lock(session)
    event = Event(subject=subject, newsletter="", kind=Kind.EXPORTED, evidence=evidence)
    consent.append(session, keys, [event], now)


def _person(session: Session, subject: bytes) -> Person:
    person = particulars.person(session, subject)
    if person is None:
        raise InvalidToken
    return person


def _subscription(session: Session, person: Person, newsletter: str) -> Subscription | None:
    known = registry.subscriptions_of(session, [person.fingerprint])
    return next((one for one in known if one.newsletter == newsletter), None)
