"""The story and its parts (values), and what makes two addresses the same. Knows neither feeds nor the database."""

import hashlib
import ipaddress
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import idna


class StoryKind(StrEnum):
    """What a story holds besides its words, and so which slots can print it."""

    STORY = "story"
    AGENDA = "agenda"
    QUIZ = "quiz"
    MOST_READ = "most-read"
    FIGURES = "figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture; `url` is an address or a path under the site's own /media/."""

    url: str
    alt: str
    credit: str = ""
    caption: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaItem:
    """One dated line of a look-ahead."""

    on: date
    event: str
    place: str = ""
    actor: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a quiz; `answer` is the index of the right option."""

    question: str
    options: tuple[str, ...]
    answer: int
    explanation: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedLink:
    """One line of a measured list, most read first."""

    headline: str
    url: str
    reads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a strip, as printed: "Brent crude", "$63.20", "-1.4 %"."""

    label: str
    value: str
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One news item, known by (source, guid). Times are aware; texts are plain but for `body`, which is Markdown.

    `teaser` is the noun phrase for "where we're looking at A, B, and C"; `section` is a hint such as "lead" or "odds";
    `as_of` belongs to `figures`; `group` is set by the bank alone and shared by near-duplicates.
    """

    source: str
    guid: str
    headline: str
    kind: StoryKind = StoryKind.STORY
    url: str = ""
    kicker: str = ""
    teaser: str = ""
    summary: str = ""
    body: str = ""
    byline: str = ""
    outlet: str = ""
    image: Image | None = None
    section: str = ""
    region: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    published_at: datetime | None = None
    updated_at: datetime | None = None
    embargo_until: datetime | None = None
    expires_at: datetime | None = None
    checked_by: str = ""
    agenda: tuple[AgendaItem, ...] = ()
    quiz: tuple[Question, ...] = ()
    ranking: tuple[RankedLink, ...] = ()
    figures: tuple[Figure, ...] = ()
    as_of: datetime | None = None
    group: str = ""

    @property
    def key(self) -> str:
        """The public id: 16 hex characters that follow from (source, guid) alone."""
        return hashlib.sha256(f"{self.source}\n{self.guid}".encode("utf-8", "replace")).hexdigest()[:16]

    def digest(self) -> str:
        """SHA-256 over everything but `group`: equal digests mean nothing was changed."""
        content = asdict(self)
        del content["group"]
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, default=_moment)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An item that became no story: which one, and why."""

    item: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What one document held."""

    title: str
    stories: tuple[Story, ...]
    refused: tuple[Refusal, ...] = ()


def _moment(value: object) -> str:
    """The same instant is written the same way whichever offset it came with."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no content of a story: {value!r}")


# What analytics and newsletter tools append to addresses; none of them changes the page that is shown.
TRACKING: Final = re.compile(
    r"(?:utm_\w+|at_(?:medium|campaign|custom\d+|link_\w+)|(?:fb|g|dc|ms|tt|tw|y)clid|[gw]braid|li_fat_id|gclsrc|igshid|igsh"
    r"|mc_[ce]id|wt_[mz]c|wt\.mc_id|wtmc|pk_(?:campaign|kwd|source|medium)|mtm_\w+|matomo_\w+|piwik_\w+"
    r"|_hsenc|_hsmi|hsctatracking|vero_id|oly_(?:anon|enc)_id|mkt_tok|ncid|cmpid|cmp|ftag|icid|s_cid|smid|ocid"
    r"|xtor|xtref|ito|ns_(?:mchannel|source|campaign|linkname|fee)|__twitter_impression|guccounter|guce_\w+|amp;utm_\w+)",
    re.IGNORECASE,
)
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 3986: what may stand unescaped in a path or query; % keeps what is escaped already.
PATH_SAFE: Final = "/:@!$&'()*+,;=~%-._"
QUERY_SAFE: Final = PATH_SAFE + "?"


def canonical_url(url: str) -> str:
    """The one spelling of a web address, or "" for what is no http(s) address with a plain host.

    Scheme and host in lower case, the host in IDNA, no fragment, no default port, no tracking parameters; the order of
    the other parameters stays, since a site may give it meaning.
    """
    return link_url(url).partition("#")[0]


def link_url(url: str) -> str:
    """An address to link to: canonical, but with the fragment that names the place on the page."""
    try:
        # Feeds break addresses over lines; browsers take the breaks out, and so do we.
        parts = urlsplit(re.sub(r"\s*[\r\n\t]\s*", "", url.strip()))
        port = parts.port
    except ValueError:
        return ""
    scheme = parts.scheme.lower()
    host = ascii_host(parts.hostname or "")
    if scheme not in DEFAULT_PORTS or not host or parts.username is not None or parts.password is not None:
        return ""
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS[scheme]:
        place += f":{port}"
    path, fragment = _escape(parts.path or "/", PATH_SAFE), _escape(parts.fragment, QUERY_SAFE)
    return urlunsplit(SplitResult(scheme, place, path, _query(parts.query), fragment))


def ascii_host(host: str) -> str:
    """A host name in lower case and IDNA 2008 (as browsers map it, UTS 46), an IP address unchanged, or ""."""
    host = host.rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        # Underscores are no IDNA, but such hosts exist and resolve.
        return host if re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", host) and len(host) <= 253 else ""


def _query(query: str) -> str:
    kept = [pair for pair in query.split("&") if pair and not TRACKING.fullmatch(pair.partition("=")[0])]
    return _escape("&".join(kept), QUERY_SAFE)


def _escape(text: str, safe: str) -> str:
    """Escape what RFC 3986 does not allow, and a % that begins no escape; done twice it changes nothing."""
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text), safe=safe, errors="replace")
