"""Coming in: the form and the JSON API, the code and the link that confirm, "this wasn’t me". A GET never writes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field

import subscribers
from newsletter.config import Newsletter
from newsletter.delivery import correspondence, signups
from newsletter.errors import Overloaded
from newsletter.languages import mark
from newsletter.web import consents, forms, legal, proof_of_work, stamps
from newsletter.web.consents import Consent
from newsletter.web.door import Knock, Verdict, networks
from newsletter.web.forms import Shown
from newsletter.web.pages import HEADERS, PRIVATE, SCRIPTED, Pages
from subscribers import Address, Evidence, InvalidAddress, InvalidToken, Typed

TOKEN_PAGE: Final = HEADERS | PRIVATE
FORM_PAGE: Final = SCRIPTED | {"Cache-Control": "no-store"}
OWN, FRAMED = forms.PAGES
SOURCES: Final = {"": "api", OWN: "form", FRAMED: "form in a frame of another site"}
SAID: Final = "If that address can receive {name}, a confirmation letter is on its way."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was posted: `shown` is the digest of the form, of which a program has none."""

    address: str
    wording: str
    shown: str | None = None
    knock: Knock


class Posted(BaseModel):
    """The fields of the form."""

    address: str = Field("", max_length=1000)
    newsletter: str = Field("", max_length=100)
    wording: str = Field("", max_length=64)
    shown: str = Field("", max_length=64)
    stamp: str = Field("", max_length=100)
    altcha: str = Field("", max_length=2000)
    weekday_tea: str = Field("", max_length=1000)


def routes(pages: Pages) -> APIRouter:
    """The routes of one installation by which people come in."""
    router = APIRouter()
    _form_routes(router, pages)
    _api_routes(router, pages)
    _letter_routes(router, pages)
    return router


