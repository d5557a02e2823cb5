"""The languages pages and letters speak: catalogues in `templates/locale`, and how each writes dates and lists.

English is what the templates say; the other catalogues are gettext's .po files, read once. `make messages` brings them
up to date with the templates. The only importer of babel.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

import jinja2
from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2.runtime import Context

CATALOGUES: Final = Path(__file__).parents[1] / "templates" / "locale"
CODES: Final = ("en", "fr", "de", "es", "ja", "ar")
EXTENSION: Final = "jinja2.ext.i18n"
# RFC 9110 12.5.4: `fr-CH, fr;q=0.9, *;q=0.1`. Nobody has more languages than this.
_WISH: Final = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")
_MOST_WISHES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language as pages and letters use it."""

    code: str
    locale: Locale = field(repr=False, compare=False)
    catalogue: NullTranslations = field(repr=False, compare=False)

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """Which way its lines run."""
        return "rtl" if self.locale.text_direction == "rtl" else "ltr"

    @property
    def name(self) -> str:
        """What it calls itself."""
        own = self.locale.get_display_name() or self.code
        return own[0].upper() + own[1:]

    def say(self, message: str) -> str:
        """The message of a template or of `mark`, in this language."""
        return self.catalogue.gettext(message)

    def date(self, on: date) -> str:
        """The whole date, with its weekday."""
        return format_date(on, "full", locale=self.locale)

    def country(self, code: str) -> str:
        """The name of the country with this ISO 3166 code; the code itself where it has none."""
        return str(self.locale.territories.get(code, code))

    def listed(self, words: Sequence[str]) -> str:
        """The words as a list within a sentence: "a, b, and c"."""
        return format_list(list(words), locale=self.locale)


@lru_cache(maxsize=len(CODES) + 1)
def language(code: str) -> Language:
    """The language with this code of CODES."""
    return Language(code=code, locale=Locale.parse(code), catalogue=_catalogue(code))


def nearest(tag: str) -> str:
    """The code of CODES that a BCP 47 tag comes down to ("fr-CH" is fr), or nothing."""
    code = tag.partition("-")[0].lower()
    return code if code in CODES else ""


def choose(asked: str, own: str, accepted: str) -> Language:
    """The language asked for by name, else the newsletter's own, else one the browser accepts, else English."""
    return language(nearest(asked) or nearest(own) or _accepted(accepted) or CODES[0])


def mark(message: str) -> str:
    """The message itself: so called, it is found for the catalogues where it is said outside a template."""
    return message


def install(environment: jinja2.Environment) -> None:
    """Give templates `_` and `{% trans %}`; the render's own value `spoken` says in which language."""
    environment.add_extension(EXTENSION)
    environment.policies["ext.i18n.trimmed"] = True
    callables = environment.install_gettext_callables  # type: ignore[attr-defined]
    callables(_gettext, _ngettext, newstyle=True)


@jinja2.pass_context
def _gettext(context: Context, message: str) -> str:
    return _spoken(context).gettext(message)


@jinja2.pass_context
def _ngettext(context: Context, one: str, many: str, count: int) -> str:
    return _spoken(context).ngettext(one, many, count)


def _spoken(context: Mapping[str, object] | Context) -> NullTranslations:
    spoken = context.get("spoken")
    return spoken.catalogue if isinstance(spoken, Language) else language(CODES[0]).catalogue


def _catalogue(code: str) -> NullTranslations:
    if code == CODES[0]:
        return NullTranslations()
    compiled = BytesIO()
    with (CATALOGUES / f"{code}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)


def _accepted(header: str) -> str:
    wishes: list[tuple[float, str]] = []
    for wish in header.split(",")[:_MOST_WISHES]:
        found = _WISH.fullmatch(wish)
        code = nearest(found[1]) if found else ""
        if found and code:
            wishes.append((float(found[2] or 1), code))
    # `max` keeps the first of equals, as the header meant them.
    weight, code = max(wishes, key=lambda one: one[0], default=(0.0, ""))
    return code if weight > 0 else ""
