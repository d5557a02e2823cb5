"""Going out: always allowed, at once, idempotent, and never undone except by a fresh confirmation of the holder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from subscribers import departures, registry, requests, restraint, states, suppressions
from subscribers.addresses import Address
from subscribers.departures import Departure
from subscribers.errors import IllegalChange, InvalidToken, NotSubscribed
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.registry import Subscription
from subscribers.states import BY_THE_DESK, SUPPRESSING, Change, EndReason, RequestState, State, SuppressionReason
from subscribers.tokens import Purpose

LONGEST_PAUSE: Final = timedelta(days=366)
LEFT: Final = Change(Kind.WITHDRAWN, Actor.SUBJECT, EndReason.WITHDRAWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribed:
    """The subscription has ended; `already` when it had before."""

    newsletter: str
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request is closed; `already` when it was before."""

    newsletter: str
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Nothing is sent until then."""

    newsletter: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What the holder of a letter may see: its own subscription, no address, no other newsletter."""

    newsletter: str
    state: State
    paused_until: datetime | None
    tracked: bool = False

    @property
    def newsletters(self) -> tuple[tuple[str, State], ...]:
        """Newsletter and state, as a page lists them."""
        return ((self.newsletter, self.state),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How subscriptions are to end."""

    change: Change
    evidence: Evidence


def unsubscribe(session: Session, keys: Keys, token: str, now: datetime, method: str) -> Unsubscribed:
    """End the one subscription a letter's token names; again is fine. Raises InvalidToken.

    `method` is how it was asked, such as "RFC 8058 POST" or "unsubscribe button".
    """
    done = unsubscribe_all(session, keys, {token: method}, now)
    if token not in done:
        raise InvalidToken
    return done[token]


def unsubscribe_all(session: Session, keys: Keys, asked: Mapping[str, str], now: datetime) -> dict[str, Unsubscribed]:
    """`unsubscribe` for many tokens, each with its method, under one lock and with one write.

    What is no token, or names nobody, is left out of the answer and troubles no other.
    """
    genuine = {token: public_id for token in asked if (public_id := _read(keys, token))}
    consent.lock(session)
    known = registry.subscriptions(session, set(genuine.values())) if genuine else {}
    methods = {genuine[token]: method for token, method in asked.items() if genuine.get(token) in known}
    mine = [known[public_id] for public_id in methods]
    keys.fetch({one.subject for one in mine})
    ended: set[int] = set()
    for method in set(methods.values()):
        ending = _Ending(change=LEFT, evidence=Evidence(method=method))
        leaving = [one for one in mine if methods[one.public_id] == method]
        ended |= {one.id for one in _end(session, keys, leaving, ending, now)}
    requests.close_all(session, {(one.fingerprint, one.newsletter) for one in mine})
    return {
        token: Unsubscribed(newsletter=known[public_id].newsletter, already=known[public_id].id not in ended)
        for token, public_id in genuine.items()
        if public_id in known
    }


def unsubscribe_address(
    session: Session, keys: Keys, address: Address, newsletter: str | None, evidence: Evidence, now: datetime
) -> int:
    """End an address's subscription to one newsletter or to all, as the desk was asked to; returns how many ended.

    `evidence` says by whom and how the holder asked, such as `Evidence(method="desk", by="ana", reason="phoned")`.
    """
    consent.lock(session)
    fingerprint = keys.fingerprint(address)
    known = registry.subscriptions_of(session, [fingerprint])
    mine = [one for one in known if newsletter is None or one.newsletter == newsletter]
    left = Change(Kind.WITHDRAWN, Actor.DESK, EndReason.WITHDRAWN)
    ending = _Ending(change=left, evidence=evidence)
    requests.close(session, [fingerprint], None if newsletter is None else [newsletter])
    return len(_end(session, keys, mine, ending, now))


def suppress(session: Session, keys: Keys, address: Address, reason: SuppressionReason, by: str, now: datetime) -> int:
    """Never write to an address again, whatever a form, import or editor says; returns how many subscriptions ended."""
    consent.lock(session)
    fingerprint = keys.fingerprint(address)
    evidence = Evidence(method="suppression", by=by, reason=reason.value)
    suppressions.add(session, fingerprint, reason.value, by, now)
    departures.note(session, [Departure(fingerprint, departures.SUPPRESSED, "", reason.value, now)])
    requests.close(session, [fingerprint])
    ending = _Ending(change=SUPPRESSING[reason], evidence=evidence)
    return len(_end(session, keys, registry.subscriptions_of(session, [fingerprint]), ending, now))


def refuse(session: Session, keys: Keys, token: str, now: datetime, evidence: Evidence, *, block: bool) -> Refused:
    """Close what a letter's link could confirm, end what it has confirmed: “this wasn’t me”. Raises InvalidToken.

    With `block` nobody may ask this address for ninety days. Again is fine, and changes nothing.
    """
    public_id = keys.read_token(Purpose.CONFIRM, token)
    consent.lock(session)
    request = requests.by_public_id(session, public_id)
    if request is None:
        raise InvalidToken
    # A newer letter's request is refused by an older one's link as well.
    already = request.state not in {RequestState.PENDING, RequestState.SUPERSEDED}
    if request.state is RequestState.CONFIRMED:
        known = registry.subscriptions_of(session, [request.fingerprint])
        ending = _Ending(change=LEFT, evidence=evidence)
        mine = [one for one in known if one.newsletter == request.newsletter]
        already = not _end(session, keys, mine, ending, now)
    elif not already:
        event = Event(
            subject=request.subject,
            newsletter=request.newsletter,
            kind=Kind.REFUSED,
            evidence=evidence,
            wording=request.wording,
            form=request.form,
            refers_to=request.requested_by,
        )
        consent.append(session, keys, [event], now)
        if request.state is RequestState.PENDING:
            requests.move(session, request.id, states.request_after(request.state, Kind.REFUSED, Actor.SUBJECT))
    requests.close(session, [request.fingerprint], None if block else [request.newsletter])
    if block:
        restraint.block(session, keys, request.fingerprint, now)
    return Refused(newsletter=request.newsletter, already=already)


def expire(session: Session, keys: Keys, newsletter: str, evidence: Evidence, now: datetime, limit: int = 500) -> int:
    """End some subscriptions to a newsletter that was idle for too long; returns how many, none when all have."""
    consent.lock(session)
    mine = registry.running(session, newsletter, limit)
    keys.fetch({one.subject for one in mine})
    ending = _Ending(change=Change(Kind.EXPIRED, Actor.SYSTEM, EndReason.EXPIRED), evidence=evidence)
    return len(_end(session, keys, mine, ending, now))


def end_again(
    session: Session, keys: Keys, mine: Sequence[Subscription], reason: EndReason, left_at: datetime, now: datetime
) -> int:
    """End subscriptions whose end a restored database forgot."""
    known = {one.reason: one for one in SUPPRESSING.values()}
    known[EndReason.EXPIRED] = Change(Kind.EXPIRED, Actor.SYSTEM, EndReason.EXPIRED)
    known[EndReason.WITHDRAWN] = LEFT
    evidence = Evidence(method="restore journal", given_at=left_at)
    return len(_end(session, keys, mine, _Ending(change=known[reason], evidence=evidence), now))


def unsuppress(
    session: Session, keys: Keys, address: Address, evidence: Evidence, now: datetime
) -> tuple[SuppressionReason, ...]:
    """Lift what the desk or the law has put on an address, as `evidence.by` and `evidence.second` decided.

    Returns what was lifted. Nobody is written to by that: it lets the holder sign up again, and what the holder put
    there only the holder lifts. Raises IllegalChange when it was not two people, or they give no reason.
    """
    if not evidence.by or not evidence.second or evidence.by == evidence.second or not evidence.reason:
        raise IllegalChange("suppressed", Kind.UNSUPPRESSED, "fewer than two people who say why")
    consent.lock(session)
    fingerprint = keys.fingerprint(address)
    lifted = sorted({one.reason for one in suppressions.bars(session, fingerprint)} & BY_THE_DESK)
    if lifted:
        events = [
            Event(
                subject=one.subject,
                newsletter=one.newsletter,
                kind=Kind.UNSUPPRESSED,
                evidence=evidence,
                actor=Actor.DESK,
            )
            for one in registry.subscriptions_of(session, [fingerprint])
        ]
        consent.append(session, keys, events, now)
        suppressions.lift(session, fingerprint, lifted)
    return tuple(lifted)


def pause(session: Session, keys: Keys, token: str, until: datetime, now: datetime) -> Paused:
    """Send nothing until a moment, after which the subscription works again by itself.

    Raises InvalidToken, NotSubscribed when it has ended, ValueError when the moment is past or over a year away.
    """
    if not now < until <= now + LONGEST_PAUSE:
        raise ValueError(f"a pause lies ahead and lasts at most {LONGEST_PAUSE.days} days")
    mine = _running(session, keys, token)
    _record(session, keys, mine, Kind.PAUSED, Evidence(method="pause button", until=until), now)
    registry.pause(session, mine.id, until, now)
    return Paused(newsletter=mine.newsletter, until=until)


def resume(session: Session, keys: Keys, token: str, now: datetime) -> Preferences:
    """End a pause before its time; a subscription that is not paused stays as it is.

    The token could as well have set a shorter pause. Raises InvalidToken, NotSubscribed when it has ended.
    """
    mine = _running(session, keys, token)
    if states.allows(mine.place, Change(Kind.RESUMED, Actor.SUBJECT)) and mine.authorised_by:
        _record(session, keys, mine, Kind.RESUMED, Evidence(method="resume button"), now)
        registry.activate(session, mine.id, mine.authorised_by, now)
    return Preferences(newsletter=mine.newsletter, state=State.ACTIVE, paused_until=None)


def preferences(session: Session, keys: Keys, token: str) -> Preferences:
    """What the page behind a letter's link may show; writes nothing. Raises InvalidToken."""
    mine = registry.subscription(session, keys.read_token(Purpose.LEAVE, token))
    if mine is None:
        raise InvalidToken
    tracked = consent.tracking_stands_for(session, mine.subject, mine.newsletter)
    return Preferences(newsletter=mine.newsletter, state=mine.state, paused_until=mine.paused_until, tracked=tracked)


def _running(session: Session, keys: Keys, token: str) -> Subscription:
    public_id = keys.read_token(Purpose.LEAVE, token)
    consent.lock(session)
    mine = registry.subscription(session, public_id)
    if mine is None:
        raise InvalidToken
    if not states.allows(mine.place, Change(Kind.PAUSED, Actor.SUBJECT)):
        raise NotSubscribed(mine.newsletter)
    return mine


def _record(session: Session, keys: Keys, mine: Subscription, kind: Kind, evidence: Evidence, now: datetime) -> None:
    event = Event(
        subject=mine.subject,
        newsletter=mine.newsletter,
        kind=kind,
        evidence=evidence,
        refers_to=mine.authorised_by or 0,
    )
    consent.append(session, keys, [event], now)


def _read(keys: Keys, token: str) -> bytes | None:
    try:
        return keys.read_token(Purpose.LEAVE, token)
    except InvalidToken:
        return None


def _end(
    session: Session, keys: Keys, subscriptions: Sequence[Subscription], ending: _Ending, now: datetime
) -> list[Subscription]:
    """End those that run, and return them."""
    change = ending.change
    # Who has left already does not leave again, but a bounce becomes a withdrawal, and anything a complaint.
    leaving = [one for one in subscriptions if states.allows(one.place, change)]
    events = [
        Event(
            subject=one.subject,
            newsletter=one.newsletter,
            kind=change.kind,
            evidence=ending.evidence,
            actor=change.actor,
            reason=str(change.reason),
            refers_to=one.authorised_by or 0,
        )
        for one in leaving
    ]
    # Whoever leaves can leave, even if nothing of them can be sealed any more.
    boxes = [keys.box(one.subject) if keys.holds(one.subject) else keys.draw(one.subject)[0] for one in leaving]
    consent.append(session, keys, events, now, [consent.pack(keys, ending.evidence, now, box) for box in boxes])
    registry.end_all(session, {one.id: change.reason for one in leaving if change.reason}, now)
    why = str(change.reason)
    gone = [Departure(one.fingerprint, departures.ENDED, one.newsletter, why, now) for one in leaving]
    departures.note(session, gone)
    return leaving
