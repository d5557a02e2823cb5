"""What all pages share: the house they serve, the templates, the headers, and the one table from errors to statuses."""

import hashlib
import ipaddress
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, Response

import subscribers
from newsletter.config import Config, Newsletter
from newsletter.database import Database
from newsletter.errors import (
    AccountError,
    DatabaseError,
    EditionError,
    IllegalMove,
    LedgerError,
    NewsletterError,
    NotReady,
)
from newsletter.rendering.template import TEMPLATES
from newsletter.vault import Vault
from newsletter.web.clerk import Leavings
from subscribers import ExpiredToken, InvalidAddress, InvalidToken, NotSubscribed

# Nothing but our own style sheet and pictures, and forms that go nowhere else.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; frame-src 'self'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # `no-referrer` would make browsers send `Origin: null`, and our own forms would be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (InvalidAddress, 422),
    (ExpiredToken, 410),
    (InvalidToken, 404),
    (NotSubscribed, 409),
    (NotReady, 409),
    (IllegalMove, 409),
    (EditionError, 409),
    (LedgerError, 409),
    (AccountError, 403),
    (DatabaseError, 503),
    (NewsletterError, 400),
    (subscribers.SubscribersError, 400),
)

# What is said instead of the error's own words, which could tell a stranger something.
SORRY: Final[Mapping[int, tuple[str, str]]] = {
    404: ("There is nothing here", "The link may have been cut in two by a mail program: try to copy the whole of it."),
    410: ("This link has expired", "Sign up again on the front page, and a new letter is sent."),
    500: ("That did not work", "The fault is ours, and it has been noted. Please try again in a moment."),
    503: ("Please try again in a moment", "Nothing was changed."),
}

# Beyond so many networks in an hour all new ones count as one: memory is bounded, whoever posts.
MOST_NETWORKS: Final = 50_000
OTHERS: Final = "others"


class Limits:
    """Counts posts by network and hour, in memory: enough for one process, and gone with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hour = -1
        self._counts: dict[str, int] = {}

    def take(self, network: str, now: datetime, most: int) -> bool:
        """Whether one more post of this network is within the hour's limit."""
        hour = int(now.timestamp() // 3600)
        with self._lock:
            if hour != self._hour:
                self._hour, self._counts = hour, {}
            if network not in self._counts and len(self._counts) >= MOST_NETWORKS:
                network = OTHERS
            self._counts[network] = self._counts.get(network, 0) + 1
            return self._counts[network] <= most


@dataclass(frozen=True, kw_only=True)
class Pages:
    """One installation as the pages see it."""

    config: Config
    database: Database
    vault: Vault
    clock: Callable[[], datetime]
    limits: Limits = field(default_factory=Limits)

    @property
    def keys(self) -> subscribers.Keys:
        """The subscribers' keys."""
        return self.vault.keys

    @cached_property
    def leavings(self) -> Leavings:
        """Who ends subscriptions."""
        return Leavings(self.database, self.keys, self.clock)

    @cached_property
    def form_key(self) -> bytes:
        """The key behind the desk's form tokens."""
        return self.vault.derive("desk-forms/1")

    @cached_property
    def environment(self) -> jinja2.Environment:
        """The pages' own templates; text is escaped, and a missing value is an error."""
        loader = jinja2.FileSystemLoader(TEMPLATES / "pages")
        one = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        one.globals.update(site=self.config.site, newsletters=self.config.newsletters, style=self.style_name)
        one.filters.update(local=_local)
        return one

    @cached_property
    def style(self) -> bytes:
        """The one style sheet, with the colours and sizes of `templates/tokens.toml`."""
        tokens = tomllib.loads((TEMPLATES / "tokens.toml").read_text("utf-8"))
        text = (TEMPLATES / "pages" / "page.css").read_text("utf-8")
        return (
            jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 -- a style sheet
            .from_string(text)
            .render(tokens)
            .encode()
        )

    @cached_property
    def style_name(self) -> str:
        """The style sheet's address changes with its content, so it may be kept for ever."""
        return f"/static/{hashlib.sha256(self.style).hexdigest()[:16]}.css"

    @property
    def media(self) -> Path:
        """Where pictures are kept."""
        return self.config.home / "media"

    def newsletter(self, key: str) -> Newsletter | None:
        """The newsletter with this key; the first one for an empty key."""
        known = self.config.newsletters
        return known.get(key) if key else next(iter(known.values()), None)

    def named(self, key: str) -> Newsletter:
        """The newsletter of a subscription: who leaves one that has been closed can still leave it."""
        return self.config.newsletters.get(key) or Newsletter(key=key, name=key, sender_address="")

    def page(
        self, name: str, status: int = 200, *, headers: Mapping[str, str] = HEADERS, **values: object
    ) -> HTMLResponse:
        """Render one page of `templates/pages`."""
        html = self.environment.get_template(f"{name}.html").render(values)
        return HTMLResponse(html, status_code=status, headers=dict(headers))

    def sorry(self, error: Exception) -> Response:
        """The page for an error a person can do something about."""
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
        title, said = SORRY.get(status, ("That did not work", str(error)))
        return self.page("sorry", status, headers=HEADERS | PRIVATE, title=title, said=said)


def network(request: Request) -> str:
    """The caller's network, coarse enough to name nobody: a /24 of IPv4, a /48 of IPv6."""
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return "local"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 48), strict=False))
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24), strict=False))


def same_origin(request: Request, base_url: str) -> bool:
    """Whether a form was posted by a page of ours: by Sec-Fetch-Site, or by Origin where a browser sends none."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    # A browser tells the Host it asked; a page of another site has another origin than that.
    return request.headers.get("origin") in {
        base_url.rstrip("/"),
        f"{request.url.scheme}://{request.headers.get('host', '')}",
    }


def secure(request: Request, base_url: str) -> bool:
    """Whether the browser came by TLS, be it to a proxy in front of us that serves the public address."""
    public = urlsplit(base_url)
    return request.url.scheme == "https" or (
        public.scheme == "https" and request.headers.get("host", "").lower() == public.netloc.lower()
    )


def _local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone))
