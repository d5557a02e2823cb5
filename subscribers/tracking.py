"""Consent to be counted as a person: apart from the subscription, never part of it, and good only while it stands.

Nothing is derived from a sign-up. The token in a letter names the subscription for this one purpose; what it may
record is asked of the ledger when it comes back, so a withdrawal reaches the letters that were sent before it, too.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from subscribers import registry
from subscribers.errors import InvalidToken, NotSubscribed
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import Event, Evidence, Kind
from subscribers.registry import SUBSCRIBERS, SUBSCRIPTIONS, Subscription
from subscribers.states import State
from subscribers.tokens import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was shown to whom agrees: the wording's exact text and language."""

    wording: str
    language: str
    evidence: Evidence


def allow_tracking(
    session: Session, keys: Keys, subject: bytes, newsletter: str, agreement: Agreement, now: datetime
) -> bool:
    """Record that a running subscription's holder agrees; False when that stands already. Raises NotSubscribed.

    The caller knows the holder by a link that was mailed to the address: a forwarded letter must not agree for others.
    """
    consent.lock(session)
    if not registry.running_of(session, [subject], newsletter):
        raise NotSubscribed(newsletter)
    if is_tracked(session, subject, newsletter):
        return False
    wording = consent.keep_wording(session, agreement.wording, agreement.language)
    event = Event(
        subject=subject,
        newsletter=newsletter,
        kind=Kind.TRACKING_GIVEN,
        evidence=agreement.evidence,
        wording=wording,
    )
    consent.append(session, keys, [event], now)
    return True


def end_tracking(
    session: Session, keys: Keys, subject: bytes, newsletter: str, evidence: Evidence, now: datetime
) -> bool:
    """Record that the holder does not agree any more; False when nothing stood. The subscription stays as it is."""
    consent.lock(session)
    if not is_tracked(session, subject, newsletter):
        return False
    event = Event(subject=subject, newsletter=newsletter, kind=Kind.TRACKING_WITHDRAWN, evidence=evidence)
    consent.append(session, keys, [event], now)
    return True


def end_tracking_by_token(session: Session, keys: Keys, token: str, evidence: Evidence, now: datetime) -> Subscription:
    """The same by the token of a letter, which may end what it could not begin. Raises InvalidToken."""
    mine = registry.subscription(session, keys.read_token(Purpose.LEAVE, token))
    if mine is None:
        raise InvalidToken
    end_tracking(session, keys, mine.subject, mine.newsletter, evidence, now)
    return mine


def is_tracked(session: Session, subject: bytes, newsletter: str) -> bool:
    """Whether the holder agrees at this moment."""
    return consent.tracking_stands_for(session, subject, newsletter)


def tracked_subscription(session: Session, keys: Keys, token: str, newsletter: str) -> int | None:
    """The subscription a reading token names, if what it tells may be recorded at this moment; never raises."""
    try:
        mine = registry.subscription(session, keys.read_token(Purpose.READ, token))
    except InvalidToken:
        return None
    running = mine is not None and mine.newsletter == newsletter and mine.state in {State.ACTIVE, State.PAUSED}
    return mine.id if mine and running and is_tracked(session, mine.subject, newsletter) else None


def reading_tokens(session: Session, keys: Keys, ids: list[int], newsletter: str) -> dict[int, str]:
    """The reading tokens of those among these subscriptions whose holders agree."""
    connection = session.connection()
    wanted = (
        SUBSCRIPTIONS.join(SUBSCRIBERS, SUBSCRIBERS.c.id == SUBSCRIPTIONS.c.subscriber_id)
        .select()
        .with_only_columns(SUBSCRIPTIONS.c.id, SUBSCRIPTIONS.c.public_id)
        .where(
            SUBSCRIPTIONS.c.id.in_(ids),
            SUBSCRIPTIONS.c.newsletter == newsletter,
            consent.tracking_stands(SUBSCRIBERS.c.subject, SUBSCRIPTIONS.c.newsletter),
        )
    )
    return {int(number): keys.token(Purpose.READ, bytes(public)) for number, public in connection.execute(wanted)}
