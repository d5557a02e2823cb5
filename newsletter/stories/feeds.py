"""Bytes to stories (pure): RSS 0.9x, 1.0 and 2.0, Atom, JSON Feed and manuscripts. The only importer of feedparser.

feedparser is given bytes that were decoded and trimmed here, never an address: it would fetch it. What precedes the
root element is thrown away, and with it every entity declaration an attack could hide there.
"""

import calendar
import html.entities
import io
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import struct_time
from typing import Any, Final
from urllib.parse import urljoin
from xml.parsers import expat

import feedparser

from newsletter.errors import FeedError, StoryError
from newsletter.stories import charsets, manuscripts, markup
from newsletter.stories.fields import identity, language_tag, table_of
from newsletter.stories.story import Feed, Refusal, Story, canonical_url

__all__ = ["Feed", "Refusal", "parse"]

JSON_FEED: Final = "https://jsonfeed.org/version/"
ROOT: Final = re.compile(r"<(?:[\w.-]+:)?(rss|feed|RDF|opml|html|head|body|!doctype\s+html)(?=[\s>/])", re.IGNORECASE)
# XML 1.0, 2.2: what no document may contain, so that the strict parser would give up on all of it.
ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
AMPERSAND: Final = re.compile(r"&(?:([A-Za-z]\w*);|(?!#\d+;|#x[0-9A-Fa-f]+;))")
XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})
MOST_DEEP: Final = 200
# The loose parser reads what is not well-formed; its time grows faster than the document.
MOST_LOOSE: Final = 2_000_000
MOST_HEADLINE: Final = 300
FOREIGN_DATE: Final = re.compile(r"(\d{1,2})[ .-]+([^\W\d_]{3,12})\.?[ -]+(\d{4}[ ,]+\d{1,2}:\d{2}.*)")
# Portuguese, Spanish, French, German and Italian, by how their months begin without accents.
MONTHS: Final = (
    (("jan", "ene", "gen"), "Jan"),
    (("fev", "feb"), "Feb"),
    (("mar", "mrz"), "Mar"),
    (("abr", "avr", "apr"), "Apr"),
    (("mai", "may", "mag"), "May"),
    (("jun", "juin", "giu"), "Jun"),
    (("jul", "juil", "lug"), "Jul"),
    (("ago", "aou", "aug"), "Aug"),
    (("set", "sep"), "Sep"),
    (("out", "oct", "okt", "ott"), "Oct"),
    (("nov",), "Nov"),
    (("dez", "dec", "dic"), "Dec"),
)
POSSIBLE_YEARS: Final = range(1990, 2100)


def parse(data: bytes, *, source: str, base_url: str = "", name: str = "", charset: str = "") -> Feed:
    """The stories of one document, and the items that were refused, each with its reason.

    `base_url` is where relative links begin, `name` an outlet's name that wins over the feed's title, `charset` what
    came with the document. A feed without items is no error. Raises FeedError for what is no feed.
    """
    text = charsets.decode(data, charset).strip("\ufeff\x00 \t\r\n")
    if not text:
        raise FeedError(source, "is empty")
    if text.startswith("---"):
        return _manuscript(text, source)
    if text[0] in "{[":
        document = manuscripts.read_json(text, source)
        if isinstance(document, dict) and str(document.get("version", "")).startswith(JSON_FEED):
            return _json_feed(document, source, base_url, name)
        return manuscripts.stories_of(document, source=source, name=name)
    return _xml_feed(_well_formed(_document(text, source), source), source, base_url, name)


def _manuscript(text: str, source: str) -> Feed:
    try:
        story = manuscripts.parse_markdown(text, source=source, file=source)
    except StoryError as error:
        return Feed(title=source, stories=(), refused=(Refusal(item=error.item, reason=error.reason),))
    return Feed(title=source, stories=(story,))


# --- XML


def _document(text: str, source: str) -> str:
    """The root element and what is in it; raises FeedError when it is no feed's, or is cut off."""
    root = ROOT.search(text)
    if root is None:
        raise FeedError(source, "is no feed: neither RSS, Atom nor JSON")
    if root[1].lower() == "opml":
        raise FeedError(source, "is no feed but a list of feeds (OPML)")
    if root[1].lower() not in {"rss", "feed", "rdf"}:
        raise FeedError(source, "is no feed but a web page")
    if "<!entity" in text[: root.start()].lower():
        raise FeedError(source, "declares XML entities, which no feed needs and attacks use")
    opened = root[0][1:]
    end = text.rfind(f"</{opened}")
    if end < 0 and not re.match(r"[^<>]*/>", text[root.start() + 1 :]):
        raise FeedError(source, f"is cut off: </{opened}> is missing")
    return ILLEGAL.sub("", text[root.start() :])


