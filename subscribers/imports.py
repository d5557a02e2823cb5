"""Bringing people over from elsewhere, with the evidence that they agreed. Without it they are kept, and never mailed.

Each batch of rows is one transaction: an interrupted import has kept whole batches, and running it again adds nothing
twice. Who left, complained or is suppressed stays so, whatever a file says.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from sqlmodel import Session

from subscribers import consent, csv_rows, registry
from subscribers.addresses import Address
from subscribers.csv_rows import CsvRow
from subscribers.errors import ImportRefused
from subscribers.evidence import Actor, Event, Evidence, Kind, digest
from subscribers.keyring import Keys
from subscribers.registry import Newcomer, NewSubscription, Person, State, Subscription

BATCH: Final = 1_000
ADDRESS_COLUMNS: Final = ("email", "e-mail", "address", "email address", "e-mail address")
EVIDENCE_COLUMNS: Final = ("consent_at", "consent_source", "consent_wording", "consent_method")
SYNONYMS: Final = {"consent_text": "consent_wording"}
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")

Transaction = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """What is imported, for whom and by whom. `wordings` are texts that rows may name by their SHA-256."""

    file: str
    newsletter: str
    by: str
    now: datetime
    language: str = "en"
    wordings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was left out, by the line of the file it starts on."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """rows = imported + unchanged + unknown + suppressed + the refused ones."""

    rows: int
    imported: int
    unchanged: int
    unknown: int
    suppressed: int
    refused: tuple[RefusedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """The four evidence columns of a row, complete; `wording` is a text or the digest of one."""

    given_at: datetime
    source: str
    wording: str
    method: str

    @property
    def digest(self) -> str:
        return self.wording.lower() if _SHA256.fullmatch(self.wording) else digest(self.wording)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    row: int
    address: Address
    fingerprint: bytes
    proof: _Proof | None


@dataclass(slots=True, kw_only=True)
class _Tally:
    rows: int = 0
    imported: int = 0
    unchanged: int = 0
    unknown: int = 0
    suppressed: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the database holds on the addresses of a batch."""

    people: dict[bytes, Person]
    subscriptions: dict[bytes, Subscription]
    suppressed: set[bytes]
    wordings: set[str]


