"""`kill -9` at random moments of a mailing: one sender, several, or the whole tree. Another one finishes the mailing.

After every round the log of the relay, a process of its own, is held against the ledger: nobody is lost, a kill doubles
at most what was in flight, and whatever came twice is the same to the byte and listed as uncertain.
"""

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import partial
from typing import IO, Final, Literal

import sqlalchemy as sa
from sqlmodel import Session

import subscribers
from newsletter.cli import house
from newsletter.cli.house import House
from newsletter.config import load
from newsletter.database import Database
from newsletter.delivery import dispatch, keyfiles, ledger, worker
from newsletter.delivery.dispatch import Terms
from newsletter.delivery.ledger import WORKERS, MailingId
from newsletter.delivery.outcome import DeliveryState
from newsletter.delivery.witness import Witness
from newsletter.delivery.worker import Work
from newsletter.editions import store
from newsletter.editions.store import Override
from newsletter.editions.workflow import Event, State
from newsletter.rendering.press import Press
from tests.bench import crews, sinks
from tests.bench.children import ROOT
from tests.bench.crews import Crew, wait_until
from tests.bench.engines import engines, folder, notes
from tests.bench.measure import Cell, Scale, Table
from tests.bench.sender import SELECTOR
from tests.bench.sinks import Log
from tests.delivery.newsroom import address, printable, subscribe

Kind = Literal["one sender", "several senders", "the whole tree"]
# Of a hundred rounds on each database. A tree is started by hand every time, and takes long.
ROUNDS: Final[Mapping[Kind, int]] = {"one sender": 60, "several senders": 30, "the whole tree": 10}
SENDERS: Final[Mapping[Kind, int]] = {"one sender": 5, "several senders": 5, "the whole tree": 2}
CONNECTIONS: Final = 50
SEED: Final = 20261125
# How long after a letter arrived: anywhere in the work of a few letters.
MOST_PAUSE_SECONDS: Final = 0.01
# So often in a row the relay has the same count before nothing more is on the way.
QUIET: Final = 4
QUIET_SECONDS: Final = 0.02
LOG: Final = "senders.log"
# The standard brief tells of one week under one subject, whenever and however often it is sent.
OVERRIDES: Final = tuple(Override(rule=rule, by="bench", reason="nobody reads it") for rule in ("C20", "C21"))
# States that end a letter without an arrival the relay knows of; each is kept with why.
WITHOUT: Final = (DeliveryState.REFUSED, DeliveryState.DROPPED, DeliveryState.UNCERTAIN, DeliveryState.EXPIRED)


