"""The whole of an erasure: the person's rows, the words of their deliveries, and then, for good, their keys.

The rows go in one transaction, the keys after it. Stopped in between, the daily retention does the rest.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

import subscribers
from newsletter import readership
from newsletter.database import Database
from newsletter.delivery.ledger import ATTEMPTS, CONFIRMATION, DELIVERIES, EDITION, MAILINGS
from subscribers import Address, Erased, Evidence, Keys


def erase(
    database: Database, keys: Keys, address: Address, evidence: Evidence, now: datetime, *, never_again: bool
) -> Erased:
    """Erase whoever holds an address; an empty answer where nobody does. Raises ErasureHeld."""
    with database.transaction() as session:
        subject = subscribers.subject_of(session, keys, address)
        if subject is None:
            if never_again:
                subscribers.suppress(session, keys, address, subscribers.SuppressionReason.OBJECTED, evidence.by, now)
            return Erased()
        gone = subscribers.erase(session, keys, subject, evidence, now, never_again=never_again)
        forget(session, gone)
    finish(database, keys, gone.subjects)
    return gone


def finish(database: Database, keys: Keys, subjects: Sequence[bytes]) -> None:
    """Shred the keys of who was erased, and leave nothing of rows or keys in the files."""
    keys.shred(subjects)
    keys.scrub()
    database.scrub()


def forget(session: Session, gone: Erased) -> None:
    """Keep the number of each delivery and what became of it; no word a relay said about it, and nothing it read."""
    for one in gone.subscriptions:
        readership.forget(session, one)
    connection = session.connection()
    # Letters of errands are numbered by links, which are gone; what a relay said never holds an address anyway.
    edition, confirmation = MAILINGS.c.kind == EDITION, MAILINGS.c.kind == CONFIRMATION
    for recipients, of in ((gone.subscriptions, edition), (gone.requests, confirmation)):
        mailings = sa.select(MAILINGS.c.id).where(of).scalar_subquery()
        for table in (DELIVERIES, ATTEMPTS) if recipients else ():
            mine = (table.c.mailing_id.in_(mailings), table.c.recipient_id.in_(recipients), table.c.reply != "")
            connection.execute(sa.update(table).where(*mine).values(reply=""))
