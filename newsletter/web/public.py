"""The readers' pages: sign-up, confirmation, preferences, unsubscribe. A GET never writes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response

import subscribers
from newsletter import readership
from newsletter.config import Newsletter
from newsletter.delivery import correspondence
from newsletter.errors import NewsletterError
from newsletter.languages import mark
from newsletter.web import consents, legal
from newsletter.web.consents import Consent
from newsletter.web.pages import HEADERS, POLICY, PRIVATE, Pages, network
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
# The pages a form stands on: our own, and the one that other sites show in a frame.
FORMS: Final = ("signup", "embed")
log = logging.getLogger("world_brief.web")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the form posted. `trapped`: a field was filled that no person sees; `form`: the page it stood on."""

    address: str
    newsletter: str
    wording: str
    trapped: bool
    network: str
    form: str


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

    @router.get("/embed/{newsletter}")
    def framed(newsletter: str) -> Response:
        paper, origins = pages.newsletter(newsletter), pages.config.signup.embed_origins
        return _framed(pages, paper, origins) if paper and origins else pages.sorry(InvalidToken())

    @router.post("/signup")
    def sign_up(
        request: Request,
        later: BackgroundTasks,
        address: Annotated[str, Form(max_length=1000)] = "",
        newsletter: Annotated[str, Form(max_length=100)] = "",
        wording: Annotated[str, Form(max_length=64)] = "",
        leave_empty: Annotated[str, Form(max_length=1000)] = "",
        form: str = "",
    ) -> Response:
        entry = Entry(
            address=address,
            newsletter=newsletter,
            wording=wording,
            trapped=bool(leave_empty),
            network=network(request),
            form=form if form in FORMS else FORMS[0],
        )
        return _sign_up(pages, entry, later)

    @router.get("/confirm/{token}")
    def look(token: str) -> Response:
        with pages.database.snapshot() as session:
            found = subscribers.look_up(session, pages.keys, token, pages.clock())
        paper = consents.in_language(pages.named(found.newsletter), found.language)
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
        return await run_in_threadpool(_leave, pages, token, one_click=one_click)

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


def _form(pages: Pages, paper: Newsletter, status: int = 200, problem: str = "", address: str = "") -> Response:
    consent = consents.shown(paper, pages.config.site.publisher, pages.spoken(paper).code)
    return pages.page(
        "signup", status, newsletter=paper, consent=consent, problem=problem, address=address, form=FORMS[0]
    )


def _framed(pages: Pages, paper: Newsletter, origins: Sequence[str]) -> Response:
    """The form alone, for the sites that may show it in a frame; what it answers opens in a tab of its own."""
    consent = consents.shown(paper, pages.config.site.publisher, pages.spoken(paper).code)
    policy = POLICY.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(origins)}")
    headers = HEADERS | {"Content-Security-Policy": policy, "Cross-Origin-Resource-Policy": "cross-origin"}
    return pages.page(
        "embed", headers=headers, newsletter=paper, consent=consent, problem="", address="", form=FORMS[1]
    )


def _sign_up(pages: Pages, entry: Entry, later: BackgroundTasks) -> Response:
    """One page for every address that can be one; what is wrong with the form itself is said."""
    paper = pages.newsletter(entry.newsletter)
    if paper is None:
        return pages.sorry(InvalidToken())
    if not pages.limits.take(entry.network, pages.clock(), pages.config.signup.posts_per_hour):
        title, said = mark("Too many sign-ups from your network"), mark("Please try again in an hour.")
        return pages.page("sorry", 429, title=title, said=said)
    consent = consents.deployed(paper, pages.config.site.publisher).get(entry.wording)
    if consent is None:
        problem = mark("The words of this form have changed since you opened it. Please read them again, then sign up.")
        return _form(pages, paper, 409, problem, entry.address)
    try:
        address = Address.parse(entry.address)
    except InvalidAddress:
        problem = mark("That address cannot be right. Please look it over: it should read like name@example.org.")
        return _form(pages, paper, 422, problem, entry.address)
    with pages.database.snapshot():
        # Nothing is promised while the database cannot be had. The work itself follows the answer, so that neither
        # its result nor the time it takes tells anybody whether an address is known.
        if not entry.trapped:
            later.add_task(_request, pages, paper, consent, address, entry)
    return pages.page("check", newsletter=paper, hours=pages.config.signup.confirm_hours)


def _request(pages: Pages, paper: Newsletter, consent: Consent, address: Address, entry: Entry) -> None:
    """Keep the request and queue its letter in one transaction; whatever comes of it, the page is the same."""
    now = pages.clock()
    asked = SignUp(
        address=address,
        newsletter=paper.key,
        language=consent.language,
        wording=consent.text,
        form=snapshot(pages, paper, consent, entry.form),
        source="form" if entry.form == FORMS[0] else "form in a frame of another site",
        network=entry.network,
        confirm_hours=pages.config.signup.confirm_hours,
        letters_per_day=pages.config.signup.letters_per_day,
    )
    try:
        with pages.database.transaction() as session:
            notice, terms = legal.in_force(session, pages, pages.spoken(paper).code)
            asked = replace(asked, notice=notice, terms=terms)
            answer = subscribers.sign_up(session, pages.keys, asked, now)
            if isinstance(answer, Pending):
                spoken = consents.in_language(paper, consent.language)
                correspondence.confirmation(session, spoken, pages.config, answer.request_id, answer.expires_at, now)
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


def _leave(pages: Pages, token: str, *, one_click: bool) -> Response:
    method = "RFC 8058 POST" if one_click else "button on the unsubscribe page"
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
    return pages.page("left", headers=TOKEN_PAGE, newsletter=pages.named(done.newsletter))


def snapshot(pages: Pages, paper: Newsletter, consent: Consent, form: str = FORMS[0]) -> str:
    """The form as it was shown, with nobody's entries: what proves that nothing in it was ticked beforehand."""
    return pages.text(form, newsletter=paper, consent=consent, problem="", address="", form=form)
