"""Which letters were written to one reader, and what became of each: for her own eyes. Reads only."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from newsletter.delivery.ledger import DELIVERIES, MAILINGS
from newsletter.delivery.outcome import DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One letter; only an edition has a date. `at` is when it was settled, such as accepted by the relay."""

    newsletter: str
    kind: str
    on: date | None
    state: DeliveryState
    attempts: int
    at: datetime | None
    code: int
    reply: str
    reason: str


def letters(session: Session, recipients: Mapping[str, Collection[int]]) -> list[Sent]:
    """The letters to these recipients, by the kind of mailing they are numbered for, oldest first.

    An edition's recipients are subscriptions, a confirmation's are sign-up requests, any other's are mailed links.
    """
    found = [row for kind, numbers in recipients.items() for row in session.connection().execute(_of(kind, numbers))]
    return [
        Sent(
            newsletter=row.newsletter,
            kind=row.kind,
            on=row.on,
            state=DeliveryState(row.state),
            attempts=row.attempts,
            at=row.settled_at,
            code=row.code,
            reply=row.reply,
            reason=row.reason,
        )
        for row in sorted(found, key=lambda row: (row.frozen_at, row.mailing_id, row.recipient_id))
    ]


def _of(kind: str, numbers: Collection[int]) -> sa.Select[Any]:
    # Found by the key of a delivery, mailing by mailing: an index by recipient would cost every letter of an edition.
    return (
        sa.select(DELIVERIES, MAILINGS.c.newsletter, MAILINGS.c.kind, MAILINGS.c.on, MAILINGS.c.frozen_at)
        .join(MAILINGS, DELIVERIES.c.mailing_id == MAILINGS.c.id)
        .where(MAILINGS.c.kind == kind, DELIVERIES.c.recipient_id.in_(list(numbers)))
    )