def _well_formed(text: str, source: str) -> bytes:
    """UTF-8 XML, repaired where bare ampersands and HTML's entities would make the strict parser give up."""
    for candidate in (text, _repair(text)):
        data = f'<?xml version="1.0" encoding="utf-8"?>\n{candidate}'.encode()
        if _is_xml(data, source):
            return data
    if len(data) > MOST_LOOSE:
        raise FeedError(source, "is not well-formed XML, and too large to be read regardless")
    return data


def _repair(text: str) -> str:
    """Escape bare ampersands and write HTML's entities as numbers, outside CDATA sections."""
    pieces: list[str] = []
    at = 0
    while (start := text.find("<![CDATA[", at)) >= 0 and (end := text.find("]]>", start)) >= 0:
        pieces += [AMPERSAND.sub(_ampersand, text[at:start]), text[start : end + 3]]
        at = end + 3
    return "".join([*pieces, AMPERSAND.sub(_ampersand, text[at:])])


def _ampersand(match: re.Match[str]) -> str:
    name = match[1]
    if name in XML_ENTITIES:
        return match[0]
    characters = html.entities.html5.get(f"{name};", "") if name else ""
    return "".join(f"&#{ord(one)};" for one in characters) or "&amp;" + match[0][1:]


def _is_xml(data: bytes, source: str) -> bool:
    depth = 0

    def enter(_name: str, _attributes: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEEP:
            raise FeedError(source, f"is nested more than {MOST_DEEP} elements deep")

    def leave(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = enter, leave
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        return False
    return True


def _xml_feed(data: bytes, source: str, base_url: str, name: str) -> Feed:
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base_url}
    try:
        document = feedparser.parse(
            io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, AssertionError) as error:
        # A feed hostile enough to crash the parser is refused like any other that cannot be read.
        raise FeedError(source, "cannot be read as a feed") from error
    if not document.version:
        raise FeedError(source, "is no feed: neither RSS, Atom nor JSON")
    title = name or markup.plain(_get(document.feed, "title"))
    language = language_tag(_get(document.feed, "language"))

    def make(entry: dict[str, Any]) -> Story:
        return _entry(entry, source=source, outlet=title, base_url=base_url, language=language)

    stories, refused = manuscripts.collect(document.entries, make)
    return Feed(title=title, stories=stories, refused=refused)


def _get(table: Mapping[str, Any], key: str) -> str:
    """A text of feedparser's, past its own lookup, which substitutes one date for another with a warning."""
    value = dict.get(table, key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def _entry(entry: dict[str, Any], *, source: str, outlet: str, base_url: str, language: str) -> Story:
    headline = markup.plain(_get(entry, "title"))
    if not headline:
        raise StoryError("", "has no headline")
    url = canonical_url(_join(base_url, _get(entry, "feedburner_origlink") or _get(entry, "link")))
    updated_at = _moment(dict.get(entry, "updated_parsed")) or _foreign(_get(entry, "updated"))
    content = _contents(entry)
    lead = _blocks(_get(entry, "summary"), url or base_url)
    blocks = _blocks(content, url or base_url) or lead
    summary = markup.summary(lead or blocks)
    return Story(
        source=source,
        guid=identity(_get(entry, "id"), url, headline),
        headline=markup.shorten(headline, MOST_HEADLINE),
        url=url,
        summary=summary,
        body=_body(blocks, url, summary),
        byline=_byline(entry),
        outlet=outlet,
        language=language_tag(_get(entry, "language")) or language,
        tags=_tags(entry),
        # RSS 1.0 and old Atom know one date, which feedparser takes for that of an update.
        published_at=_moment(dict.get(entry, "published_parsed")) or _foreign(_get(entry, "published")) or updated_at,
        updated_at=updated_at,
    )


def _contents(entry: dict[str, Any]) -> str:
    parts = [part for part in entry.get("content", ()) if isinstance(part, dict)]
    wanted = [part for part in parts if "text" in _get(part, "type") or "xhtml" in _get(part, "type")]
    return max((_get(part, "value") for part in wanted), key=len, default="")


def _blocks(text: str, base_url: str) -> list[markup.Block]:
    """Feeds do not say reliably whether a text is HTML; tags do."""
    if markup.TAGS.search(text):
        return markup.convert(text, base_url)
    return markup.prose(html.unescape(text))


def _body(blocks: list[markup.Block], url: str, summary: str) -> str:
    """The whole text, or "" when it is the summary again and nothing else."""
    body = markup.markdown(blocks, url)
    return "" if body == markup.escape(summary) else body


def _byline(entry: dict[str, Any]) -> str:
    authors = [_get(one, "name") for one in entry.get("authors", ()) if isinstance(one, dict)]
    names = [markup.plain(one) for one in authors or [_get(entry, "author")]]
    # RSS asks for an address here; it is personal data, and no byline.
    return ", ".join(dict.fromkeys(one for one in names if one and "@" not in one))[:200]


def _tags(entry: dict[str, Any]) -> tuple[str, ...]:
    terms = [_get(one, "label") or _get(one, "term") for one in entry.get("tags", ()) if isinstance(one, dict)]
    return tuple(dict.fromkeys(markup.plain(one)[:60] for one in terms[:20] if one.strip()))


def _moment(parsed: struct_time | None) -> datetime | None:
    """The UTC time feedparser found, as ours; None for what no feed can have meant."""
    try:
        moment = datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None
    return moment if moment and moment.year in POSSIBLE_YEARS else None


def _foreign(text: str) -> datetime | None:
    """A time in RFC 822's form but with the months of another language, as some publishers write it."""
    found = FOREIGN_DATE.search(text)
    if not found:
        return None
    folded = "".join(one for one in unicodedata.normalize("NFD", found[2].lower()) if one.isascii())
    month = next((month for names, month in MONTHS if folded.startswith(names)), None)
    if month is None:
        return None
    try:
        moment = parsedate_to_datetime(f"{found[1]} {month} {found[3]}")
    except (ValueError, OverflowError, TypeError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment if moment.year in POSSIBLE_YEARS else None


def _join(base_url: str, url: str) -> str:
    try:
        return urljoin(base_url, url) if url else ""
    except ValueError:
        return ""


# --- JSON Feed 1.0 and 1.1


def _json_feed(document: Mapping[str, object], source: str, base_url: str, name: str) -> Feed:
    items = document.get("items")
    if not isinstance(items, list):
        raise FeedError(source, "is a JSON Feed without a list of items")
    title = name or markup.plain(_loose(document, "title"))
    home = _loose(document, "home_page_url") or base_url
    language = language_tag(_loose(document, "language"))

    def make(item: object) -> Story:
        table = table_of(item, "")
        return _json_item(table, source=source, outlet=title, base_url=home, language=language)

    stories, refused = manuscripts.collect(items, make)
    return Feed(title=title, stories=stories, refused=refused)


def _json_item(table: Mapping[str, object], *, source: str, outlet: str, base_url: str, language: str) -> Story:
    headline = markup.plain(_loose(table, "title"))
    if not headline:
        raise StoryError("", "has no headline")
    url = canonical_url(_join(base_url, _loose(table, "url") or _loose(table, "external_url")))
    html = _loose(table, "content_html")
    blocks = markup.convert(html, url or base_url) if html else markup.prose(_loose(table, "content_text"))
    summary = markup.shorten(markup.plain(_loose(table, "summary"))) or markup.summary(blocks)
    authors = table.get("authors") or [table.get("author")]
    names = [_loose(one, "name") for one in authors if isinstance(one, dict)] if isinstance(authors, list) else []
    tags = table.get("tags")
    return Story(
        source=source,
        guid=identity(_loose(table, "id"), url, headline),
        headline=markup.shorten(headline, MOST_HEADLINE),
        url=url,
        summary=summary,
        body=_body(blocks, url, summary),
        byline=markup.plain(", ".join(filter(None, names)))[:200],
        outlet=outlet,
        language=language_tag(_loose(table, "language")) or language,
        tags=tuple(markup.plain(one)[:60] for one in tags[:20] if isinstance(one, str))
        if isinstance(tags, list)
        else (),
        published_at=_loose_time(_loose(table, "date_published")) or _loose_time(_loose(table, "date_modified")),
        updated_at=_loose_time(_loose(table, "date_modified")),
    )


def _loose(table: Mapping[str, object], key: str) -> str:
    """A stranger's text: numbers are taken as such (JSON Feed 1.1 on `id`), anything else is nothing."""
    value = table.get(key)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _loose_time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in POSSIBLE_YEARS else None
