"""The story bank (shell), the only writer of its tables: each story once by (source, guid), near-duplicates grouped.

Rows hold what is searched and sorted by; the story itself is one JSON document, so a new field needs no migration.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError
from sqlalchemy import CheckConstraint, Column, Text, UniqueConstraint, func, insert, update
from sqlmodel import Field, Session, SQLModel, col, select

from newsletter.config import Wire
from newsletter.database import Moment, upsert
from newsletter.errors import StoryError
from newsletter.stories import duplicates
from newsletter.stories.duplicates import Candidate
from newsletter.stories.story import Story, StoryKind, canonical_url

DOCUMENT: Final = TypeAdapter(Story)
# Any number of ours: two pulls at once would not see each other's stories, and miss a duplicate.
LOCK: Final = 7_205_759_403
# SQLite's oldest limit on the variables of one statement is 999.
CHUNK: Final = 500
PROVENANCE: Final = {"source", "guid", "place", "first_seen_at", "updated_at", "pulled_at", "version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What storing did: stories nobody had seen, stories that say something else now, and the rest."""

    new: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a story came from, and when; `version` counts what its source changed."""

    source: str
    guid: str
    place: str
    first_seen_at: datetime
    updated_at: datetime
    pulled_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the desk says of a story in place of its source; None leaves what the source says."""

    headline: str | None = None
    kicker: str | None = None
    teaser: str | None = None
    summary: str | None = None
    section: str | None = None
    url: str | None = None
    checked_by: str | None = None

    def made(self) -> dict[str, str]:
        """The fields that are said anew."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What an address answered last: its validators (RFC 9110, 8.8), and how many stories it gave."""

    place: str
    etag: str
    last_modified: str
    defaults: str
    stories: int


