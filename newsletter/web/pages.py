"""What all pages share: the house they serve, the templates, the headers, and the one table from errors to statuses."""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

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
from subscribers import ExpiredToken, InvalidAddress, InvalidToken

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
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (InvalidAddress, 422),
    (ExpiredToken, 410),
    (InvalidToken, 404),
    (NotReady, 409),
    (IllegalMove, 409),
    (EditionError, 409),
    (LedgerError, 409),
    (AccountError, 403),
    (DatabaseError, 503),
    (NewsletterError, 400),
    (subscribers.SubscribersError, 400),
)


class Limits:
    """Counts posts by network and hour, in memory: enough for one process, and gone with it."""

    def __init__(self) -> None:
        self._hour = -1
        self._counts: dict[str, int] = {}

    def take(self, network: str, now: datetime, most: int) -> bool:
        """Whether one more post of this network is within the hour's limit."""
        hour = int(now.timestamp() // 3600)
        if hour != self._hour:
            self._hour, self._counts = hour, {}
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

    @cached_property
    def keys(self) -> subscribers.Keys:
        """The subscribers' keys."""
        return subscribers.Keys(self.vault.derive("subscribers/1"))

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

    def page(
        self, name: str, status: int = 200, *, headers: Mapping[str, str] = HEADERS, **values: object
    ) -> HTMLResponse:
        """Render one page of `templates/pages`."""
        html = self.environment.get_template(f"{name}.html").render(values)
        return HTMLResponse(html, status_code=status, headers=dict(headers))

    def sorry(self, error: Exception) -> Response:
        """The page for an error a person can do something about."""
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
        words = {404: "This link is not one of ours", 410: "This link has expired", 503: "Please try again in a moment"}
        said = str(error) if status not in {404, 410, 503} else ""
        return self.page(
            "sorry", status, headers=HEADERS | PRIVATE, title=words.get(status, "That did not work"), said=said
        )


def network(request: Request) -> str:
    """The caller's network, coarse enough to name nobody: a /24 of IPv4, a /48 of IPv6."""
    host = request.client.host if request.client else ""
    if ":" in host:
        return ":".join(host.split(":")[:3]) + "::/48"
    return ".".join(host.split(".")[:3]) + ".0/24" if host.count(".") == 3 else "local"


def same_origin(request: Request, base_url: str) -> bool:
    """Whether a form was posted by a page of ours: by Sec-Fetch-Site, or by Origin where a browser sends none."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and origin in {
        base_url.rstrip("/"),
        f"{request.url.scheme}://{request.headers.get('host', '')}",
    }
