"""What fills the bank (shell): pulls files, folders and addresses, one transaction per feed, all of it or nothing."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from newsletter.config import Source, Wire
from newsletter.database import Database
from newsletter.errors import FeedError, StoryError
from newsletter.stories import charsets, feeds, manuscripts
from newsletter.stories.bank import (
    Changes,
    Counts,
    Provenance,
    Visit,
    add,
    bank,
    find,
    listing,
    provenance,
    remember,
    revise,
    store,
    visit,
)
from newsletter.stories.fetch import Fetched, Known, Resolve, fetch, resolve_host
from newsletter.stories.story import Feed, Refusal, Story, canonical_url

__all__ = [
    "Changes",
    "Counts",
    "Fetched",
    "Provenance",
    "Pulled",
    "Reach",
    "Refusal",
    "add",
    "bank",
    "fetch",
    "find",
    "listing",
    "provenance",
    "pull",
    "read",
    "revise",
    "store",
]

ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
FEED_FILES: Final = frozenset({".rss", ".xml", ".atom", ".rdf", ".json", ".feed", ".csv"})
MANUSCRIPTS: Final = frozenset({".md", ".markdown"})
OWN: Final = MANUSCRIPTS | {".json", ".csv"}
CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
# Clocks of newsrooms differ; a date further ahead is a mistake, and would keep a story newest for ever.
MOST_AHEAD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What one feed gave; `error` says in one line why a feed of a folder gave nothing at all."""

    source: str
    stories: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a pull may reach on the network; tests bring their own names, and leave to visit loopback."""

    resolve: Resolve = resolve_host
    loopback: bool = False


PUBLIC: Final = Reach()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One source on the disk: a file, or all manuscripts of a folder."""

    source: str
    place: Path
    files: tuple[Path, ...]


def pull(
    database: Database,
    place: str,
    settings: Wire,
    *,
    source: Source | None = None,
    now: datetime,
    reach: Reach = PUBLIC,
) -> list[Pulled]:
    """Pull a file, a folder or an address into the bank; safe to repeat.

    A feed's name, section, region and checker stand in where its stories have none. In a folder all Markdown is one
    source, called like the folder, and every other feed file its own. Raises FeedError when there is no such place or
    it is no feed; a bad feed inside a folder only fails itself.
    """
    defaults = source or Source(url=place)
    if ADDRESS.match(place):
        return [_pull_address(database, place, settings, defaults, now, reach)]
    parts = _parts(Path(place))
    pulled: list[Pulled] = []
    for part in parts:
        try:
            feed = _feed(part, settings, defaults)
            # Our own people mean the dates they write; feeds only claim them.
            if part.files[0].suffix.lower() not in OWN:
                feed = _dated(feed, now)
            with database.transaction() as session:
                pulled.append(
                    _keep(part.source, feed, store(session, feed.stories, settings, now, place=str(part.place)))
                )
        except (FeedError, StoryError) as error:
            if part.place == Path(place):
                raise FeedError(place, error.reason) from error
            pulled.append(Pulled(source=part.source, error=str(error)))
    return pulled


def read(place: Path, settings: Wire) -> list[Story]:
    """The stories of a file or folder, kept nowhere; what cannot be read as a story is left out."""
    found: list[Story] = []
    for part in _parts(place):
        found += _feed(part, settings, Source(url=str(place))).stories
    return found


def _pull_address(
    database: Database, place: str, settings: Wire, defaults: Source, now: datetime, reach: Reach
) -> Pulled:
    name = canonical_url(place) or place
    told = hashlib.sha256(repr(replace(defaults, url="")).encode()).hexdigest()[:16]
    with database.snapshot() as session:
        last = visit(session, name)
    known = Known(etag=last.etag, last_modified=last.last_modified) if last and last.defaults == told else None
    fetched = fetch(place, settings, reach.resolve, known=known, loopback=reach.loopback)
    if fetched.unchanged and last:
        return Pulled(source=name, stories=last.stories, unchanged=last.stories)
    charset = CHARSET.search(fetched.content_type)
    try:
        feed = feeds.parse(
            fetched.data,
            source=name,
            base_url=fetched.url,
            name=defaults.name,
            charset=charset[1] if charset else "",
        )
    except StoryError as error:
        raise FeedError(name, str(error)) from error
    feed = _prepared(_dated(feed, now), settings, defaults)
    seen = Visit(
        place=name,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        defaults=told,
        stories=len(feed.stories),
    )
    with database.transaction() as session:
        counts = store(session, feed.stories, settings, now, place=name)
        remember(session, seen, now)
    return _keep(name, feed, counts)


