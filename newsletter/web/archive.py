"""Past editions as everybody may read them, and the pictures they show. Carries no reader's token."""

import re
from datetime import date
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from newsletter.editions import store
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import State
from newsletter.rendering import proof
from newsletter.web.pages import HEADERS, Pages
from subscribers import InvalidToken

# A letter's HTML carries its style in itself; nothing in it may run, or be fetched from elsewhere.
LETTER_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-top-navigation-by-user-activation allow-popups"
)
PICTURE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}\.(?:jpg|jpeg|png|gif)")
KEEP: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


def routes(pages: Pages) -> APIRouter:
    """The archive's routes of one installation."""
    router = APIRouter()

    @router.get("/archive/")
    def everything() -> Response:
        with pages.database.snapshot() as session:
            records = [record for record in store.listing(session, limit=200) if record.state is State.SENT]
        return pages.page("archive", records=records)

    @router.get("/archive/{newsletter}/{on}.txt")
    def plain(newsletter: str, on: date) -> Response:
        record = _sent(pages, newsletter, on)
        return PlainTextResponse(letter(pages, record)[1], headers=HEADERS) if record else pages.sorry(InvalidToken())

    @router.get("/archive/{newsletter}/{on}")
    def edition(newsletter: str, on: date) -> Response:
        record = _sent(pages, newsletter, on)
        if record is None:
            return pages.sorry(InvalidToken())
        headers = HEADERS | {"Content-Security-Policy": LETTER_POLICY}
        return HTMLResponse(letter(pages, record)[0], headers=headers)

    @router.get("/media/{name}")
    def picture(name: str) -> Response:
        file = pages.media / name
        if not PICTURE.fullmatch(name) or not file.is_file():
            return pages.sorry(InvalidToken())
        return FileResponse(file, headers=HEADERS | KEEP)

    return router


def letter(pages: Pages, record: EditionRecord) -> tuple[str, str]:
    """The HTML and text that were approved, with nobody's blanks and the pictures of this server."""
    with pages.database.snapshot() as session:
        document = store.frozen_of(session, record.id)
    html, text = proof.neutral(proof.from_bytes(document))
    base = pages.config.site.base_url.rstrip("/")
    return html.replace(f'src="{base}/media/', 'src="/media/'), text


def _sent(pages: Pages, newsletter: str, on: date) -> EditionRecord | None:
    with pages.database.snapshot() as session:
        record = store.load(session, newsletter, on)
    return record if record and record.state is State.SENT else None
