"""Conformance at length: ten thousand letters in 34 languages, hostile on purpose, each looked at by every check.

Hypothesis draws the letters; every core draws its own: `python -m tests.bench.wire LETTERS SEED` looks at one share.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.bench.children import ROOT
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
    letters = scale.size(LETTERS, least=20)
    cores = min(Machine().cores, letters)
    scale.tell(f"{letters:,} letters on {cores} cores")
    shares = [(letters // cores + (n < letters % cores), SEED + n) for n in range(cores)]
    seen = Seen()
    with ExitStack() as stack:
        for process in [stack.enter_context(_looking(*share)) for share in shares]:
            seen.add(_told(process))
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


@contextmanager
def _looking(letters: int, number: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that looks at its share; it ends with us."""
    command = [sys.executable, "-m", "tests.bench.wire", str(letters), str(number)]
    # A session of its own: Ctrl-C is ours to answer.
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _told(process: "subprocess.Popen[bytes]") -> Seen:
    """What it saw, once it has looked at all."""
    said, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    told = json.loads(said)
    return Seen(
        letters=Counter(told["letters"]), faults=Counter(told["faults"]), first=told["first"], octets=told["octets"]
    )


def look(letters: int, number: int) -> Seen:
    """What one process sees of its share."""
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


if __name__ == "__main__":
    saw = look(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(json.dumps({one.name: getattr(saw, one.name) for one in fields(saw)}))
