"""From the rows of a file to all that can be said of them without the database: address, fingerprint, evidence, seals.

Pure but for chance. This is the half of an import's work that another process can do meanwhile.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_network
from sys import intern
from typing import Final, NamedTuple

from subscribers.addresses import Address
from subscribers.keyring import WrappedKey
from subscribers.keys import SUBJECT_BYTES, Keys, Sealed
from subscribers.ledger import consent
from subscribers.ledger.consent import Packed
from subscribers.ledger.evidence import Evidence, digest
from subscribers.transfers import csv_rows
from subscribers.transfers.csv_rows import CsvRow, RawRows
from subscribers.transfers.loaders import CSV, EVIDENCE_COLUMNS, LEAVING, OWN, Plan, Standing

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
# Subjects of one batch begin alike, so that they stand side by side in every index: a million that stand anywhere
# cost as many reads and writes of pages. What is left is as many bits of chance as an id needs within a batch.
COMMON_BYTES: Final = 8
# What `subscriber export` put before a cell that a spreadsheet would have run.
NEUTRALISED: Final = re.compile(r"'+[=+\-@\t\r\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJob:
    """What is imported, for whom and by whom.

    `wordings` are texts that rows may name by their SHA-256; `shown` is what the people of another platform's export
    were shown when they signed up there; `loader` names the kind of export, which the header tells otherwise.
    """

    file: str
    newsletter: str
    by: str
    now: datetime
    language: str = "en"
    wordings: tuple[str, ...] = ()
    shown: str = ""
    loader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was left out, by the line of the file it starts on."""

    row: int
    reason: str


class Proof(NamedTuple):
    """Complete evidence of a consent; `wording` is a text or the digest of one."""

    given_at: datetime
    source: str
    wording: str
    method: str

    @property
    def digest(self) -> str:
        return _digest(self.wording)

    @property
    def is_text(self) -> bool:
        """Whether the words themselves came with the row."""
        return is_text(self.wording)


def is_text(wording: str) -> bool:
    """Whether a wording is words, not the digest of some."""
    return _digest(wording) != wording.lower()


@lru_cache(maxsize=1_024)
def _digest(wording: str) -> str:
    return wording.lower() if _SHA256.fullmatch(wording) else digest(wording)


class Seals(NamedTuple):
    """What becomes of a draft whose address is new, and whose evidence is as `proved` says."""

    subject: bytes
    address: bytes
    evidence: Packed
    proved: bool
    key: WrappedKey


class Draft(NamedTuple):
    """A row whose address can be written to. These are tuples, since a million go from process to process."""

    row: int
    fingerprint: bytes
    address: str
    standing: Standing
    left_at: datetime | None
    proof: Proof | None
    seals: Seals | None


