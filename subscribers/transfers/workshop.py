"""Drafting the rows of an import: here, and for a long one in a second process while this one stores the last batch.

The helper is a plain child at the end of two pipes. It never sees the database. Where it cannot run, or
dies, the work is done here: it makes an import faster, never different.
"""

import gc
import marshal
import os
import pickle
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Final

from subscribers.instants import from_ms, to_ms
from subscribers.keyring import WrappedKey
from subscribers.keys import Keys
from subscribers.ledger.consent import Packed
from subscribers.transfers.csv_rows import CsvRow, RawRows
from subscribers.transfers.drafts import Draft, Drafted, ImportJob, Proof, RefusedRow, Seals, draft
from subscribers.transfers.loaders import Plan, Standing

# Below this a helper takes longer to start than it saves.
HELP_FROM_ROWS: Final = 10_000
LENGTH_BYTES: Final = 8
_STANDINGS: Final = {str(one): one for one in Standing}
_PROGRAM: Final = "import sys; sys.path[:] = sys.argv[1:]; from subscribers.transfers.workshop import serve; serve()"


class Drafting:
    """Iterates over the drafted batches; told what became of one, it knows whether sealing the next is worth it."""

    def __init__(self, keys: Keys, plan: Plan, job: ImportJob, batches: Iterator[Sequence[CsvRow | RawRows]]) -> None:
        self._keys, self._plan, self._job, self._batches = keys, plan, job, batches
        self._sealing = True
        self._helper: subprocess.Popen[bytes] | None = None

    def tell(self, *, changed: int, of: int) -> None:
        """How many rows of a batch were new: those of a file imported before are not sealed in vain."""
        self._sealing = 2 * changed >= of

    def __iter__(self) -> Iterator[Drafted]:
        done, rows, asked = 0, next(self._batches, None), False
        while rows is not None:
            made = (self._receive() if asked else None) or self._here(rows)
            rows = next(self._batches, None)
            # Only now, when the helper waits: both writing at once would wait for each other for ever.
            asked = rows is not None and self._ask(rows)
            # It is asked for the first time when it has had the time of a batch to start.
            if done < HELP_FROM_ROWS <= done + made.rows and rows is not None and self._can_help():
                self._start()
            done += made.rows
            yield made

    def close(self) -> None:
        """Let the helper go, alive or dead."""
        if self._helper:
            self._helper.kill()
            if self._helper.stdin:
                # What was not written yet is of no use any more.
                with suppress(OSError):
                    self._helper.stdin.close()
                self._helper.stdin = None
            self._helper.communicate()
        self._helper = None

    def _here(self, rows: Sequence[CsvRow | RawRows]) -> Drafted:
        return draft(self._keys, self._plan, self._job, rows, sealing=self._sealing)

    def _can_help(self) -> bool:
        # Chance that was given as an argument must come from where it was given.
        return self._keys.chance is secrets.token_bytes and (os.cpu_count() or 1) > 1

    def _start(self) -> None:
        # Where there is no room for another process, this one does it all.
        with suppress(OSError):
            # A session of its own: a Ctrl-C is for this process, which then closes the other's door.
            self._helper = subprocess.Popen(  # noqa: S603 -- our own program in our own interpreter
                [sys.executable, "-c", _PROGRAM, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._send(pickle.dumps((self._keys.without_ring(), self._plan, self._job)))

    def _ask(self, rows: Sequence[CsvRow | RawRows]) -> bool:
        """Have the helper draft a batch, where there is one."""
        if self._helper:
            self._send(marshal.dumps((_plain(rows), self._sealing)))
        return self._helper is not None

    def _send(self, data: bytes) -> None:
        if self._helper and self._helper.stdin:
            try:
                _write(self._helper.stdin, data)
            except OSError:
                self.close()

    def _receive(self) -> Drafted | None:
        if self._helper and self._helper.stdout:
            try:
                return _drafted(marshal.loads(_read(self._helper.stdout)))  # noqa: S302 -- written by our own child
            except (EOFError, OSError, ValueError, TypeError):
                self.close()
        return None


@contextmanager
def drafting(
    keys: Keys, plan: Plan, job: ImportJob, batches: Iterator[Sequence[CsvRow | RawRows]]
) -> Iterator[Drafting]:
    """The drafts of batches of rows, in their order."""
    made = Drafting(keys, plan, job, batches)
    collecting = gc.isenabled()
    # What an import makes by the million is never part of a cycle: looking for some took a sixth of its time.
    gc.disable()
    try:
        yield made
    finally:
        made.close()
        if collecting:
            gc.enable()


def serve(source: IO[bytes] = sys.stdin.buffer, sink: IO[bytes] = sys.stdout.buffer) -> None:
    """Be the helper: draft what comes in until nothing does."""
    gc.disable()
    keys, plan, job = pickle.loads(_read(source))  # noqa: S301 -- written by our own parent
    while True:
        try:
            plain, sealing = marshal.loads(_read(source))  # noqa: S302 -- written by our own parent
        except EOFError:
            return
        rows = [RawRows(*one) if isinstance(one[1], list) else CsvRow(*one) for one in plain]
        made = draft(keys, plan, job, rows, sealing=sealing)
        refused = [(one.row, one.reason) for one in made.refused]
        _write(sink, marshal.dumps(([_flat(one) for one in made.drafts], refused)))


def _write(sink: IO[bytes], data: bytes) -> None:
    """Send bytes, and first how many: to take them out of a pipe value by value would cost as much again."""
    sink.write(len(data).to_bytes(LENGTH_BYTES, "big"))
    sink.write(data)
    sink.flush()


def _read(source: IO[bytes]) -> bytes:
    length = int.from_bytes(source.read(LENGTH_BYTES), "big")
    data = source.read(length)
    if not data or len(data) < length:
        raise EOFError
    return data


# Plain tuples of plain values, since a class costs more on the way than all it holds.


def _plain(rows: Iterable[CsvRow | RawRows]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in rows]


def _flat(one: Draft) -> tuple[Any, ...]:
    left_at = None if one.left_at is None else to_ms(one.left_at)
    proof = one.proof and (to_ms(one.proof.given_at), *one.proof[1:])
    seals = one.seals and (*one.seals[:2], tuple(one.seals.evidence), one.seals.proved, tuple(one.seals.key))
    # An address that is sealed is not needed again.
    return one.row, one.fingerprint, "" if seals else one.address, str(one.standing), left_at, proof, seals


def _draft(flat: tuple[Any, ...]) -> Draft:
    row, mark, address, standing, left_at, proof, seals = flat
    if proof:
        given_at, source, wording, method = proof
        proof = Proof(from_ms(given_at), source, wording, method)
    if seals:
        subject, sealed, evidence, proved, key = seals
        seals = Seals(subject, sealed, Packed(*evidence), proved, WrappedKey(*key))
    left_at = None if left_at is None else from_ms(left_at)
    return Draft(row, mark, address, _STANDINGS[standing], left_at, proof, seals)


def _drafted(answer: tuple[list[tuple[Any, ...]], list[tuple[int, str]]]) -> Drafted:
    flat, refused = answer
    return Drafted(
        drafts=[_draft(one) for one in flat],
        refused=[RefusedRow(row=row, reason=reason) for row, reason in refused],
    )
