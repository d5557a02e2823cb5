"""The product sends a mailing: by so many processes, signed so, to this relay; and what that took.

`python -m tests.bench.sending ORDER` is one of the sending processes; see `Order`.
"""

import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self

from newsletter.config import Config, Delivery
from newsletter.database import Database
from newsletter.delivery import keyfiles, leases, ledger
from newsletter.delivery.ledger import Accounts, MailingId
from newsletter.relays import RelaySettings
from newsletter.signing import Dkim
from tests.bench.children import Child, child, go, say
from tests.builders import MORNING
from tests.delivery.newsroom import Clock, make_config, ring, work

SELECTOR: Final = "bench"
# A selector that ends so has an Ed25519 key. It signs alone to be measured only: many receivers do not know its kind.
SIGNED: Final = {
    "none": Dkim(),
    "rsa": Dkim(selector=SELECTOR),
    "ed25519": Dkim(selector=f"{SELECTOR}{keyfiles.TWIN}"),
    "both": Dkim(selector=SELECTOR, ed25519=True),
}
# Several processes share 20,000 letters by the shipped chunks, and fewer as finely: or one would have them all.
CHUNKS: Final = 40
PATIENCE_SECONDS: Final = 3.0  # as the product has it
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a mailing is sent: by how many processes, how signed, and how the relay is spoken to.

    With `ca_file`, the certificate to trust, it is spoken to under TLS from the first octet.
    """

    processes: int = 1
    connections: int = 8
    keys: Literal["none", "rsa", "ed25519", "both"] = "none"
    one_write: bool = False
    chunking: bool = False
    ca_file: str = ""

    def relay(self, port: int) -> RelaySettings:
        """The shipped settings, but for these."""
        return RelaySettings(
            host="127.0.0.1",
            port=port,
            connections=self.connections,
            pipelining="one-write" if self.one_write else "auto",
            chunking=self.chunking,
            tls="implicit" if self.ca_file else "none",
            ca_file=self.ca_file,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be sent: the mailing's database and letters, the home with the keys, where to, and how."""

    url: str
    letters: int
    home: str
    port: int
    manner: Manner

    @classmethod
    def parse(cls, text: str) -> Self:
        told = json.loads(text)
        return cls(**told | {"manner": Manner(**told["manner"])})

    @property
    def config(self) -> Config:
        delivery, several = Delivery(), self.manner.processes > 1
        chunk = min(delivery.chunk_size, max(1, self.letters // CHUNKS)) if several else delivery.chunk_size
        return replace(
            make_config(),
            home=Path(self.home),
            delivery=replace(delivery, chunk_size=chunk),
            dkim=SIGNED[self.manner.keys],
            relay=self.manner.relay(self.port),
            relays={},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a sending process took: seconds of processor, the most memory it held before it began, and ever."""

    cpu_seconds: float
    libraries_mb: float
    peak_mb: float


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
    text = json.dumps(asdict(order))
    with ExitStack() as stack:
        database = stack.enter_context(closing(Database(order.url)))
        senders = [stack.enter_context(child("tests.bench.sending", text)) for _ in range(order.manner.processes)]
        for sender in senders:
            sender.hear()
        began = time.perf_counter()
        mailing = ring(database, order.config, MORNING)
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


def main(text: str) -> None:
    """Be one of the senders: wait for the mailing's number, send, and say what it took."""
    order = Order.parse(text)
    with closing(Database(order.url)) as database:
        before = _most_memory_mb()
        mailing = MailingId(int(go()))
        cpu = time.process_time()
        share = 1 / order.manner.processes
        work(database, order.config, Clock(MORNING), mailing, share=share, patience_seconds=PATIENCE_SECONDS)
        spent = Spent(cpu_seconds=time.process_time() - cpu, libraries_mb=before, peak_mb=_most_memory_mb())
    say(json.dumps(asdict(spent)))


def _most_memory_mb() -> float:
    """The most this process ever held.

    On Linux getrusage counts what the process was forked from as well, so the kernel is asked for the program alone.
    """
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


if __name__ == "__main__":
    main(*sys.argv[1:])
