"""The restore journal: who withdrew, complained, was suppressed or erased, in a file outside the database.

One JSON object a line, appended and on the disk before the database keeps the same: what stands here too much is a
departure that was asked for and failed, and replaying it is right. Marks are keyed hashes; no address is in it.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from newsletter.errors import JournalError

FOLDER: Final = "journal"
FILE: Final = "restore.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One departure; `fingerprint` is in hex, `newsletter` empty where all are meant."""

    fingerprint: str
    action: str
    newsletter: str
    reason: str
    at: datetime


class Journal:
    """The journal of one home. Any number of processes append to it; it is made when the first entry is."""

    def __init__(self, home: Path) -> None:
        self.path = home / FOLDER / FILE

    def write(self, entries: Iterable[Entry]) -> None:
        """Append entries and wait for the disk once. Raises JournalError; then the caller must keep nothing."""
        lines = "".join(json.dumps(asdict(one) | {"at": one.at.isoformat()}) + "\n" for one in entries)
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(_healing(file.fileno()) + lines.encode())
                os.fsync(file.fileno())
        except OSError as error:
            raise JournalError(f"{self.path}: cannot be written ({error.strerror}); nothing was changed") from error

    def entries(self) -> Iterator[Entry]:
        """Everything that was written, here and in files of other machines put beside it, in each file's order.

        A line cut short by a crash is passed over: what it was to say was not kept anywhere else either.
        """
        for path in sorted(self.path.parent.glob("*.jsonl")):
            with path.open("rb") as file:
                yield from filter(None, map(_read, file))

    def cut(self, before: datetime) -> int:
        """Forget the entries older than a moment, which every backup still kept knows of; returns how many."""
        if not self.path.exists():
            return 0
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lines = file.readlines()
            kept = [line for line in lines if (one := _read(line)) is not None and one.at >= before]
            if len(kept) < len(lines):
                # In place, since others may hold it open to append; shorter, so that nothing is lost on the way.
                _rewrite(file.fileno(), b"".join(kept))
        return len(lines) - len(kept)


def _rewrite(handle: int, data: bytes) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, data)
    os.ftruncate(handle, len(data))
    os.fsync(handle)


def _healing(handle: int) -> bytes:
    """A line break where the last writer died in mid-line."""
    size = os.fstat(handle).st_size
    return b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""


def _read(line: bytes) -> Entry | None:
    try:
        values = json.loads(line)
        return Entry(**values | {"at": datetime.fromisoformat(values["at"])})
    except (ValueError, TypeError, KeyError):
        return None