def _keep(source: str, feed: Feed, counts: Counts) -> Pulled:
    return Pulled(
        source=source,
        stories=len(feed.stories),
        new=counts.new,
        updated=counts.updated,
        unchanged=counts.unchanged,
        refused=feed.refused,
    )


def _parts(place: Path) -> list[_Part]:
    """The sources at a place on the disk; raises FeedError when there are none."""
    try:
        if not place.is_dir():
            alone = place.suffix.lower() in MANUSCRIPTS
            return [_Part(source=place.resolve().parent.name if alone else place.name, place=place, files=(place,))]
        files = sorted(one for one in place.iterdir() if one.is_file() and not one.name.startswith("."))
    except (OSError, ValueError) as error:
        raise FeedError(str(place), "cannot be read") from error
    written = tuple(one for one in files if one.suffix.lower() in MANUSCRIPTS)
    parts = [_Part(source=one.name, place=one, files=(one,)) for one in files if one.suffix.lower() in FEED_FILES]
    if any(not _is_readme(one) for one in written) or (written and not parts):
        parts.append(_Part(source=place.resolve().name, place=place, files=written))
    if not parts:
        raise FeedError(str(place), "holds neither feeds nor Markdown stories")
    return parts


def _feed(part: _Part, settings: Wire, defaults: Source) -> Feed:
    first = part.files[0]
    if first.suffix.lower() in MANUSCRIPTS:
        return _prepared(_manuscripts(part, settings), settings, defaults)
    data = _bytes(first, settings)
    if first.suffix.lower() == ".csv":
        text = charsets.decode(data)
        feed = manuscripts.parse_ranking(text, source=part.source, file=first.name, name=defaults.name)
    else:
        feed = feeds.parse(data, source=part.source, name=defaults.name)
    return _prepared(feed, settings, defaults)


def _manuscripts(part: _Part, settings: Wire) -> Feed:
    stories: list[Story] = []
    refused: list[Refusal] = []
    for file in part.files:
        try:
            text = charsets.decode(_bytes(file, settings))
            story = manuscripts.parse_markdown(text, source=part.source, file=file.name)
        except StoryError as error:
            refused.append(Refusal(item=file.name, reason=error.reason))
        except FeedError as error:
            if file == part.place:
                raise
            if not _is_readme(file):
                refused.append(Refusal(item=file.name, reason=error.reason))
        else:
            if any(story.guid == other.guid for other in stories):
                refused.append(Refusal(item=file.name, reason=f"has the guid of another file: {story.guid[:80]}"))
            else:
                stories.append(story)
    return Feed(title=part.source, stories=tuple(stories), refused=tuple(refused))


def _is_readme(file: Path) -> bool:
    return file.stem.lower() == "readme"


def _bytes(file: Path, settings: Wire) -> bytes:
    most = settings.max_decompressed_bytes
    try:
        if not file.is_file():
            raise FeedError(str(file), "no such file or folder" if not file.exists() else "is no plain file")
        with file.open("rb") as stream:
            data = stream.read(most + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FeedError):
            raise
        raise FeedError(str(file), "cannot be read") from error
    if len(data) > most:
        raise FeedError(str(file), f"is larger than {most:,} bytes")
    return data


def _dated(feed: Feed, now: datetime) -> Feed:
    """Without dates that lie in the future."""
    return replace(feed, stories=tuple(_not_ahead(story, now) for story in feed.stories))


def _not_ahead(story: Story, now: datetime) -> Story:
    latest = now + MOST_AHEAD
    return replace(
        story,
        published_at=None if story.published_at and story.published_at > latest else story.published_at,
        updated_at=None if story.updated_at and story.updated_at > latest else story.updated_at,
    )


def _prepared(feed: Feed, settings: Wire, defaults: Source) -> Feed:
    """No more stories than allowed, each with what its source says of all of them."""
    beyond: Sequence[Story] = feed.stories[settings.max_items :]
    reason = f"is beyond the {settings.max_items:,} items taken from one feed"
    return replace(
        feed,
        stories=tuple(
            replace(
                story,
                outlet=story.outlet or defaults.name,
                section=story.section or defaults.section,
                region=story.region or defaults.region,
                checked_by=story.checked_by or defaults.checked_by,
            )
            for story in feed.stories[: settings.max_items]
        ),
        refused=(*feed.refused, *(Refusal(item=story.headline[:80], reason=reason) for story in beyond)),
    )
