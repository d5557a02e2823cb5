"""One of the processes that send a mailing: `python -m tests.bench.sender ORDER`, which loads what a sender needs."""

import json
import resource
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self

from newsletter.config import Config, Delivery
from newsletter.database import Database
from newsletter.delivery import keyfiles, worker
from newsletter.delivery.ledger import MailingId
from newsletter.delivery.worker import Work
from newsletter.relays import RelaySettings
from newsletter.signing import Dkim
from newsletter.vault import Vault
from tests.bench.children import go, say

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
    """What is to be sent: the mailing's database and letters, the home with the keys, where to, how; when it is there.

    `master` is the newsroom's secret in hexadecimal.
    """

    url: str
    letters: int
    home: str
    port: int
    manner: Manner
    at: str
    master: str

    @classmethod
    def parse(cls, text: str) -> Self:
        told = json.loads(text)
        return cls(**told | {"manner": Manner(**told["manner"])})

    @property
    def config(self) -> Config:
        delivery, several = Delivery(), self.manner.processes > 1
        chunk = min(delivery.chunk_size, max(1, self.letters // CHUNKS)) if several else delivery.chunk_size
        return Config(
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


def main(text: str) -> None:
    """Wait for the mailing's number, send, and say what it took."""
    from tests.keyring import RING

    order = Order.parse(text)
    with closing(Database(order.url)) as database:
        before = _most_memory_mb()
        mailing = MailingId(int(go()))
        cpu, began, start = time.process_time(), time.monotonic(), datetime.fromisoformat(order.at)
        job = Work(
            database=database,
            config=order.config,
            vault=Vault(master=bytes.fromhex(order.master), ring=RING),
            only=mailing,
            until_done=True,
            stop=threading.Event(),
            share=1 / order.manner.processes,
        )
        worker.work(job, lambda: start + timedelta(seconds=time.monotonic() - began))
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
