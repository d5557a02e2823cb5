"""A known subscriber by her pseudonym, and what she changes: address, language, how often she is written to.

Like `registry`, whose tables these are, it decides nothing: choices and moves do, and append to the ledger first.
"""

from sqlalchemy import select, update
from sqlmodel import Session

from subscribers.addresses import Address
from subscribers.keys import Keys, Sealed
from subscribers.registry import SUBSCRIBERS, SUBSCRIPTIONS, Person, as_person
from subscribers.states import Rhythm


def person(session: Session, subject: bytes) -> Person | None:
    """The subscriber of a pseudonym."""
    row = session.connection().execute(select(SUBSCRIBERS).where(SUBSCRIBERS.c.subject == subject)).one_or_none()
    return None if row is None else as_person(row)


def set_rhythm(session: Session, subscription_id: int, rhythm: Rhythm) -> None:
    """Send only these editions."""
    mine = SUBSCRIPTIONS.c.id == subscription_id
    session.connection().execute(update(SUBSCRIPTIONS).where(mine).values(rhythm=rhythm.value))


def set_language(session: Session, subscriber_id: int, language: str) -> None:
    """Write to a subscriber in this language."""
    session.connection().execute(update(SUBSCRIBERS).where(SUBSCRIBERS.c.id == subscriber_id).values(language=language))


def readdress(session: Session, keys: Keys, known: Person, address: Address) -> None:
    """Have a subscriber known by another address, which nobody else may have."""
    sealed = keys.seal(known.subject, Sealed.ADDRESS, address.text.encode())
    changed = update(SUBSCRIBERS).where(SUBSCRIBERS.c.id == known.id)
    session.connection().execute(changed.values(fingerprint=keys.fingerprint(address), sealed=sealed))
