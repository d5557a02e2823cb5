"""The legal documents: privacy policy, terms and cookie statement, written from the settings in each language.

What is shown is what was published: at the start a text that has changed becomes the next version, and every version
stays at an address of its own, named by the SHA-256 of its text. A GET only reads.
"""

from datetime import date
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup
from sqlmodel import Session

import subscribers
from newsletter import languages
from newsletter.config import Config
from newsletter.languages import CODES, Language, mark
from newsletter.web.pages import Pages
from subscribers import InvalidToken, notices

TITLES: Final = {
    notices.NoticeKind.PRIVACY: mark("Privacy Policy"),
    notices.NoticeKind.TERMS: mark("Terms of Use"),
    notices.NoticeKind.COOKIES: mark("Cookie Statement"),
}
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def routes(pages: Pages) -> APIRouter:
    """The legal pages of one installation."""
    router = APIRouter()

    @router.get("/privacy")
    def privacy() -> Response:
        return _present(pages, notices.NoticeKind.PRIVACY)

    @router.get("/terms")
    def terms() -> Response:
        return _present(pages, notices.NoticeKind.TERMS)

    @router.get("/cookies")
    def cookies() -> Response:
        return _present(pages, notices.NoticeKind.COOKIES)

    @router.get("/legal/{kind}/{digest}")
    def version(kind: str, digest: str) -> Response:
        with pages.database.snapshot() as session:
            found = notices.find(session, digest)
            if found is None or found.kind != kind or found.kind not in TITLES:
                return pages.sorry(InvalidToken())
            known = notices.versions(session, found.kind, found.language)
        return _page(pages, found, known)

    return router


def publish(pages: Pages) -> None:
    """Keep the next version of every document that has changed since it was last published."""
    today = pages.clock().date()
    with pages.database.transaction() as session:
        subscribers.lock(session)
        for kind in TITLES:
            for code in CODES:
                _publish(pages, session, kind, code, today)


def in_force(session: Session, pages: Pages, code: str) -> tuple[str, str]:
    """The digests of the policy and the terms a form links to; empty for one that is another site's page."""
    site, shown = pages.config.site, []
    for kind, address in ((notices.NoticeKind.PRIVACY, site.privacy_url), (notices.NoticeKind.TERMS, site.terms_url)):
        known = notices.versions(session, kind, code) if address == f"/{kind}" else []
        shown.append(known[-1].digest if known else "")
    return shown[0], shown[1]


def _publish(pages: Pages, session: Session, kind: notices.NoticeKind, code: str, today: date) -> None:
    known = notices.versions(session, kind, code)
    if known and _text(pages, kind, code, len(known), known[-1].effective_on) == known[-1].text:
        return
    # A clock that was set back must not keep the house from opening.
    since = max(today, known[-1].effective_on) if known else today
    text = _text(pages, kind, code, len(known) + 1, since)
    notices.publish(session, notices.Draft(kind=kind, language=code, text=text, effective_on=since))


def _present(pages: Pages, kind: notices.NoticeKind) -> Response:
    spoken = pages.spoken(None)
    with pages.database.snapshot() as session:
        known = notices.versions(session, kind, spoken.code)
    if known:
        return _page(pages, known[-1], known)
    # Nothing has been published where the pages are served by something else than `serve`.
    return _shown(pages, kind, spoken, _text(pages, kind, spoken.code, 0, None), versions=[])


def _page(pages: Pages, one: notices.Notice, known: list[notices.Notice]) -> Response:
    spoken = languages.language(languages.nearest(one.language) or CODES[0])
    outdated = bool(known) and known[-1].digest != one.digest
    return _shown(pages, one.kind, spoken, one.text, versions=known, outdated=outdated)


def _shown(
    pages: Pages,
    kind: notices.NoticeKind,
    spoken: Language,
    text: str,
    *,
    versions: list[notices.Notice],
    outdated: bool = False,
) -> Response:
    return pages.page(
        "legal",
        title=pages.spoken(None).say(TITLES[kind]),
        language=spoken,
        # Our own template's text, in which every value was escaped.
        text=Markup(text),  # noqa: S704
        versions=versions,
        outdated=outdated,
        present=f"/{kind}",
    )


def _text(pages: Pages, kind: notices.NoticeKind, code: str, version: int, since: date | None) -> str:
    config, spoken = pages.config, languages.language(code)
    hosts = ", ".join(host for host in config.relay_hosts if host not in LOOPBACK)
    controller = config.privacy.controller or config.site.publisher
    return pages.environment.get_template(f"legal_{kind}.html").render(
        spoken=spoken,
        version=version,
        since=spoken.date(since) if since else "",
        privacy=config.privacy,
        controller=_apart(controller),
        # A postal address often begins with the name, which stands before it already.
        address=_apart(config.site.postal_address.removeprefix(f"{controller}, ")),
        contact=config.site.contact_address,
        relay=config.privacy.relay_operator or hosts,
        counting=_counting(config),
        country=spoken.country(config.privacy.hosting_country),
        hours=config.signup.confirm_hours,
        letter_days=subscribers.LETTERS_KEPT.days,
        block_days=subscribers.BLOCKED.days,
        session_hours=config.web.session_hours,
    )


def _apart(name: str) -> Markup:
    """A name within a sentence that may run the other way; nothing stays nothing."""
    return Markup("<bdi>{}</bdi>").format(name) if name else Markup()


def _counting(config: Config) -> str:
    """The most that any newsletter counts."""
    modes = {one.tracking for one in config.newsletters.values()}
    return next((mode for mode in ("consented", "aggregate") if mode in modes), "none")
