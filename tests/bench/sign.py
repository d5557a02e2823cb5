"""What a signed letter costs: beside the bare signature, and beside EmailMessage with dkimpy; letters a second."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Final

from newsletter.delivery.dkim import Seal, Signer
from newsletter.delivery.keyfiles import Key
from newsletter.rendering import letter
from newsletter.rendering.proof import Proof
from newsletter.signing import Dkim
from tests.bench import peers
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio, timed
from tests.bench.peer import Job
from tests.bench.render import KILOBYTES, READER, of_size
from tests.builders import MORNING, make_proof
from tests.delivery import oracle
from tests.delivery.conformance import SELECTOR, keys

DOMAIN: Final = "worldbrief.test"
KEYS: Final = {"RSA-2048": SELECTOR, "Ed25519": f"{SELECTOR}-ed25519"}
DIGEST: Final = sha256(b"World Brief").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A letter of one size under one kind of key, as both sides write and sign it."""

    key: Key
    seal: Seal
    job: Job

    def ours(self) -> bytes:
        return self.seal.sign(letter.address(self.seal.stencil, READER)).message

    def theirs(self) -> bytes:
        return self.job.letter(self.job.readers[0])


def run(scale: Scale) -> Table:
    """Letters of three sizes under both kinds of key, one core."""
    made = make_proof()
    candidates = {
        (f"{size} KB", kind): _candidate(of_size(made, 1000 * size), kind) for size in KILOBYTES for kind in KEYS
    }
    runs: dict[str, Callable[[], float]] = {
        f"bare {kind}": partial(timed, partial(keys()[name].sign, DIGEST), scale.size(2_000, least=5))
        for kind, name in KEYS.items()
    }
    for (size, kind), one in candidates.items():
        _check(one)
        runs[f"{size} {kind}"] = partial(timed, one.ours, scale.size(2_000, least=5))
        runs[f"{size} {kind} dkimpy"] = partial(timed, one.theirs, scale.size(20))
    found = {name: [1e6 * one for one in seconds] for name, seconds in alternated(scale, runs, "sign").items()}
    return Table(
        name="sign",
        title="Addressing and signing a letter, one core",
        columns=("letter", "key", "µs", "letters/s", "bare signatures/s", "of them", "µs with dkimpy", "ratio"),
        rows=tuple(_row(found, *names) for names in candidates),
        notes=(
            "World Brief: values spliced in, the body hashed behind its first blank, the headers, the signature.",
            "With dkimpy: EmailMessage(policy=SMTP) per reader, relaxed/relaxed, the same headers. Both verify.",
        ),
    )


def _row(found: Mapping[str, list[float]], size: str, kind: str) -> tuple[Cell, ...]:
    ours, bare, theirs = found[f"{size} {kind}"], found[f"bare {kind}"], found[f"{size} {kind} dkimpy"]
    rates = round(1e6 / middle(ours)), round(1e6 / middle(bare))
    return size, kind, middle(ours), *rates, ratio(bare, ours), f"{middle(theirs):,.0f}", f"{ratio(theirs, ours):,.0f}x"


def _candidate(made: Proof, kind: str) -> Candidate:
    key = keys()[KEYS[kind]]
    stencil = letter.cut(made, bounce_domain="bounces.worldbrief.test", date=MORNING)
    # For the Ed25519 rows its key alone signs, which nobody should do: many receivers do not know it.
    signer = Signer(settings=Dkim(selector=key.selector), keys={key.selector: key})
    job = Job(pattern=peers.pattern(made, MORNING), seal=peers.seal(key, DOMAIN), readers=(peers.reader(READER),))
    return Candidate(key=key, seal=signer.seal(stencil), job=job)


def _check(one: Candidate) -> None:
    """Both sides' letters verify."""
    records = oracle.published([one.key], DOMAIN)
    assert oracle.verdicts(one.ours(), records, MORNING) == [True]
    # dkimpy signs at the time of day.
    assert oracle.verdicts(one.theirs(), records, datetime.now(UTC)) == [True]
