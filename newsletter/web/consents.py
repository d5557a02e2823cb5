"""What a reader reads before signing up: the text of each form, in each language, known by the digest of its words."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from newsletter.config import WEEKDAYS, Newsletter
from newsletter.languages import CODES
from newsletter.rendering.template import TEMPLATES

STYLES: Final = TEMPLATES / "consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One text as a form shows it; `button` is empty where the page's own word stands on it."""

    text: str
    language: str
    button: str = ""

    @property
    def digest(self) -> str:
        """By what the text is known: what the form posts back."""
        return digest(self.text)


def digest(text: str) -> str:
    """The name of a wording or form: the SHA-256 of its exact UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def shown(paper: Newsletter, publisher: str, code: str) -> Consent:
    """The text of the form in a language of CODES; a newsletter's own wording stands in its own language alone."""
    if paper.wording:
        return Consent(text=_filled(paper.wording, paper, publisher), language=paper.language)
    words = _words(paper.wording_style)[code]
    often = words[_rhythm(paper)]
    text, button = (
        _filled(words.get(name, "").replace("{often}", often), paper, publisher) for name in ("text", "button")
    )
    return Consent(text=text, language=code, button=button)


def deployed(paper: Newsletter, publisher: str) -> Mapping[str, Consent]:
    """Every text that a form of this newsletter shows now, by its digest."""
    return {one.digest: one for one in (shown(paper, publisher, code) for code in CODES)}


def _filled(text: str, paper: Newsletter, publisher: str) -> str:
    return text.replace("{name}", paper.name).replace("{publisher}", publisher)


def _rhythm(paper: Newsletter) -> str:
    days = set(paper.days)
    if days == set(WEEKDAYS):
        return "daily"
    if days == set(WEEKDAYS[:5]):
        return "weekdays"
    return "weekly" if len(days) == 1 else "several"


@lru_cache(maxsize=4)
def _words(style: str) -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((STYLES / f"{style}.toml").read_text("utf-8"))
