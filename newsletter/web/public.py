"""The readers' pages: sign-up, confirmation, preferences, unsubscribe, privacy and terms. A GET never writes."""

import hashlib
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response

import subscribers
from newsletter.config import Newsletter
from newsletter.delivery import correspondence
from newsletter.web.pages import HEADERS, PRIVATE, Pages, network
from subscribers import Address, Evidence, InvalidAddress, InvalidToken, Pending, SignUp

TOKEN_PAGE: Final = HEADERS | PRIVATE


def routes(pages: Pages) -> APIRouter:  # noqa: C901 -- a list of short routes
    """The public routes of one installation."""
    router = APIRouter()

    @router.get("/")
    def front(newsletter: str = "") -> Response:
        return _form(pages, pages.newsletter(newsletter))

    @router.post("/signup")
    def sign_up(
        request: Request,
        address: Annotated[str, Form(max_length=1000)] = "",
        newsletter: Annotated[str, Form(max_length=100)] = "",
        wording: Annotated[str, Form(max_length=64)] = "",
        leave_empty: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        paper = pages.newsletter(newsletter)
        if paper is None:
            return pages.sorry(InvalidToken())
        now = pages.clock()
        if not pages.limits.take(network(request), now, pages.config.signup.posts_per_hour):
            return pages.page(
                "sorry", 429, title="Too many sign-ups from your network", said="Please try again in an hour."
            )
        if wording != _digest(_wording(paper)):
            return _form(
                pages, paper, 409, "The wording of this form has changed since you opened it. Please read it again."
            )
        try:
            parsed = Address.parse(address)
        except InvalidAddress as error:
            return _form(pages, paper, 422, f"That address cannot be right: {error.reason}.", address)
        if not leave_empty:
            _request(pages, paper, parsed, request)
        return pages.page("check", newsletter=paper, hours=pages.config.signup.confirm_hours)

    @router.get("/confirm/{token}")
    def look(token: str) -> Response:
        with pages.database.snapshot() as session:
            found = subscribers.look_up(session, pages.keys, token, pages.clock())
        paper = pages.newsletter(found.newsletter)
        return pages.page("confirm", headers=TOKEN_PAGE, newsletter=paper, token=token)

    @router.post("/confirm/{token}")
    def confirm(request: Request, token: str) -> Response:
        evidence = Evidence(method="confirm button on token page", source="form", network=network(request))
        with pages.database.transaction() as session:
            done = subscribers.confirm(session, pages.keys, token, pages.clock(), evidence)
        return pages.page("confirmed", headers=TOKEN_PAGE, newsletter=pages.newsletter(done.newsletter))

    @router.get("/u/{token}")
    def ask_to_leave(token: str) -> Response:
        with pages.database.snapshot() as session:
            held = subscribers.preferences(session, pages.keys, token)
        return pages.page("leave", headers=TOKEN_PAGE, newsletter=pages.newsletter(held.newsletter), token=token)

    @router.post("/u/{token}")
    async def leave(request: Request, token: str) -> Response:
        # RFC 8058: no cookie, no origin, no redirect; the form fields may come in either encoding.
        form = await request.form()
        one_click = form.get("List-Unsubscribe") == "One-Click"
        method = "RFC 8058 POST" if one_click else "button on the unsubscribe page"
        return await run_in_threadpool(_leave, pages, token, method, one_click)

    @router.get("/preferences/{token}")
    def preferences(token: str) -> Response:
        with pages.database.snapshot() as session:
            held = subscribers.preferences(session, pages.keys, token)
        return pages.page(
            "preferences", headers=TOKEN_PAGE, held=held, token=token, newsletter=pages.newsletter(held.newsletter)
        )

    @router.post("/preferences/{token}")
    def pause(token: str, weeks: Annotated[int, Form(ge=0, le=26)] = 0) -> Response:
        now = pages.clock()
        with pages.database.transaction() as session:
            if weeks:
                subscribers.pause(session, pages.keys, token, now + timedelta(weeks=weeks), now)
            else:
                subscribers.resume(session, pages.keys, token, now)
            held = subscribers.preferences(session, pages.keys, token)
        paper = pages.newsletter(held.newsletter)
        return pages.page("preferences", headers=TOKEN_PAGE, held=held, token=token, newsletter=paper, saved=True)

    @router.get("/privacy")
    def privacy() -> Response:
        return pages.page("privacy", hours=pages.config.signup.confirm_hours)

    @router.get("/terms")
    def terms() -> Response:
        return pages.page("terms")

    return router


def _form(pages: Pages, paper: Newsletter | None, status: int = 200, problem: str = "", address: str = "") -> Response:
    if paper is None:
        return pages.sorry(InvalidToken())
    return pages.page("signup", status, **_shown(paper), problem=problem, address=address)


def _request(pages: Pages, paper: Newsletter, address: Address, request: Request) -> None:
    """Keep the request and queue its letter in one transaction; whatever comes of it, the page is the same."""
    now = pages.clock()
    asked = SignUp(
        address=address,
        newsletter=paper.key,
        language=paper.language,
        wording=_wording(paper),
        form=_snapshot(pages, paper),
        source="form",
        network=network(request),
        confirm_hours=pages.config.signup.confirm_hours,
        letters_per_day=pages.config.signup.letters_per_day,
    )
    with pages.database.transaction() as session:
        answer = subscribers.sign_up(session, pages.keys, asked, now)
        if isinstance(answer, Pending):
            correspondence.confirmation(session, paper, pages.config, answer.request_id, answer.expires_at, now)


def _leave(pages: Pages, token: str, method: str, one_click: bool) -> Response:
    try:
        with pages.database.transaction() as session:
            done = subscribers.unsubscribe(session, pages.keys, token, pages.clock(), method)
    except InvalidToken:
        if not one_click:
            raise
        # A mail program can do nothing about it, and must learn nothing from it.
        return PlainTextResponse("Unsubscribed.\n", headers=TOKEN_PAGE)
    if one_click:
        return PlainTextResponse("Unsubscribed.\n", headers=TOKEN_PAGE)
    return pages.page("left", headers=TOKEN_PAGE, newsletter=pages.newsletter(done.newsletter))


def _wording(paper: Newsletter) -> str:
    return paper.wording.replace("{name}", paper.name)


def _shown(paper: Newsletter) -> dict[str, object]:
    wording = _wording(paper)
    return {"newsletter": paper, "wording": wording, "digest": _digest(wording)}


def _snapshot(pages: Pages, paper: Newsletter) -> str:
    """The form as it was shown, with nobody's entries: what proves that nothing in it was ticked beforehand."""
    return pages.environment.get_template("signup.html").render(**_shown(paper), problem="", address="")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
