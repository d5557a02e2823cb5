"""Who went, noted on the session that lets them go, so that whoever commits it can also keep it outside the database.

A restored backup does not know who left after it was made. What is noted here is all that a restore needs to know.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from sqlmodel import Session

_NOTED: Final = "departures"
ENDED: Final = "ended"
SUPPRESSED: Final = "suppressed"
ERASED: Final = "erased"


class Departure(NamedTuple):
    """One address that is not to be written to any more; `newsletter` is empty where all are meant."""

    fingerprint: bytes
    action: str
    newsletter: str
    reason: str
    at: datetime


def note(session: Session, gone: Iterable[Departure]) -> None:
    """Add to what this session's transaction does."""
    session.info.setdefault(_NOTED, []).extend(gone)


def noted(session: Session) -> list[Departure]:
    """What was noted since the last time this was asked."""
    found: list[Departure] = session.info.pop(_NOTED, [])
    return found
