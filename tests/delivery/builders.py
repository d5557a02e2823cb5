"""Audiences of numbers and the mailings frozen for them."""

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from newsletter.database import Database
from newsletter.delivery import claims, leases, ledger
from newsletter.delivery.claims import Claim, Settlement
from newsletter.delivery.leases import Lease, Wanted
from newsletter.delivery.ledger import Mailing, MailingId, Opening
from newsletter.delivery.outcome import DeliveryState

ACCEPTED = Settlement(
    state=DeliveryState.ACCEPTED, outcome=DeliveryState.ACCEPTED, phase="dot", code=250, reply="2.0.0 queued"
)


def people(count: int, first: int = 1) -> sa.Select[int]:
    """The ids `first` to `first + count - 1`, as a SELECT."""
    numbers = sa.select(sa.literal(first).label("id")).where(sa.literal(count) > 0).cte("people", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.id + 1).where(numbers.c.id < first + count - 1))
    return sa.select(numbers.c.id)


def opening(count: int, now: datetime, **changes: object) -> Opening:
    one = Opening(
        newsletter="world-brief",
        kind="edition",
        on=now.date(),
        proof_digest="0" * 64,
        expires_at=now + timedelta(hours=20),
        eligible=people(count),
        candidates=count,
        chunk_size=10,
    )
    return replace(one, **changes)  # type: ignore[arg-type]


def open_one(database: Database, count: int, now: datetime, **changes: object) -> Mailing:
    with database.transaction() as session:
        mailing = ledger.open_mailing(session, opening(count, now, **changes), now)
    assert mailing is not None
    return mailing


def lease_one(database: Database, now: datetime, **changes: object) -> Lease:
    wanted = Wanted(worker="w1", until=now + timedelta(seconds=60))
    with database.transaction() as session:
        lease = leases.claim(session, replace(wanted, **changes), now)  # type: ignore[arg-type]
    assert lease is not None
    return lease


def take(database: Database, lease: Lease, now: datetime, limit: int = 200) -> list[int]:
    with database.transaction() as session:
        taken = claims.take(session, lease, limit, now + timedelta(seconds=60), now)
    assert taken is not None
    return [one.recipient for one in taken]


def mark(database: Database, lease: Lease, recipient: int, now: datetime) -> bool:
    with database.transaction() as session:
        return claims.mark_dots(session, [Claim(lease=lease, recipient=recipient, attempts=0)], now) == [True]


def record(database: Database, lease: Lease, recipient: int, result: Settlement, now: datetime) -> bool:
    with database.transaction() as session:
        return claims.record(session, lease, recipient, result, now)


def release(database: Database, lease: Lease, now: datetime) -> None:
    with database.transaction() as session:
        leases.release(session, lease, now)


def counts(database: Database, mailing: Mailing | MailingId) -> dict[str, int]:
    """The non-zero states of a mailing, after the ledger proved that they balance."""
    key = mailing.id if isinstance(mailing, Mailing) else mailing
    with database.snapshot() as session:
        found = ledger.accounts(session, key)
    tally = ledger.states(found)
    assert sum(tally.values()) == found.due
    return {state: count for state, count in tally.items() if count}
