"""Senders to be killed: processes of `newsletter.cli.sender`, alone or as a whole tree under `worldbrief work`.

`python -m tests.bench.crews` is a nursery. It has read all of the program and forks a sender for every line of its
standard input (`2/5`: the second of five), whose process number it says: in a moment, where a start takes seconds.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from tests.bench.children import ALL_DAY_SECONDS, ROOT, Child, child, say

PATIENCE_SECONDS: Final = 120.0


class Crew(Protocol):
    """Senders at work beside each other on one machine."""

    @property
    def pids(self) -> Sequence[int]:
        """The processes that send."""
        ...

    def mend(self) -> None:
        """Start again whoever is missing."""
        ...

    def kill(self, victims: Sequence[int]) -> None:
        """`kill -9`, all at once; returns when they are gone."""
        ...


class Forked:
    """A crew of a nursery’s: each sender can be killed and replaced by itself."""

    def __init__(self, nursery: Child, count: int) -> None:
        self._nursery, self._count = nursery, count
        self._senders: dict[str, int] = {}

    @property
    def pids(self) -> Sequence[int]:
        return tuple(self._senders.values())

    def mend(self) -> None:
        for part in (f"{n}/{self._count}" for n in range(1, self._count + 1)):
            if part not in self._senders:
                self._nursery.tell(part)
                self._senders[part] = int(self._nursery.hear())

    def kill(self, victims: Sequence[int]) -> None:
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self._senders = {part: pid for part, pid in self._senders.items() if pid not in victims}
        wait_until(lambda: not any(map(_lives, victims)), "the killed senders end")


class Tree:
    """A crew under the product’s own supervisor, `worldbrief work`; it dies as a whole."""

    def __init__(self, surroundings: Mapping[str, str], log: IO[bytes]) -> None:
        self._surroundings, self._log = surroundings, log
        self._root: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> Sequence[int]:
        return () if self._root is None else tuple(_children(self._root.pid))

    def mend(self) -> None:
        if self._root is None:
            command = [sys.executable, "-m", "newsletter", "work"]
            # A session of its own, so that one signal reaches all of the tree at the same moment.
            self._root = subprocess.Popen(
                command, cwd=ROOT, env=dict(self._surroundings), stderr=self._log, start_new_session=True
            )

    def kill(self, victims: Sequence[int]) -> None:
        if self._root is not None:
            os.killpg(self._root.pid, signal.SIGKILL)
            self._root.wait()
            self._root = None
        wait_until(lambda: not any(map(_lives, victims)), "the killed senders end")


@contextmanager
def forked(surroundings: Mapping[str, str], log: IO[bytes], count: int) -> Iterator[Crew]:
    """So many senders out of a nursery; they end with it."""
    with child("tests.bench.crews", seconds=ALL_DAY_SECONDS, surroundings=surroundings, log=log) as nursery:
        one = Forked(nursery, count)
        try:
            yield one
        finally:
            one.kill(one.pids)


@contextmanager
def tree(surroundings: Mapping[str, str], log: IO[bytes]) -> Iterator[Crew]:
    """The senders of `worldbrief work`, as many as are configured."""
    one = Tree(surroundings, log)
    try:
        yield one
    finally:
        one.kill(one.pids)


def wait_until(done: Callable[[], bool], what: str, look_seconds: float = 0.005) -> None:
    """Look until it is so. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:.0f} s in vain until {what}")
        time.sleep(look_seconds)


def _children(pid: int) -> list[int]:
    # Each thread has its own, and every sender a thread that keeps it.
    return [
        int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text("ascii").split()
    ]


def _lives(pid: int) -> bool:
    """Whether a process still runs; one that nobody has asked about yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def nurse() -> None:
    """Fork a sender for every line, until there are no more."""
    from newsletter.cli import sender

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # A fork must not read its parent's orders.
            os.close(0)
            sys.exit(sender.main(["--part", line.strip()]))
        say(str(pid))


if __name__ == "__main__":
    nurse()
