"""A mailing through a real Postfix, and on to inboxes where every letter is counted and every signature verified."""

import email
import email.policy
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from newsletter.config import Config
from newsletter.database import Database
from newsletter.delivery import dkim, keyfiles, ledger
from newsletter.delivery.keyfiles import Key
from newsletter.delivery.ledger import Accounts
from newsletter.delivery.outcome import DeliveryState
from newsletter.editions import store
from newsletter.editions.workflow import State
from newsletter.postbox import Postbox, running
from newsletter.postbox.shelf import Shelf
from newsletter.signing import Dkim
from tests.conftest import missing
from tests.delivery import oracle, postfix
from tests.delivery.newsroom import NEWSLETTER, Clock, address, everybody, make_config, sending, state, with_relay, work
from tests.delivery.postfix import Postfix

READERS: Final = 5_000
FEW: Final = 300
SAMPLE: Final = 200
SMALL: Final = "10000"
PATIENCE_SECONDS: Final = 180
REFUSED: Final = "{ { reader0003@inbox.test = 550 5.1.1 No such user } }"
MANNERS: Final = {
    "well": {},
    "small": {"message_size_limit": SMALL},
    "small and silent": {"message_size_limit": SMALL, "smtpd_discard_ehlo_keywords": "size"},
    "strict": {
        "smtpd_hard_error_limit": "1",
        "smtpd_recipient_restrictions": f"check_recipient_access inline:{REFUSED}, permit_mynetworks, reject",
    },
}
# It also warns of a busy machine's clock and file times, which is no trouble of ours.
TROUBLE: Final = re.compile(
    r"(?:error|fatal|panic):|warning: (?!file system clock|this may|resetting file time)|status=(?!sent)|improper"
)

once = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Postfix, and the folder of the postbox it passes every letter on to; `logged` is what it had logged before."""

    mta: Postfix
    inbox: Shelf
    logged: int = 0

    def letters(self, count: int) -> list[bytes]:
        """All that arrived, once Postfix has passed on everything it took."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (len(self.inbox.names()) < count or self.mta.queued()) and time.monotonic() < until:
            time.sleep(0.1)
        assert self.mta.queued() == [], "everything was passed on"
        return [self.inbox.read(name) for name in self.inbox.names()]

    @property
    def log(self) -> str:
        return self.mta.log[self.logged :]

    @property
    def troubles(self) -> list[str]:
        """The lines of the log that tell of a letter that did not go through at once, or of us."""
        return [line for line in self.log.splitlines() if TROUBLE.search(line)]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """A Postfix with ports of all manners."""
    if why := postfix.missing_here():
        missing("postfix", why)
    box = Postbox(folder=tmp_path_factory.mktemp("inbox"), keep=False)
    assert box.shelf is not None
    with running(box), postfix.running(box.port, MANNERS) as mta:
        yield Post(mta=mta, inbox=box.shelf)


@pytest.fixture
def post(started: Post) -> Post:
    """The same with nothing in the inbox."""
    started.inbox.clear()
    return replace(started, logged=len(started.mta.log))


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return keyfiles.create(tmp_path, "wb1")


def _config(post: Post, manner: str, key: Key, **changes: object) -> Config:
    config = replace(make_config(post.mta.ports[manner]), home=key.file.parents[1], dkim=Dkim(selector=key.selector))
    return with_relay(config, **changes)


def _readers(letters: list[bytes]) -> Counter[str]:
    parsed = (email.message_from_bytes(one, policy=email.policy.compat32) for one in letters)
    return Counter(str(one["To"]) for one in parsed)


@once
def test_five_thousand_letters_pass_through_postfix_once_and_verify(
    database: Database, now: datetime, post: Post, key: Key
) -> None:
    config = _config(post, "well", key, connections=8)
    accounts = work(database, config, Clock(now), sending(database, config, READERS, now))
    assert accounts == Accounts(due=READERS, accepted=READERS)
    assert state(database, now) is State.SENT
    letters = post.letters(READERS)
    assert _readers(letters) == everybody(READERS), "everybody got one, and nobody two"
    for one in letters:
        dkim.verify(one, [key])
    records = oracle.published([key], "worldbrief.test")
    for one in random.Random(20261125).sample(letters, SAMPLE):
        assert oracle.verdicts(one, records, now) == [True]
    assert post.troubles == []
    assert post.log.count("status=sent") == READERS


@once
@pytest.mark.parametrize("manner", [{"pipelining": "one-write"}, {"pipelining": "off"}, {"chunking": True}])
def test_postfix_takes_letters_in_every_manner_of_speaking(
    database: Database, now: datetime, post: Post, key: Key, manner: dict[str, object]
) -> None:
    config = _config(post, "well", key, **manner)
    accounts = work(database, config, Clock(now), sending(database, config, FEW, now))
    assert accounts == Accounts(due=FEW, accepted=FEW)
    letters = post.letters(FEW)
    assert _readers(letters) == everybody(FEW)
    for one in letters:
        dkim.verify(one, [key])
    assert post.troubles == []


@once
@pytest.mark.parametrize("manner", ["small", "small and silent"])
def test_an_edition_larger_than_postfix_takes_is_held_with_the_reason(
    database: Database, now: datetime, post: Post, key: Key, manner: str
) -> None:
    config = _config(post, manner, key)
    accounts = work(database, config, Clock(now), sending(database, config, 30, now))
    assert accounts == Accounts(due=30, waiting=30)
    assert state(database, now) is State.HELD
    with database.snapshot() as session:
        record = store.load(session, NEWSLETTER.key, now.date())
        assert record is not None
        [held] = [entry for entry in store.history(session, record.id) if entry.event == "hold"]
    assert "5.3.4" in held.reason
    assert post.letters(0) == []


@once
def test_a_connection_postfix_ends_over_one_reader_costs_the_others_nothing(
    database: Database, now: datetime, post: Post, key: Key
) -> None:
    config = _config(post, "strict", key, connections=1)
    mailing = sending(database, config, 20, now)
    accounts = work(database, config, Clock(now), mailing, patience_seconds=0.6)
    assert accounts == Accounts(due=20, accepted=19, refused=1)
    assert _readers(post.letters(19)) == everybody(20) - Counter([address(3)])
    with database.snapshot() as session:
        [refused] = ledger.listing(session, mailing, DeliveryState.REFUSED)
        assert ledger.uncertain(session, mailing) == []
    assert (refused.code, refused.enhanced, refused.reason) == (550, "5.1.1", "recipient-dead")
    assert "too many errors" in post.log
