"""Which words and forms people are shown, and since when they are not any more. The only writer of its table.

Somebody may have a page open whose words were changed meanwhile: what they read is what they agree to, for a week.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, String, select, update
from sqlmodel import Field, Session, SQLModel

from subscribers.instants import to_ms
from subscribers.ledger import consent, notices
from subscribers.ledger.consent import insert_new
from subscribers.ledger.evidence import digest

STILL_GOOD: Final = timedelta(days=7)


class DisplayRow(SQLModel, table=True):
    """One text of a newsletter: the words of its forms, or the form on one `page`. The text lies with its digest."""

    __tablename__ = "consent_display"

    newsletter: str = Field(primary_key=True)
    digest: str = Field(sa_column=Column(String(64), primary_key=True))
    page: str
    language: str
    replaced_at: int | None = Field(sa_column=Column(BigInteger, nullable=True))


_DISPLAYS: Final = SQLModel.metadata.tables["consent_display"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """What people are shown: a wording, or with a `page`, the whole form that stands on it."""

    text: str
    language: str
    page: str = ""


def display(session: Session, newsletter: str, shown: Collection[Display], now: datetime) -> None:
    """Keep what a newsletter's forms show from now on; whatever they showed until now and is not in it is replaced."""
    consent.lock(session)
    names = {digest(one.text): one for one in shown}
    for name, one in names.items():
        if one.page:
            notices.keep(session, one.text, one.language, now.date())
        else:
            consent.keep_wording(session, one.text, one.language)
        values = {"newsletter": newsletter, "digest": name, "page": one.page, "language": one.language}
        session.connection().execute(insert_new(session, _DISPLAYS), values | {"replaced_at": None})
    mine = update(_DISPLAYS).where(_DISPLAYS.c.newsletter == newsletter)
    session.connection().execute(mine.where(_DISPLAYS.c.digest.in_(names)).values(replaced_at=None))
    gone = mine.where(_DISPLAYS.c.digest.not_in(names), _DISPLAYS.c.replaced_at.is_(None))
    session.connection().execute(gone.values(replaced_at=to_ms(now)))


def displayed(session: Session, newsletter: str, name: str, now: datetime) -> Display | None:
    """The text of a digest that a newsletter shows, or did until at most a week ago."""
    mine = (_DISPLAYS.c.newsletter == newsletter, _DISPLAYS.c.digest == name)
    row = session.connection().execute(select(_DISPLAYS).where(*mine)).one_or_none()
    if row is None or _is_over(row.replaced_at, now):
        return None
    kept = notices.find(session, name) if row.page else None
    text = kept.text if kept else consent.wordings(session, [name]).get(name)
    return None if text is None else Display(text=text, language=str(row.language), page=str(row.page))


def is_outdated(session: Session, newsletter: str, name: str, now: datetime) -> bool:
    """Whether a text was replaced more than a week ago, so that nobody can agree to it any more."""
    mine = (_DISPLAYS.c.newsletter == newsletter, _DISPLAYS.c.digest == name)
    return _is_over(
        session.connection().execute(select(_DISPLAYS.c.replaced_at).where(*mine)).scalar_one_or_none(), now
    )


def _is_over(replaced_at: int | None, now: datetime) -> bool:
    return replaced_at is not None and replaced_at <= to_ms(now - STILL_GOOD)