class StoryRow(SQLModel, table=True):
    """A story; `dated_at` is when it was published, or first seen where its source does not say."""

    __tablename__ = "story"
    __table_args__ = (
        UniqueConstraint("source", "guid", name="uq_story_source_guid"),
        CheckConstraint("version > 0", name="version"),
    )

    key: str = Field(primary_key=True)
    source: str
    guid: str = Field(sa_column=Column(Text, nullable=False))
    kind: str
    headline: str = Field(sa_column=Column(Text, nullable=False))
    url: str = Field(sa_column=Column(Text, nullable=False))
    search: str = Field(sa_column=Column(Text, nullable=False))
    document: str = Field(sa_column=Column(Text, nullable=False))
    digest: str
    desk: str = Field(default="{}", sa_column=Column(Text, nullable=False, server_default="{}"))
    duplicate_group: str = ""
    version: int = 1
    place: str = Field(sa_column=Column(Text, nullable=False))
    dated_at: datetime = Field(sa_column=Column(Moment, nullable=False, index=True))
    first_seen_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    updated_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    pulled_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class VisitRow(SQLModel, table=True):
    """The last answer of an address on the web."""

    __tablename__ = "wire_visit"

    place: str = Field(sa_column=Column(Text, primary_key=True))
    etag: str
    last_modified: str
    defaults: str
    stories: int
    visited_at: datetime = Field(sa_column=Column(Moment, nullable=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    digest: str
    version: int
    first_seen_at: datetime


def store(session: Session, stories: Sequence[Story], settings: Wire, now: datetime, *, place: str = "") -> Counts:
    """Keep each story once by (source, guid); one whose digest is known is only marked as seen again.

    `place` is where they were pulled from. Raises StoryError for a story that cannot be kept; nothing is kept then.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(LOCK)))
    offered = {story.key: story for story in stories}
    known = _known(session, list(offered))
    fresh = [_values(story, place, now) for key, story in offered.items() if key not in known]
    changed = [
        _changed(known[key], values)
        for key, story in offered.items()
        if key in known and (values := _values(story, place, now))["digest"] != known[key].digest
    ]
    _group(session, [*fresh, *changed], settings)
    if fresh:
        session.execute(insert(StoryRow), sorted(fresh, key=lambda values: str(values["key"])))
    if changed:
        session.execute(update(StoryRow), changed)
    moved = {values["key"] for values in (*fresh, *changed)}
    for keys in _chunks([key for key in offered if key not in moved]):
        session.execute(update(StoryRow).where(col(StoryRow.key).in_(keys)).values(pulled_at=now, place=place))
    return Counts(new=len(fresh), updated=len(changed), unchanged=len(offered) - len(fresh) - len(changed))


def add(session: Session, story: Story, settings: Wire, now: datetime) -> Counts:
    """Keep one story written by hand, or its correction."""
    return store(session, [story], settings, now, place="desk")


def bank(
    session: Session, *, since: datetime | None = None, kind: StoryKind | None = None, limit: int | None = None
) -> list[Story]:
    """The stories dated since a moment, newest first, each with its `group`.

    A story whose source gives no date bears the moment it was first seen as `published_at`; a measured list the moment
    it last changed.
    """
    query = select(*TOLD)
    if since is not None:
        query = query.where(col(StoryRow.dated_at) >= since)
    if kind is not None:
        query = query.where(StoryRow.kind == kind.value)
    query = query.order_by(col(StoryRow.dated_at).desc(), col(StoryRow.key)).limit(limit)
    return [_story(*row) for row in session.exec(query)]


def listing(
    session: Session, *, text: str = "", kind: StoryKind | None = None, limit: int = 50, offset: int = 0
) -> list[Story]:
    """A page of the bank, newest first; every word of `text` occurs in headline, kicker, summary, tags or source."""
    query = select(*TOLD)
    for word in text.casefold().split():
        query = query.where(col(StoryRow.search).contains(word, autoescape=True))
    if kind is not None:
        query = query.where(StoryRow.kind == kind.value)
    query = query.order_by(col(StoryRow.dated_at).desc(), col(StoryRow.key)).limit(limit).offset(offset)
    return [_story(*row) for row in session.exec(query)]


def find(session: Session, key: str) -> Story | None:
    """The story with this public key."""
    query = select(*TOLD).where(StoryRow.key == key)
    row = session.exec(query).first()
    return _story(*row) if row else None


def revise(session: Session, key: str, changes: Changes) -> Story:
    """Change a story at the desk and return it; later pulls update the rest and leave this.

    Raises StoryError when there is no such story, or a headline or url that cannot be one.
    """
    row = session.exec(select(StoryRow).where(StoryRow.key == key).execution_options(populate_existing=True)).first()
    if row is None:
        raise StoryError(key, "is no story in the bank")
    made = changes.made()
    if "headline" in made and not made["headline"].strip():
        raise StoryError(key, "cannot be without a headline")
    if made.get("url"):
        made["url"] = canonical_url(made["url"])
        if not made["url"]:
            raise StoryError(key, f"{changes.url!r} is no address of a page")
    if not all(value.isprintable() for value in made.values()):
        raise StoryError(key, "contains characters that cannot be stored")
    desk = json.loads(row.desk) | made
    row.desk = json.dumps(desk, ensure_ascii=False)
    row.search = " ".join((row.search, *made.values())).casefold()
    session.add(row)
    return _story(row.document, row.dated_at, row.duplicate_group, row.desk)


def provenance(session: Session, key: str) -> Provenance | None:
    """Where the story with this key came from."""
    row = session.exec(select(StoryRow).where(StoryRow.key == key).execution_options(populate_existing=True)).first()
    return Provenance(**row.model_dump(include=PROVENANCE)) if row else None


def visit(session: Session, place: str) -> Visit | None:
    """What this address answered last."""
    row = session.get(VisitRow, place)
    return Visit(**row.model_dump(exclude={"visited_at"})) if row else None


def remember(session: Session, seen: Visit, now: datetime) -> None:
    """Keep what an address answered, in place of what it answered before."""
    values = {
        "place": seen.place,
        "etag": seen.etag,
        "last_modified": seen.last_modified,
        "defaults": seen.defaults,
        "stories": seen.stories,
        "visited_at": now,
    }
    statement = upsert(session, VisitRow).values(**values)
    session.execute(statement.on_conflict_do_update(index_elements=["place"], set_=values))


def _known(session: Session, keys: Sequence[str]) -> dict[str, _Known]:
    columns = (StoryRow.key, StoryRow.digest, StoryRow.version, StoryRow.first_seen_at)
    known: dict[str, _Known] = {}
    for chunk in _chunks(keys):
        for key, digest, version, first_seen_at in session.exec(select(*columns).where(col(StoryRow.key).in_(chunk))):
            known[key] = _Known(digest=digest, version=version, first_seen_at=first_seen_at)
    return known


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def _story(document: str, dated_at: datetime, group: str, desk: str) -> Story:
    story = DOCUMENT.validate_json(document)
    if desk != "{}":
        story = replace(story, **json.loads(desk))
    return replace(story, group=group, published_at=story.published_at or dated_at)


def _values(story: Story, place: str, now: datetime) -> dict[str, Any]:
    for name in ("source", "guid", "headline"):
        if not getattr(story, name).strip():
            raise StoryError(story.headline[:80] or story.guid[:80] or "story", f"has no {name}")
    times = (story.published_at, story.updated_at, story.embargo_until, story.expires_at, story.as_of)
    if any(moment is not None and moment.tzinfo is None for moment in times):
        raise StoryError(story.headline[:80], "has a time without an offset from UTC")
    told = (story.headline, story.kicker, story.summary, *story.tags, story.outlet, story.source)
    values: dict[str, Any] = {
        "key": story.key,
        "source": story.source,
        "guid": story.guid,
        "kind": story.kind.value,
        "headline": story.headline,
        "url": story.url,
        "search": " ".join(told).casefold(),
        "place": place,
        "digest": story.digest(),
        "dated_at": story.published_at or now,
        "first_seen_at": now,
        "updated_at": now,
        "pulled_at": now,
    }
    # PostgreSQL keeps no NUL, and no database keeps half a surrogate pair.
    try:
        values["document"] = DOCUMENT.dump_json(replace(story, group="")).decode()
    except PydanticSerializationError as error:
        raise StoryError("story", "contains characters that cannot be stored") from error
    if "\\u0000" in values["document"] and any("\x00" in str(value) for value in values.values()):
        raise StoryError(story.headline[:80], "contains characters that cannot be stored")
    return values


def _changed(row: _Known, values: dict[str, Any]) -> dict[str, Any]:
    """The update of a known row: its version grows, and what it says of its first time stays."""
    undated = values["dated_at"] == values["first_seen_at"]
    keeps_date = undated and values["kind"] != StoryKind.MOST_READ
    return values | {
        "first_seen_at": row.first_seen_at,
        "dated_at": row.first_seen_at if keeps_date else values["dated_at"],
        "version": row.version + 1,
    }


def _group(session: Session, moving: Sequence[dict[str, Any]], settings: Wire) -> None:
    """Give the new and changed rows their `duplicate_group`, and the rows they join theirs."""
    if not moving:
        return
    around = timedelta(hours=settings.duplicate_hours)
    moments = [values["dated_at"] for values in moving]
    keys = {values["key"] for values in moving}
    near = col(StoryRow.dated_at).between(min(moments) - around, max(moments) + around)
    stored = [
        _candidate(row) for row in session.execute(sqlalchemy.select(*COMPARED).where(near)) if row[0] not in keys
    ]
    fresh = [
        Candidate(key=one["key"], source=one["source"], headline=one["headline"], url=one["url"], at=one["dated_at"])
        for one in moving
    ]
    groups = duplicates.group(
        [*stored, *fresh], similarity=settings.duplicate_similarity, hours=settings.duplicate_hours
    )
    for values in moving:
        values["duplicate_group"] = groups[values["key"]]
    joined = [{"key": one.key, "duplicate_group": groups[one.key]} for one in stored if groups[one.key] != one.group]
    if joined:
        session.execute(update(StoryRow), joined)


TOLD: Final = (StoryRow.document, StoryRow.dated_at, StoryRow.duplicate_group, StoryRow.desk)
COMPARED: Final = tuple(
    col(column)
    for column in (
        StoryRow.key,
        StoryRow.source,
        StoryRow.headline,
        StoryRow.url,
        StoryRow.dated_at,
        StoryRow.duplicate_group,
    )
)


def _candidate(row: Iterable[Any]) -> Candidate:
    key, source, headline, url, at, group = row
    return Candidate(key=key, source=source, headline=headline, url=url, at=at, group=group, fresh=False)
