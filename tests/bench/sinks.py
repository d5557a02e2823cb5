"""Relays to send to, each in a process of its own: the shipped postbox, the drain, Postfix’s smtp-sink if it is there.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from newsletter.postbox import Arrived, Postbox, running

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Where letters are sent to; `count` says how many it took, or None when it cannot tell."""

    name: str
    port: int
    count: Callable[[], int | None]


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
def drain(latency_ms: float, *extensions: str) -> Iterator[Sink]:
    """The least a relay can do, which answers so many milliseconds late."""
    with _counting("drain", "tests.bench.drain", str(latency_ms), *extensions) as sink:
        yield sink


@contextmanager
def _counting(name: str, *command: str) -> Iterator[Sink]:
    with _asked(*command) as (port, ask):
        yield Sink(name=name, port=port, count=lambda: int(ask("")))


@contextmanager
def _asked(*command: str) -> Iterator[tuple[int, Callable[[str], str]]]:
    """A relay in a process of its own: its port, and what it answers to a line."""
    # A session of its own: Ctrl-C is ours to answer, and the relay ends when its standard input does.
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, said = process.stdin, process.stdout

        def ask(line: str) -> str:
            told.write(f"{line}\n")
            told.flush()
            return said.readline()

        yield int(said.readline()), ask


def smtp_sink() -> str | None:
    """The path of Postfix's smtp-sink, or None."""
    return shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


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
        sys.stdout.write(f"{box.port}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            said = str(box.count)
            if line == "log\n":
                told = taken[:]
                del taken[: len(told)]
                said = json.dumps(told)
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(logs="--log" in sys.argv)
