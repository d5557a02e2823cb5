"""Moments as the rows keep them: whole milliseconds since 1970 UTC, exact and the same on both databases. Pure."""

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """The milliseconds of an aware moment; a naive one is refused rather than guessed."""
    if moment.tzinfo is None:
        raise ValueError(f"naive time: {moment}")
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC moment of a row."""
    return EPOCH + milliseconds * MILLISECOND


@lru_cache(maxsize=16)
def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, the one spelling evidence uses."""
    return from_ms(to_ms(moment)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def months_later(day: date, months: int) -> date:
    """The same day some months later, or earlier; where that month has no such day, its last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
