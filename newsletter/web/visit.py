"""What a reader's own pages share: whose visit it is, whether a form was posted in it, and letters sent afterwards."""

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from sqlmodel import Session

import subscribers
from newsletter import languages
from newsletter.delivery import correspondence
from newsletter.errors import AccountError, NewsletterError
from newsletter.languages import mark
from newsletter.web.pages import HEADERS, PRIVATE, Pages, same_origin, secure
from subscribers import Granted, SubscribersError, Visitor

MINE: Final = HEADERS | PRIVATE
# The prefix binds a cookie to this very host (RFC 6265bis 4.1.3.2), which browsers grant over TLS only.
COOKIE: Final = "__Host-reader"
PLAIN_COOKIE: Final = "reader"
# The words of the sign-up form, where the same goes wrong.
NO_ADDRESS: Final = mark("That address cannot be right. Please look it over: it should read like name@example.org.")
CHANGED: Final = mark("The words of this form have changed since you opened it. Please read them again, then sign up.")
log = logging.getLogger("world_brief.web")

Ask = Callable[[Session, datetime], Granted | None]


class NotSignedIn(Exception):
    """A page was asked for that only an open visit shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who is looking, the secret of her cookie, and the token her forms carry."""

    visitor: Visitor
    token: str = field(repr=False)
    form_token: str = field(repr=False)


def visit_of(pages: Pages, request: Request) -> Visit:
    """Whose visit a request belongs to; raises NotSignedIn."""
    token = request.cookies.get(cookie_name(pages, request), "")
    with pages.database.snapshot() as session:
        found = subscribers.visitor(session, pages.keys, token, pages.clock()) if token else None
    if found is None:
        raise NotSignedIn
    made = hmac.digest(pages.reader_key, token.encode(), "sha256").hex()
    return Visit(visitor=found, token=token, form_token=made)


def posted(pages: Pages, request: Request, form_token: str) -> Visit:
    """The visit a form was posted in, from one of its own pages; raises otherwise."""
    from_here(pages, request)
    visit = visit_of(pages, request)
    if not hmac.compare_digest(form_token.encode(), visit.form_token.encode()):
        raise AccountError("this form is too old; open the page again")
    return visit


def from_here(pages: Pages, request: Request) -> None:
    if not same_origin(request, pages.config.site.base_url):
        raise AccountError("this form was not posted from these pages")


def cookie_name(pages: Pages, request: Request) -> str:
    return COOKIE if secure(request, pages.config.site.base_url) else PLAIN_COOKIE


def page_of(pages: Pages, name: str, visit: Visit, status: int = 200, **values: object) -> Response:
    minutes = max(1, int((visit.visitor.until - pages.clock()).total_seconds() // 60))
    own = languages.language(languages.nearest(visit.visitor.language) or languages.CODES[0])
    return pages.page(
        name,
        status,
        headers=MINE,
        visitor=visit.visitor,
        form_token=visit.form_token,
        minutes=minutes,
        own=own,
        **values,
    )


def mail(pages: Pages, ask: Ask) -> None:
    """Keep the link and queue its letter in one transaction; whatever comes of it, the page was the same."""
    now = pages.clock()
    try:
        with pages.database.transaction() as session:
            granted = ask(session, now)
            if granted is not None:
                tell(session, pages, granted, now)
    except (NewsletterError, SubscribersError) as error:
        # The page has been answered; these errors never name an address.
        log.error("a link to a reader’s own data was lost: %s", error)  # noqa: TRY400 -- its one line says it all


def tell(session: Session, pages: Pages, granted: Granted, now: datetime) -> None:
    """Queue the letter of an errand, in the name of a newsletter its reader knows and in her language."""
    paper = pages.newsletter(granted.newsletter) or pages.newsletter("")
    if paper is not None:
        spoken = correspondence.in_language(paper, granted.language)
        correspondence.about_oneself(session, spoken, pages.config, granted, now)
