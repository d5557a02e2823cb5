"""The forms by which a reader agrees to something: as they stand, as they stood until lately, and whether they may.

A sign-up form carries the digest of what it shows and posts it back, so that what is kept with a consent is what that
person saw, not what the form shows by the time it is posted. A box that was ticked before anybody has chosen asks for
nothing (CJEU C-673/17): an installation with such a form is not served, since whatever it gathered would be no consent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import subscribers
from newsletter import languages
from newsletter.config import Newsletter
from newsletter.errors import TemplateError
from newsletter.languages import CODES
from newsletter.rendering.template import TEMPLATES
from newsletter.web import consents
from newsletter.web.consents import Consent
from newsletter.web.pages import Pages
from subscribers import Display, lint

# The pages the sign-up form stands on: our own, and the one that other sites show in a frame.
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


def subscribe_form(pages: Pages, paper: Newsletter, consent: Consent, code: str) -> str:
    """The form by which a known reader asks for another newsletter, as it was shown to her in her language."""
    return pages.text_in(code, "my_subscribe", newsletter=paper, consent=consent, form_token="")


def all_forms(pages: Pages) -> Iterator[Display]:
    """Every form of every newsletter in which somebody can agree to something, with nobody's entries."""
    for paper in pages.config.newsletters.values():
        yield from standing(pages, paper).values()
        for code in CODES:
            words = consents.shown(paper, pages.config.site.publisher, code)
            yield Display(text=subscribe_form(pages, paper, words, code), language=code, page="my_subscribe")
        # The words of counting are a template's own; only whether its box is empty is looked at.
        code = languages.nearest(paper.language) or CODES[0]
        blank = Consent(text="", language=code)
        html = pages.text_in(code, "my_count", newsletter=paper, consent=blank, form_token="")
        yield Display(text=html, language=code, page="my_count")


def require_untouched(pages: Pages) -> int:
    """How many forms there are. Raises TemplateError for the first one with a control that is ticked beforehand."""
    count = 0
    for one in all_forms(pages):
        for weak in lint.form(one.text):
            if weak.blocking:
                raise TemplateError(TEMPLATES / "pages" / f"{one.page}.html", f"{weak.rule}: {weak.advice}")
        count += 1
    return count


def _words(one: Display | None) -> Consent | None:
    return Consent(text=one.text, language=one.language) if one and not one.page else None


def _snapshot(pages: Pages, paper: Newsletter, page: str, code: str) -> Display:
    """The form with nobody's entries: what proves that nothing in it was ticked beforehand."""
    consent = consents.shown(paper, pages.config.site.publisher, code)
    blank = {"problem": "", "address": "", "stamp": "", "shown": ""}
    text = pages.text_in(code, page, newsletter=paper, consent=consent, form=page, **blank)
    return Display(text=text, language=code, page=page)
