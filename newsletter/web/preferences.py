"""A reader's preferences: what she gets and how often, a break, another newsletter, her language, another address."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session
from starlette.exceptions import HTTPException

import subscribers
from newsletter import languages, readership
from newsletter.config import Newsletter
from newsletter.languages import mark
from newsletter.web import consents, forms, wishes
from newsletter.web.consents import Consent
from newsletter.web.pages import Pages, network
from newsletter.web.visit import CHANGED, MINE, NO_ADDRESS, Visit, mail, page_of, posted, visit_of
from subscribers import (
    Address,
    Agreement,
    Choice,
    Consented,
    Evidence,
    InvalidAddress,
    Rhythm,
    State,
    SubscribersError,
    Visitor,
)

WEEKEND: Final = frozenset({"sat", "sun"})
Deed = Literal["subscribe", "unsubscribe", "rhythm", "pause", "resume", "count", "uncount"]


class Unclear(Exception):
    """A form was filled in as it cannot be; the page is shown again and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One newsletter as the preferences show it."""

    paper: Newsletter
    choice: Choice | None
    offered: bool
    consent: Consent
    rhythms: tuple[Rhythm, ...]
    first: date
    last: date

    @property
    def running(self) -> bool:
        """Whether she gets it, or will when its pause is over."""
        return self.choice is not None and self.choice.state in {State.ACTIVE, State.PAUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was pressed beside a newsletter, and what the form said."""

    deed: Deed
    rhythm: str
    until: str
    digest: str
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """What was wrong with a form, beside which one to say it, and what was typed there."""

    problem: str = ""
    at: str = ""
    typed: str = field(default="", repr=False)


FINE: Final = Wrong()


def routes(router: APIRouter, pages: Pages) -> None:
    """Add the routes of the preferences to a reader's own."""
    _choices(router, pages)
    _particulars(router, pages)


