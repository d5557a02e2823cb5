"""The lanes to one relay: connections, each with one letter in flight, fed from what waits for this relay.

Trouble with the relay is never held against a letter: it goes back, its lane keeps away for longer each time, and after
a few failures in a row the relay counts as closed, so that other relays may take over, until one lane finds it well.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from newsletter.delivery.books import Books
from newsletter.delivery.dkim import Signer
from newsletter.delivery.intake import Errand, Hold, Intake
from newsletter.delivery.outcome import Phase, Scope
from newsletter.delivery.permits import Permits
from newsletter.delivery.relay import Relay, RelayRefused, RelayUnreachable
from newsletter.delivery.submission import Connection
from newsletter.errors import MessageError
from newsletter.rendering import letter
from newsletter.rendering.letter import Letter

LEAST_TRIES: Final = 3
LONGEST_PAUSE_SECONDS: Final = 30.0
# How long a letter in flight may still take, short of its dot, once the sender is told to stop.
GRACE_SECONDS: Final = 2.0
# A permit that is not to be had for longer is not waited for with a letter in hand.
LONG_PERMIT_SECONDS: Final = 1.0
MOMENT_SECONDS: Final = 0.005
# With letters before it, so long without one that goes: others take over what they may.
STUCK_SECONDS: Final = 2.0
# Failures in a row after which a pause is as long as it gets.
MANY: Final = 10
log = logging.getLogger("world_brief.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the lanes of all relays share: the ledger's two sides, the clock and chance, and how patient they are."""

    intake: Intake
    books: Books
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    patience_seconds: float
    stopped: Callable[[], bool]
    returned: Callable[[Sequence[Errand], datetime | None], None]
    settled: Callable[[Hold], None]
    wanting: Callable[[], None]


class Withheld(Exception):
    """A letter must not leave after all: its edition was held, it expired, or its lease is another's."""


