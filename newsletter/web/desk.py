"""The editors' pages: log in, see the editions, look at a proof as readers will, read its findings, approve, hold."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from newsletter.config import Newsletter
from newsletter.delivery import ledger
from newsletter.desk import accounts
from newsletter.desk.accounts import Account, Role
from newsletter.editions import store
from newsletter.editions.store import EditionRecord, Override
from newsletter.editions.workflow import Event
from newsletter.errors import AccountError, EditionError, IllegalMove, NotReady
from newsletter.rendering import preflight, proof
from newsletter.rendering.press import required
from newsletter.scheduling import routine, timetable
from newsletter.web.archive import LETTER_POLICY
from newsletter.web.pages import HEADERS, PRIVATE, Pages, same_origin

COOKIE: Final = "worldbrief_desk"
DESK: Final = HEADERS | PRIVATE
FRAME: Final = {
    **DESK,
    "Content-Security-Policy": LETTER_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'"),
}
UPCOMING: Final = 5
REFUSALS: Final = (NotReady, IllegalMove)
Deed = Callable[[Pages, Newsletter, date, Account, FormData], None]


class NotLoggedIn(Exception):
    """The desk was asked for without a session."""


def routes(pages: Pages) -> APIRouter:  # noqa: C901, PLR0915 -- a list of short routes
    """The desk's routes of one installation."""
    router = APIRouter(prefix="/desk")

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
        lifetime = timedelta(hours=pages.config.web.session_hours)
        with pages.database.transaction() as session:
            opened = accounts.log_in(session, name, password, pages.clock(), lifetime)
        if opened is None:
            problem = "That name and password do not fit, or the account has to wait a while after failed tries."
            return pages.page("desk_login", 401, headers=DESK, problem=problem, anybody=True)
        answer = RedirectResponse("/desk/", 303, headers=DESK)
        secure = request.url.scheme == "https"
        seconds = int(lifetime.total_seconds())
        answer.set_cookie(
            COOKIE, opened[1], max_age=seconds, path="/desk", secure=secure, httponly=True, samesite="lax"
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

    @router.get("/")
    def editions(request: Request) -> Response:
        account, token = _who(pages, request)
        with pages.database.snapshot() as session:
            records = store.listing(session, limit=60)
        return _page(pages, "desk_editions", account, token, records=records, upcoming=_upcoming(pages, records))

    @router.get("/{newsletter}/{on}")
    def edition(request: Request, newsletter: str, on: date) -> Response:
        account, token = _who(pages, request)
        return _edition_page(pages, account, token, _paper(pages, newsletter), on)

    @router.get("/{newsletter}/{on}/proof")
    def frame(request: Request, newsletter: str, on: date, scheme: str = "light", images: str = "on") -> Response:
        _who(pages, request)
        with pages.database.snapshot() as session:
            record = required(session, newsletter, on)
            sight = routine.press(pages.config, _paper(pages, newsletter)).see(session, record, pages.clock())
        html, _text = proof.neutral(sight.proof)
        return HTMLResponse(_as_seen(pages, html, scheme=scheme, images=images), headers=FRAME)

    @router.get("/{newsletter}/{on}/text")
    def text(request: Request, newsletter: str, on: date) -> Response:
        _who(pages, request)
        with pages.database.snapshot() as session:
            record = required(session, newsletter, on)
            sight = routine.press(pages.config, _paper(pages, newsletter)).see(session, record, pages.clock())
        return PlainTextResponse(proof.neutral(sight.proof)[1], headers=FRAME)

    @router.post("/{newsletter}/{on}/{action}")
    async def act(request: Request, newsletter: str, on: date, action: str) -> Response:
        if action not in ACTIONS:
            raise EditionError(newsletter, on, f"nobody can {action!r} an edition")
        needed, deed = ACTIONS[action]
        form, account, token = await _posted(pages, request, needed)
        paper = _paper(pages, newsletter)

        def do() -> Response:
            deed(pages, paper, on, account, form)
            return RedirectResponse(f"/desk/{newsletter}/{on}", 303, headers=DESK)

        try:
            return await run_in_threadpool(do)
        except (EditionError, *REFUSALS) as error:
            return await run_in_threadpool(_edition_page, pages, account, token, paper, on, str(error))

    return router


def _build(pages: Pages, paper: Newsletter, on: date, account: Account, _form: FormData) -> None:
    routine.build(pages.database, pages.config, paper, on, account.name, pages.clock())


def _edit(pages: Pages, paper: Newsletter, on: date, account: Account, form: FormData) -> None:
    with pages.database.snapshot() as session:
        record = required(session, paper.key, on)
    subject, preheader = str(form.get("subject", "")), str(form.get("preheader", ""))
    routine.revise(pages.database, record, account.name, pages.clock(), subject=subject, preheader=preheader)


def _approve(pages: Pages, paper: Newsletter, on: date, account: Account, form: FormData) -> None:
    reason = str(form.get("reason", "")).strip()
    rules = [str(rule) for rule in form.getlist("override")]
    if rules and not reason:
        raise EditionError(paper.key, on, "an override needs a reason; nothing was approved")
    press = routine.press(pages.config, paper)
    with pages.database.snapshot() as session:
        record = required(session, paper.key, on)
        seen = press.see(session, record, pages.clock()).digest
    if str(form.get("digest", "")) != seen:
        raise EditionError(paper.key, on, "changed since this page was opened; look at it again before approving")
    overrides = [Override(rule=rule, by=account.name, reason=reason) for rule in rules]
    press.approve(pages.database, record, account.name, pages.clock(), overrides)


def _move(event: Event) -> Deed:
    def deed(pages: Pages, paper: Newsletter, on: date, account: Account, form: FormData) -> None:
        with pages.database.transaction() as session:
            record = required(session, paper.key, on)
            store.move(session, record.id, event, account.name, pages.clock(), str(form.get("reason", "")))

    return deed


ACTIONS: Final[dict[str, tuple[Role, Deed]]] = {
    "build": (Role.EDITOR, _build),
    "edit": (Role.EDITOR, _edit),
    "approve": (Role.PUBLISHER, _approve),
    "hold": (Role.EDITOR, _move(Event.HOLD)),
    "release": (Role.PUBLISHER, _move(Event.RELEASE)),
    "kill": (Role.PUBLISHER, _move(Event.KILL)),
}


def _edition_page(
    pages: Pages, account: Account, token: str, paper: Newsletter, on: date, problem: str = ""
) -> Response:
    with pages.database.snapshot() as session:
        record = store.load(session, paper.key, on)
        built = record is not None and record.edition is not None
        sight = routine.press(pages.config, paper).see(session, record, pages.clock()) if record and built else None
        history = store.history(session, record.id) if record else []
        mailing = ledger.mailing_of(session, paper.key, on)
        sums = ledger.accounts(session, mailing.id) if mailing else None
    findings = sight.findings if sight else ()
    values = {
        "newsletter": paper,
        "on": on,
        "record": record,
        "edition": record.edition if record else None,
        "digest": sight.digest if sight else "",
        "findings": findings,
        "blocking": preflight.blocking(findings),
        "history": history,
        "accounts": sums,
        "skipped": timetable.skipped(paper, on),
        "problem": problem,
    }
    return _page(pages, "desk_edition", account, token, status=409 if problem else 200, **values)


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
    account, token = await run_in_threadpool(_who, pages, request)
    form = await request.form()
    genuine = accounts.same(str(form.get("form_token", "")), accounts.form_token(pages.form_key, token))
    if not genuine or not same_origin(request, pages.config.site.base_url):
        raise AccountError("this form was not posted from the desk, or is too old; open the page again")
    if not account.role.may(needed):
        raise AccountError(f"this needs the role {needed}; {account.name} is {account.role}")
    return form, account, token


def _paper(pages: Pages, key: str) -> Newsletter:
    paper = pages.config.newsletters.get(key)
    if paper is None:
        raise AccountError(f"there is no newsletter {key!r}")
    return paper


def _upcoming(pages: Pages, records: list[EditionRecord]) -> list[tuple[Newsletter, date, datetime]]:
    """The next slots that have no edition yet."""
    there = {(record.newsletter, record.on) for record in records}
    coming: list[tuple[Newsletter, date, datetime]] = []
    for paper in pages.config.newsletters.values():
        after = pages.clock()
        for _ in range(UPCOMING):
            slots = timetable.next_slot(paper, after)
            after = slots.send_at
            if (paper.key, slots.on) not in there:
                coming.append((paper, slots.on, slots.send_at))
    return coming


def _as_seen(pages: Pages, html: str, *, scheme: str, images: str) -> str:
    """The proof under other eyes: dark as a client that honours it, or with its images blocked."""
    base = pages.config.site.base_url.rstrip("/")
    html = html.replace(f'src="{base}/media/', 'src="/media/' if images == "on" else 'src="/media/blocked/')
    if scheme == "dark":
        html = html.replace("@media (prefers-color-scheme: dark)", "@media all").replace(
            "@media (prefers-color-scheme:dark)", "@media all"
        )
    return html
