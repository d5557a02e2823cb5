"""The sign-up forms as they stand, each known by the digest of what it shows; and those that stood until lately.

A form carries its digest and posts it back, so that what is kept with a consent is what that person saw, not what a
form shows by the time it is posted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import subscribers
from newsletter.config import Newsletter
from newsletter.languages import CODES
from newsletter.web import consents
from newsletter.web.consents import Consent
from newsletter.web.pages import Pages
from subscribers import Display

# The pages a form stands on: our own, and the one that other sites show in a frame.
PAGES: Final = ("signup", "embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What somebody read before they posted; a program has seen no form."""

    consent: Consent
    form: str = ""
    page: str = ""


def publish(pages: Pages) -> None:
    """Keep what every form shows from now on, and that what it showed before is replaced."""
    with pages.database.transaction() as session:
        for paper in pages.config.newsletters.values():
            words = consents.deployed(paper, pages.config.site.publisher).values()
            shown = [Display(text=one.text, language=one.language) for one in words]
            subscribers.display(session, paper.key, [*shown, *standing(pages, paper).values()], pages.clock())


def standing(pages: Pages, paper: Newsletter) -> Mapping[str, Display]:
    """Every form of a newsletter as it stands now, by its digest."""
    if paper.key not in pages.forms:
        forms = [_snapshot(pages, paper, page, code) for page in PAGES for code in CODES]
        pages.forms[paper.key] = {consents.digest(one.text): one for one in forms}
    return pages.forms[paper.key]


def name(pages: Pages, paper: Newsletter, page: str) -> str:
    """The digest that the form on a page carries, in the language of the request at hand."""
    code = pages.spoken(paper).code
    return next(key for key, one in standing(pages, paper).items() if (one.page, one.language) == (page, code))


def seen(pages: Pages, paper: Newsletter, wording: str, now: datetime, *, form: str | None) -> Shown | None:
    """What stands behind the posted digests, if it is shown now or was in the last week; `form` None: by a program."""
    words = consents.deployed(paper, pages.config.site.publisher).get(wording)
    stood = standing(pages, paper).get(form or "")
    if words is None or (form is not None and stood is None):
        with pages.database.snapshot() as session:
            words = words or _words(subscribers.displayed(session, paper.key, wording, now))
            stood = stood or (subscribers.displayed(session, paper.key, form, now) if form else None)
    if words is None or form is None:
        return Shown(consent=words) if words else None
    # The form must be one that showed these words.
    fits = stood is not None and stood.page and wording in stood.text
    return Shown(consent=words, form=stood.text, page=stood.page) if stood and fits else None


def _words(one: Display | None) -> Consent | None:
    return Consent(text=one.text, language=one.language) if one and not one.page else None


def _snapshot(pages: Pages, paper: Newsletter, page: str, code: str) -> Display:
    """The form with nobody's entries: what proves that nothing in it was ticked beforehand."""
    consent = consents.shown(paper, pages.config.site.publisher, code)
    blank = {"problem": "", "address": "", "stamp": "", "shown": ""}
    text = pages.text_in(code, page, newsletter=paper, consent=consent, form=page, **blank)
    return Display(text=text, language=code, page=page)
