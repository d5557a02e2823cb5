"""A change of address: asked for by its holder, confirmed in the new mailbox, told to the old one.

Until it is confirmed nothing changes, and whoever asked does not learn whether the new address was known.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from subscribers import grants, holds, particulars, registry, requests, suppressions
from subscribers.access import DAY, Granted, address_of, known_from, usable
from subscribers.addresses import Address
from subscribers.errors import InvalidToken
from subscribers.grants import Errand, NewGrant
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent
from subscribers.ledger.evidence import Event, Evidence, Kind
from subscribers.registry import Person
from subscribers.tokens import ID_BYTES, Purpose

LIFETIME: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What the page behind the letter's link may show: neither address."""

    newsletter: str
    expires_at: datetime


def ask_to_move(
    session: Session, keys: Keys, subject: bytes, new: Address, now: datetime, *, letters_per_day: int
) -> Granted | None:
    """Keep a link for the new mailbox; None when no letter is due: the address is known, suppressed or over its cap."""
    consent.lock(session)
    person = particulars.person(session, subject)
    if person is None or not _is_free(session, keys, person, new):
        return None
    mailbox = keys.mailbox(new)
    if grants.letters_since(session, Errand.CHANGE, subject, mailbox, now - DAY) >= letters_per_day:
        return None
    grants.use_all(session, subject, now, Errand.CHANGE)
    return _grant(session, keys, person, Errand.CHANGE, new, now)


def look_at_move(session: Session, keys: Keys, token: str, now: datetime) -> Move:
    """What a link is for; writes nothing. Raises InvalidToken or ExpiredToken as `move` would."""
    grant = usable(session, keys, Errand.CHANGE, token, now)
    person = particulars.person(session, grant.subject)
    if person is None:
        raise InvalidToken
    return Move(newsletter=known_from(session, person), expires_at=grant.expires_at)


def move(session: Session, keys: Keys, token: str, now: datetime, evidence: Evidence) -> Granted:
    """Write to the new address from now on, close every way in by the old one, and keep a letter that tells it.

    Raises InvalidToken when the token is not genuine, or one of the addresses has come to be known or suppressed;
    ExpiredToken when the link was used, its hours are over, or a newer one has taken its place.
    """
    keys.read_token(Purpose.CHANGE, token)
    consent.lock(session)
    grant = usable(session, keys, Errand.CHANGE, token, now)
    person = particulars.person(session, grant.subject)
    if person is None or grant.sealed is None:
        raise InvalidToken
    old, new = address_of(keys, person), Address.parse(keys.open(grant.subject, Sealed.REQUEST, grant.sealed).decode())
    if not _is_free(session, keys, person, new):
        raise InvalidToken
    event = Event(subject=person.subject, newsletter="", kind=Kind.ADDRESS_CHANGED, evidence=evidence)
    consent.append(session, keys, [event], now)
    # Whoever signs up with the old address later is somebody else.
    requests.forget(session, person.fingerprint)
    grants.use_all(session, person.subject, now)
    grants.close_sessions(session, person.subject)
    # While it is still known by the old address what she receives: the letter is in the name of one of these.
    told = _grant(session, keys, person, Errand.MOVED, old, now)
    particulars.readdress(session, keys, person, new)
    holds.follow(session, person.fingerprint, keys.fingerprint(new))
    return told


def _is_free(session: Session, keys: Keys, person: Person, new: Address) -> bool:
    """Whether nobody has the new address yet, and neither address is one never to be written to."""
    fingerprint = keys.fingerprint(new)
    known = registry.people(session, [fingerprint])
    return not known and not suppressions.suppressed(session, [fingerprint, person.fingerprint])


def _grant(session: Session, keys: Keys, person: Person, errand: Errand, to: Address, now: datetime) -> Granted:
    new = NewGrant(
        public_id=keys.chance(ID_BYTES),
        errand=errand,
        subject=person.subject,
        mailbox=keys.mailbox(to),
        sealed=keys.seal(person.subject, Sealed.REQUEST, to.text.encode()),
        expires_at=now + LIFETIME,
    )
    grant_id = grants.keep(session, new, now)
    newsletter = known_from(session, person)
    return Granted(
        grant_id=grant_id,
        errand=errand,
        newsletter=newsletter,
        language=person.language,
        expires_at=new.expires_at,
    )