class KilledWrongly(AssertionError):
    """A round after which a promise does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What a round cost, or all rounds of a kind."""

    rounds: int = 1
    kills: int = 0
    letters: int = 0
    duplicates: int = 0
    most: int = 0
    uncertain: int = 0
    lost: int = 0

    @classmethod
    def sum(cls, tolls: Iterable["Toll"]) -> "Toll":
        every = list(tolls)
        sums = {one.name: sum(getattr(toll, one.name) for toll in every) for one in fields(cls)}
        return cls(**sums | {"most": max(toll.most for toll in every)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One mailing in which senders are killed; `day` tells it from all others on this database."""

    kind: Kind
    day: int
    seed: int

    @property
    def senders(self) -> int:
        return SENDERS[self.kind]

    def victims(self, pids: Sequence[int], chance: random.Random) -> list[int]:
        """Who is to be killed."""
        if self.kind == "the whole tree":
            return list(pids)
        return chance.sample(pids, 1 if self.kind == "one sender" else chance.randint(2, len(pids)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """An installation with its subscribers, and the relay all its letters go to."""

    house: House
    relay: Log
    environ: Mapping[str, str]
    readers: int


def run(scale: Scale) -> Table:
    """Rounds of each kind on each database."""
    rows: list[tuple[Cell, ...]] = []
    counts = {kind: scale.size(count) for kind, count in ROUNDS.items()}
    readers = scale.size(500, least=150)
    with engines(scale) as made:
        for name, opened in made.items():
            with field(opened().url, readers) as one:
                tolls = rounds(one, counts, SEED, partial(_tell, scale, name))
                rows += [_row(name, kind, toll) for kind, toll in tolls.items()]
        said = notes(made)
    return Table(
        name="kill",
        title="kill -9 in mid-mailing",
        columns=(
            *("database", "killed", "rounds", "kills", "letters", "duplicates", "most of a round", "uncertain"),
            "lost",
        ),
        rows=tuple(rows),
        notes=(
            f"Two or five senders with {CONNECTIONS} connections, mailings of {readers} signed letters; seed {SEED}.",
            "After every round: no reader lost, at most one duplicate for each connection of a killed sender, the same",
            "to the byte and listed as uncertain; all states together are the audience, and the edition is sent.",
            *said,
        ),
    )


def _tell(scale: Scale, database: str, what: str) -> None:
    scale.tell(f"kill on {database}, {what}")


def _row(database: str, kind: Kind, toll: Toll) -> tuple[Cell, ...]:
    return database, kind, *(getattr(toll, one.name) for one in fields(toll))


@contextmanager
def field(url: str, readers: int) -> Iterator[Field]:
    """A home of the product’s own on this database, with subscribers who have consented, and a relay."""
    with folder() as home, sinks.log() as relay:
        settings = {
            "CONFIG": str(ROOT / "config.toml"),
            "HOME": str(home),
            "DATABASE_URL": url,
            "RELAY__HOST": "127.0.0.1",
            "RELAY__PORT": str(relay.port),
            "RELAY__CONNECTIONS": str(CONNECTIONS),
            "DELIVERY__PROCESSES": str(SENDERS["the whole tree"]),
            "DELIVERY__POLL_SECONDS": "0.1",
            "DELIVERY__CHUNK_SIZE": "50",
            "DKIM__SELECTOR": SELECTOR,
        }
        environ = os.environ | {f"WORLD_BRIEF_{name}": value for name, value in settings.items()}
        keyfiles.create(home, SELECTOR)
        with house.opened(load(ROOT / "config.toml", environ)) as one:
            subscribe(one.database, readers, house.clock(), keys=one.vault.keys)
            yield Field(house=one, relay=relay, environ=environ, readers=readers)


def rounds(one: Field, counts: Mapping[Kind, int], seed: int, tell: Callable[[str], None]) -> dict[Kind, Toll]:
    """So many rounds of each kind, each with a seed of its own. Raises KilledWrongly when one breaks a promise."""
    tolls: dict[Kind, Toll] = {}
    days = itertools.count()
    with (one.house.config.home / LOG).open("ab") as log:
        for kind, count in counts.items():
            with _crew(one, kind, log) as crew:
                tolls[kind] = Toll.sum(
                    _told(one, Round(kind=kind, day=next(days), seed=seed), crew, tell) for _ in range(count)
                )
    return tolls


def _crew(one: Field, kind: Kind, log: IO[bytes]) -> AbstractContextManager[Crew]:
    if kind == "the whole tree":
        return crews.tree(one.environ, log)
    return crews.forked(one.environ, log, SENDERS[kind])


def _told(one: Field, this: Round, crew: Crew, tell: Callable[[str], None]) -> Toll:
    """A round; what goes wrong in it is told with its seed and what the senders said."""
    tell(f"{this.kind}: round {this.day + 1}")
    try:
        return _round(one, this, crew)
    except (AssertionError, TimeoutError) as error:
        said = (one.house.config.home / LOG).read_text("utf-8", "replace")[-2_000:]
        raise KilledWrongly(f"seed {this.seed}, round {this.day + 1}, {this.kind} killed: {error}\n{said}") from error


def _round(one: Field, this: Round, crew: Crew) -> Toll:
    """Kill in mid-mailing, let another sender finish it, and hold the relay’s log against the ledger."""
    chance = random.Random(this.seed + this.day)
    crew.mend()
    wait_until(lambda: _at_work(one.house.database, crew) == this.senders, "all senders are at work")
    mailing, on = _started(one.house, this.day)
    goal = one.relay.count() + chance.randrange(one.readers)
    wait_until(lambda: one.relay.count() >= goal, "letters arrive", look_seconds=0.0005)
    time.sleep(chance.random() * MOST_PAUSE_SECONDS)
    victims = this.victims(crew.pids, chance)
    crew.kill(victims)
    _finished(one.house, mailing)
    with one.house.database.snapshot() as session:
        state = store.state(session, one.house.newsletter("").key, on)
    assert state is State.SENT, f"the edition is {state}"
    return _checked(one, mailing, len(victims), len(victims) * CONNECTIONS // this.senders)


def _finished(one: House, mailing: MailingId) -> None:
    """Work off what is left, beside the senders that live. Raises TimeoutError."""
    stop = threading.Event()
    timer = threading.Timer(crews.PATIENCE_SECONDS, stop.set)
    timer.start()
    try:
        job = Work(database=one.database, config=one.config, vault=one.vault, only=mailing, until_done=True, stop=stop)
        worker.work(job, house.clock)
    finally:
        timer.cancel()
    if stop.is_set():
        raise TimeoutError("the mailing is not finished")


def _started(one: House, day: int) -> tuple[MailingId, date]:
    """The standard brief for a date of its own, approved and dispatched now."""
    now, paper = house.clock(), one.newsletter("")
    on = now.date() + timedelta(days=day)
    press = Press(
        newsletter=paper, site=one.config.site, settings=one.config.wire, audience_rule=subscribers.AUDIENCE_RULE
    )
    with one.database.transaction() as session:
        made = store.claim(session, paper.key, on, now, now)
        assert made is not None
        store.move(session, made.id, Event.BUILD, "bench", now)
        record = store.save(session, made.id, printable(on), "bench", now)
    press.approve(one.database, record, "bench", now, OVERRIDES)
    terms = Terms(witness=Witness(config=one.config, vault=one.vault))
    return dispatch.dispatch(one.database, press, terms, on, now), on


def _at_work(database: Database, crew: Crew) -> int:
    """How many of the crew the ledger’s roster has."""
    with database.snapshot() as session:
        enrolled = session.connection().execute(sa.select(WORKERS.c.pid)).scalars().all()
    return len(set(crew.pids) & set(enrolled))


def _taken(relay: Log) -> list[tuple[str, str]]:
    """What the relay took, once it has taken what the dead left on the way."""
    counts = [-1]
    while counts.count(counts[-1]) < QUIET:
        time.sleep(QUIET_SECONDS)
        counts.append(relay.count())
    return relay.taken()


def _checked(one: Field, mailing: MailingId, kills: int, most: int) -> Toll:
    """What the round cost, in which at most so many letters were in flight of those killed. Raises AssertionError."""
    everybody = {address(n) for n in range(one.readers)}
    taken = _taken(one.relay)
    arrived = Counter(who for who, _ in taken)
    doubled = arrived - Counter(arrived.keys())
    listed, lost = _listed(one, mailing), everybody - arrived.keys() - _explained(one, mailing)
    with one.house.database.snapshot() as session:
        accounts = ledger.accounts(session, mailing)
    promises = {
        "nobody is lost": not lost,
        "letters arrive for nobody else": arrived.keys() <= everybody,
        "a kill doubles at most what was in flight": doubled.total() <= most,
        "a kill leaves no more in doubt": len(listed) <= most,
        "whatever came twice is the same to the byte": len(set(taken)) == len(arrived),
        "whatever came twice is listed": doubled <= Counter(listed),
        "all states together are the audience": accounts.due == accounts.settled == one.readers,
    }
    broken = [promise for promise, kept in promises.items() if not kept]
    assert not broken, f"it does not hold that {', '.join(broken)}: {accounts}; {lost=}; {doubled=}; {listed=}"
    return Toll(
        kills=kills,
        letters=len(taken),
        duplicates=doubled.total(),
        most=doubled.total(),
        uncertain=len(listed),
        lost=len(lost),
    )


def _listed(one: Field, mailing: MailingId) -> list[str]:
    """The addresses of the letters listed as uncertain, each as often as it is."""
    with one.house.database.snapshot() as session:
        return _addresses(one, session, [line.recipient for line in ledger.uncertain(session, mailing)])


def _explained(one: Field, mailing: MailingId) -> set[str]:
    """The addresses whose letter ended otherwise than by being accepted, with a reason that is kept."""
    with one.house.database.snapshot() as session:
        lines = [line for state in WITHOUT for line in ledger.listing(session, mailing, state)]
        told = [line.recipient for line in lines if line.reason or line.state is DeliveryState.EXPIRED]
        return set(_addresses(one, session, told))


def _addresses(one: Field, session: Session, ids: list[int]) -> list[str]:
    key, keys = one.house.newsletter("").key, one.house.vault.keys
    found = subscribers.recipients(session, keys, ids, key, house.clock())
    return [person.address for person in map(found.__getitem__, ids) if isinstance(person, subscribers.Recipient)]