@dataclass(slots=True, kw_only=True)
class Drafted:
    """What came of a batch of rows."""

    drafts: list[Draft] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many there were."""
        return len(self.drafts) + len(self.refused)


def draft(keys: Keys, plan: Plan, job: ImportJob, rows: Iterable[CsvRow | RawRows], *, sealing: bool) -> Drafted:
    """Read a batch of rows; `sealing` seals what would be stored of each, for a batch that is probably new."""
    drafted = Drafted()
    named = {digest(text) for text in job.wordings}
    common = keys.chance(COMMON_BYTES)
    for row in csv_rows.parsed(rows):
        try:
            one = _draft(keys, plan, job, row)
        except ValueError as error:
            drafted.refused.append(RefusedRow(row=row.line, reason=str(error)))
            continue
        if sealing and one.standing not in LEAVING:
            proved = one.proof is not None and (one.proof.is_text or one.proof.digest in named)
            one = one._replace(seals=seal(keys, one, job, proved=proved, common=common))
        drafted.drafts.append(one)
    return drafted


def seal(keys: Keys, one: Draft, job: ImportJob, *, proved: bool, common: bytes = b"") -> Seals:
    """A new subject for the address of a draft, its key, not kept yet, and what is stored of it."""
    subject = common + keys.chance(SUBJECT_BYTES - len(common))
    box, key = keys.draw(subject)
    return Seals(
        subject=subject,
        address=box.seal(Sealed.ADDRESS, one.address.encode()),
        evidence=consent.pack(keys, evidence_of(one, job, proved=proved), job.now, box),
        proved=proved,
        key=key,
    )


def evidence_of(one: Draft, job: ImportJob, *, proved: bool) -> Evidence:
    """What is kept of how a row came in."""
    proof = one.proof if proved else None
    return Evidence(
        method=proof.method if proof else "import",
        source=proof.source if proof else "import",
        given_at=proof.given_at if proof else None,
        by=job.by,
        file=job.file,
        row=one.row,
    )


def _draft(keys: Keys, plan: Plan, job: ImportJob, row: CsvRow) -> Draft:
    if row.refused:
        raise ValueError(row.refused)
    fields = row.fields
    # More fields than names means that we cannot tell which value is which.
    if len(fields) > plan.width and any(fields[plan.width :]):
        raise ValueError(f"has {len(fields)} fields, the header {plan.width}")
    if plan.loader == CSV:
        address = Address.parse(fields[plan.email] if plan.email < len(fields) else "")
        proof = _own_proof(plan, fields, job)
        return Draft(row.line, keys.fingerprint(address), address.text, Standing.SUBSCRIBED, None, proof, None)
    values = {name: fields[place] for name, place in plan.places.items() if place < len(fields)}
    if plan.loader.neutralised:
        values = {name: value[1:] if NEUTRALISED.match(value) else value for name, value in values.items()}
    of = values.get(plan.loader.newsletter, job.newsletter)
    if of != job.newsletter:
        raise ValueError(f"is of the newsletter {of[:40]!r}")
    address = Address.parse(values.get("email", ""))
    standing = plan.standing(values)
    proof = _foreign_proof(plan, values, job) if standing is Standing.SUBSCRIBED else None
    left_at = _left_at(plan, values, job) if standing in LEAVING else None
    return Draft(row.line, keys.fingerprint(address), address.text, standing, left_at, proof, None)


def _own_proof(plan: Plan, fields: Sequence[str], job: ImportJob) -> Proof | None:
    found = []
    for name in EVIDENCE_COLUMNS:
        place = plan.places.get(name, -1)
        value = fields[place].strip() if 0 <= place < len(fields) else ""
        if not value:
            return None
        found.append(value)
    return _proof(found, job)


def _proof(found: Sequence[str], job: ImportJob) -> Proof | None:
    given, source, wording, method = found
    moment = _moment(given, job)
    # Most rows of a file say the same; each should be kept and compared once.
    return None if moment is None else Proof(moment, intern(source), intern(wording), intern(method))


def _foreign_proof(plan: Plan, values: dict[str, str], job: ImportJob) -> Proof | None:
    if plan.loader == OWN:
        found = [values.get(name, "").strip() for name in EVIDENCE_COLUMNS]
        return _proof(found, job) if all(found) else None
    for witness in plan.loader.witnesses if job.shown else ():
        moment = _moment(values.get(witness.given_at, "").strip(), job)
        source = _network(values.get(witness.source, "").strip())
        if moment and source:
            return Proof(moment, f"{plan.loader.title}, from {source}", job.shown, witness.method)
    return None


def _left_at(plan: Plan, values: dict[str, str], job: ImportJob) -> datetime | None:
    found = (_moment(values.get(name, "").strip(), job) for name in plan.loader.left_at)
    return next((one for one in found if one), None)


def _moment(text: str, job: ImportJob) -> datetime | None:
    """A time of a file, UTC where it names no zone; None for what is none or has not come yet."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return None if moment > job.now else moment


def _network(text: str) -> str:
    """The network of an address, cut as narrow as sign-ups of our own are kept; "" for what is no address."""
    try:
        return str(ip_network(f"{text}/{48 if ':' in text else 24}", strict=False))
    except ValueError:
        return ""
