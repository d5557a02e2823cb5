"""A newsletter that was not sent for years is sent again only when somebody has decided so, and said why."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from newsletter.database import Database
from newsletter.delivery import idle, ledger
from newsletter.delivery.ledger import EDITION, Opening
from newsletter.errors import Idle

PAPER = "world-brief"


def sent(database: Database, at: datetime) -> None:
    opening = Opening(
        newsletter=PAPER,
        kind=EDITION,
        on=at.date(),
        proof_digest="d",
        expires_at=at + timedelta(hours=1),
        eligible=sa.select(sa.literal(1)),
        candidates=1,
    )
    with database.transaction() as session:
        ledger.open_mailing(session, opening, at)


def ask(database: Database, now: datetime) -> None:
    with database.snapshot() as session:
        idle.require_recent(session, PAPER, now, 24)


def test_a_newsletter_that_never_was_sent_is_not_idle(database: Database, now: datetime) -> None:
    ask(database, now)


def test_after_two_years_somebody_must_decide(database: Database, now: datetime) -> None:
    sent(database, now)
    ask(database, now + timedelta(days=730))
    late = now + timedelta(days=731)
    with pytest.raises(Idle, match="last sent on 2026-11-23"):
        ask(database, late)
    with database.transaction() as session:
        idle.decide(session, PAPER, "ana", "asked our counsel", late)
    ask(database, late)