def import_csv(
    transaction: Transaction,
    keys: Keys,
    lines: Iterable[bytes],
    job: ImportJob,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Read a CSV file, opened in binary, and add its people to a newsletter; `progress` is told the rows done so far.

    A row with all of consent_at, consent_source, consent_wording and consent_method becomes active; any other becomes
    `unknown` and is never mailed. Bad rows are refused one by one; raises ImportRefused when the file has no usable
    header, before anything is kept.
    """
    rows = csv_rows.read(lines)
    columns = _header(next(rows, CsvRow(line=1, refused="is empty")), job)
    tally = _Tally()
    while batch := list(islice(rows, BATCH)):
        tally.rows += len(batch)
        candidates = list(_candidates(keys, batch, columns, job, tally))
        with transaction() as session:
            counts = _keep(session, keys, candidates, job)
        tally.imported += counts.imported
        tally.unchanged += counts.unchanged
        tally.unknown += counts.unknown
        tally.suppressed += counts.suppressed
        if progress:
            progress(tally.rows)
    return Imported(
        rows=tally.rows,
        imported=tally.imported,
        unchanged=tally.unchanged,
        unknown=tally.unknown,
        suppressed=tally.suppressed,
        refused=tuple(tally.refused),
    )


def _header(first: CsvRow, job: ImportJob) -> dict[str, int]:
    """The place of each column we know. Others are not read, except where a name was probably meant for one of ours."""
    if first.refused:
        raise ImportRefused(job.file, first.line, first.refused)
    columns: dict[str, int] = {}
    for place, typed in enumerate(first.fields):
        name = typed.strip().lower()
        name = "email" if name in ADDRESS_COLUMNS else SYNONYMS.get(name, name)
        if name in columns and name in {"email", *EVIDENCE_COLUMNS}:
            raise ImportRefused(job.file, first.line, f"two columns say {name}")
        if name.startswith("consent") and name not in EVIDENCE_COLUMNS:
            near = difflib.get_close_matches(name, EVIDENCE_COLUMNS, n=1, cutoff=0)[0]
            raise ImportRefused(job.file, first.line, f"unknown column {typed.strip()[:40]!r}; did you mean {near}?")
        columns[name] = place
    if "email" not in columns:
        raise ImportRefused(job.file, first.line, "no column `email`; the first row names the columns")
    return columns


def _candidates(
    keys: Keys, batch: Sequence[CsvRow], columns: dict[str, int], job: ImportJob, tally: _Tally
) -> Iterator[_Candidate]:
    for row in batch:
        try:
            yield _candidate(keys, row, columns, job)
        except ValueError as error:
            tally.refused.append(RefusedRow(row=row.line, reason=str(error)))


def _candidate(keys: Keys, row: CsvRow, columns: dict[str, int], job: ImportJob) -> _Candidate:
    if row.refused:
        raise ValueError(row.refused)
    # More fields than names means that we cannot tell which value is which.
    if len(row.fields) > len(columns) and any(row.fields[len(columns) :]):
        raise ValueError(f"has {len(row.fields)} fields, the header {len(columns)}")
    values = {name: row.fields[place] for name, place in columns.items() if place < len(row.fields)}
    address = Address.parse(values.get("email", ""))
    return _Candidate(row=row.line, address=address, fingerprint=keys.fingerprint(address), proof=_proof(values, job))


def _proof(values: dict[str, str], job: ImportJob) -> _Proof | None:
    given, source, wording, method = (values.get(name, "").strip() for name in EVIDENCE_COLUMNS)
    if not (given and source and wording and method):
        return None
    try:
        moment = datetime.fromisoformat(given)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return None if moment > job.now else _Proof(given_at=moment, source=source, wording=wording, method=method)


def _keep(session: Session, keys: Keys, batch: Sequence[_Candidate], job: ImportJob) -> _Tally:
    """Decide on each address of a batch and write all of it."""
    consent.lock(session)
    known = _look_up(session, batch, job)
    tally = _Tally()
    chosen: dict[bytes, _Candidate] = {}
    for one in batch:
        before = chosen.get(one.fingerprint)
        if one.fingerprint in known.suppressed:
            tally.suppressed += 1
        elif before is None:
            chosen[one.fingerprint] = one
        else:
            tally.unchanged += 1
            # Of two rows for one address the one with evidence counts.
            if not _is_proved(before, known) and _is_proved(one, known):
                chosen[one.fingerprint] = one
    changes = [one for one in chosen.values() if _is_change(one, known)]
    tally.unchanged += len(chosen) - len(changes)
    tally.imported = sum(_is_proved(one, known) for one in changes)
    tally.unknown = len(changes) - tally.imported
    _write(session, keys, changes, known, job)
    return tally


def _look_up(session: Session, batch: Sequence[_Candidate], job: ImportJob) -> _Known:
    fingerprints = {one.fingerprint for one in batch}
    texts = {one.proof.wording for one in batch if one.proof and not _SHA256.fullmatch(one.proof.wording)}
    named = {one.proof.digest for one in batch if one.proof} - {digest(text) for text in texts}
    mine = [one for one in registry.subscriptions_of(session, fingerprints) if one.newsletter == job.newsletter]
    for text in texts:
        consent.keep_wording(session, text, job.language)
    for text in job.wordings:
        if digest(text) in named:
            consent.keep_wording(session, text, job.language)
    return _Known(
        people=registry.people(session, fingerprints),
        subscriptions={one.fingerprint: one for one in mine},
        suppressed=registry.suppressed(session, fingerprints),
        wordings={digest(text) for text in texts} | set(consent.wordings(session, named)),
    )


def _is_proved(one: _Candidate, known: _Known) -> bool:
    """Complete evidence whose wording we can show: a digest of a text nobody has proves nothing (BGH I ZR 164/09)."""
    return one.proof is not None and one.proof.digest in known.wordings


def _is_change(one: _Candidate, known: _Known) -> bool:
    before = known.subscriptions.get(one.fingerprint)
    return before is None or (before.state is State.UNKNOWN and _is_proved(one, known))


def _write(session: Session, keys: Keys, changes: Sequence[_Candidate], known: _Known, job: ImportJob) -> None:
    newcomers = {
        one.fingerprint: Newcomer(
            address=one.address,
            subject=registry.new_subject(keys),
            fingerprint=one.fingerprint,
            language=job.language,
        )
        for one in changes
        if one.fingerprint not in known.people
    }
    ids = registry.add_people(session, keys, list(newcomers.values()), job.now)
    people = {mark: (ids[mark], one.subject) for mark, one in newcomers.items()}
    people |= {mark: (one.id, one.subject) for mark, one in known.people.items()}
    events = [_event(one, people[one.fingerprint][1], _is_proved(one, known), job) for one in changes]
    added: list[NewSubscription] = []
    for one, event, seq in zip(changes, events, consent.append(session, keys, events, job.now), strict=True):
        before = known.subscriptions.get(one.fingerprint)
        if before:
            registry.activate(session, before.id, seq, job.now)
            continue
        proved = event.kind is Kind.IMPORTED
        state, basis = (State.ACTIVE, seq) if proved else (State.UNKNOWN, None)
        added.append(NewSubscription(subscriber_id=people[one.fingerprint][0], state=state, authorised_by=basis))
    registry.add_subscriptions(session, keys, job.newsletter, added, job.now)


def _event(one: _Candidate, subject: bytes, proved: bool, job: ImportJob) -> Event:
    proof = one.proof if proved else None
    return Event(
        subject=subject,
        newsletter=job.newsletter,
        kind=Kind.IMPORTED if proof else Kind.IMPORTED_WITHOUT_EVIDENCE,
        actor=Actor.DESK,
        wording=proof.digest if proof else "",
        evidence=Evidence(
            method=proof.method if proof else "import",
            source=proof.source if proof else "import",
            given_at=proof.given_at if proof else None,
            by=job.by,
            file=job.file,
            row=one.row,
        ),
    )