def _choices(router: APIRouter, pages: Pages) -> None:
    @router.get("/preferences")
    def preferences(request: Request, saved: str = "") -> Response:
        return _preferences(pages, visit_of(pages, request), saved=saved)

    @router.post("/subscriptions/{newsletter}")
    def change(
        request: Request,
        newsletter: str,
        deed: Annotated[Deed, Form()],
        rhythm: Annotated[str, Form(max_length=20)] = "",
        until: Annotated[str, Form(max_length=20)] = "",
        wording: Annotated[str, Form(max_length=64)] = "",
        form_token: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        visit = posted(pages, request, form_token)
        wish = Wish(deed=deed, rhythm=rhythm, until=until, digest=wording, network=network(request))
        try:
            _do(pages, visit.visitor, newsletter, wish)
        except Unclear as problem:
            return _preferences(pages, visit, Wrong(problem=str(problem), at=newsletter))
        return _saved(newsletter)


def _particulars(router: APIRouter, pages: Pages) -> None:
    @router.post("/language")
    def language(
        request: Request,
        language: Annotated[str, Form(max_length=20)],
        form_token: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        visit = posted(pages, request, form_token)
        if language not in languages.CODES:
            raise HTTPException(422)
        with pages.database.transaction() as session:
            subscribers.set_language(session, pages.keys, visit.visitor.subject, language, pages.clock())
        return _saved("language")

    @router.post("/address")
    def ask_to_move(
        request: Request,
        later: BackgroundTasks,
        address: Annotated[str, Form(max_length=1000)] = "",
        form_token: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        visit = posted(pages, request, form_token)
        try:
            new = Address.parse(address)
        except InvalidAddress:
            return _preferences(pages, visit, Wrong(problem=NO_ADDRESS, at="address", typed=address))
        subject, most = visit.visitor.subject, pages.config.signup.links_per_day
        later.add_task(
            mail,
            pages,
            lambda session, now: subscribers.ask_to_move(session, pages.keys, subject, new, now, letters_per_day=most),
        )
        return page_of(pages, "my_asked", visit)


def _saved(what: str) -> Response:
    """Back to the page of all preferences, which says so beside what was changed."""
    return RedirectResponse(wishes.current().to(f"/my/preferences?saved={what}"), 303, headers=MINE)


def _do(pages: Pages, visitor: Visitor, newsletter: str, wish: Wish) -> None:
    """Do to one newsletter what was pressed; raises Unclear when the form does not say what, or is of long ago."""
    now, keys = pages.clock(), pages.keys
    paper = pages.named(newsletter)
    if wish.deed == "subscribe":
        _subscribe(pages, visitor, newsletter, wish)
        return
    with pages.database.transaction() as session:
        choice = subscribers.choices(session, keys, visitor.subject, now).get(newsletter)
        if choice is None:
            raise HTTPException(404)
        if wish.deed in {"count", "uncount"}:
            _count(pages, session, visitor, paper, wish)
        elif wish.deed == "unsubscribe":
            subscribers.unsubscribe(session, keys, choice.token, now, "button on the preferences page")
        elif wish.deed == "resume":
            subscribers.resume(session, keys, choice.token, now)
        elif wish.deed == "pause":
            _pause(pages, session, choice, paper, wish)
        elif wish.rhythm in list(Rhythm):
            rhythm = Rhythm(wish.rhythm)
            subscribers.set_rhythm(session, keys, visitor.subject, newsletter, rhythm, now=now)
        else:
            raise Unclear(mark("Please choose how often it should come."))


def _pause(pages: Pages, session: Session, choice: Choice, paper: Newsletter, wish: Wish) -> None:
    try:
        day = date.fromisoformat(wish.until)
        until = datetime.combine(day, time.min, tzinfo=ZoneInfo(paper.timezone))
        subscribers.pause(session, pages.keys, choice.token, until, pages.clock())
    except (ValueError, OverflowError) as error:
        if isinstance(error, SubscribersError):
            raise
        raise Unclear(mark("Please choose a day within the next year.")) from error


def _count(pages: Pages, session: Session, visitor: Visitor, paper: Newsletter, wish: Wish) -> None:
    """Begin or end counting this reader as a person, by a box of its own that was empty."""
    evidence = Evidence(method=f"{wish.deed} button on the preferences page", source="form", network=wish.network)
    now, subject = pages.clock(), visitor.subject
    if wish.deed == "uncount":
        token = subscribers.choices(session, pages.keys, subject, now)[paper.key].token
        readership.forget(session, subscribers.end_tracking_by_token(session, pages.keys, token, evidence, now).id)
    elif paper.tracking == "consented" and wish.digest == _counting(pages, visitor, paper).digest:
        asked = _counting(pages, visitor, paper)
        agreement = Agreement(wording=asked.text, language=asked.language, evidence=evidence)
        subscribers.allow_tracking(session, pages.keys, subject, paper.key, agreement, now)
    else:
        raise Unclear(CHANGED)


def _counting(pages: Pages, visitor: Visitor, paper: Newsletter) -> Consent:
    """The words a reader agrees to be counted by."""
    text = pages.text("my_counting", visitor=visitor, newsletter=paper).strip()
    return Consent(text=text, language=pages.speaking(visitor=visitor).code)


def _subscribe(pages: Pages, visitor: Visitor, newsletter: str, wish: Wish) -> None:
    paper = pages.config.newsletters.get(newsletter)
    if paper is None:
        raise HTTPException(404)
    seen = forms.seen(pages, paper, wish.digest, pages.clock(), form=None)
    if seen is None:
        raise Unclear(CHANGED)
    consent = seen.consent
    form = forms.subscribe_form(pages, paper, consent, pages.speaking(visitor=visitor).code)
    consented = Consented(newsletter=newsletter, wording=consent.text, form=form, language=consent.language)
    method = "subscribe button on the preferences page, opened by a link mailed to the address"
    evidence = Evidence(method=method, source="form", network=wish.network)
    with pages.database.transaction() as session:
        subscribers.subscribe(session, pages.keys, visitor.subject, consented, pages.clock(), evidence)


def _preferences(pages: Pages, visit: Visit, wrong: Wrong = FINE, *, saved: str = "") -> Response:
    """The page of all preferences; what was wrong stands beside the form it is about."""
    now = pages.clock()
    with pages.database.snapshot() as session:
        held = subscribers.choices(session, pages.keys, visit.visitor.subject, now)
        counted = {key for key in held if subscribers.is_tracked(session, visit.visitor.subject, key)}
    spoken = pages.speaking(visitor=visit.visitor).code
    entries = [
        _entry(pages, key, held.get(key), now, spoken) for key in dict.fromkeys([*pages.config.newsletters, *held])
    ]
    counting = {
        one.paper.key: _counting(pages, visit.visitor, one.paper)
        for one in entries
        if one.paper.tracking == "consented" and one.running
    }
    return page_of(
        pages,
        "my_preferences",
        visit,
        422 if wrong.problem else 200,
        entries=entries,
        counting=counting,
        counted=counted,
        languages=[languages.language(code) for code in languages.CODES],
        saved=saved,
        problem=wrong.problem,
        at=wrong.at,
        typed=wrong.typed,
    )


def _entry(pages: Pages, key: str, choice: Choice | None, now: datetime, spoken: str) -> Entry:
    paper = pages.named(key)
    today = now.astimezone(ZoneInfo(paper.timezone)).date()
    days = set(paper.days)
    # Only what makes a difference is offered, and what was chosen before the timetable changed.
    rhythms = {Rhythm.EVERY: True, Rhythm.WEEKDAYS: bool(days & WEEKEND), Rhythm.FRIDAY: days > {"fri"}}
    return Entry(
        paper=paper,
        choice=choice,
        offered=key in pages.config.newsletters,
        consent=consents.shown(paper, pages.config.site.publisher, spoken),
        rhythms=tuple(one for one, apt in rhythms.items() if apt or (choice and choice.rhythm is one)),
        first=today + timedelta(days=1),
        last=today + timedelta(days=365),
    )
