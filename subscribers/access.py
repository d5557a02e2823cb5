"""Step by step to one's own data: ask by address, open the mailed link, and be known for half an hour.

What the caller shows after `ask_access` is the same page whatever it returns: nobody learns which addresses are known.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from subscribers import grants, particulars, registry, suppressions
from subscribers.addresses import Address
from subscribers.audience import Dropped
from subscribers.errors import ExpiredToken, InvalidToken, UnreadableSeal
from subscribers.grants import Errand, Grant, NewGrant, Opened
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent
from subscribers.registry import Person
from subscribers.states import State
from subscribers.tokens import ID_BYTES, Purpose

LIFETIME: Final = timedelta(minutes=30)
DAY: Final = timedelta(hours=24)
SESSION_BYTES: Final = 32
_PURPOSES: Final = {Errand.ACCESS: Purpose.ACCESS, Errand.CHANGE: Purpose.CHANGE}
# A letter without a link needs none.
NO_TOKEN: Final = "none"  # noqa: S105 -- a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A letter is due; `newsletter` is one its reader knows, to be written in the name of."""

    grant_id: int
    errand: Errand
    newsletter: str
    language: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Whom the letter goes to, with the token its link carries."""

    address: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who opened the link mailed to this address."""

    subject: bytes
    address: Address = field(repr=False)
    language: str
    until: datetime
    suppressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The visit that was opened, and the secret its browser is known by."""

    token: str = field(repr=False)
    until: datetime


def ask_access(
    session: Session, keys: Keys, address: Address, now: datetime, *, letters_per_day: int
) -> Granted | None:
    """Keep a link for the holder of a known address; None when no letter is due, which no page may tell."""
    consent.lock(session)
    person = registry.people(session, [keys.fingerprint(address)]).get(keys.fingerprint(address))
    return None if person is None else _grant_access(session, keys, person, address, now, most=letters_per_day)


def ask_access_by_letter(
    session: Session, keys: Keys, token: str, now: datetime, *, letters_per_day: int
) -> Granted | None:
    """The same for the address a letter was sent to, which whoever holds that letter need not know.

    Raises InvalidToken when the token is none of a newsletter's letters.
    """
    public_id = keys.read_token(Purpose.LEAVE, token)
    consent.lock(session)
    mine = registry.subscription(session, public_id)
    person = particulars.person(session, mine.subject) if mine else None
    if mine is None or person is None:
        raise InvalidToken
    return _grant_access(session, keys, person, address_of(keys, person), now, most=letters_per_day)


def addressee(session: Session, keys: Keys, grant_id: int, now: datetime) -> Addressee | Dropped:
    """The address and token of a letter as of now: the same each time, or why it is not to be sent."""
    grant = grants.by_id(session, grant_id)
    if grant is None:
        return Dropped(reason="no such link")
    if grant.used_at is not None or now >= grant.expires_at:
        return Dropped(reason="link used or expired")
    person = particulars.person(session, grant.subject)
    if person is None:
        return Dropped(reason="unknown person")
    try:
        address = _destination(keys, grant, person)
    except UnreadableSeal:
        return Dropped(reason="unreadable address")
    if suppressions.suppressed(session, [keys.fingerprint(address)]):
        return Dropped(reason="suppressed")
    purpose = _PURPOSES.get(grant.errand)
    return Addressee(address=address.text, token=keys.token(purpose, grant.public_id) if purpose else NO_TOKEN)


def look_at_link(session: Session, keys: Keys, token: str, now: datetime) -> None:
    """Raise what `open_visit` would; writes nothing."""
    usable(session, keys, Errand.ACCESS, token, now)


def open_visit(session: Session, keys: Keys, token: str, now: datetime) -> Entered:
    """Use the link up and open a visit. Raises InvalidToken, or ExpiredToken when it was used or its time is over."""
    keys.read_token(Purpose.ACCESS, token)
    consent.lock(session)
    grant = usable(session, keys, Errand.ACCESS, token, now)
    grants.use(session, grant.id, now)
    secret = keys.chance(SESSION_BYTES).hex()
    until = now + LIFETIME
    opened = Opened(subject=grant.subject, opened_at=now, expires_at=until)
    grants.open_session(session, _hash(secret), opened)
    return Entered(token=secret, until=until)


def visitor(session: Session, keys: Keys, token: str, now: datetime) -> Visitor | None:
    """Who the cookie's secret belongs to, or None when it is unknown or its time is over."""
    opened = grants.session_of(session, _hash(token), now)
    person = particulars.person(session, opened.subject) if opened else None
    if opened is None or person is None:
        return None
    return Visitor(
        subject=person.subject,
        address=address_of(keys, person),
        language=person.language,
        until=opened.expires_at,
        suppressed=bool(suppressions.suppressed(session, [person.fingerprint])),
    )


def close_visit(session: Session, token: str) -> None:
    """End one visit."""
    grants.close_session(session, _hash(token))


def usable(session: Session, keys: Keys, errand: Errand, token: str, now: datetime) -> Grant:
    """The grant a token still opens. Raises InvalidToken, or ExpiredToken when it was used or its time is over."""
    grant = grants.by_public_id(session, keys.read_token(_PURPOSES[errand], token))
    if grant is None or grant.errand is not errand or particulars.person(session, grant.subject) is None:
        raise InvalidToken
    if grant.used_at is not None or now >= grant.expires_at:
        raise ExpiredToken(grant.made_at)
    return grant


def address_of(keys: Keys, person: Person) -> Address:
    """A subscriber's address, opened."""
    return Address.parse(keys.open(person.subject, Sealed.ADDRESS, person.sealed).decode())


def known_from(session: Session, person: Person) -> str:
    """The newsletter a person's letters are best written in the name of: one that runs, or else the latest."""
    mine = registry.subscriptions_of(session, [person.fingerprint])
    running = [one.newsletter for one in mine if one.state in {State.ACTIVE, State.PAUSED}]
    return next(iter([*running, *(one.newsletter for one in reversed(mine))]), "")


def _grant_access(
    session: Session, keys: Keys, person: Person, address: Address, now: datetime, *, most: int
) -> Granted | None:
    mailbox = keys.mailbox(address)
    if suppressions.suppressed(session, [person.fingerprint]):
        return None
    if grants.letters_since(session, Errand.ACCESS, person.subject, mailbox, now - DAY) >= most:
        return None
    new = NewGrant(
        public_id=keys.chance(ID_BYTES),
        errand=Errand.ACCESS,
        subject=person.subject,
        mailbox=mailbox,
        expires_at=now + LIFETIME,
    )
    return Granted(
        grant_id=grants.keep(session, new, now),
        errand=Errand.ACCESS,
        newsletter=known_from(session, person),
        language=person.language,
        expires_at=new.expires_at,
    )


def _destination(keys: Keys, grant: Grant, person: Person) -> Address:
    if grant.sealed is None:
        return address_of(keys, person)
    return Address.parse(keys.open(grant.subject, Sealed.REQUEST, grant.sealed).decode())


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