class Health:
    """Whether a relay can be used, as all lanes to it see it together."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._tries, self._since, self._hopeless = 0, 0.0, False
        self._closed_until = 0.0
        self.reason = ""

    @property
    def usable(self) -> bool:
        """Whether a letter may be given to it: nothing is known against it, or it is time to try again."""
        return time.monotonic() >= self._closed_until

    @property
    def proven(self) -> bool:
        """Whether its last answer was a good one, or none was asked for yet."""
        return self._tries < LEAST_TRIES and not self._hopeless

    @property
    def given_up(self) -> bool:
        """Whether it was of no use for as long as patience lasts, or cannot be as it is configured."""
        tried = self._tries >= LEAST_TRIES and time.monotonic() - self._since >= self._patience
        return tried or self._hopeless

    @property
    def seconds(self) -> float:
        """How long until it is to be tried again."""
        return max(0.0, self._closed_until - time.monotonic())

    def rest(self, seconds: float) -> None:
        """Ask nothing of it for so long; nothing is wrong with it."""
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def good(self) -> None:
        if self._tries:
            self._tries, self._hopeless, self._closed_until = 0, False, 0.0

    def bad(self, reason: str, *, hopeless: bool = False) -> bool:
        """Count a failure. True when it is the first hopeless one since the relay was last of use."""
        now = time.monotonic()
        self._since = self._since if self._tries else now
        self._tries += 1
        first, self._hopeless, self.reason = hopeless and not self._hopeless, self._hopeless or hopeless, reason
        if self._tries >= LEAST_TRIES or hopeless:
            beyond = MANY if hopeless else self._tries - LEAST_TRIES
            self._closed_until = now + pause(self._patience / 6, beyond)
        return first


def pause(first: float, failures: int) -> float:
    """Seconds to keep away after so many failures more than the first."""
    return float(min(first * 2 ** min(failures, MANY), LONGEST_PAUSE_SECONDS))


class Lanes:
    """All lanes of this process to one relay, and the letters that wait for them, the most pressing first."""

    def __init__(self, name: str, relay: Relay, signer: Signer, permits: Permits, office: Office, count: int) -> None:
        self.name, self.relay, self.signer, self.permits, self.office = name, relay, signer, permits, office
        self.health = Health(office.patience_seconds)
        self.probing = asyncio.Lock()
        self.ending = asyncio.Event()
        self.count = count
        self._waiting: asyncio.PriorityQueue[tuple[float, int, Errand | None]] = asyncio.PriorityQueue()
        self._order = itertools.count()
        self._moved_at = time.monotonic()
        self._lanes = [Lane(self) for _ in range(count)]
        self._tasks = [asyncio.create_task(lane.run()) for lane in self._lanes]

    @property
    def waiting(self) -> int:
        """How many letters wait for a lane."""
        return self._waiting.qsize()

    @property
    def stuck(self) -> bool:
        """Whether letters wait and none has gone for long: the relay answers nothing, and has not been given up yet."""
        return self.waiting > 0 and time.monotonic() - self._moved_at > STUCK_SECONDS

    def put(self, errand: Errand) -> None:
        """Let a letter wait for a lane here."""
        if not self.waiting:
            self._moved_at = time.monotonic()
        self._waiting.put_nowait((-errand.hold.mailing.priority, next(self._order), errand))

    async def take(self) -> Errand | None:
        """The next letter; None when there will be none any more."""
        self._moved_at = time.monotonic()
        if self.waiting <= self.count:
            self.office.wanting()
        return (await self._waiting.get())[2]

    def take_now(self) -> Errand | None:
        """The next letter if one waits."""
        return None if self.ending.is_set() or self._waiting.empty() else self._waiting.get_nowait()[2]

    def empty(self) -> list[Errand]:
        """Take away all that waits."""
        return list(iter(self.take_now, None))

    async def nap(self, seconds: float) -> None:
        """Wait that long, or until this ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ending.wait(), seconds)

    async def close(self) -> None:
        """Let every lane finish its letter: short of its dot that has a moment, behind it as long as it takes."""
        left = self.empty()
        self.ending.set()
        for _ in self._lanes:
            self._waiting.put_nowait((float("inf"), next(self._order), None))
        self.office.returned(left, None)
        await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        while busy := [task for task in self._tasks if not task.done()]:
            for lane, task in zip(self._lanes, self._tasks, strict=True):
                if not task.done() and not lane.in_doubt:
                    task.cancel()
            await asyncio.wait(busy, timeout=GRACE_SECONDS / 4)
        self.permits.close()

    def failure(self) -> BaseException | None:
        """What ended a lane that should have gone on."""
        ended = [task.exception() for task in self._tasks if task.done() and not task.cancelled()]
        return next((error for error in ended if error), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A letter ready to go; `permitted` when the relay's rates allow it already."""

    errand: Errand
    letter: Letter
    permitted: bool


class Lane:
    """One connection to the relay, opened when needed, and its own back-off."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes, self._office, self._relay = lanes, lanes.office, lanes.relay
        self._connection: Connection | None = None
        self._failures, self._away_until = 0, 0.0
        # Those whose dot has certainly not left.
        self._carried: set[Errand] = set()

    @property
    def in_doubt(self) -> bool:
        """Whether a letter's last byte has left and nobody has said what became of it."""
        return self._connection is not None and self._connection.phase is Phase.DOT

    async def run(self) -> None:
        """Take letters until there will be no more."""
        ahead: Written | None = None
        try:
            while (one := ahead or await self._next()) is not None and not self._office.stopped():
                ahead = await self._attempt(one, self._following())
        finally:
            self._office.returned(list(self._carried), None)
            if self._connection is not None:
                await self._connection.close()

    async def _attempt(self, one: Written, ahead: Written | None) -> Written | None:
        """Carry a letter, with others at the same time only while the relay is well. Returns the one ahead, if it may
        follow: what failed for one letter is not tried with the next, which goes back as that one did.
        """
        if self._lanes.health.proven:
            await self._carry(one, ahead)
        else:
            async with self._lanes.probing:
                await self._carry(one, ahead)
        if ahead and self._away_until > time.monotonic():
            self._back(ahead.errand)
            return None
        return ahead

    async def _next(self) -> Written | None:
        """The next letter, written; None when there will be no more."""
        while True:
            while (seconds := max(self._away_until - time.monotonic(), self._lanes.health.seconds)) > 0:
                if self._lanes.ending.is_set():
                    break
                await self._lanes.nap(seconds)
            errand = await self._lanes.take()
            if errand is None:
                return None
            if written := self._written(errand, permitted=False):
                return written

    def _following(self) -> Written | None:
        """The letter whose envelope may go out behind the dot of the one before it."""
        if self._relay.settings.pipelining != "one-write":
            return None
        while (errand := self._lanes.take_now()) is not None:
            if self._lanes.permits.take() is not None:
                self._lanes.put(errand)
                return None
            if written := self._written(errand, permitted=True):
                return written
        return None

    def _written(self, errand: Errand, *, permitted: bool) -> Written | None:
        """The letter, addressed and signed; or it goes back, or is given up because it cannot be written."""
        office, hold = self._office, errand.hold
        if hold.lost or office.clock() >= hold.mailing.expires_at:
            office.returned([errand], None)
            return None
        self._carried.add(errand)
        try:
            seal = office.intake.seals.seal(
                hold.mailing, self._lanes.name, self._relay.settings.headers, self._lanes.signer
            )
            signed = seal.sign(letter.address(seal.stencil, errand.recipient))
            return Written(errand=errand, letter=signed, permitted=permitted)
        except MessageError as error:
            office.intake.drop(errand, f"cannot be written: {error}")
            self._done(errand)
            return None

    async def _carry(self, one: Written, ahead: Written | None) -> None:
        """Take one letter to the relay and record what became of it."""
        office, errand = self._office, one.errand

        async def before_end() -> None:
            if not await office.books.may_end(errand):
                raise Withheld
            self._carried.discard(errand)

        try:
            if not (connection := await self._permitted(one)):
                return
            result = await connection.submit(one.letter, before_end, ahead.letter if ahead else None)
        except (RelayRefused, RelayUnreachable) as error:
            self._back(errand)
            self._failed(errand, str(error), hopeless=_hopeless(error))
            return
        except Withheld:
            self._back(errand)
            return
        outcome = office.books.settle(errand, result, office.chance())
        self._done(errand)
        if outcome.scope is Scope.RELAY:
            self._failed(errand, outcome.reason, hopeless=outcome.stop)
        else:
            self._failures = 0
            self._lanes.health.good()

    async def _permitted(self, one: Written) -> Connection | None:
        """A connection for a letter once the relay's rates permit it; where that takes long it is put back, and the
        relay rests.
        """
        connection = await self._connected(one.letter)
        if one.permitted:
            return connection
        while (at := self._lanes.permits.take()) is not None:
            seconds = max(MOMENT_SECONDS, (at - self._office.clock()).total_seconds())
            if self._lanes.ending.is_set():
                self._back(one.errand)
                return None
            if seconds > LONG_PERMIT_SECONDS:
                self._lanes.health.rest(seconds)
                self._carried.discard(one.errand)
                self._lanes.put(one.errand)
                self._office.wanting()
                return None
            await self._lanes.nap(seconds)
        return await self._connected(one.letter)

    async def _connected(self, written: Letter) -> Connection:
        if self._connection is None or not self._connection.takes(written):
            if self._connection is not None:
                await self._connection.close()
                self._connection = None
            self._connection = await self._relay.connect()
        return self._connection

    def _back(self, errand: Errand) -> None:
        self._carried.discard(errand)
        self._office.returned([errand], None)

    def _done(self, errand: Errand) -> None:
        self._carried.discard(errand)
        self._office.settled(errand.hold)

    def _failed(self, errand: Errand, reason: str, *, hopeless: bool) -> None:
        """Keep away for longer each time; at once for long where trying again as we are cannot help."""
        self._failures = MANY if hopeless else self._failures + 1
        self._away_until = time.monotonic() + pause(self._office.patience_seconds / 6, self._failures - 1)
        if self._lanes.health.bad(reason, hopeless=hopeless):
            log.error("nothing can be sent through %s until somebody looks: %s", self._lanes.name, reason)
            self._office.intake.complain(errand, reason)
        self._office.wanting()


def _hopeless(error: RelayRefused | RelayUnreachable) -> bool:
    return error.permanent if isinstance(error, RelayUnreachable) else error.reply.code >= 500
