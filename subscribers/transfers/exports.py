"""Everybody who is subscribed, or was, as rows for a file: streamed, the state of one moment."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from itertools import islice
from typing import Any, Final

from sqlalchemy import Row, exists, select
from sqlmodel import Session

from subscribers.errors import UnreadableSeal
from subscribers.instants import from_ms, to_text
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent
from subscribers.ledger.consent import Recorded
from subscribers.registry import SUBSCRIBERS, SUBSCRIPTIONS
from subscribers.suppressions import SUPPRESSIONS
from subscribers.transfers.loaders import OWN_COLUMNS

STREAM_ROWS: Final = 1_000
SUPPRESSED: Final = "suppressed"
# What a spreadsheet would run (ASVS 5.0 1.2.10). A cell that looks neutralised already gets one more apostrophe, so
# that taking one off again is always right.
_DANGEROUS: Final = re.compile(r"'*[=+\-@\t\r\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One subscription; an address that does not open is empty. The fields are the columns of the file."""

    address: str = field(repr=False)
    newsletter: str
    state: str
    ended_reason: str
    since: str
    consent_kind: str
    consent_at: str
    consent_source: str
    consent_wording: str
    consent_method: str


def export(session: Session, keys: Keys, newsletter: str | None = None) -> Iterator[Exported]:
    """Every subscription to one newsletter or to all, in the order they came."""
    suppressed = exists().where(SUPPRESSIONS.c.fingerprint == SUBSCRIBERS.c.fingerprint).label("suppressed")
    wanted = (
        select(SUBSCRIPTIONS, SUBSCRIBERS.c.subject, SUBSCRIBERS.c.sealed, suppressed)
        .join(SUBSCRIBERS, SUBSCRIBERS.c.id == SUBSCRIPTIONS.c.subscriber_id)
        .order_by(SUBSCRIPTIONS.c.id)
        .execution_options(yield_per=STREAM_ROWS)
    )
    if newsletter is not None:
        wanted = wanted.where(SUBSCRIPTIONS.c.newsletter == newsletter)
    with session.connection().execute(wanted) as found:
        while rows := list(islice(found, STREAM_ROWS)):
            given = consent.recorded(session, keys, [row.authorised_by for row in rows if row.authorised_by])
            keys.fetch({bytes(row.subject) for row in rows})
            for row in rows:
                yield _exported(keys, row, given.get(row.authorised_by or 0))


def lines(rows: Iterable[Exported]) -> Iterator[str]:
    """The lines of a CSV file, header first, no cell of which a spreadsheet takes for a formula."""
    yield _line(OWN_COLUMNS)
    for row in rows:
        yield _line(neutral(cell) for cell in astuple(row))


def neutral(cell: str) -> str:
    """The same, led by an apostrophe where a spreadsheet would have run it."""
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()


def _exported(keys: Keys, row: Row[Any], given: Recorded | None) -> Exported:
    evidence = dict(given.evidence) if given else {}
    return Exported(
        address=_address(keys, row),
        newsletter=str(row.newsletter),
        state=SUPPRESSED if row.suppressed else str(row.state),
        ended_reason=row.ended_reason or "",
        since=to_text(from_ms(row.changed_at)),
        consent_kind=str(given.kind) if given else "",
        consent_at=evidence.get("given_at", evidence.get("at", "")),
        # A sign-up of our own is witnessed by the ledger.
        consent_source=evidence.get("source", f"World Brief, consent event {given.seq}" if given else ""),
        consent_wording=given.wording if given else "",
        consent_method=evidence.get("method", ""),
    )


def _address(keys: Keys, row: Row[Any]) -> str:
    try:
        return keys.open(bytes(row.subject), Sealed.ADDRESS, bytes(row.sealed)).decode()
    except UnreadableSeal:
        # One damaged row must not keep the others from their file.
        return ""
