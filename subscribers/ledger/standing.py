"""Whether a consent stands, as SQL to be joined: the event somebody rests on, and whatever has ended it since.

`stands` asks both of one subscription; a list of millions joins them, since what is not there is found so sooner.
"""

from typing import Final

from sqlalchemy import ColumnElement, and_, case, exists, false, literal, true

from subscribers.ledger.consent import EVENTS
from subscribers.ledger.evidence import AUTHORISING, ENDING

BASIS: Final = EVENTS.alias("basis")
"""The event a subscription rests on, to be joined by its number."""
ENDED: Final = EVENTS.alias("ended")
"""An event that has ended what the other one allowed, to be joined by what `ends` says."""


def stands(subject: ColumnElement[bytes], newsletter: ColumnElement[str]) -> ColumnElement[bool]:
    """The SQL that is true when the event joined as `BASIS` allows writing to this subject, and none has ended that."""
    return authorises(subject, newsletter) & ~exists().where(ends(subject, newsletter))


def authorises(subject: ColumnElement[bytes], newsletter: ColumnElement[str]) -> ColumnElement[bool]:
    """The SQL that is true when the event joined as `BASIS` allowed writing to this subject."""
    # Not an equality that a database could look subscribers up by: they are at hand already, by their numbers.
    own = case((BASIS.c.subject == subject, true()), else_=false())
    return and_(own, BASIS.c.newsletter == newsletter, BASIS.c.kind.in_(sorted(AUTHORISING)))


def ends(subject: ColumnElement[bytes], newsletter: ColumnElement[str]) -> ColumnElement[bool]:
    """The SQL that is true of an event `ENDED` that has ended what the one joined as `BASIS` allowed."""
    # Spelt as the partial index of such events has it, or SQLite would not take it.
    kinds = [literal(one.value, literal_execute=True) for one in sorted(ENDING)]
    later = ENDED.c
    return and_(
        later.subject == subject, later.newsletter == newsletter, later.seq > BASIS.c.seq, later.kind.in_(kinds)
    )
