"""Relays to send to, each in a process of its own: the shipped postbox, the drains, Postfix’s smtp-sink if it is there.

`python -m tests.bench.sinks` is that postbox: it says its port, then at every line how many letters it took. With
`--log` it keeps for whom each was and a digest of its octets, and tells those since the last time at the line `log`.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from newsletter.postbox import Arrived, Postbox, running
from tests.bench.children import ALL_DAY_SECONDS, MOST_SECONDS, PYTHON, child, say

SOURCE = "Postfix’s smtp-source"
NO_SOURCE = f"{SOURCE} is not on this machine (Debian: postfix): not measured."
NO_SMTP_SINK = "Postfix’s smtp-sink is not on this machine (Debian: postfix): a drain takes its place."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Where letters are sent to; `count` says how many it took, or None when it cannot tell."""

    name: str
    port: int
    count: Callable[[], int | None]

    @contextmanager
    def taking(self, letters: int) -> Iterator[None]:
        """What is done meanwhile must bring it so many letters, as far as it can tell."""
        before = self.count()
        yield
        after = self.count()
        assert before is None or after is None or after - before == letters, "every letter arrived once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A postbox that logs what it took; `taken` tells of every letter since the last time for whom, and its digest."""

    port: int
    count: Callable[[], int]
    taken: Callable[[], list[tuple[str, str]]]


@contextmanager
def postbox() -> Iterator[Sink]:
    """The shipped postbox; it keeps nothing."""
    with _counting("postbox", "tests.bench.sinks") as sink:
        yield sink


@contextmanager
def log() -> Iterator[Log]:
    """The shipped postbox; it keeps a log."""
    with _asked("tests.bench.sinks", "--log") as (port, ask):
        yield Log(
            port=port, count=lambda: int(ask("")), taken=lambda: [(who, what) for who, what in json.loads(ask("log"))]
        )


@contextmanager
def drain(latency_ms: float, *extensions: str, certificate: Path | None = None) -> Iterator[Sink]:
    """The least a relay can do, which answers so many milliseconds late; under TLS if it has a certificate."""
    secured = [f"--certificate={certificate}"] if certificate else []
    with _counting("drain", "tests.bench.drain", str(latency_ms), *extensions, *secured) as sink:
        yield sink


@contextmanager
def fast_drain(place: Path, *extensions: str) -> Iterator[Sink]:
    """The same in C, built in a folder, and at once; in Python where it cannot be built."""
    program = place / "drain"
    if not _built(Path(__file__).with_name("drain.c"), program):
        with drain(0.0, *extensions) as sink:
            yield sink
        return
    with _counting("drain in C", *extensions, program=(str(program),)) as sink:
        yield sink


def _built(source: Path, program: Path) -> bool:
    compiler = shutil.which("cc")
    command = [str(compiler), "-O2", "-o", str(program), str(source)]
    return (
        compiler is not None
        and not subprocess.run(command, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode
    )


@contextmanager
def _counting(name: str, *module: str, program: Sequence[str] = PYTHON) -> Iterator[Sink]:
    with _asked(*module, program=program) as (port, ask):
        yield Sink(name=name, port=port, count=lambda: int(ask("")))


@contextmanager
def _asked(*module: str, program: Sequence[str] = PYTHON) -> Iterator[tuple[int, Callable[[str], str]]]:
    """A relay in a process of its own: its port, and what it answers to a line."""
    with child(*module, program=program, seconds=ALL_DAY_SECONDS) as relay:

        def ask(line: str) -> str:
            relay.tell(line)
            return relay.hear()

        yield int(relay.hear()), ask


def smtp_sink() -> str | None:
    """The path of Postfix's smtp-sink, or None."""
    return _of_postfix("smtp-sink")


def smtp_source() -> str | None:
    """The path of Postfix's smtp-source, or None."""
    return _of_postfix("smtp-source")


def _of_postfix(program: str) -> str | None:
    # Debian keeps it where only root looks.
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volley:
    """So many letters of one size, over so many connections."""

    letters: int
    octets: int
    connections: int


def source_rate(program: str, sink: Sink, volley: Volley) -> float:
    """Letters a second of Postfix’s smtp-source, written in C: the same octets to the same recipient, unsigned."""
    command = [program, "-d", "-s", str(volley.connections), "-m", str(volley.letters), "-l", str(volley.octets)]
    envelope = ["-f", "a@worldbrief.test", "-t", "reader@example.test", f"127.0.0.1:{sink.port}"]
    began = time.perf_counter()
    with sink.taking(volley.letters):
        subprocess.run([*command, *envelope], check=True, timeout=MOST_SECONDS, start_new_session=True)
    return volley.letters / (time.perf_counter() - began)


@contextmanager
def postfix(program: str) -> Iterator[Sink]:
    """Postfix's test relay, written in C: it reads and throws away."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, *user, f"127.0.0.1:{port}", "128"], start_new_session=True) as process:
        try:
            _await(port)
            yield Sink(name="smtp-sink", port=port, count=lambda: None)
        finally:
            process.terminate()


def _await(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"smtp-sink does not answer on port {port}")


def main(*, logs: bool) -> None:
    taken: list[tuple[str, str]] = []

    def note(one: Arrived) -> None:
        taken.append((one.rcpt_to[0], hashlib.sha256(one.mail_from.encode() + b"\0" + one.data).hexdigest()))

    box = Postbox(keep=False)
    if logs:
        box.tell = note
    with running(box):
        say(str(box.port))
        for line in sys.stdin:
            said = str(box.count)
            if line == "log\n":
                told = taken[:]
                del taken[: len(told)]
                said = json.dumps(told)
            say(said)


if __name__ == "__main__":
    main(logs="--log" in sys.argv)
