"""Everything held on one reader, as a page shows it and as files another program can read (GDPR articles 15 and 20)."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final

from sqlmodel import Session

import subscribers
from newsletter import readership
from newsletter.delivery import history
from newsletter.delivery.history import Sent
from newsletter.delivery.ledger import CONFIRMATION, EDITION
from newsletter.readership import Reading
from subscribers import Address, Dossier, Errand, Keys

COLUMNS: Final = ("part", "number", "name", "value")
# Hashes of the ledger's own, and what only says again what stands beside it.
_NOT_TOLD: Final = frozenset({"v", "seq", "subject", "newsletter", "kind", "wording"})

Held = dict[str, Any]


def collect(session: Session, keys: Keys, address: Address) -> Held:
    """Subscriptions, consents with their evidence, letters, links and visits: plain values in plain lists."""
    dossier = subscribers.show(session, keys, address)
    letters = history.letters(
        session,
        {
            EDITION: [one.id for one in dossier.subscriptions],
            CONFIRMATION: [one.number for one in dossier.requests],
            **{errand.value: [one.number for one in dossier.links if one.errand is errand] for errand in Errand},
        },
    )
    readings = [reading for one in dossier.subscriptions for reading in readership.of(session, one.id)]
    return _plain(dossier) | _newsroom(letters, readings)


def as_json(held: Held) -> str:
    """The same as JSON, every moment in ISO 8601."""
    return json.dumps(held, ensure_ascii=False, indent=2, default=_told) + "\n"


def as_csv(held: Held) -> str:
    """The same as one table of single facts, no cell of which a spreadsheet takes for a formula."""
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for fact in facts(held):
        table.writerow([subscribers.neutral(cell) for cell in fact])
    return written.getvalue()


def facts(held: Held) -> Iterator[tuple[str, str, str, str]]:
    """Each single fact: the part it belongs to, the how-manieth of that part, its name and value."""
    for part, value in held.items():
        if not isinstance(value, list):
            yield ("reader", "1", part, _cell(value))
            continue
        for number, one in enumerate(value, 1):
            for name, fact in one.items():
                yield (part, str(number), name, _cell(fact))


def _plain(dossier: Dossier) -> Held:
    """What the people's room holds."""
    headers = dict(dossier.headers)
    return {
        "address": dossier.address,
        "subject": dossier.subject,
        "language": dossier.language,
        "known_since": dossier.created_on,
        "subscriptions": [
            {
                "number": one.id,
                "newsletter": one.newsletter,
                "state": one.state.value,
                "ended_reason": one.ended_reason.value if one.ended_reason else None,
                "rhythm": one.rhythm.value,
                "paused_until": one.paused_until,
                "authorised_by": one.authorised_by,
                "public_id": one.public_id.hex(),
                "changed_at": one.changed_at,
            }
            for one in dossier.subscriptions
        ],
        "sign_ups": [
            {
                "number": one.number,
                "newsletter": one.newsletter,
                "state": one.state.value,
                "requested_at": one.requested_at,
                "expires_at": one.expires_at,
            }
            for one in dossier.requests
        ],
        "suppressions": [{"reason": one} for one in dossier.suppressions],
        "events": [
            {
                "number": one.seq,
                "newsletter": one.newsletter,
                "kind": one.kind.value,
                "wording": one.wording,
                **{name: value for name, value in json.loads(headers[one.seq]).items() if name not in _NOT_TOLD},
                **{f"evidence_{name}": value for name, value in one.evidence},
            }
            for one in dossier.events
        ],
        "wordings": [{"digest": digest, "text": text} for digest, text in dossier.wordings],
        "links": [
            {
                "number": one.number,
                "errand": one.errand.value,
                "made_at": one.made_at,
                "expires_at": one.expires_at,
                "used_at": one.used_at,
            }
            for one in dossier.links
        ],
        "visits": [{"opened_at": one.opened_at, "expires_at": one.expires_at} for one in dossier.visits],
    }


def _newsroom(letters: list[Sent], readings: list[Reading]) -> Held:
    """What the newsroom holds: the letters it sent, and what was read where that was agreed to."""
    return {
        "letters": [
            {
                "newsletter": one.newsletter,
                "kind": one.kind,
                "edition": one.on,
                "state": one.state.value,
                "attempts": one.attempts,
                "settled_at": one.at,
                "code": one.code,
                "reply": one.reply,
                "reason": one.reason,
            }
            for one in letters
        ],
        "readings": [
            {"newsletter": one.newsletter, "edition": one.on, "link": one.link, "day": one.day} for one in readings
        ],
    }


def _told(value: date | datetime) -> str:
    return value.isoformat()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return _told(value) if isinstance(value, date) else str(value)
