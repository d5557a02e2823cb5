"""How many letters a relay may still be given: its rates, kept in the database for all processes and machines.

A rate holds in any stretch of its time. What was granted is counted by slots, sixty to a window, for as long as it can
matter: a permit may be used a little later than it was granted, so it counts that much longer, and a slot counts as a
whole until its end does. What was taken is free again after 1 + 1/20 + 1/60 of the time, which leaves 93 % of a rate.

The machines' clocks must agree; what one is granted that is behind counts as if at the latest time on record.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, func
from sqlmodel import Field, Session, SQLModel

from newsletter.database import upsert
from newsletter.relays import Window

SLOTS: Final = 60
# A permit is good for this part of the shortest window.
GOOD_FOR: Final = 20
_LOCK: Final = 7_205_760
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1) // _TICK
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class RelayUseRow(SQLModel, table=True):
    """The letters one relay was granted in one slot of one window."""

    __tablename__ = "relay_use"

    relay: str = Field(primary_key=True)
    window_seconds: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    slot: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    letters: int


_USE: Final = SQLModel.metadata.tables["relay_use"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Permits for so many letters, granted `at` a moment and void after `until`; `next_at` is when to ask for more."""

    letters: int
    at: datetime
    until: datetime
    next_at: datetime


def grant(
    session: Session, relay: str, windows: Sequence[Window], wanted: int, clock: Callable[[], datetime]
) -> Granted:
    """Reserve up to `wanted` letters in all windows of a relay at once, in a transaction of its own that ends then.

    A letter whose submission has not begun by `until` needs another permit. The clock is read when nobody else can be
    granted anything any more: a moment from before the wait would take its time from the permits.
    """
    if not windows:
        now = clock()
        return Granted(letters=wanted, at=now, until=_NEVER, next_at=now)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(func.pg_advisory_xact_lock(_LOCK, zlib.crc32(relay.encode()) - 2**31)))
    standing = _standing(session, relay, windows)
    now = clock()
    counts = _counts(standing, windows, now)
    letters = max(0, min(wanted, *(count.free for count in counts)))
    if letters:
        _record(session, relay, counts, letters)
    if any(count.stale for count in counts):
        _prune(session, relay, now)
    delay = _delay(windows)
    more_at = max(count.frees_at for count in counts) if letters < wanted else 0
    return Granted(letters=letters, at=now, until=now + delay * _TICK, next_at=max(now, _EPOCH + more_at * _TICK))


def give_back(session: Session, relay: str, windows: Sequence[Window], granted: Granted, letters: int) -> None:
    """Return permits that no letter used, nor will: what a long window would else miss for the rest of its time."""
    for window in windows if letters > 0 else ():
        mine = (_USE.c.relay == relay, _USE.c.window_seconds == window.seconds, _USE.c.letters >= letters)
        slot = _slot(window, _ticks(granted.at))
        left = _USE.c.letters - letters
        session.execute(_USE.update().where(*mine, _USE.c.slot == slot).values(letters=left))


def in_use(session: Session, relay: str, windows: Sequence[Window], now: datetime) -> tuple[int, ...]:
    """How many letters of each window are taken at a moment."""
    if not windows:
        return ()
    return tuple(count.used for count in _counts(_standing(session, relay, windows), windows, now))


class _Count:
    """One window's slots that still count at a moment."""

    def __init__(self, window: Window, slots: Mapping[int, int], moment: int, delay: int) -> None:
        length = window.seconds * _SECOND
        self.window, self._kept = window, length + delay
        # Later than the end of the next window is no other machine's clock, but one that was wrong.
        first, last = _slot(window, moment - self._kept), _slot(window, moment + length)
        self.slots = {slot: letters for slot, letters in sorted(slots.items()) if first <= slot <= last}
        self.now = max([_slot(window, moment), *self.slots])
        self.stale = min(slots, default=first) < _slot(window, moment - length - length // GOOD_FOR)

    @property
    def used(self) -> int:
        return sum(self.slots.values())

    @property
    def free(self) -> int:
        return self.window.letters - self.used

    @property
    def frees_at(self) -> int:
        """When there is a letter to be had again; 0 where there is one now."""
        free = self.free
        for slot, letters in self.slots.items():
            if free > 0:
                return 0
            free += letters
            if free > 0:
                # The first moment that lies behind the slot, and from there on as long as it counts.
                return -(-(slot + 1) * self.window.seconds * _SECOND // SLOTS) + self._kept
        return 0


def _standing(session: Session, relay: str, windows: Sequence[Window]) -> dict[int, dict[int, int]]:
    """The letters of each slot on record, by the seconds of its window."""
    found: dict[int, dict[int, int]] = {window.seconds: {} for window in windows}
    mine = (_USE.c.relay == relay, _USE.c.window_seconds.in_(found))
    rows = session.execute(sa.select(_USE.c.window_seconds, _USE.c.slot, _USE.c.letters).where(*mine))
    for seconds, slot, letters in rows:
        found[seconds][slot] = letters
    return found


def _counts(standing: Mapping[int, Mapping[int, int]], windows: Sequence[Window], now: datetime) -> list[_Count]:
    moment, delay = _ticks(now), _delay(windows)
    return [_Count(window, standing[window.seconds], moment, delay) for window in windows]


def _record(session: Session, relay: str, counts: Sequence[_Count], letters: int) -> None:
    for count in counts:
        count.slots[count.now] = count.slots.get(count.now, 0) + letters
    values = [
        {"relay": relay, "window_seconds": count.window.seconds, "slot": count.now, "letters": letters}
        for count in counts
    ]
    adding = upsert(session, _USE)
    summed = {"letters": _USE.c.letters + adding.excluded.letters}
    session.execute(adding.on_conflict_do_update(index_elements=_USE.primary_key.columns, set_=summed), values)


def _prune(session: Session, relay: str, now: datetime) -> None:
    """Drop the slots that cannot count any more, those of windows that are no longer configured among them."""
    length = sa.cast(_USE.c.window_seconds, BigInteger) * _SECOND
    old = (_USE.c.slot + 1) * length <= SLOTS * (_ticks(now) - length - length // GOOD_FOR)
    session.execute(_USE.delete().where(_USE.c.relay == relay, old))


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def _slot(window: Window, ticks: int) -> int:
    return ticks * SLOTS // (window.seconds * _SECOND)


def _delay(windows: Sequence[Window]) -> int:
    """For how long a permit may be used."""
    return min(window.seconds for window in windows) * _SECOND // GOOD_FOR
