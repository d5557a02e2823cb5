"""Conformance at length: ten thousand letters in 34 languages, hostile on purpose, each looked at by every check.

Hypothesis draws the letters; every core draws its own.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.bench.measure import Machine, Scale, Table
from tests.delivery import conformance
from tests.delivery.conformance import CHECKS, Specimen
from tests.headlines import LANGUAGES

LETTERS: Final = 10_000
SEED: Final = 20261123


@dataclass(slots=True)
class Seen:
    """What a run saw: letters by what they were, and the checks that did not hold."""

    letters: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    octets: int = 0

    def look(self, one: Specimen) -> None:
        """Put one letter to every check."""
        encodings = {str(part["Content-Transfer-Encoding"]) for part in one.email.iter_parts()}
        self.letters.update([one.proof.kind, one.proof.language, *encodings, "all"])
        self.octets += len(one.message)
        for name, held in conformance.results(one).items():
            if not held:
                self.faults[name] += 1
                self.first.setdefault(name, repr(one))

    def add(self, other: "Seen") -> None:
        """Take in what another process saw."""
        self.letters += other.letters
        self.faults += other.faults
        self.first = {**other.first, **self.first}
        self.octets += other.octets


def run(scale: Scale) -> Table:
    """So many letters through every check, on all cores."""
    letters, cores = scale.size(LETTERS, least=20), Machine().cores
    scale.tell(f"{letters:,} letters on {cores} cores")
    shares = [(letters // cores + (n < letters % cores), SEED + n) for n in range(cores)]
    seen = Seen()
    # A process that hypothesis drives starts afresh: a fork would share what the first one keeps.
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        for one in pool.map(look, *zip(*shares, strict=True)):
            seen.add(one)
    languages = len(seen.letters.keys() & LANGUAGES.keys())
    return Table(
        name="wire",
        title="Letters on the wire",
        columns=("what must hold", "letters", "faults"),
        rows=tuple((name, seen.letters["all"], seen.faults[name]) for name in CHECKS),
        notes=(
            f"{seen.letters['all']:,} letters in {languages} languages, {seen.octets / 1e6:.0f} MB.",
            f"{seen.letters['letter']:,} of them are confirmations, {seen.letters['base64']:,} have a part in base64.",
            *_examples(seen.first),
        ),
    )


def look(letters: int, number: int) -> Seen:
    """What one process saw of its share."""
    seen = Seen()

    @seed(number)
    @settings(
        max_examples=letters,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(conformance.specimens())
    def each(one: Specimen) -> None:
        seen.look(one)

    each()
    return seen


def _examples(first: Mapping[str, str]) -> list[str]:
    return [f"A fault in “{name}”: {example}" for name, example in first.items()]
