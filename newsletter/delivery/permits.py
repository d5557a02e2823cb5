"""A relay's rates as one process spends them: permits are taken some at a time, and used before they are void."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session

from newsletter.database import Database
from newsletter.delivery import allowance
from newsletter.delivery.allowance import Granted
from newsletter.relays import Window

MOST_AT_ONCE: Final = 100


class Permits:
    """What this process may still give one relay."""

    def __init__(
        self, database: Database, relay: str, windows: Sequence[Window], clock: Callable[[], datetime]
    ) -> None:
        self._database, self._relay, self._windows, self._clock = database, relay, windows, clock
        # As many as can be used before they are void, or a process would keep them from the others.
        self._wanted = min([MOST_AT_ONCE, *(max(1, one.letters // allowance.GOOD_FOR) for one in windows)])
        self._granted: Granted | None = None
        self._left = 0

    def take(self) -> datetime | None:
        """Spend a permit for one letter. None = it may go; else when to ask again."""
        if not self._windows:
            return None
        now = self._clock()
        if self._left and self._granted and now <= self._granted.until:
            self._left -= 1
            return None
        with self._database.transaction() as session:
            self._give_back(session)
            self._granted = allowance.grant(session, self._relay, self._windows, self._wanted, self._clock)
        if not self._granted.letters:
            return self._granted.next_at
        self._left = self._granted.letters - 1
        return None

    def close(self) -> None:
        """Give back what no letter used."""
        if self._left:
            with self._database.transaction() as session:
                self._give_back(session)

    def _give_back(self, session: Session) -> None:
        if self._left and self._granted:
            allowance.give_back(session, self._relay, self._windows, self._granted, self._left)
        self._left = 0
