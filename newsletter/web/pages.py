"""What all pages share: the house they serve, the templates, the headers, and the one table from errors to statuses."""

import hashlib
import logging
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, Response

import subscribers
from newsletter import languages
from newsletter.config import Config, Newsletter
from newsletter.database import Database
from newsletter.delivery import signups
from newsletter.errors import (
    AccountError,
    DatabaseError,
    EditionError,
    IllegalMove,
    LedgerError,
    NewsletterError,
    NotReady,
    Overloaded,
)
from newsletter.languages import Language, mark
from newsletter.rendering.template import TEMPLATES
from newsletter.vault import Vault
from newsletter.web import wishes
from newsletter.web.clerk import Clerk, Leavings
from newsletter.web.door import HOUR, Door, networks
from subscribers import Display, ExpiredToken, InvalidAddress, InvalidToken, NotSubscribed

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
# The sign-up form alone runs a script, our own, which asks us for a proof of work.
SCRIPTED: Final = HEADERS | {"Content-Security-Policy": f"{POLICY}; script-src 'self'; connect-src 'self'"}
PRIVATE: Final = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

# Sign-ups are answered before they are worked on, and gathered for a moment: what one costs falls into no answer.
MOST_JOINING: Final = 2_000
JOINING_BATCH: Final = 100
JOINING_SECONDS: Final = 0.25
log = logging.getLogger("world_brief.web")

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
    (Overloaded, 503),
    (NewsletterError, 400),
    (subscribers.SubscribersError, 400),
)

# What is said instead of the error's own words, which could tell a stranger something.
FAILED: Final = mark("That did not work")
SORRY: Final[Mapping[int, tuple[str, str]]] = {
    404: (
        mark("There is nothing here"),
        mark("The link may have been cut in two by a mail program: try to copy the whole of it."),
    ),
    410: (mark("This link has expired"), mark("Sign up again on the front page, and a new letter is sent.")),
    500: (FAILED, mark("The fault is ours, and it has been noted. Please try again in a moment.")),
    503: (mark("Please try again in a moment"), mark("Nothing was changed.")),
}


