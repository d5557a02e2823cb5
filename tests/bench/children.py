"""Programs of the benchmarks in processes of their own: they are heard line by line, and none outlives its time."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = (sys.executable, "-m")
MOST_SECONDS: Final = 300.0
ALL_DAY_SECONDS: Final = 86_400.0  # of a program that serves for as long as a benchmark takes


class ChildError(RuntimeError):
    """A program ended, or was ended, before it said what it was asked."""


class Child:
    """One program: it says READY when all that is not measured is done, and what it found when it was told to go."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._told, self._said = process, process.stdin, process.stdout

    def tell(self, line: str) -> None:
        self._told.write(f"{line}\n")
        self._told.flush()

    def hear(self) -> str:
        """The next line it says. Raises ChildError when there is none."""
        line = self._said.readline()
        if not line:
            raise ChildError(f"{self._process.args!r} ended without an answer")
        return line.rstrip("\n")

    def require_well(self) -> None:
        """Raises ChildError when it failed."""
        if self._process.poll():
            raise ChildError(f"{self._process.args!r} failed with {self._process.returncode}")

    def kill(self) -> None:
        """`kill -9`; returns when it is gone."""
        self._process.kill()
        self._process.wait()


@contextmanager
def child(
    *module: str,
    program: Sequence[str] = PYTHON,
    seconds: float = MOST_SECONDS,
    surroundings: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
) -> Iterator[Child]:
    """`python -m MODULE ...`, or another program, for so long at most; it ends when its standard input does.

    What it complains of goes into the log, or where our own complaints go.
    """
    command = [*program, *module]
    # A session of its own: Ctrl-C is ours to answer.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=surroundings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        with process:
            try:
                yield Child(process)
            except BaseException:
                process.kill()
                raise
    finally:
        timer.cancel()


def go() -> str:
    """For the program: say that it is ready, wait until it is told to go, and return what it was told."""
    say("ready")
    return sys.stdin.readline().rstrip("\n")


def say(line: str) -> None:
    """For the program: say what it found."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
