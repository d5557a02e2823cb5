"""The readers' pages: unsubscribe and preferences. A GET never writes."""

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import PlainTextResponse, Response

import subscribers
from newsletter import readership
from newsletter.web.pages import HEADERS, PRIVATE, Pages
from subscribers import Evidence, InvalidToken, NotSubscribed

TOKEN_PAGE: Final = HEADERS | PRIVATE
FORM_FIELDS: Final = 20


def routes(pages: Pages) -> APIRouter:
    """The public routes of one installation."""
    router = APIRouter()
    _going_out(router, pages)
    _staying(router, pages)
    return router


def _going_out(router: APIRouter, pages: Pages) -> None:
    @router.get("/u/{token}")
    def ask_to_leave(token: str) -> Response:
        with pages.database.snapshot() as session:
            held = subscribers.preferences(session, pages.keys, token)
        paper = pages.named(held.newsletter)
        name = "left" if held.state is subscribers.State.ENDED else "leave"
        return pages.page(name, headers=TOKEN_PAGE, newsletter=paper, token=token)

    @router.post("/u/{token}")
    async def leave(request: Request, token: str) -> Response:
        # RFC 8058: no cookie, no origin, no redirect; the form fields may come in either encoding.
        form = await request.form(max_fields=FORM_FIELDS, max_files=0)
        one_click = form.get("List-Unsubscribe") == "One-Click"
        method = "RFC 8058 POST" if one_click else "button on the unsubscribe page"
        done = await pages.leavings.end(token, method)
        if one_click:
            # A mail program can do nothing about a token of nobody, and must learn nothing from it.
            return PlainTextResponse("Unsubscribed.\n", headers=TOKEN_PAGE)
        if done is None:
            raise InvalidToken
        return pages.page("left", headers=TOKEN_PAGE, newsletter=pages.named(done.newsletter))


def _staying(router: APIRouter, pages: Pages) -> None:
    @router.get("/preferences/{token}")
    def preferences(token: str) -> Response:
        return _preferences(pages, token)

    @router.post("/preferences/{token}")
    def pause(token: str, weeks: Annotated[int, Form(ge=0, le=26)]) -> Response:
        now = pages.clock()
        try:
            with pages.database.transaction() as session:
                if weeks:
                    subscribers.pause(session, pages.keys, token, now + timedelta(weeks=weeks), now)
                else:
                    subscribers.resume(session, pages.keys, token, now)
        except NotSubscribed:
            return _preferences(pages, token, 409)
        return _preferences(pages, token, saved=True)

    @router.post("/preferences/{token}/tracking")
    def end_tracking(token: str) -> Response:
        evidence = Evidence(method="button on the preferences page")
        with pages.database.transaction() as session:
            mine = subscribers.end_tracking_by_token(session, pages.keys, token, evidence, pages.clock())
            readership.forget(session, mine.id)
        return _preferences(pages, token, saved=True)


def _preferences(pages: Pages, token: str, status: int = 200, *, saved: bool = False) -> Response:
    with pages.database.snapshot() as session:
        held = subscribers.preferences(session, pages.keys, token)
    now = pages.clock()
    away = held.state is subscribers.State.PAUSED and held.paused_until is not None and held.paused_until > now
    return pages.page(
        "preferences",
        status,
        headers=TOKEN_PAGE,
        held=held,
        away=away,
        token=token,
        saved=saved,
        newsletter=pages.named(held.newsletter),
    )
