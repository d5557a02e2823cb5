"""The whole of an erasure: the person's rows, the words of their deliveries, the letter that says so, then their keys.

The rows go in one transaction, the keys after it. Stopped in between, the daily retention does the rest.
"""

from dataclasses import dataclass
from datetime import datetime

import subscribers
from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import correspondence, farewell
from subscribers import Address, Erased, Evidence, Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who is to be erased, how that was asked for, and whether they are never to be written to again."""

    address: Address
    evidence: Evidence
    never_again: bool = False


def erase(database: Database, keys: Keys, config: Config, wish: Wish, now: datetime) -> Erased:
    """Erase whoever holds an address and queue the letter that says so; an empty answer where nobody does.

    Raises ErasureHeld.
    """
    with database.transaction() as session:
        subject = subscribers.subject_of(session, keys, wish.address)
        if subject is None:
            if wish.never_again:
                reason, by = subscribers.SuppressionReason.OBJECTED, wish.evidence.by
                subscribers.suppress(session, keys, wish.address, reason, by, now)
            return Erased()
        gone = subscribers.erase(session, keys, subject, wish.evidence, now, never_again=wish.never_again)
        farewell.forget(session, gone)
        known = config.newsletters
        paper = gone.letter and (known.get(gone.letter.newsletter) or next(iter(known.values()), None))
        if gone.letter and paper:
            spoken = correspondence.in_language(paper, gone.letter.language)
            correspondence.last(session, spoken, config, gone.letter, now)
    farewell.finish(database, keys, gone.subjects)
    return gone
