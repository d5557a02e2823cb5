"""Where a postbox keeps letters: a folder of .eml files, each whole or not there, in the order of their names."""

import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9@+_.-]+")
_NAME: Final = re.compile(r"[A-Za-z0-9@+_.-]+\.eml")
_LONGEST_NAME: Final = 80
_MOST_ENVELOPES: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A letter that was taken: its envelope, its bytes as the sender meant them, and when.

    `beside` is what else was said with the envelope: the parameters of DSN.
    """

    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    at: datetime
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Of a letter on the shelf, what its file does not say."""

    mail_from: str
    rcpt_to: tuple[str, ...]
    beside: tuple[str, ...]


class Shelf:
    """The letters in one folder. A file holds a letter as it came; envelopes are remembered for this run only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run, self._count = secrets.token_hex(3), 0
        self._envelopes: dict[str, Envelope] = {}

    def open(self) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def put(self, arrived: Arrived) -> None:
        """Keep a letter under a name that begins with the time, so that names sort and never clash."""
        self._count += 1
        name = f"{arrived.at:%Y%m%dT%H%M%S}-{self._run}-{self._count:06}-{_UNSAFE.sub('_', arrived.rcpt_to[0])}"
        final = self.folder / f"{name[:_LONGEST_NAME]}.eml"
        unfinished = final.with_suffix(".part")
        try:
            unfinished.write_bytes(arrived.data)
            os.replace(unfinished, final)  # noqa: PTH105, the same, and it says that it replaces
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        if len(self._envelopes) < _MOST_ENVELOPES:
            self._envelopes[final.name] = Envelope(
                mail_from=arrived.mail_from, rcpt_to=arrived.rcpt_to, beside=arrived.beside
            )

    def names(self) -> list[str]:
        """All letters, the newest first; none where somebody took the folder away."""
        if not self.folder.is_dir():
            return []
        return sorted((entry.name for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name)), reverse=True)

    def read(self, name: str) -> bytes:
        """One letter. Raises FileNotFoundError, for a name that is no letter's too."""
        if not _NAME.fullmatch(name):
            raise FileNotFoundError(name)
        return (self.folder / name).read_bytes()

    def envelope(self, name: str) -> Envelope | None:
        """What was said before the letter, if it came in this run."""
        return self._envelopes.get(name)

    def clear(self) -> None:
        """Throw all letters away."""
        for name in self.names():
            (self.folder / name).unlink(missing_ok=True)
        self._envelopes.clear()