def _form_routes(router: APIRouter, pages: Pages) -> None:
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
        posted: Annotated[Posted, Form()],
    ) -> Response:
        paper = pages.newsletter(posted.newsletter)
        if paper is None:
            return pages.sorry(InvalidToken())
        knock = Knock(
            host=_host(request),
            proof=posted.altcha,
            stamp=posted.stamp,
            shown_at=stamps.read(pages.stamp_key, paper.key, posted.stamp),
            honeypot=bool(posted.weekday_tea),
        )
        entry = Entry(address=posted.address, wording=posted.wording, shown=posted.shown, knock=knock)
        return _posted(pages, paper, entry)

    @router.post("/confirm/code")
    def by_code(
        request: Request,
        ticket: Annotated[str, Form(max_length=200)] = "",
        code: Annotated[str, Form(max_length=40)] = "",
        newsletter: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        paper, evidence = pages.named(newsletter), _evidence(request, "code typed on the sign-up page")
        # The letter's request may still be on its way into the database.
        pages.joinings.drain(timeout_seconds=5)
        with pages.database.transaction() as session:
            given = Typed(ticket=ticket, code=code)
            done = subscribers.confirm_by_code(session, pages.keys, given, pages.clock(), evidence)
        if done:
            return pages.page("confirmed", headers=TOKEN_PAGE, newsletter=pages.named(done.newsletter))
        hours = pages.config.signup.confirm_hours
        return pages.page("check", 422, headers=TOKEN_PAGE, newsletter=paper, hours=hours, ticket=ticket, wrong=True)


def _api_routes(router: APIRouter, pages: Pages) -> None:
    @router.get("/signup/challenge")
    def challenge() -> Response:
        now, cost = pages.clock(), pages.config.signup.proof_cost
        with pages.database.snapshot() as session:
            if subscribers.alarm(session, signups.caps(pages.config.signup), now):
                cost *= 2
        made = proof_of_work.challenge(pages.door.proof_key, cost, now, pages.keys.chance)
        return JSONResponse(made, headers=HEADERS | PRIVATE)

    @router.post("/api/signup")
    async def sign_up(request: Request) -> Response:
        try:
            told = _strings(await request.body())
        except ValueError as error:
            return _told(422, str(error))
        return await run_in_threadpool(_called, pages, _host(request), told)


def _letter_routes(router: APIRouter, pages: Pages) -> None:
    @router.get("/confirm/{token}")
    def look(token: str) -> Response:
        return _ask(pages, token)

    @router.post("/confirm/{token}")
    def confirm(request: Request, token: str, stamp: Annotated[str, Form(max_length=100)] = "") -> Response:
        if not _fresh(pages, token, stamp):
            return _ask(pages, token, 409)
        evidence = _evidence(request, "confirm button on token page")
        with pages.database.transaction() as session:
            done = subscribers.confirm(session, pages.keys, token, pages.clock(), evidence)
        return pages.page("confirmed", headers=TOKEN_PAGE, newsletter=pages.named(done.newsletter))

    @router.get("/refuse/{token}")
    def ask_to_refuse(token: str) -> Response:
        return _ask_to_refuse(pages, token)

    @router.post("/refuse/{token}")
    async def refuse(request: Request, token: str) -> Response:
        form = await request.form(max_fields=20, max_files=0)
        one_click = form.get("List-Unsubscribe") == "One-Click"
        return await run_in_threadpool(_refuse, pages, request, token, str(form.get("stamp", "")), one_click=one_click)


def _form(pages: Pages, paper: Newsletter, status: int = 200, problem: str = "", address: str = "") -> Response:
    return pages.page(
        "signup",
        status,
        headers=FORM_PAGE,
        newsletter=paper,
        consent=_consent(pages, paper),
        problem=problem,
        address=address,
        form=OWN,
        shown=forms.name(pages, paper, OWN),
        stamp=_stamp(pages, paper.key),
    )


def _framed(pages: Pages, paper: Newsletter, origins: Sequence[str]) -> Response:
    """The form alone, for the sites that may show it in a frame; what it answers opens in a tab of its own."""
    policy = SCRIPTED["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", f"frame-ancestors {' '.join(origins)}"
    )
    framing = {"Content-Security-Policy": policy, "Cross-Origin-Resource-Policy": "cross-origin"}
    return pages.page(
        "embed",
        headers=HEADERS | framing | {"Cache-Control": "no-store"},
        newsletter=paper,
        consent=_consent(pages, paper),
        problem="",
        address="",
        form=FRAMED,
        shown=forms.name(pages, paper, FRAMED),
        stamp=_stamp(pages, paper.key),
    )


def _consent(pages: Pages, paper: Newsletter) -> Consent:
    return consents.shown(paper, pages.config.site.publisher, pages.spoken(paper).code)


def _posted(pages: Pages, paper: Newsletter, entry: Entry) -> Response:
    """One page for every address that can be one; what is wrong with the form itself is said."""
    now, shown_at = pages.clock(), entry.knock.shown_at
    with pages.database.transaction() as session:
        verdict = pages.door.admit(session, entry.knock, now)
    if verdict is Verdict.TOO_MANY:
        title, said = mark("Too many sign-ups from your network"), mark("Please try again in an hour.")
        return pages.page("sorry", 429, title=title, said=said)
    shown = forms.seen(pages, paper, entry.wording, now, form=entry.shown)
    if shown is None:
        problem = mark("The words of this form have changed since you opened it. Please read them again, then sign up.")
        return _form(pages, paper, 409, problem, entry.address)
    try:
        address = Address.parse(entry.address)
    except InvalidAddress:
        problem = mark("That address cannot be right. Please look it over: it should read like name@example.org.")
        return _form(pages, paper, 422, problem, entry.address)
    if shown_at is None or now - shown_at >= stamps.LIVES:
        # A form on another site cannot carry our stamp, and a page left open overnight has lost its own.
        return _form(pages, paper, 409, mark("Please read this once more, then press the button."), entry.address)
    if verdict is Verdict.WELCOME:
        _later(pages, paper, shown, address, entry.knock.host)
    ticket = subscribers.ticket(pages.keys, address, paper.key)
    hours = pages.config.signup.confirm_hours
    return pages.page("check", headers=TOKEN_PAGE, newsletter=paper, hours=hours, ticket=ticket, wrong=False)


def _called(pages: Pages, host: str, told: dict[str, str]) -> Response:
    """The same for a program, which is told what it left out; never anything about the address."""
    paper = pages.newsletter(told.get("newsletter", ""))
    if paper is None:
        return _told(404, "there is no such newsletter")
    if not told.get("altcha"):
        return _told(422, "a proof of work is needed: solve GET /signup/challenge and send it as `altcha`")
    entry = Entry(
        address=told.get("address", ""),
        wording=told.get("wording", ""),
        knock=Knock(host=host, proof=told["altcha"]),
    )
    now = pages.clock()
    with pages.database.transaction() as session:
        verdict = pages.door.admit(session, entry.knock, now)
    if verdict is Verdict.TOO_MANY:
        return _told(429, "too many sign-ups from your network; try again in an hour")
    shown = forms.seen(pages, paper, entry.wording, now, form=None)
    if shown is None:
        return _told(409, "`wording` must be the SHA-256 of words that a form shows now, or did in the last week")
    try:
        address = Address.parse(entry.address)
    except InvalidAddress as error:
        return _told(422, f"that address cannot be right: {error.reason.rstrip('.')}")
    if verdict is Verdict.WELCOME:
        _later(pages, paper, shown, address, entry.knock.host)
    return _told(202, SAID.format(name=paper.name))


def _later(pages: Pages, paper: Newsletter, shown: Shown, address: Address, host: str) -> None:
    """Have the work done after the answer, so that neither its result nor the time it takes tells anybody anything."""
    notice = terms = ""
    if shown.page:
        with pages.database.snapshot() as session:
            notice, terms = legal.in_force(session, pages, pages.spoken(paper).code)
    request = signups.Request(
        newsletter=paper,
        address=address,
        wording=shown.consent.text,
        language=shown.consent.language,
        form=shown.form,
        notice=notice,
        terms=terms,
        source=SOURCES[shown.page],
        method="submit button" if shown.page else "JSON API",
        network=networks(host)[1],
    )
    if not pages.joinings.put(request):
        raise Overloaded("too many are signing up at once")


def _ask(pages: Pages, token: str, status: int = 200) -> Response:
    with pages.database.snapshot() as session:
        found = subscribers.look_up(session, pages.keys, token, pages.clock())
    paper = correspondence.in_language(pages.named(found.newsletter), found.language)
    if found.already:
        return pages.page("confirmed", headers=TOKEN_PAGE, newsletter=paper)
    return pages.page(
        "confirm",
        status,
        headers=TOKEN_PAGE,
        newsletter=paper,
        token=token,
        wording=found.wording,
        stamp=_stamp(pages, token),
    )


def _ask_to_refuse(pages: Pages, token: str, status: int = 200) -> Response:
    with pages.database.snapshot() as session:
        newsletter, language = subscribers.asked_for(session, pages.keys, token)
    paper = correspondence.in_language(pages.named(newsletter), language)
    return pages.page("refuse", status, headers=TOKEN_PAGE, newsletter=paper, token=token, stamp=_stamp(pages, token))


def _refuse(pages: Pages, request: Request, token: str, stamp: str, *, one_click: bool) -> Response:
    if not one_click and not _fresh(pages, token, stamp):
        return _ask_to_refuse(pages, token, 409)
    evidence = _evidence(request, "RFC 8058 POST" if one_click else "button “This wasn’t me”")
    try:
        with pages.database.transaction() as session:
            done = subscribers.refuse(session, pages.keys, token, pages.clock(), evidence, block=not one_click)
    except InvalidToken:
        if not one_click:
            raise
        return PlainTextResponse("Unsubscribed.\n", headers=TOKEN_PAGE)
    if one_click:
        return PlainTextResponse("Unsubscribed.\n", headers=TOKEN_PAGE)
    return pages.page("refused", headers=TOKEN_PAGE, newsletter=pages.named(done.newsletter))


def _stamp(pages: Pages, of: str) -> str:
    return stamps.stamp(pages.stamp_key, of, pages.clock(), pages.keys.chance)


def _fresh(pages: Pages, token: str, stamp: str) -> bool:
    """Whether the button was on a page of ours for this very link, not long ago."""
    shown_at = stamps.read(pages.stamp_key, token, stamp)
    return shown_at is not None and pages.clock() - shown_at < stamps.LIVES


def _evidence(request: Request, method: str) -> Evidence:
    return Evidence(method=method, source="form", network=networks(_host(request))[1])


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def _strings(body: bytes) -> dict[str, str]:
    """A JSON object of strings, each name once. Raises ValueError."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in found}) < len(found):
            raise ValueError("a name stands twice")
        return dict(found)

    try:
        told = json.loads(body, object_pairs_hook=pairs)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep") from error
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ValueError("a JSON object of strings is needed: address, newsletter, wording, altcha")
    return told


def _told(status: int, said: str) -> Response:
    return JSONResponse({"said": said}, status_code=status, headers=HEADERS | PRIVATE)
