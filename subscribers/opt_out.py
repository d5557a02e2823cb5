"""Going out: always allowed, at once, idempotent, and never undone except by a fresh confirmation of the holder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlmodel import Session

from subscribers import registry, requests, restraint
from subscribers.addresses import Address
from subscribers.errors import InvalidToken, NotSubscribed
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.registry import EndReason, State, Subscription
from subscribers.tokens import Purpose

LONGEST_PAUSE: Final = timedelta(days=366)


class SuppressionReason(StrEnum):
    """Why an address must never be written to."""

    COMPLAINED = "complained"
    OBJECTED = "objected"
    BOUNCED = "bounced"
    DESK = "desk"
    LEGAL = "legal"


# What a suppression does to the subscriptions that still run.
_ENDS: Final = {
    SuppressionReason.COMPLAINED: (Kind.WITHDRAWN, EndReason.COMPLAINED),
    SuppressionReason.OBJECTED: (Kind.WITHDRAWN, EndReason.OBJECTED),
    SuppressionReason.BOUNCED: (Kind.DELIVERY_BLOCKED, EndReason.BOUNCED),
    SuppressionReason.DESK: (Kind.SUPPRESSED, EndReason.SUPPRESSED),
    SuppressionReason.LEGAL: (Kind.SUPPRESSED, EndReason.SUPPRESSED),
}


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

    @property
    def newsletters(self) -> tuple[tuple[str, State], ...]:
        """Newsletter and state, as a page lists them."""
        return ((self.newsletter, self.state),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How subscriptions are to end."""

    kind: Kind
    reason: EndReason
    actor: Actor
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
        ending = _Ending(
            kind=Kind.WITHDRAWN, reason=EndReason.WITHDRAWN, actor=Actor.SUBJECT, evidence=Evidence(method=method)
        )
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
    ending = _Ending(
        kind=Kind.WITHDRAWN,
        reason=EndReason.WITHDRAWN,
        actor=Actor.DESK,
        evidence=evidence,
    )
    requests.close(session, fingerprint, None if newsletter is None else [newsletter])
    return len(_end(session, keys, mine, ending, now))


def suppress(session: Session, keys: Keys, address: Address, reason: SuppressionReason, by: str, now: datetime) -> int:
    """Never write to an address again, whatever a form, import or editor says; returns how many subscriptions ended."""
    consent.lock(session)
    fingerprint = keys.fingerprint(address)
    kind, end_reason = _ENDS[reason]
    actor = Actor.DESK if reason in {SuppressionReason.DESK, SuppressionReason.LEGAL} else Actor.SYSTEM
    evidence = Evidence(method="suppression", by=by, reason=reason.value)
    registry.add_suppression(session, fingerprint, reason.value, by, now)
    requests.close(session, fingerprint)
    ending = _Ending(kind=kind, reason=end_reason, actor=actor, evidence=evidence)
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
    already = request.state is requests.RequestState.WITHDRAWN
    if request.state is requests.RequestState.CONFIRMED:
        known = registry.subscriptions_of(session, [request.fingerprint])
        ending = _Ending(kind=Kind.WITHDRAWN, reason=EndReason.WITHDRAWN, actor=Actor.SUBJECT, evidence=evidence)
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
        requests.move(session, request.id, requests.RequestState.WITHDRAWN)
    requests.close(session, request.fingerprint, None if block else [request.newsletter])
    if block:
        restraint.block(session, keys, request.fingerprint, now)
    return Refused(newsletter=request.newsletter, already=already)


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
    if mine.state is State.PAUSED and mine.authorised_by:
        _record(session, keys, mine, Kind.RESUMED, Evidence(method="resume button"), now)
        registry.activate(session, mine.id, mine.authorised_by, now)
    return Preferences(newsletter=mine.newsletter, state=State.ACTIVE, paused_until=None)


def preferences(session: Session, keys: Keys, token: str) -> Preferences:
    """What the page behind a letter's link may show; writes nothing. Raises InvalidToken."""
    mine = registry.subscription(session, keys.read_token(Purpose.LEAVE, token))
    if mine is None:
        raise InvalidToken
    return Preferences(newsletter=mine.newsletter, state=mine.state, paused_until=mine.paused_until)


def _running(session: Session, keys: Keys, token: str) -> Subscription:
    public_id = keys.read_token(Purpose.LEAVE, token)
    consent.lock(session)
    mine = registry.subscription(session, public_id)
    if mine is None:
        raise InvalidToken
    if mine.state not in {State.ACTIVE, State.PAUSED}:
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
    # What an undone import left may come back by a better file, unless its holder leaves meanwhile.
    running = [one for one in subscriptions if one.state is not State.ENDED or one.ended_reason is EndReason.UNDONE]
    events = [
        Event(
            subject=one.subject,
            newsletter=one.newsletter,
            kind=ending.kind,
            evidence=ending.evidence,
            actor=ending.actor,
            reason=ending.reason.value,
            refers_to=one.authorised_by or 0,
        )
        for one in running
    ]
    consent.append(session, keys, events, now)
    registry.end_all(session, {one.id: ending.reason for one in running}, now)
    return running
