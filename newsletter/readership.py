"""What was read, as far as a newsletter counts it at all: clicks by link and day, and the days of readers who agreed.

The counters hold no person: no address, no cookie, no time of day. Rows about one reader exist only while that reader
agrees; they go with the agreement, with the subscription, and after 90 days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Column, Date, ForeignKey, Index, Integer, delete, func, select
from sqlmodel import Field, Session, SQLModel

from newsletter.database import upsert

# Below this a figure could be about somebody.
LEAST_SHOWN: Final = 10
KEPT: Final = timedelta(days=90)
# The number under which a letter's opening is kept; its links count from 1.
OPENED: Final = 0


class ClickRow(SQLModel, table=True):
    """How often one link of one edition was followed on one day (UTC)."""

    __tablename__ = "click"

    newsletter: str = Field(primary_key=True)
    edition_on: date = Field(sa_column=Column(Date, primary_key=True))
    link: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    day: date = Field(sa_column=Column(Date, primary_key=True))
    count: int


class ReadingRow(SQLModel, table=True):
    """That a reader who agreed followed a link, or opened the letter, on a day."""

    __tablename__ = "reading"
    __table_args__ = (Index("ix_reading_day", "day"),)

    subscription_id: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("subscription.id", name="fk_reading_subscription", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        )
    )
    newsletter: str = Field(primary_key=True)
    edition_on: date = Field(sa_column=Column(Date, primary_key=True))
    link: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    day: date = Field(sa_column=Column(Date, nullable=False))


_CLICKS: Final = SQLModel.metadata.tables["click"]
_READINGS: Final = SQLModel.metadata.tables["reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One link of an edition that was followed: a click, and perhaps whose."""

    newsletter: str
    on: date
    link: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One row about a reader who agreed; `link` 0 is the opening of the letter."""

    newsletter: str
    on: date
    link: int
    day: date


def count(session: Session, followed: Followed, now: datetime) -> None:
    """Count one click, of nobody."""
    row = {"newsletter": followed.newsletter, "edition_on": followed.on, "link": followed.link, "day": now.date()}
    first = upsert(session, _CLICKS).values({**row, "count": 1})
    again = first.on_conflict_do_update(
        index_elements=["newsletter", "edition_on", "link", "day"], set_={"count": _CLICKS.c.count + 1}
    )
    session.connection().execute(again)


def note(session: Session, subscription: int, followed: Followed, now: datetime) -> None:
    """Keep for a reader who agreed the last day of it, never the time; the caller has just looked up the agreement."""
    row = {
        "subscription_id": subscription,
        "newsletter": followed.newsletter,
        "edition_on": followed.on,
        "link": followed.link,
        "day": now.date(),
    }
    last = upsert(session, _READINGS).values(row)
    keys = ["subscription_id", "newsletter", "edition_on", "link"]
    session.connection().execute(last.on_conflict_do_update(index_elements=keys, set_={"day": now.date()}))


def counts(session: Session, newsletter: str, on: date) -> Mapping[int, int]:
    """The clicks of an edition by link; those below ten are left out, since they could be about somebody."""
    total = func.sum(_CLICKS.c.count)
    wanted = (
        select(_CLICKS.c.link, total)
        .where(_CLICKS.c.newsletter == newsletter, _CLICKS.c.edition_on == on)
        .group_by(_CLICKS.c.link)
        .having(total >= LEAST_SHOWN)
        .order_by(total.desc(), _CLICKS.c.link)
    )
    return {int(link): int(sum_) for link, sum_ in session.connection().execute(wanted)}


def of(session: Session, subscription: int) -> list[Reading]:
    """Everything kept about one reader, for that reader and the privacy officer."""
    wanted = select(_READINGS).where(_READINGS.c.subscription_id == subscription)
    found = session.connection().execute(wanted.order_by(_READINGS.c.edition_on, _READINGS.c.link))
    return [Reading(newsletter=one.newsletter, on=one.edition_on, link=one.link, day=one.day) for one in found]


def forget(session: Session, subscription: int) -> int:
    """Delete everything kept about one reader; returns how much it was."""
    gone = session.connection().execute(delete(_READINGS).where(_READINGS.c.subscription_id == subscription))
    return int(gone.rowcount)


def prune(session: Session, now: datetime) -> int:
    """Delete what was kept about readers more than 90 days ago; the counters stay."""
    gone = session.connection().execute(delete(_READINGS).where(_READINGS.c.day < (now - KEPT).date()))
    return int(gone.rowcount)
