"""The sending processes beside this one: each a `sender` with its part of the relays' connections."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from newsletter.cli import house
from newsletter.config import Config
from newsletter.delivery.ledger import MailingId

_AGAIN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.5
_PART: Final = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of so many sending processes."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2/4`; raises ValueError."""
        found = _PART.fullmatch(text)
        if not found or int(found[1]) > int(found[2]):
            raise ValueError(f"{text!r} is no part: write 2/4 for the second of four")
        return cls(number=int(found[1]), of=int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def all_parts(settings: Config) -> list[Part]:
    """As many as are configured."""
    count = settings.delivery.processes
    return [Part(number=n, of=count) for n in range(1, count + 1)]


@contextmanager
def beside(parts: list[Part], environ: Mapping[str, str], only: MailingId | None = None) -> Iterator[None]:
    """These parts as processes of their own, each started again when it dies for a reason nobody asked for.

    With `only` they work one mailing off, and end with it.
    """
    keepers = [_Keeper(part, environ, only) for part in parts]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.stop()
        for keeper in keepers:
            keeper.join()


@contextmanager
def orphaned(stop: threading.Event, parent: int) -> Iterator[None]:
    """Set `stop` when that process, which started this one, is gone: whoever starts it again starts its own senders.

    It may be gone before this is called, since a start takes a second.
    """
    over = threading.Event()

    def watch() -> None:
        while os.getppid() == parent:
            if over.wait(_LOOK_SECONDS):
                return
        stop.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


class _Keeper:
    """One process and who keeps it going."""

    def __init__(self, part: Part, environ: Mapping[str, str], only: MailingId | None) -> None:
        self._command = [sys.executable, "-m", "newsletter.cli.sender"]
        self._command += ["--part", str(part), "--parent", str(os.getpid())]
        self._command += [] if only is None else ["--mailing", str(only)]
        self._part, self._environ, self._only = part, environ, only
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._process is not None:
            self._process.terminate()

    def join(self) -> None:
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self._process = subprocess.Popen(self._command, env=dict(self._environ))  # noqa: S603 -- our own program
            if self._stopped.is_set():
                self._process.terminate()
            code = self._process.wait()
            if code == 0 and self._only is not None:
                return
            if not self._stopped.wait(_AGAIN_SECONDS):
                house.say(f"worldbrief: sender {self._part} left with {code}; starting it again")
