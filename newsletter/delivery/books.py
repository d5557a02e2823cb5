"""What many connections want written, in one commit: who comes while a transaction runs is part of the next.

A letter's end leaves only when its mark is committed; an acceptance is committed with the next mark of its connection
or before. So what a crash leaves in doubt is at most one letter for each connection, however many share a commit.
"""

import asyncio
import time
from typing import Final

from newsletter.delivery.intake import Errand, Intake
from newsletter.delivery.outcome import DeliveryState, Outcome, Phase, Replied, Reply, Submitted
from newsletter.errors import DatabaseBusy

_AGAIN_SECONDS: Final = 0.001
_PATIENCE_SECONDS: Final = 10.0
_ACCEPTED: Final = Outcome(state=DeliveryState.ACCEPTED)


class Books:
    """The marks and acceptances of one process. For one event loop; nothing here waits for another process's write."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._ending: list[tuple[Errand, asyncio.Future[bool]]] = []
        self._accepted: list[tuple[Errand, Reply]] = []
        self._next: asyncio.Handle | None = None
        self._busy_since = 0.0

    async def may_end(self, errand: Errand) -> bool:
        """Commit that the last byte of this letter is about to leave. False = it must not. Raises DatabaseError."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ending.append((errand, answer))
        self._schedule()
        return await answer

    def settle(self, errand: Errand, result: Submitted, chance: float) -> Outcome:
        """Judge what the relay answered, and keep it: nearly always that it took the letter, at the first try."""
        if errand.claim.attempts or not (
            isinstance(result, Replied) and result.phase is Phase.DOT and result.reply.code == 250
        ):
            return self._intake.settle(errand, result, chance)
        self._accepted.append((errand, result.reply))
        self._schedule()
        return _ACCEPTED

    def close(self) -> None:
        """Write what is left, and wait for others to finish theirs. Raises DatabaseError."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._write(patient=True)

    def _schedule(self) -> None:
        if self._next is None:
            # Twice round the loop: whatever the kernel has to tell by now is told first, and joins.
            loop = asyncio.get_running_loop()
            self._next = loop.call_soon(lambda: setattr(self, "_next", loop.call_soon(self._turn)))

    def _turn(self) -> None:
        self._next = None
        try:
            self._write(patient=False)
        except DatabaseBusy:
            self._busy_since = self._busy_since or time.monotonic()
            if time.monotonic() - self._busy_since < _PATIENCE_SECONDS:
                self._next = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._turn)
                return
            self._fail(DatabaseBusy("the database is kept locked by another process; try again when it has finished"))
        except Exception as error:  # noqa: BLE001 -- whoever waits for the commit raises it
            self._fail(error)
        else:
            self._busy_since = 0.0

    def _write(self, *, patient: bool) -> None:
        if not self._ending and not self._accepted:
            return
        ending = [(errand, answer) for errand, answer in self._ending if not answer.done()]
        answers = self._intake.write([errand for errand, _ in ending], self._accepted, patient=patient)
        self._ending, self._accepted = [], []
        for (_, answer), may in zip(ending, answers, strict=True):
            answer.set_result(may)

    def _fail(self, error: Exception) -> None:
        """Whoever waits hears of it; what was accepted stays, to be written by `close` if it can be."""
        waiting, self._ending = self._ending, []
        for _, answer in waiting:
            if not answer.done():
                answer.set_exception(error)
