"""Bringing people over from elsewhere, with the evidence that they agreed. Without it they are kept, and never mailed.

Each batch of rows is one transaction: an interrupted import has kept whole batches, and running it again adds nothing
twice. Who left, complained or is suppressed stays so, whatever a file says.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlmodel import Session

from subscribers import bulk, registry, suppressions
from subscribers.errors import ImportRefused
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.evidence import digest
from subscribers.transfers import arrivals, batches, csv_rows, loaders, workshop
from subscribers.transfers.batches import Counts, NewBatch
from subscribers.transfers.csv_rows import CsvRow, RawRows
from subscribers.transfers.drafts import Draft, Drafted, ImportJob, RefusedRow, is_text
from subscribers.transfers.loaders import LEAVING, Plan
from subscribers.transfers.triage import Fate, Known, Turn, triage

BATCH: Final = 5_000

Transaction = Callable[[], AbstractContextManager[Session]]
Progress = Callable[[int], None]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """rows = imported + unchanged + unknown + suppressed + ended + the refused ones; `batch` is for undoing it."""

    rows: int
    imported: int
    unchanged: int
    unknown: int
    suppressed: int
    refused: tuple[RefusedRow, ...]
    ended: int = 0
    batch: int = field(default=0, compare=False)


def import_csv(
    transaction: Transaction,
    keys: Keys,
    lines: Iterable[bytes],
    job: ImportJob,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Imported:
    """Read a CSV file, opened in binary, and add its people to a newsletter; `progress` is told the rows done so far.

    A row with all of consent_at, consent_source, consent_wording and consent_method becomes active; any other becomes
    `unknown` and is never mailed. Bad rows are refused one by one; raises ImportRefused when the file has no usable
    header, before anything is kept.
    """
    sha256 = hashlib.sha256()
    plan, rows = opened(lines, job, sha256.update)
    batch, counts, refused = 0, Counts(), list[RefusedRow]()
    with workshop.drafting(keys, plan, job, in_batches(rows, BATCH)) as made:
        for drafted in made:
            refused += drafted.refused
            with transaction() as session:
                consent.lock(session)
                bulk.make_room(session)
                batch = batch or batches.begin(session, _new_batch(plan, job))
                done, seqs = _keep(session, keys, drafted, job)
                counts += done
                batches.record(session, batch, counts, seqs)
            made.tell(changed=done.imported + done.unknown, of=drafted.rows)
            if progress:
                progress(counts.rows)
    if batch:
        with transaction() as session:
            batches.finish(session, batch, sha256.hexdigest(), clock() if clock else job.now)
    return summary(counts, refused, batch)


def opened(
    lines: Iterable[bytes], job: ImportJob, seen: Callable[[bytes], object]
) -> tuple[Plan, Iterator[CsvRow | RawRows]]:
    """The plan of a file, by its header, and the rows after it. Raises ImportRefused."""
    rows = csv_rows.scan(lines, seen, BATCH)
    first = next(csv_rows.parsed(rows), CsvRow(line=1, refused="is empty"))
    if first.refused:
        raise ImportRefused(job.file, first.line, first.refused)
    try:
        return loaders.plan(first.fields, job.loader, job.file), rows
    except ValueError as error:
        raise ImportRefused(job.file, first.line, str(error)) from error


def in_batches(rows: Iterable[CsvRow | RawRows], size: int) -> Iterator[list[CsvRow | RawRows]]:
    """Rows by at most so many."""
    batch, held = list[CsvRow | RawRows](), 0
    for one in rows:
        more = len(one.lines) if isinstance(one, RawRows) else 1
        if batch and held + more > size:
            yield batch
            batch, held = [], 0
        batch.append(one)
        held += more
    if batch:
        yield batch


def summary(counts: Counts, refused: Sequence[RefusedRow], batch: int = 0) -> Imported:
    """The answer of an import, or of a rehearsal."""
    return Imported(
        rows=counts.rows,
        imported=counts.imported,
        unchanged=counts.unchanged,
        unknown=counts.unknown,
        suppressed=counts.suppressed,
        refused=tuple(refused),
        ended=counts.ended,
        batch=batch,
    )


def counted(fates: Iterable[Fate], refused: int) -> Counts:
    """How many rows had each fate."""
    found = dict.fromkeys(Fate, 0)
    for fate in fates:
        found[fate] += 1
    return Counts(refused=refused, **{fate.value: count for fate, count in found.items()})


def look_up(session: Session, rows: Sequence[Draft], job: ImportJob) -> Known:
    """What is known of the addresses and wordings of a batch. A text that came with a row is at hand by that."""
    fingerprints = {one.fingerprint for one in rows}
    texts = texts_of(rows)
    own = {digest(text) for text in texts}
    named = {wording.lower() for wording in _wordings(rows) if not is_text(wording)}
    holdings = registry.holdings(session, fingerprints, job.newsletter)
    leaving = {one.fingerprint for one in rows if one.standing in LEAVING}
    resting = {one.authorised_by for mark, one in holdings.items() if mark in leaving and one.authorised_by}
    return Known(
        holdings=holdings,
        suppressed=suppressions.suppressed(session, fingerprints),
        wordings=own | {digest(text) for text in job.wordings} | set(consent.wordings(session, named - own)),
        given=consent.kinds_and_days(session, resting) if resting else {},
    )


def texts_of(rows: Iterable[Draft]) -> set[str]:
    """The wordings that rows bring with them."""
    return {wording for wording in _wordings(rows) if is_text(wording)}


def _wordings(rows: Iterable[Draft]) -> set[str]:
    """What rows name as shown, each once: a million of them mostly say the same."""
    return {one.proof.wording for one in rows if one.proof}


def _new_batch(plan: Plan, job: ImportJob) -> NewBatch:
    return NewBatch(newsletter=job.newsletter, file=job.file, loader=plan.loader.name, by=job.by, now=job.now)


def _keep(session: Session, keys: Keys, drafted: Drafted, job: ImportJob) -> tuple[Counts, list[int]]:
    """Decide on each row of a batch and write all of it; returns the counts and the events it made."""
    known = look_up(session, drafted.drafts, job)
    fates = triage(drafted.drafts, known)
    said = {digest(one) if is_text(one) else one.lower() for one in _wordings(drafted.drafts)}
    texts = texts_of(drafted.drafts) | {text for text in job.wordings if digest(text) in said}
    consent.keep_wordings(session, texts, job.language)
    changes = [
        Turn(one, fate, known.holdings.get(one.fingerprint))
        for one, fate in fates
        if fate is not Fate.UNCHANGED and fate is not Fate.SUPPRESSED
    ]
    return counted((fate for _, fate in fates), len(drafted.refused)), arrivals.write(session, keys, changes, job)
