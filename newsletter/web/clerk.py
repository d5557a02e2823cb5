"""The clerks behind the counter: work that posts cause, done by a thread of its own in batches of whatever waits.

One ends subscriptions: many one-click posts are one transaction, and each is answered once that is on the disk. The
other works through sign-ups that have been answered already, so that no answer's time tells what became of them.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

import subscribers
from newsletter.database import Database
from newsletter.errors import NewsletterError, Overloaded
from subscribers import Keys, SubscribersError, Unsubscribed

T = TypeVar("T")
MOST_LEAVING: Final = 20_000
LEAVING_BATCH: Final = 500
log = logging.getLogger("world_brief.web")


class Clerk(Generic[T]):
    """A bounded queue and the thread that empties it, which is there only while there is work.

    The thread is no daemon: a program that ends waits for what has been promised. `pause_seconds` is how long work may
    gather before it is begun.
    """

    def __init__(
        self, work: Callable[[Sequence[T]], None], *, most: int, batch: int, pause_seconds: float = 0.0
    ) -> None:
        self._work, self._most, self._batch, self._pause = work, most, batch, pause_seconds
        self._waiting: deque[T] = deque()
        self._change = threading.Condition()
        self._busy = False
        self._hurry = threading.Event()

    def put(self, item: T) -> bool:
        """Have something done; False when too much waits already."""
        with self._change:
            if len(self._waiting) >= self._most:
                return False
            self._waiting.append(item)
            if self._busy:
                return True
            self._busy = True
        threading.Thread(target=self._run).start()
        return True

    def drain(self, timeout_seconds: float | None = None) -> bool:
        """Wait until everything is done, without a pause; False when that took too long."""
        self._hurry.set()
        try:
            with self._change:
                return self._change.wait_for(lambda: not self._busy, timeout_seconds)
        finally:
            self._hurry.clear()

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._work(batch)
            except Exception:
                log.exception("a clerk lost %s entries", len(batch))

    def _next(self) -> list[T]:
        if self._pause:
            self._hurry.wait(self._pause)
        with self._change:
            batch = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            if not batch:
                self._busy = False
                self._change.notify_all()
        return batch


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """One post that waits for its answer."""

    token: str
    method: str
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Unsubscribed | None]"


Answers = list[tuple[Leaving, Unsubscribed | Exception | None]]


class Leavings:
    """Ends subscriptions by their tokens, as many at a time as wait, each durably before it is answered."""

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database, self._keys, self._clock = database, keys, clock
        self._clerk: Clerk[Leaving] = Clerk(self._settle, most=MOST_LEAVING, batch=LEAVING_BATCH)

    async def end(self, token: str, method: str) -> Unsubscribed | None:
        """End the subscription a token names and return what was done; None when it names none.

        When this returns a loss of power cannot undo it. Raises what the database raises, and Overloaded when too many
        wait.
        """
        loop = asyncio.get_running_loop()
        leaving = Leaving(token, method, loop, loop.create_future())
        if not self._clerk.put(leaving):
            raise Overloaded("too many are leaving at once")
        return await leaving.answer

    def _settle(self, batch: Sequence[Leaving]) -> None:
        try:
            done = self._end(batch)
        except (NewsletterError, SubscribersError) as error:
            _answer([(one, error) for one in batch])
        except Exception as error:  # noqa: BLE001 -- whoever asked is told, and raises it where it is logged
            # What one of them caused shall not befall the others.
            if len(batch) > 1:
                for one in batch:
                    self._settle([one])
            else:
                _answer([(batch[0], error)])
        else:
            _answer([(one, done.get(one.token)) for one in batch])

    def _end(self, batch: Sequence[Leaving]) -> dict[str, Unsubscribed]:
        asked = {one.token: one.method for one in batch}
        with self._database.durable.transaction() as session:
            return subscribers.unsubscribe_all(session, self._keys, asked, self._clock())


def _answer(answers: Answers) -> None:
    """Wake every loop once, however many of its posts are answered."""
    for loop in {leaving.loop for leaving, _ in answers}:
        mine = [one for one in answers if one[0].loop is loop]
        try:
            loop.call_soon_threadsafe(_deliver, mine)
        except RuntimeError:  # The loop has ended, and with it whoever waited.
            log.warning("%s people left without hearing of it", len(mine))


def _deliver(answers: Answers) -> None:
    for leaving, done in answers:
        if leaving.answer.done():
            continue
        if isinstance(done, Exception):
            leaving.answer.set_exception(done)
        else:
            leaving.answer.set_result(done)
