"""After a restore: everybody the journal says left is taken out again, and only then the house may send.

The journal is replayed whole, each entry where the database does not know it yet: what changed later than an entry,
such as a confirmation of somebody who came back, stays. So it may be stopped, repeated, and run on any age of backup.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

import subscribers
from newsletter.database import Database
from newsletter.delivery import farewell
from newsletter.safekeeping import arming
from newsletter.safekeeping.journal import Entry, Journal
from subscribers import Departure, Erased, Keys

STEP: Final = 500


def reconcile(
    database: Database, keys: Keys, journal: Journal, now: datetime, progress: Callable[[int, int | None], None]
) -> Counter[str]:
    """Replay the journal and arm the house; returns how many of each action changed anything, and how many entries."""
    entries = list(journal.entries())
    done: Counter[str] = Counter(entries=len(entries))
    for start in range(0, len(entries), STEP):
        gone = Erased()
        with database.transaction() as session:
            for one in entries[start : start + STEP]:
                changed, erased = subscribers.depart_again(session, keys, _departure(one), now)
                gone += erased
                done[one.action] += changed
            farewell.forget(session, gone)
        farewell.finish(database, keys, gone.subjects)
        progress(min(start + STEP, len(entries)), len(entries))
    # Keys that were shredded after the backup are gone for those it still holds; the erasures above have settled them.
    with database.transaction() as session:
        arming.arm(session, now)
    return done


def _departure(entry: Entry) -> Departure:
    return Departure(bytes.fromhex(entry.fingerprint), entry.action, entry.newsletter, entry.reason, entry.at)
