"""Letters a second beside what else a Python or a Node program would send with, each signing with RSA-2048.

The peers are installed beside the product, never into it (`make bench` does it, into `build/peers`); one that is not
there is not measured.
"""

import base64
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from newsletter.delivery import dkim, keyfiles
from newsletter.delivery.keyfiles import Key
from newsletter.postbox import Postbox, running
from newsletter.rendering.letter import Recipient
from newsletter.rendering.proof import Proof, blank
from tests.bench import mailings, sinks
from tests.bench.children import ROOT, child
from tests.bench.engines import folder
from tests.bench.mailings import Ready
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.bench.peer import ABSENT, Job, Pattern, Reader, Seal
from tests.bench.sender import SELECTOR, Manner
from tests.bench.sinks import Sink
from tests.builders import MORNING
from tests.delivery import oracle

INSTALLED: Final = ROOT / "build" / "peers"
OURS: Final = "World Brief"
DOMAIN: Final = "worldbrief.test"
BARS: Final = {"nodemailer": "8x (10x)"}
BAR: Final = "30x (40x)"
NAMES: Final = {
    "smtplib": "EmailMessage + dkimpy, smtplib",
    "aiosmtplib": "EmailMessage + dkimpy, aiosmtplib",
    "django": "Django’s messages and SMTP backend + dkimpy",
    "nodemailer": "nodemailer’s pool with DKIM",
}
NOT_MEASURED: Final = "not measured"
NOTES: Final = (
    "All sign with the same RSA-2048 key and send from one process; the ledger, consent and tokens are World Brief’s.",
    "World Brief, aiosmtplib and nodemailer: 8 connections; smtplib and Django, which send in turn: one, kept open.",
    "The bar is what it must be, behind it what is aimed at. A program’s start is not measured, connecting is.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A program that sends a job's letters: what starts it, but for the port and the file."""

    name: str
    program: tuple[str, ...]

    def seconds(self, port: int, file: Path) -> float | None:
        """How long sending took, or None when the peer is not there."""
        module, *_ = self.program
        if shutil.which(module) is None:
            return None
        with child(str(port), str(file), program=self.program) as process:
            if process.hear() == ABSENT:
                return None
            process.tell("go")
            return float(process.hear())


def all_peers() -> list[Peer]:
    """Those this house knows of, from where they are installed."""
    python = INSTALLED / "bin" / "python"
    interpreter = str(python) if python.exists() else sys.executable
    clients = [
        Peer(name=client, program=(interpreter, "-m", "tests.bench.peer", client))
        for client in ("smtplib", "aiosmtplib", "django")
    ]
    # Where its packages are not, node is as good as not there.
    node = "node" if (INSTALLED / "node_modules").exists() else "no-node"
    return [*clients, Peer(name="nodemailer", program=(node, str(INSTALLED / "nodemailer.mjs")))]


def run(scale: Scale) -> Table:
    """Each sender in alternated rounds, into a relay that is not the limit; letters of three sizes."""
    with ExitStack() as stack:
        place = stack.enter_context(folder())
        sink = stack.enter_context(sinks.fast_drain(place, "PIPELINING"))
        rows: list[tuple[Cell, ...]] = []
        for kilobytes in mailings.sizes(scale):
            scale.tell("peers: importing the subscribers")
            ready = mailings.ready(place, scale.size(6_000, least=20), mailings.of_size(kilobytes))
            job = _job(ready, scale.size(200, least=4))
            rows += _rows(f"{kilobytes} KB", ready, job, sink, scale)
    return Table(
        name="peers",
        title="Beside what else one would send with, one process each",
        columns=("letter", "sender", "letters/s", f"{OURS}’s ratio to it", "bar (aim)"),
        rows=tuple(rows),
        notes=(f"The relay: {sink.name}.", *NOTES),
    )


def _rows(letter: str, ready: Ready, job: Job, sink: Sink, scale: Scale) -> Iterator[tuple[Cell, ...]]:
    file = job.write(ready.file.with_suffix(".json"))
    there = {peer.name: peer for peer in all_peers() if _signs(peer, job, ready.file.with_suffix(".few"))}
    runs: dict[str, Callable[[], float]] = {OURS: partial(_ours, ready, sink)}
    for name, peer in there.items():
        runs[name] = partial(_theirs, peer, file, len(job.readers), sink)
    found = alternated(scale, runs, f"peers, {letter}")
    yield letter, OURS, middle(found[OURS]), "", ""
    for name, title in NAMES.items():
        yield letter, title, *_compared(name, found)


def _compared(name: str, found: Mapping[str, list[float]]) -> tuple[Cell, Cell, Cell]:
    bar = BARS.get(name, BAR)
    if name not in found:
        return "-", NOT_MEASURED, bar
    return middle(found[name]), f"{ratio(found[OURS], found[name]):.1f}x", bar


def _ours(ready: Ready, sink: Sink) -> float:
    with sink.taking(ready.letters):
        return ready.send(sink.port, Manner(keys="rsa")).rate


def _theirs(peer: Peer, file: Path, letters: int, sink: Sink) -> float:
    with sink.taking(letters):
        seconds = peer.seconds(sink.port, file)
    assert seconds is not None
    return letters / seconds


def _signs(peer: Peer, job: Job, file: Path) -> bool:
    """Whether the peer is there; if so what it sends must verify, and have the reader's own links."""
    few = Job(pattern=job.pattern, seal=job.seal, readers=job.readers[:2])
    with running(Postbox()) as box:
        if peer.seconds(box.port, few.write(file)) is None:
            return False
        arrived = {one.rcpt_to[0]: one.data for one in box.messages}
    records = oracle.published([keyfiles.read(file.parent, SELECTOR)], DOMAIN)
    assert arrived.keys() == {reader.address for reader in few.readers}
    for reader in few.readers:
        # A peer signs at the time of day.
        assert oracle.verdicts(arrived[reader.address], records, datetime.now(UTC)) == [True]
        assert reader.token.encode() in arrived[reader.address].replace(b"=\r\n", b"")
    return True


def _job(ready: Ready, letters: int) -> Job:
    return Job(
        pattern=pattern(mailings.proved(ready.edition), MORNING),
        seal=seal(keyfiles.read(ready.file.parent, SELECTOR), DOMAIN),
        readers=ready.readers(letters),
    )


def pattern(proof: Proof, date: datetime) -> Pattern:
    """What a peer makes the letters of a proof from."""
    return Pattern(
        sender=(proof.sender.name, proof.sender.address),
        subject=proof.subject,
        listed=(proof.list_name, proof.list_id),
        site=proof.site,
        at=date.isoformat(),
        text=proof.text,
        html=proof.html,
        blanks=(blank(proof.nonce, "address"), blank(proof.nonce, "token")),
    )


def reader(recipient: Recipient) -> Reader:
    return Reader(address=recipient.address, token=recipient.token, return_token=recipient.return_token)


def seal(key: Key, domain: str) -> Seal:
    """What a peer signs with: the same key, the same headers."""
    private = key.private
    if isinstance(private, RSAPrivateKey):
        secret = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    else:
        secret = base64.b64encode(private.private_bytes_raw()).decode()
    return Seal(algorithm=key.algorithm, selector=key.selector, domain=domain, secret=secret, covered=dkim.SIGNED)
