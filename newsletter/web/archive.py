"""Past editions as everybody may read them, and the pictures they show. Carries no reader's token."""

import re
from datetime import date
from html import escape
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from newsletter.delivery import ledger
from newsletter.delivery.witness import Witness
from newsletter.editions import store
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import State
from newsletter.rendering import proof
from newsletter.web.pages import HEADERS, Pages
from subscribers import InvalidToken

# A letter's HTML carries its style in itself; nothing in it may run, or be fetched from elsewhere.
LETTER_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-top-navigation-by-user-activation allow-popups "
    "allow-popups-to-escape-sandbox"
)
# A sandboxed page may not ask for an opener policy, and what it opens must be free of the sandbox.
LETTER: Final = HEADERS | {"Content-Security-Policy": LETTER_POLICY, "Cross-Origin-Opener-Policy": "unsafe-none"}
LABEL: Final = "Consent ledger checkpoint:"
KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_LISTED: Final = 260  # a year of weekdays
PICTURE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}\.(?:jpg|jpeg|png|gif)")
# Webmail shows a letter's pictures on pages of its own.
SHARED: Final = HEADERS | {"Cache-Control": "public, max-age=86400", "Cross-Origin-Resource-Policy": "cross-origin"}
# A letter links to its own page while its mailing still runs.
PUBLIC: Final = frozenset({State.SENDING, State.SENT})


def routes(pages: Pages) -> APIRouter:
    """The archive's routes of one installation."""
    router = APIRouter()

    @router.get("/archive/")
    def everything() -> Response:
        with pages.database.snapshot() as session:
            records = store.listing(session, limit=MOST_LISTED, state=State.SENT)
        return pages.page("archive", records=records)

    @router.get("/archive/{newsletter}/{on}.txt")
    def plain(newsletter: str, on: date) -> Response:
        record = sent(pages, newsletter, on)
        if record is None:
            return pages.sorry(InvalidToken())
        return PlainTextResponse(_letter(pages, record)[1], headers=HEADERS)

    @router.get("/archive/{newsletter}/{on}")
    def edition(newsletter: str, on: date) -> Response:
        record = sent(pages, newsletter, on)
        if record is None:
            return pages.sorry(InvalidToken())
        return HTMLResponse(_letter(pages, record)[0], headers=LETTER)

    @router.get("/.well-known/consent-ledger.pub")
    def ledger_key() -> Response:
        verifier = Witness(config=pages.config, vault=pages.vault).signer.verifier
        return PlainTextResponse(f"{verifier.line}\n\n{verifier.pem}", headers=HEADERS)

    @router.get("/media/{name}")
    def picture(name: str) -> Response:
        file = pages.media / name
        if not PICTURE.fullmatch(name) or not file.is_file():
            return pages.sorry(InvalidToken())
        return FileResponse(file, headers=SHARED)

    return router


def local_pictures(html: str, site: str) -> str:
    """The letter with its pictures from this server, whatever address it is reached by."""
    return html.replace(f'src="{site}/media/', 'src="/media/')


def _letter(pages: Pages, record: EditionRecord) -> tuple[str, str]:
    """The HTML and text that were approved, with nobody's blanks."""
    with pages.database.snapshot() as session:
        shown = proof.from_bytes(store.frozen_of(session, record.id))
        started = ledger.mailing_of(session, record.newsletter, record.on)
        line = started and ledger.mailing(session, started).checkpoint
    html, text = proof.neutral(shown)
    html = local_pictures(html, shown.site)
    return _witnessed(html, text, line) if line else (html, text)


def _witnessed(html: str, text: str, line: str) -> tuple[str, str]:
    """Both with the line that every letter of the edition carried in its header."""
    note = f'<p style="margin:16px;text-align:center;overflow-wrap:anywhere"><small>{LABEL} {escape(line)}</small></p>'
    before, _, after = html.rpartition("</body>")
    return f"{before}{note}</body>{after}", f"{text.rstrip()}\n\n{LABEL}\n{line}\n"


def sent(pages: Pages, newsletter: str, on: date) -> EditionRecord | None:
    """The edition of a date, once everybody may read it."""
    if not KEY.fullmatch(newsletter):
        return None
    with pages.database.snapshot() as session:
        record = store.load(session, newsletter, on)
    return record if record and record.state in PUBLIC else None
