"""The editors' pages: log in, see the editions, look at a proof as readers will, read its findings, and decide.

What the pages show is drawn here; what a button does stands in `deeds`.
"""

from datetime import date, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

import subscribers
from newsletter.config import Newsletter
from newsletter.delivery import ledger
from newsletter.desk import accounts
from newsletter.desk.accounts import Account, Role
from newsletter.editions import store
from newsletter.editions.store import EditionRecord
from newsletter.editions.workflow import State
from newsletter.errors import AccountError, EditionError, IllegalMove, NotReady
from newsletter.rendering import preflight, press, proof, proving
from newsletter.rendering.press import required
from newsletter.rendering.proof import Proof
from newsletter.scheduling import routine, timetable
from newsletter.web.archive import LETTER, LETTER_POLICY, PUBLIC, local_pictures
from newsletter.web.deeds import DEEDS, Order
from newsletter.web.pages import HEADERS, PRIVATE, Pages, network, same_origin, secure

COOKIE: Final = "worldbrief_desk"
DESK: Final = HEADERS | PRIVATE
FRAMED: Final = LETTER_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
# Whoever looks at a proof must see its dark side by day and its light side at night.
SCHEMES: Final = {"light": "not all", "dark": "all"}
DARK_QUERIES: Final = ("(prefers-color-scheme:dark)", "(prefers-color-scheme: dark)")
UPCOMING: Final = 5
LISTED: Final = 60
LOGINS_PER_HOUR: Final = 60
# What can still be changed is inspected; what has left the house is history.
OPEN: Final = frozenset({State.IN_REVIEW, State.APPROVED, State.SCHEDULED, State.HELD})
FORM_FIELDS: Final = 50
NOT_READY: Final = "Nothing was approved: a finding blocks it that you have not passed."


class NotLoggedIn(Exception):
    """The desk was asked for without a session."""


def routes(pages: Pages) -> APIRouter:
    """The desk's routes of one installation."""
    router = APIRouter(prefix="/desk")
    _door(router, pages)
    _rooms(router, pages)
    return router


