"""What is left of a reader in the accounts, forgotten; and where their last letter went, when it has left."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

import subscribers
from newsletter import readership
from newsletter.database import Database
from newsletter.delivery.ledger import ATTEMPTS, CONFIRMATION, DELIVERIES, EDITION, ERASED, MAILINGS, OPEN
from subscribers import Erased, Keys


def finish(database: Database, keys: Keys, subjects: Sequence[bytes]) -> None:
    """Shred the keys of who was erased, and leave nothing of rows or keys in the files."""
    keys.shred(subjects)
    keys.scrub()
    database.scrub()


def forget(session: Session, gone: Erased) -> None:
    """Keep the number of each delivery and what became of it; no word a relay said about it, and nothing it read."""
    for one in gone.subscriptions:
        readership.forget(session, one)
    # Letters of errands are numbered by links, which are gone; what a relay said never holds an address anyway.
    for kind, recipients in ((EDITION, gone.subscriptions), (CONFIRMATION, gone.requests)):
        _forget_replies(session, kind, recipients)


def forget_last_letters(database: Database, keys: Keys, now: datetime) -> None:
    """Forget where the letters went that have left, cannot leave, or are a day old; mostly there are none."""
    with database.snapshot() as session:
        due = _over(session, now)
    if not due:
        return
    with database.transaction() as session:
        over = _over(session, now)
        _forget_replies(session, ERASED, over)
        subjects = subscribers.forget_last_letters(session, over)
    finish(database, keys, subjects)


def _over(session: Session, now: datetime) -> list[int]:
    waiting = subscribers.last_letters_waiting(session)
    still = sa.select(DELIVERIES.c.recipient_id).where(
        DELIVERIES.c.mailing_id.in_(_mailings(ERASED)),
        DELIVERIES.c.recipient_id.in_(waiting),
        DELIVERIES.c.state.in_(OPEN),
    )
    leaving = set(session.connection().execute(still).scalars()) if waiting else set()
    return [number for number, until in waiting.items() if number not in leaving or until <= now]


def _forget_replies(session: Session, kind: str, recipients: Collection[int]) -> None:
    for table in (DELIVERIES, ATTEMPTS) if recipients else ():
        mine = (table.c.mailing_id.in_(_mailings(kind)), table.c.recipient_id.in_(recipients), table.c.reply != "")
        session.connection().execute(sa.update(table).where(*mine).values(reply=""))


def _mailings(kind: str) -> sa.ScalarSelect[int]:
    return sa.select(MAILINGS.c.id).where(MAILINGS.c.kind == kind).scalar_subquery()
