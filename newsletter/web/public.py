"""The readers' pages: sign-up, confirmation, preferences, unsubscribe, privacy and terms. A GET never writes."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.responses import PlainTextResponse, Response

import subscribers
from newsletter.config import Newsletter
from newsletter.delivery import correspondence
from newsletter.errors import NewsletterError
from newsletter.web.pages import HEADERS, PRIVATE, Pages, network
from subscribers import (
    Address,
    Evidence,
    InvalidAddress,
    InvalidToken,
    NotSubscribed,
    Pending,
    SignUp,
    SubscribersError,
)

TOKEN_PAGE: Final = HEADERS | PRIVATE
FORM_FIELDS: Final = 20
log = logging.getLogger("world_brief.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the form posted. `trapped`: a field was filled that no person sees."""

    address: str
    newsletter: str
    wording: str
    trapped: bool
    network: str


def routes(pages: Pages) -> APIRouter:
    """The public routes of one installation."""
    router = APIRouter()
    _coming_in(router, pages)
    _going_out(router, pages)
    return router


def _coming_in(router: APIRouter, pages: Pages) -> None:
    @router.get("/")
    def front(newsletter: str = "") -> Response:
        paper = pages.newsletter(newsletter)
        return _form(pages, paper) if paper else pages.sorry(InvalidToken())

    @router.post("/signup")
    def sign_up(
        request: Request,
        later: BackgroundTasks,
        address: Annotated[str, Form(max_length=1000)] = "",
        newsletter: Annotated[str, Form(max_length=100)] = "",
        wording: Annotated[str, Form(max_length=64)] = "",
        leave_empty: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        entry = Entry(
            address=address, newsletter=newsletter, wording=wording, trapped=bool(leave_empty), network=network(request)
        )
        return _sign_up(pages, entry, later)

    @router.get("/confirm/{token}")
    def look(token: str) -> Response:
        with pages.database.snapshot() as session:
            found = subscribers.look_up(session, pages.keys, token, pages.clock())
        paper = pages.named(found.newsletter)
        if found.already:
            return pages.page("confirmed", headers=TOKEN_PAGE, newsletter=paper)
        return pages.page("confirm", headers=TOKEN_PAGE, newsletter=paper, token=token, wording=found.wording)

    @router.post("/confirm/{token}")
    def confirm(request: Request, token: str) -> Response:
        evidence = Evidence(method="confirm button on token page", source="form", network=network(request))
        with pages.database.transaction() as session:
            done = subscribers.confirm(session, pages.keys, token, pages.clock(), evidence)
        return pages.page("confirmed", headers=TOKEN_PAGE, newsletter=pages.named(done.newsletter))


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

    @router.get("/privacy")
    def privacy() -> Response:
        return pages.page("privacy", hours=pages.config.signup.confirm_hours)

    @router.get("/terms")
    def terms() -> Response:
        return pages.page("terms")


def _form(pages: Pages, paper: Newsletter, status: int = 200, problem: str = "", address: str = "") -> Response:
    wording = _wording(paper)
    return pages.page(
        "signup", status, newsletter=paper, wording=wording, digest=_digest(wording), problem=problem, address=address
    )


def _sign_up(pages: Pages, entry: Entry, later: BackgroundTasks) -> Response:
    """One page for every address that can be one; what is wrong with the form itself is said."""
    paper = pages.newsletter(entry.newsletter)
    if paper is None:
        return pages.sorry(InvalidToken())
    if not pages.limits.take(entry.network, pages.clock(), pages.config.signup.posts_per_hour):
        said = "Please try again in an hour."
        return pages.page("sorry", 429, title="Too many sign-ups from your network", said=said)
    if entry.wording != _digest(_wording(paper)):
        problem = "The words of this form have changed since you opened it. Please read them again, then sign up."
        return _form(pages, paper, 409, problem, entry.address)
    try:
        address = Address.parse(entry.address)
    except InvalidAddress as error:
        return _form(pages, paper, 422, f"That address cannot be right: {error.reason.rstrip('.')}.", entry.address)
    with pages.database.snapshot():
        # Nothing is promised while the database cannot be had. The work itself follows the answer, so that neither
        # its result nor the time it takes tells anybody whether an address is known.
        if not entry.trapped:
            later.add_task(_request, pages, paper, address, entry.network)
    return pages.page("check", newsletter=paper, hours=pages.config.signup.confirm_hours)


def _request(pages: Pages, paper: Newsletter, address: Address, source: str) -> None:
    """Keep the request and queue its letter in one transaction; whatever comes of it, the page is the same."""
    now = pages.clock()
    asked = SignUp(
        address=address,
        newsletter=paper.key,
        language=paper.language,
        wording=_wording(paper),
        form=_snapshot(pages, paper),
        source="form",
        network=source,
        confirm_hours=pages.config.signup.confirm_hours,
        letters_per_day=pages.config.signup.letters_per_day,
    )
    try:
        with pages.database.transaction() as session:
            answer = subscribers.sign_up(session, pages.keys, asked, now)
            if isinstance(answer, Pending):
                correspondence.confirmation(session, paper, pages.config, answer.request_id, answer.expires_at, now)
    except (NewsletterError, SubscribersError) as error:
        # The page has been answered; these errors never name an address.
        log.error("a sign-up to %s was lost: %s", paper.key, error)  # noqa: TRY400 -- its one line says it all


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


def _wording(paper: Newsletter) -> str:
    return paper.wording.replace("{name}", paper.name)


def _snapshot(pages: Pages, paper: Newsletter) -> str:
    """The form as it was shown, with nobody's entries: what proves that nothing in it was ticked beforehand."""
    wording = _wording(paper)
    template = pages.environment.get_template("signup.html")
    return template.render(newsletter=paper, wording=wording, digest=_digest(wording), problem="", address="")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