def _door(router: APIRouter, pages: Pages) -> None:
    def ask_again(status: int, problem: str) -> Response:
        return pages.page("desk_login", status, headers=DESK, problem=problem, anybody=True)

    @router.get("/login")
    def ask() -> Response:
        with pages.database.snapshot() as session:
            anybody = accounts.any_account(session)
        return pages.page("desk_login", headers=DESK, problem="", anybody=anybody)

    @router.post("/login")
    def log_in(
        request: Request,
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        if not same_origin(request, pages.config.site.base_url):
            raise AccountError("this form was not posted from the desk")
        if not pages.within(f"desk/{network(request)}", LOGINS_PER_HOUR):
            return ask_again(429, "Too many tries from your network. Please try again in an hour.")
        lifetime = timedelta(hours=pages.config.web.session_hours)
        known = name if name.isprintable() else ""
        with pages.database.snapshot() as session:
            witness = accounts.checked(session, known, password)
        with pages.database.transaction() as session:
            opened = accounts.log_in(session, known, witness, pages.clock(), lifetime)
        if opened is None:
            problem = "That name and password do not fit, or the account has to wait a while after failed tries."
            return ask_again(401, problem)
        answer = RedirectResponse("/desk/", 303, headers=DESK)
        answer.set_cookie(
            COOKIE,
            opened[1],
            max_age=int(lifetime.total_seconds()),
            path="/desk",
            secure=secure(request, pages.config.site.base_url),
            httponly=True,
            samesite="lax",
        )
        return answer

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        _form, _account, token = await _posted(pages, request, Role.WRITER)

        def end() -> None:
            with pages.database.transaction() as session:
                accounts.log_out(session, token)

        await run_in_threadpool(end)
        answer = RedirectResponse("/desk/login", 303, headers=DESK)
        answer.delete_cookie(COOKIE, path="/desk")
        return answer


def _rooms(router: APIRouter, pages: Pages) -> None:
    @router.get("/")
    def editions(request: Request) -> Response:
        account, token = _who(pages, request)
        with pages.database.snapshot() as session:
            records = store.listing(session, limit=LISTED)
        upcoming, origins = _upcoming(pages, records), pages.config.signup.embed_origins
        return _page(pages, "desk_editions", account, token, records=records, upcoming=upcoming, origins=origins)

    @router.get("/privacy")
    def privacy(request: Request) -> Response:
        account, token = _who(pages, request)
        if not account.role.may(Role.OWNER):
            raise AccountError(f"this needs the role {Role.OWNER}; {account.name} is {account.role}")
        with pages.database.snapshot() as session:
            found = subscribers.asked(session)
        today = pages.clock().date()
        late = {one.id for one in found if one.overdue(today)}
        return _page(pages, "desk_privacy", account, token, requests=found, late=late)

    @router.get("/{newsletter}/{on}")
    def edition(request: Request, newsletter: str, on: date) -> Response:
        account, token = _who(pages, request)
        return _edition_page(pages, account, token, _paper(pages, newsletter), on)

    @router.get("/{newsletter}/{on}/proof")
    def frame(request: Request, newsletter: str, on: date, scheme: str = "light", images: str = "on") -> Response:
        _who(pages, request)
        shown = _proof(pages, _paper(pages, newsletter), on)
        html = local_pictures(proof.neutral(shown)[0], shown.site)
        policy = FRAMED if images == "on" else FRAMED.replace("img-src 'self'", "img-src 'none'")
        headers = LETTER | PRIVATE | {"Content-Security-Policy": policy}
        return HTMLResponse(_under(html, "dark" if scheme == "dark" else "light"), headers=headers)

    @router.get("/{newsletter}/{on}/text")
    def text(request: Request, newsletter: str, on: date) -> Response:
        _who(pages, request)
        shown = _proof(pages, _paper(pages, newsletter), on)
        headers = LETTER | PRIVATE | {"Content-Security-Policy": FRAMED}
        return PlainTextResponse(proof.neutral(shown)[1], headers=headers)

    @router.post("/{newsletter}/{on}/{action}")
    async def act(request: Request, newsletter: str, on: date, action: str) -> Response:
        if action not in DEEDS:
            raise HTTPException(404)
        needed, deed = DEEDS[action]
        form, account, token = await _posted(pages, request, needed)
        paper = _paper(pages, newsletter)
        order = Order(newsletter=paper, on=on, by=account.name, form=form)
        try:
            await run_in_threadpool(deed, pages, order)
        except (EditionError, IllegalMove, NotReady) as error:
            # The findings themselves stand beside the button.
            said = NOT_READY if isinstance(error, NotReady) else str(error)
            return await run_in_threadpool(_edition_page, pages, account, token, paper, on, said)
        return RedirectResponse(f"/desk/{paper.key}/{on}", 303, headers=DESK)


def _edition_page(
    pages: Pages, account: Account, token: str, paper: Newsletter, on: date, problem: str = ""
) -> Response:
    with pages.database.snapshot() as session:
        record = store.load(session, paper.key, on)
        sight = None
        if record is not None and record.state in OPEN and record.edition is not None:
            # Before an approval, inspected as if whoever looks gave it: two people may be required.
            approver = account.name if record.state is State.IN_REVIEW else ""
            sight = routine.press(pages.config, paper).see(session, record, pages.clock(), approver=approver)
        history = store.history(session, record.id) if record else []
        mailing = ledger.mailing_of(session, paper.key, on)
        counts = ledger.accounts(session, mailing) if mailing is not None else None
        reads = press.most_read(session, record) if record and record.state in PUBLIC else []
    findings = sight.findings if sight else ()
    return _page(
        pages,
        "desk_edition",
        account,
        token,
        status=409 if problem else 200,
        newsletter=paper,
        on=on,
        record=record,
        edition=record.edition if record else None,
        digest=sight.digest if sight else "",
        findings=findings,
        blocking=preflight.blocking(findings),
        titles={rule.id: rule.title for rule in preflight.RULES},
        history=history[::-1],
        accounts=counts,
        reads=reads,
        counts=ledger.states(counts) if counts else {},
        skipped=timetable.skipped(paper, on),
        may={action: account.role.may(needed) for action, (needed, _deed) in DEEDS.items()},
        problem=problem,
    )


def _page(pages: Pages, name: str, account: Account, token: str, status: int = 200, **values: object) -> Response:
    form_token = accounts.form_token(pages.form_key, token)
    return pages.page(name, status, headers=DESK, account=account, form_token=form_token, now=pages.clock(), **values)


def _who(pages: Pages, request: Request) -> tuple[Account, str]:
    token = request.cookies.get(COOKIE, "")
    with pages.database.snapshot() as session:
        account = accounts.whose(session, token, pages.clock()) if token else None
    if account is None:
        raise NotLoggedIn
    return account, token


async def _posted(pages: Pages, request: Request, needed: Role) -> tuple[FormData, Account, str]:
    """The form of a request that came from this desk, by somebody who may do it; raises otherwise."""
    if not same_origin(request, pages.config.site.base_url):
        raise AccountError("this form was not posted from the desk")
    account, token = await run_in_threadpool(_who, pages, request)
    form = await request.form(max_fields=FORM_FIELDS, max_files=0)
    if not accounts.same(str(form.get("form_token", "")), accounts.form_token(pages.form_key, token)):
        raise AccountError("this form is too old, or not one of the desk's; open the page again")
    if not account.role.may(needed):
        raise AccountError(f"this needs the role {needed}; {account.name} is {account.role}")
    return form, account, token


def _paper(pages: Pages, key: str) -> Newsletter:
    paper = pages.config.newsletters.get(key)
    if paper is None:
        raise HTTPException(404)
    return paper


def _proof(pages: Pages, paper: Newsletter, on: date) -> Proof:
    """What was approved, or else what would be approved now."""
    with pages.database.snapshot() as session:
        record = required(session, paper.key, on)
        if record.approval is not None:
            return proof.from_bytes(store.frozen_of(session, record.id))
    if record.edition is None:
        raise HTTPException(404)
    return proving.prove(routine.press(pages.config, paper).template, record.edition, paper, pages.config.site)


def _upcoming(pages: Pages, records: list[EditionRecord]) -> list[tuple[Newsletter, date, datetime]]:
    """The next slots that have no edition yet, the soonest first."""
    there = {(record.newsletter, record.on) for record in records}
    coming: list[tuple[Newsletter, date, datetime]] = []
    for paper in pages.config.newsletters.values():
        after = pages.clock()
        for _ in range(UPCOMING):
            slots = timetable.next_slot(paper, after)
            after = slots.send_at
            if (paper.key, slots.on) not in there:
                coming.append((paper, slots.on, slots.send_at))
    return sorted(coming, key=lambda one: (one[2], one[0].key))


def _under(html: str, scheme: str) -> str:
    """The proof as a client in that colour scheme shows it, whatever the editor's own machine is set to."""
    for query in DARK_QUERIES:
        html = html.replace(f"@media {query}", f"@media {SCHEMES[scheme]}")
    html = html.replace("color-scheme: light dark", f"color-scheme: {scheme}")
    return html.replace('content="light dark"', f'content="{scheme}"')
