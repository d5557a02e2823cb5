"""Relays to send to, each in a process of its own: the shipped postbox, the drain, Postfix’s smtp-sink if it is there.

`python -m tests.bench.sinks` is that postbox: it says its port, then at every line how many letters it took.
"""

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

from newsletter.postbox import Postbox, running

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sink:
    """Where letters are sent to; `count` says how many it took, or None when it cannot tell."""

    name: str
    port: int
    count: Callable[[], int | None]


@contextmanager
def postbox() -> Iterator[Sink]:
    """The shipped postbox; it keeps nothing."""
    with _counting("postbox", "tests.bench.sinks") as sink:
        yield sink


@contextmanager
def drain(latency_ms: float, *extensions: str) -> Iterator[Sink]:
    """The least a relay can do, which answers so many milliseconds late."""
    with _counting("drain", "tests.bench.drain", str(latency_ms), *extensions) as sink:
        yield sink


@contextmanager
def _counting(name: str, *command: str) -> Iterator[Sink]:
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
        port = int(said.readline())

        def count() -> int:
            told.write("\n")
            told.flush()
            return int(said.readline())

        yield Sink(name=name, port=port, count=count)


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


def main() -> None:
    with running(Postbox(keep=False)) as box:
        sys.stdout.write(f"{box.port}\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(f"{box.count}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
