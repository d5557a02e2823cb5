"""A newsletter that was not sent for long: its readers gave their consent to something they have forgotten.

Consent does not lapse by time alone, but years unused can end it (BGH III ZR 196/17; AG München 161 C 12736/22). So
nothing is sent until somebody answers for it: by a decision with a reason, or by letting the subscriptions expire.
"""

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column
from sqlmodel import Field, Session, SQLModel

from newsletter.delivery.ledger import EDITION, MAILINGS
from newsletter.errors import Idle
from subscribers import months_later


class IdleDecisionRow(SQLModel, table=True):
    """Somebody answered for writing to a newsletter's readers again."""

    __tablename__ = "idle_decision"

    id: int | None = Field(default=None, primary_key=True)
    newsletter: str
    decided_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    decided_by: str
    reason: str


_DECISIONS: Final = SQLModel.metadata.tables["idle_decision"]


def require_recent(session: Session, newsletter: str, now: datetime, months: int) -> None:
    """Raise Idle when the newsletter was sent before, but not for that many months, and nobody decided since."""
    connection = session.connection()
    mine = (MAILINGS.c.newsletter == newsletter, MAILINGS.c.kind == EDITION)
    last = connection.execute(sa.select(sa.func.max(MAILINGS.c.frozen_at)).where(*mine)).scalar_one()
    if last is None or months_later(last.date(), months) > now.date():
        return
    decided = sa.select(sa.func.max(_DECISIONS.c.decided_at)).where(_DECISIONS.c.newsletter == newsletter)
    milliseconds = connection.execute(decided).scalar_one()
    if milliseconds and datetime.fromtimestamp(milliseconds / 1000, UTC) > last:
        return
    raise Idle(newsletter, last.date())


def decide(session: Session, newsletter: str, by: str, reason: str, now: datetime) -> None:
    """Keep that somebody answers for the next mailing, and why."""
    values = {
        "newsletter": newsletter,
        "decided_at": int(now.timestamp() * 1000),
        "decided_by": by,
        "reason": reason,
    }
    session.connection().execute(_DECISIONS.insert().values(values))
