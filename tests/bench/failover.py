"""Several relays that share a mailing by weight, and what becomes of it when one is killed, all throttle or greylist.

`python -m tests.bench.failover LOG TEMPER` is one of the relays: a postbox that writes down, before it says so to the
sender, when it took a letter and for whom.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

import subscribers
from newsletter.config import Config, Delivery
from newsletter.database import Database
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.postbox import Arrived, Moment, Move, Postbox, Say, Script, Stage, behave, greylist, running
from newsletter.relays import RelaySettings
from tests.bench import mailings
from tests.bench.children import Child, child, say
from tests.bench.engines import folder
from tests.bench.mailings import Ready
from tests.bench.measure import Cell, Scale, Table, middle
from tests.bench.sender import Manner
from tests.builders import MORNING
from tests.delivery.newsroom import KEYS, NEWSLETTER, Clock, make_config, ring, work

Temper = Literal["even", "throttles", "greylists"]
Log = list[tuple[float, str]]
LETTERS: Final = 6_000
SLOW_LETTERS: Final = 600
WEIGHTS: Final = {"large": 70, "middle": 20, "small": 10}
# Five minutes until the next try are a second here; leases, which go by the same clock, must not end in between.
SPEED: Final = 300.0
LONG_LEASE: Final = 1_000_000
A_SECOND_TAKES: Final = 20
LOOK_SECONDS: Final = 0.02
PATIENCE_SECONDS: Final = 3.0  # as the product has it
THROTTLED: Final = ("421 4.7.0 Too many letters, try again later", "454 4.7.0 Too many letters, try again later")
NOTES: Final = (
    "Three postboxes in processes of their own, four connections each, one sending process, the standard brief.",
    "Killed: `kill -9` of the large one after a third of its letters.",
    "Moved: from then until the other two take two thirds of what all three took before.",
    "What came twice is listed as uncertain, everybody got a letter, all were accepted: or there is no table.",
    f"Throttled: each takes {A_SECOND_TAKES} letters a second and answers 421 or 454 to more.",
    "Greylisted: each answers 450 to every reader at first.",
    f"The product’s clock runs {SPEED:.0f} times as fast; hours left: until the expiry, when all are accepted.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mailing: how its relays behave, and whether the large one is killed in the midst of it."""

    name: str
    letters: int
    temper: Temper = "even"
    killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a mailing went: what each relay took and when, when one was killed, and how much time it had left."""

    logs: Mapping[str, Log]
    killed_at: float | None
    left: timedelta

    @property
    def shares(self) -> dict[str, float]:
        total = sum(map(len, self.logs.values()))
        return {name: len(log) / total for name, log in self.logs.items()}

    @property
    def off(self) -> float:
        """How far the share that is furthest from its weight is from it."""
        return max(abs(share - WEIGHTS[name] / 100) for name, share in self.shares.items())

    @property
    def twice(self) -> int:
        """Letters that came more often than once."""
        return sum(count > 1 for count in self.readers.values())

    @property
    def readers(self) -> Counter[str]:
        return Counter(reader for log in self.logs.values() for _, reader in log)

    @property
    def moved_seconds(self) -> float | None:
        """From the kill until the others took two thirds of what all took before."""
        if self.killed_at is None:
            return None
        times = sorted(at for log in self.logs.values() for at, _ in log)
        before = [at for at in times if at <= self.killed_at]
        after = [at for at in times if at > self.killed_at]
        window = max(2, len(times) // 50)
        enough = 2 / 3 * len(before) / (self.killed_at - before[0])
        spans = ((after[n], after[n] - after[n - window]) for n in range(window, len(after)))
        return next((at for at, span in spans if window / span >= enough), times[-1]) - self.killed_at


def run(scale: Scale) -> Table:
    """Each case in so many rounds."""
    many, few = scale.size(LETTERS, least=60), scale.size(SLOW_LETTERS, least=30)
    cases = (
        Case(name="all well", letters=many),
        Case(name="the large one is killed", letters=many, killed=True),
        Case(name="all throttle", letters=few, temper="throttles"),
        Case(name="all greylist", letters=few, temper="greylists"),
    )
    courses: dict[Case, list[Course]] = {case: [] for case in (cases if scale.every else cases[:2])}
    with folder() as place:
        for number in range(scale.rounds):
            for case, found in courses.items():
                scale.tell(f"failover, round {number + 1} of {scale.rounds}: {case.name}")
                found.append(_sent(mailings.ready(place, case.letters), case))
    return Table(
        name="failover",
        title="Three relays with weights 70, 20 and 10",
        columns=("relays", "letters", "shares", "furthest off", "moved in s", "came twice", "hours left"),
        rows=tuple(_row(case, found) for case, found in courses.items()),
        notes=NOTES,
    )


def _row(case: Case, found: list[Course]) -> tuple[Cell, ...]:
    shares = " / ".join(f"{middle([one.shares[name] for one in found]):.1%}" for name in WEIGHTS)
    moved = [seconds for one in found if (seconds := one.moved_seconds) is not None]
    hours = middle([one.left / timedelta(hours=1) for one in found])
    return (
        case.name,
        case.letters,
        shares,
        f"{max(one.off for one in found):.1%}",
        f"{max(moved):.2f}" if moved else "-",
        max(one.twice for one in found),
        f"{hours:.1f} of {NEWSLETTER.expires_after_hours}",
    )


def _sent(ready: Ready, case: Case) -> Course:
    """Send one mailing and hold what the relays took against the ledger: everybody, and twice only who is listed."""
    order = ready.order(mailings.UNREACHED, Manner())
    place = ready.file.parent
    with ExitStack() as stack, closing(Database(order.url)) as database:
        relays = {name: stack.enter_context(_relay(place / f"{name}.log", case.temper)) for name in WEIGHTS}
        config = _config({name: port for name, (_, port) in relays.items()}, place)
        mailing = ring(database, config, MORNING)
        clock = Clock(MORNING, SPEED)
        with _killing(relays["large"][0], place / "large.log", case) as killed:
            accounts = work(database, config, clock, mailing, patience_seconds=PATIENCE_SECONDS)
        left = MORNING + timedelta(hours=NEWSLETTER.expires_after_hours) - clock()
        uncertain = _uncertain(database, mailing)
    course = Course(
        logs={name: _read(place / f"{name}.log") for name in WEIGHTS},
        killed_at=killed() if case.killed else None,
        left=left,
    )
    assert accounts == Accounts(due=case.letters, accepted=case.letters), accounts
    assert len(course.readers) == case.letters, "every reader got a letter"
    doubled = {reader for reader, count in course.readers.items() if count > 1}
    assert doubled <= uncertain, f"{len(doubled - uncertain)} letters came twice that are not listed as uncertain"
    return course


def _config(ports: Mapping[str, int], home: Path) -> Config:
    relays = {name: RelaySettings(host="127.0.0.1", port=port, weight=WEIGHTS[name]) for name, port in ports.items()}
    return replace(
        make_config(), home=home, delivery=Delivery(lease_seconds=LONG_LEASE, poll_seconds=0.1), relays=relays
    )


def _uncertain(database: Database, mailing: MailingId) -> set[str]:
    """Whose letters the ledger lists as possibly sent twice."""
    with database.snapshot() as session:
        ids = [line.recipient for line in ledger.uncertain(session, mailing)]
        found = subscribers.recipients(session, KEYS, ids, NEWSLETTER.key, MORNING)
    return {one.address for one in found.values() if isinstance(one, subscribers.Recipient)}


@contextmanager
def _killing(relay: Child, log: Path, case: Case) -> Iterator[Callable[[], float]]:
    """Kill the relay once it has taken a third of its letters, if it is to be; gives when that was."""
    over, at = threading.Event(), []
    enough = case.letters * WEIGHTS["large"] // 300

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if log.read_bytes().count(b"\n") >= enough:
                at.append(time.monotonic())
                relay.kill()
                return

    watcher = threading.Thread(target=watch)
    if case.killed:
        watcher.start()
    try:
        yield lambda: at[0]
    finally:
        over.set()
        if case.killed:
            watcher.join()


def _read(log: Path) -> Log:
    # A relay that was killed may have left its last line unfinished.
    lines = [line.split() for line in log.read_text("ascii").splitlines(keepends=True) if line.endswith("\n")]
    return [(float(at), reader) for at, reader in lines]


@contextmanager
def _relay(log: Path, temper: Temper) -> Iterator[tuple[Child, int]]:
    log.write_text("")
    with child("tests.bench.failover", str(log), temper) as process:
        yield process, int(process.hear())


def throttle(letters: int, clock: Callable[[], float]) -> Script:
    """Take so many letters in every second of the clock; turn others away, in turn with and without hanging up."""
    second, taken, turned = 0, 0, 0

    def script(moment: Moment) -> Move | None:
        nonlocal second, taken, turned
        if moment.stage is not Stage.MAIL:
            return None
        if int(clock()) != second:
            second, taken = int(clock()), 0
        taken += 1
        if taken <= letters:
            return None
        turned += 1
        return Say(THROTTLED[turned % 2])

    return script


def main(file: str, temper: str) -> None:
    scripts: dict[str, Script] = {
        "even": behave,
        "throttles": throttle(A_SECOND_TAKES, time.monotonic),
        "greylists": greylist(),
    }
    with Path(file).open("a", encoding="ascii", buffering=1) as log:

        def note(one: Arrived) -> None:
            log.write(f"{time.monotonic()} {one.rcpt_to[0]}\n")

        box = Postbox(keep=False, script=scripts[temper])
        box.tell = note
        with running(box):
            say(str(box.port))
            sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
