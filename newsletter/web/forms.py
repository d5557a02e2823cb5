"""The forms by which a reader agrees to something, as they are kept with her consent, and whether they may be shown.

A box that was ticked before anybody has chosen asks for nothing (CJEU C-673/17): an installation with such a form is
not served, since whatever it gathered would be no consent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from newsletter import languages
from newsletter.config import Newsletter
from newsletter.errors import TemplateError
from newsletter.rendering.template import TEMPLATES
from newsletter.web import consents
from newsletter.web.consents import Consent
from newsletter.web.pages import Pages
from subscribers import lint

# The pages the sign-up form stands on: our own, and the one that other sites show in a frame.
SIGN_UP: Final = ("signup", "embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of one newsletter in one language, with nobody's entries; `page` names its template."""

    page: str
    newsletter: str
    language: str
    html: str = field(repr=False)


def signup_form(pages: Pages, paper: Newsletter, consent: Consent, page: str = SIGN_UP[0]) -> str:
    """The form as it was shown, with nobody's entries: what proves that nothing in it was ticked beforehand."""
    return pages.text(page, newsletter=paper, consent=consent, problem="", address="", form=page, stamp="")


def subscribe_form(pages: Pages, paper: Newsletter, consent: Consent) -> str:
    """The same of the form by which a known reader asks for another newsletter."""
    return pages.text("my_subscribe", newsletter=paper, consent=consent, form_token="")


def all_forms(pages: Pages) -> Iterator[Form]:
    """Every form of every newsletter in which somebody can agree to something."""
    for paper in pages.config.newsletters.values():
        for one in consents.deployed(paper, pages.config.site.publisher).values():
            shown = {page: signup_form(pages, paper, one, page) for page in SIGN_UP}
            shown["my_subscribe"] = subscribe_form(pages, paper, one)
            for page, html in shown.items():
                yield Form(page=page, newsletter=paper.key, language=one.language, html=html)
        # The words of counting are a template's own; only whether its box is empty is looked at.
        words = Consent(text="", language=languages.nearest(paper.language) or languages.CODES[0])
        html = pages.text("my_count", newsletter=paper, consent=words, form_token="")
        yield Form(page="my_count", newsletter=paper.key, language=words.language, html=html)


def require_untouched(pages: Pages) -> int:
    """How many forms there are. Raises TemplateError for the first one with a control that is ticked beforehand."""
    count = 0
    for one in all_forms(pages):
        for weak in lint.form(one.html):
            if weak.blocking:
                raise TemplateError(TEMPLATES / "pages" / f"{one.page}.html", f"{weak.rule}: {weak.advice}")
        count += 1
    return count