@dataclass(frozen=True, kw_only=True)
class Pages:
    """One installation as the pages see it."""

    config: Config
    database: Database
    vault: Vault
    clock: Callable[[], datetime]

    @property
    def keys(self) -> subscribers.Keys:
        """The subscribers' keys."""
        return self.vault.keys

    @cached_property
    def leavings(self) -> Leavings:
        """Who ends subscriptions."""
        return Leavings(self.database, self.keys, self.clock)

    @cached_property
    def joinings(self) -> Clerk[signups.Request]:
        """Who works through the sign-ups that have been answered."""
        return Clerk(self._join, most=MOST_JOINING, batch=JOINING_BATCH, pause_seconds=JOINING_SECONDS)

    @cached_property
    def door(self) -> Door:
        """Who decides which sign-up is looked at."""
        return Door(keys=self.keys, settings=self.config.signup, proof_key=self.vault.derive("pow/1"))

    @cached_property
    def forms(self) -> dict[str, Mapping[str, Display]]:
        """The sign-up forms of each newsletter as they stand, once they have been rendered."""
        return {}

    @cached_property
    def stamp_key(self) -> bytes:
        """The key behind the stamps of the readers' forms."""
        return self.vault.derive("stamps/1")

    @cached_property
    def form_key(self) -> bytes:
        """The key behind the desk's form tokens."""
        return self.vault.derive("desk-forms/1")

    @cached_property
    def reader_key(self) -> bytes:
        """The key behind the form tokens of the readers' own pages."""
        return self.vault.derive("reader-forms/1")

    @cached_property
    def environment(self) -> jinja2.Environment:
        """The pages' own templates; text is escaped, and a missing value is an error."""
        loader = jinja2.FileSystemLoader(TEMPLATES / "pages")
        # Never reloaded: a form is shown as it was looked at and published when the house was opened, whatever an
        # upgrade does to the files meanwhile.
        one = jinja2.Environment(
            loader=loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        one.globals.update(
            site=self.config.site, newsletters=self.config.newsletters, style=self.style_name, script=self.script_name
        )
        one.filters.update(local=_local, day=date.fromisoformat)
        languages.install(one)
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

    @cached_property
    def script(self) -> bytes:
        """The one script, which solves the sign-up form's proof of work where scripts run."""
        return (TEMPLATES / "pages" / "signup.js").read_bytes()

    @cached_property
    def script_name(self) -> str:
        """Its address, which changes with its content as well."""
        return f"/static/{hashlib.sha256(self.script).hexdigest()[:16]}.js"

    @property
    def media(self) -> Path:
        """Where pictures are kept."""
        return self.config.home / "media"

    def within(self, what: str, most_per_hour: int) -> bool:
        """Count one more of something, and say whether it is within the hour's limit."""
        with self.database.transaction() as session:
            return subscribers.take(session, self.keys, what, self.clock(), HOUR, most_per_hour)

    def newsletter(self, key: str) -> Newsletter | None:
        """The newsletter with this key; the first one for an empty key."""
        known = self.config.newsletters
        return known.get(key) if key else next(iter(known.values()), None)

    def named(self, key: str) -> Newsletter:
        """The newsletter of a subscription: who leaves one that has been closed can still leave it."""
        return self.config.newsletters.get(key) or Newsletter(key=key, name=key, sender_address="")

    def _join(self, requests: Sequence[signups.Request]) -> None:
        """Work through sign-ups that have been answered; whatever comes of one, the others have their turn."""
        for one in requests:
            try:
                with self.database.transaction() as session:
                    signups.sign_up(session, self.keys, self.config, one, self.clock())
            except (NewsletterError, subscribers.SubscribersError) as error:
                # These errors never name an address.
                log.error("a sign-up to %s was lost: %s", one.newsletter.key, error)  # noqa: TRY400 -- it says it all

    def page(
        self, name: str, status: int = 200, *, headers: Mapping[str, str] = HEADERS, **values: object
    ) -> HTMLResponse:
        """Render one page of `templates/pages`, in the language of the request at hand."""
        return HTMLResponse(self.text(name, **values), status_code=status, headers=dict(headers))

    def text(self, name: str, **values: object) -> str:
        """The HTML of one page; the desk's are English."""
        spoken = self.speaking(**values)
        if name.startswith("desk"):
            spoken = languages.language("en")
        return self.environment.get_template(f"{name}.html").render(values, spoken=spoken, wishes=wishes.current())

    def text_in(self, code: str, name: str, **values: object) -> str:
        """The HTML of one page in a language of CODES, whoever asks for it."""
        spoken = languages.language(code)
        return self.environment.get_template(f"{name}.html").render(values, spoken=spoken, wishes=wishes.NOBODY)

    def speaking(self, **values: object) -> Language:
        """What a page of these values speaks: a known reader's own language goes before the newsletter's."""
        reader, paper = values.get("visitor"), values.get("newsletter")
        if isinstance(reader, subscribers.Visitor):
            return wishes.current().language(reader.language)
        return self.spoken(paper if isinstance(paper, Newsletter) else None)

    def spoken(self, paper: Newsletter | None) -> Language:
        """What a page speaks: what was asked for, else the newsletter's language, else the browser's."""
        return wishes.current().language(paper.language if paper else "")

    def sorry(self, error: Exception) -> Response:
        """The page for an error a person can do something about."""
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
        title, said = SORRY.get(status, (FAILED, str(error)))
        return self.page("sorry", status, headers=HEADERS | PRIVATE, title=title, said=said)


def network(request: Request) -> str:
    """The caller's network, coarse enough to name nobody: a /24 of IPv4, a /48 of IPv6."""
    return networks(request.client.host if request.client else "")[1]


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
