"""The product sends a mailing: by so many processes, signed so, to this relay; and what that took."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from typing import Final

from newsletter.database import Database
from newsletter.delivery import leases, ledger
from newsletter.delivery.ledger import Accounts, MailingId
from tests.bench.children import MOST_SECONDS, Child, child
from tests.bench.sender import Order, Spent
from tests.builders import MORNING, make_site
from tests.delivery.newsroom import NEWSLETTER, ring

LOOK_SECONDS: Final = 0.05
LEAST_RATE: Final = 100  # letters a second; what sends fewer hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a mailing took, from the freeze of the audience to the last letter settled in the ledger."""

    letters: int
    seconds: float
    spent: tuple[Spent, ...]

    @property
    def rate(self) -> float:
        return self.letters / self.seconds

    @property
    def cpu_microseconds(self) -> float:
        """Of the senders' processor, for a letter."""
        return 1e6 * sum(one.cpu_seconds for one in self.spent) / self.letters


def send(order: Order) -> Sent:
    """The whole path: freeze the audience, check each reader's consent, address, sign, submit, settle each letter.

    The processes have started and read their libraries before the time begins.
    """
    text, most = json.dumps(asdict(order)), MOST_SECONDS + order.letters / LEAST_RATE
    config = replace(order.config, site=make_site(), newsletters={NEWSLETTER.key: NEWSLETTER})
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database(order.url)))
        senders = [
            stack.enter_context(child("tests.bench.sender", text, seconds=most)) for _ in range(order.manner.processes)
        ]
        for sender in senders:
            sender.hear()
        began = time.perf_counter()
        mailing = ring(database, config, MORNING)
        for sender in senders:
            sender.tell(str(mailing))
        _await_last(database, mailing, senders)
        seconds = time.perf_counter() - began
        spent = tuple(Spent(**json.loads(sender.hear())) for sender in senders)
        with database.snapshot() as session:
            accounts = ledger.accounts(session, mailing)
    assert accounts == Accounts(due=order.letters, accepted=order.letters), accounts
    return Sent(letters=order.letters, seconds=seconds, spent=spent)


def _await_last(database: Database, mailing: MailingId, senders: Sequence[Child]) -> None:
    """Wait until nothing of a mailing is left to do; its senders may sleep a moment before they see that, too."""
    left = True
    while left:
        time.sleep(LOOK_SECONDS)
        for sender in senders:
            sender.require_well()
        with database.snapshot() as session:
            left = leases.next_due(session, mailing) is not None
