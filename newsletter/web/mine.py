"""A reader's own pages: a mailed link opens them for half an hour; she sees all that is kept on her and takes a copy.

A GET never writes. Every form carries a token of its visit, and one strictly necessary cookie tells whose visit it is.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.responses import RedirectResponse, Response

import subscribers
from newsletter.languages import mark
from newsletter.web import parting, portable, preferences, wishes
from newsletter.web.pages import Pages, network, secure
from newsletter.web.visit import MINE, NO_ADDRESS, Ask, cookie_name, from_here, mail, page_of, posted, tell, visit_of
from subscribers import Address, Evidence, ExpiredToken, InvalidAddress

STALE: Final = mark("That link has been used, or its half hour is over. Ask for a new one here.")
LETTERS_SHOWN: Final = 20


def routes(pages: Pages) -> APIRouter:
    """The readers' own routes of one installation."""
    router = APIRouter(prefix="/my")
    _asking(router, pages)
    _door(router, pages)
    _rooms(router, pages)
    preferences.routes(router, pages)
    parting.routes(router, pages)
    _moving(router, pages)
    return router


def _asking(router: APIRouter, pages: Pages) -> None:
    @router.get("/")
    def ask() -> Response:
        return _ask_again(pages)

    @router.post("/")
    def send(request: Request, later: BackgroundTasks, address: Annotated[str, Form(max_length=1000)] = "") -> Response:
        try:
            typed = Address.parse(address)
        except InvalidAddress:
            return _ask_again(pages, 422, NO_ADDRESS, address)
        most = pages.config.signup.links_per_day
        return _promise(
            pages,
            request,
            later,
            lambda session, now: subscribers.ask_access(session, pages.keys, typed, now, letters_per_day=most),
        )

    @router.post("/link/{token}")
    def send_by_letter(request: Request, later: BackgroundTasks, token: str) -> Response:
        with pages.database.snapshot() as session:
            subscribers.preferences(session, pages.keys, token)
        most = pages.config.signup.links_per_day
        return _promise(
            pages,
            request,
            later,
            lambda session, now: subscribers.ask_access_by_letter(
                session, pages.keys, token, now, letters_per_day=most
            ),
        )


def _door(router: APIRouter, pages: Pages) -> None:
    @router.get("/open/{token}")
    def look(token: str) -> Response:
        try:
            with pages.database.snapshot() as session:
                subscribers.look_at_link(session, pages.keys, token, pages.clock())
        except ExpiredToken:
            return _ask_again(pages, 410, STALE)
        return pages.page("my_open", headers=MINE, token=token)

    @router.post("/open/{token}")
    def enter(request: Request, token: str) -> Response:
        from_here(pages, request)
        try:
            with pages.database.transaction() as session:
                entered = subscribers.open_visit(session, pages.keys, token, pages.clock())
        except ExpiredToken:
            return _ask_again(pages, 410, STALE)
        answer = RedirectResponse(wishes.current().to("/my/data"), 303, headers=MINE)
        by_tls = secure(request, pages.config.site.base_url)
        answer.set_cookie(
            cookie_name(pages, request),
            entered.token,
            max_age=int((entered.until - pages.clock()).total_seconds()),
            secure=by_tls,
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/leave")
    def leave(request: Request, form_token: Annotated[str, Form(max_length=100)] = "") -> Response:
        visit = posted(pages, request, form_token)
        with pages.database.transaction() as session:
            subscribers.close_visit(session, visit.token)
        answer = RedirectResponse(wishes.current().to("/my/"), 303, headers=MINE)
        by_tls = secure(request, pages.config.site.base_url)
        answer.delete_cookie(cookie_name(pages, request), secure=by_tls, httponly=True, samesite="strict")
        return answer


def _rooms(router: APIRouter, pages: Pages) -> None:
    @router.get("/data")
    def data(request: Request) -> Response:
        visit = visit_of(pages, request)
        with pages.database.snapshot() as session:
            held = portable.collect(session, pages.keys, visit.visitor.address)
        shown = list(reversed(held["letters"]))[:LETTERS_SHOWN]
        return page_of(pages, "my_data", visit, held=held, letters=shown, papers=pages.config.newsletters)

    @router.post("/export")
    def export(
        request: Request,
        form: Annotated[Literal["json", "csv"], Form()],
        form_token: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        visit = posted(pages, request, form_token)
        now = pages.clock()
        evidence = Evidence(method=f"download button, {form}", network=network(request))
        with pages.database.transaction() as session:
            subscribers.exported(session, pages.keys, visit.visitor.subject, evidence, now)
            held = portable.collect(session, pages.keys, visit.visitor.address)
        text, kind = (
            (portable.as_csv(held), "text/csv") if form == "csv" else (portable.as_json(held), "application/json")
        )
        named = {"Content-Disposition": f'attachment; filename="my-data-{now:%Y-%m-%d}.{form}"'}
        return Response(text, media_type=f"{kind}; charset=utf-8", headers=MINE | named)


def _moving(router: APIRouter, pages: Pages) -> None:
    @router.get("/address/{token}")
    def look_at_move(token: str) -> Response:
        try:
            with pages.database.snapshot() as session:
                asked = subscribers.look_at_move(session, pages.keys, token, pages.clock())
        except ExpiredToken:
            return pages.page("my_too_late", 410, headers=MINE)
        return pages.page("my_move", headers=MINE, token=token, newsletter=pages.named(asked.newsletter))

    @router.post("/address/{token}")
    def move(request: Request, token: str) -> Response:
        from_here(pages, request)
        now = pages.clock()
        evidence = Evidence(method="confirm button on the page of the mailed link", network=network(request))
        try:
            with pages.database.transaction() as session:
                told = subscribers.move(session, pages.keys, token, now, evidence)
                tell(session, pages, told, now)
        except ExpiredToken:
            return pages.page("my_too_late", 410, headers=MINE)
        return pages.page("my_moved", headers=MINE, newsletter=pages.named(told.newsletter))


def _ask_again(pages: Pages, status: int = 200, problem: str = "", address: str = "") -> Response:
    return pages.page("my_ask", status, headers=MINE, problem=problem, address=address)


def _promise(
    pages: Pages,
    request: Request,
    later: BackgroundTasks,
    ask: Ask,
) -> Response:
    """One page for everybody. The work follows the answer, so that its time tells nobody whether one is known."""
    if not pages.within(f"my/{network(request)}", pages.config.signup.network_posts_per_hour):
        title, said = mark("Too many links were asked for from your network"), mark("Please try again in an hour.")
        return pages.page("sorry", 429, headers=MINE, title=title, said=said)
    with pages.database.snapshot():
        # Nothing is promised while the database cannot be had.
        later.add_task(mail, pages, ask)
    return pages.page("my_sent", headers=MINE)
