"""Counted links: on to the stored target at once, and a number goes up. No cookie, nothing of who asked.

The target is the one that was approved with the edition; an address in the query leads nowhere. What looks like a
machine (HEAD, or no navigation by a person's browser) is led on and not counted.
"""

import base64
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import RedirectResponse, Response

import subscribers
from newsletter import readership
from newsletter.editions import store
from newsletter.readership import OPENED, Followed
from newsletter.rendering import proof
from newsletter.web.archive import sent
from newsletter.web.pages import HEADERS, PRIVATE, Pages
from subscribers import InvalidToken

UNSEEN: Final = HEADERS | PRIVATE
# Webmail fetches it from a page of its own.
PICTURE: Final = UNSEEN | {"Cross-Origin-Resource-Policy": "cross-origin"}
GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
KEPT: Final = 32

Number = Annotated[int, Path(ge=1, le=1_000)]


class Targets:
    """The links of the editions that were followed last, read from their frozen proofs once."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._known: dict[tuple[str, date], tuple[str, ...]] = {}

    def find(self, newsletter: str, on: date, number: int) -> str | None:
        """Where a number of an edition leads; None where there is no such edition or number."""
        links = self._known.get((newsletter, on))
        if links is None:
            record = sent(self._pages, newsletter, on)
            if record is None:
                return None
            with self._pages.database.snapshot() as session:
                links = proof.from_bytes(store.frozen_of(session, record.id)).links
            if len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)), None)
            self._known[newsletter, on] = links
        return links[number - 1] if number <= len(links) else None


def routes(pages: Pages) -> APIRouter:
    """The counted links of one installation."""
    router = APIRouter()
    targets = Targets(pages)

    @router.get("/go/{newsletter}/{on}/{number}")
    def follow(request: Request, newsletter: str, on: date, number: Number) -> Response:
        return _lead_on(request, Followed(newsletter=newsletter, on=on, link=number), "")

    @router.get("/go/{newsletter}/{on}/{number}/{token}")
    def follow_as_a_reader(request: Request, newsletter: str, on: date, number: Number, token: str) -> Response:
        return _lead_on(request, Followed(newsletter=newsletter, on=on, link=number), token)

    @router.get("/opened/{newsletter}/{on}/{token}.gif")
    def opened(newsletter: str, on: date, token: str) -> Response:
        if sent(pages, newsletter, on):
            _note(pages, Followed(newsletter=newsletter, on=on, link=OPENED), token)
        return Response(GIF, media_type="image/gif", headers=PICTURE)

    def _lead_on(request: Request, followed: Followed, token: str) -> Response:
        target = targets.find(followed.newsletter, followed.on, followed.link)
        if target is None:
            return pages.sorry(InvalidToken())
        if not request.state.bodiless and request.headers.get("sec-fetch-mode") == "navigate":
            with pages.database.transaction() as session:
                readership.count(session, followed, pages.clock())
            if token:
                _note(pages, followed, token)
        return RedirectResponse(target, 302, headers=UNSEEN)

    return router


def _note(pages: Pages, followed: Followed, token: str) -> None:
    """Keep it for a reader who agrees at this moment; a letter from before a withdrawal tells nothing any more."""
    with pages.database.transaction() as session:
        mine = subscribers.tracked_subscription(session, pages.keys, token, followed.newsletter)
        if mine is not None:
            readership.note(session, mine, followed, pages.clock())
