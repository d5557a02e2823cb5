"""What is weak in a request for consent: its wording, and the form it stands on. Pure.

A weak wording is reported and kept, since whose words they are decides; a control that was ticked beforehand is none
that can be sent out (CJEU C-673/17: a ticked box is no consent).
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

# Words in which a frequency, or the way out, is told; a wording in another language is not judged by them.
_FREQUENCY: Final = {
    "en": r"\b(?:daily|weekday|weekdays|every (?:day|week|month|morning|evening)|weekly|monthly|times a|once a)\b",
    "de": r"\b(?:täglich|von montag bis|werktags|werktäglich|wöchentlich|monatlich|jeden|einmal)\b",
    "fr": r"\b(?:chaque|du lundi au|quotidien\w*|hebdomadaire|mensuel\w*|tous les|par (?:jour|semaine|mois))\b",
    "es": r"\b(?:cada|de lunes a|diari[oa]\w*|semanal\w*|mensual\w*|todos los)\b",
}
_WAY_OUT: Final = {
    "en": r"opt(?:ing)?[ -]out|unsubscribe|withdraw|leave at any time|stop at any time",
    "de": r"abmelden|abbestell|widerruf|kündig",
    "fr": r"désabonn|désinscri|retirer",
    "es": r"baja|retirar|cancelar",
}
_AGREED: Final = re.compile(r"\b(?:agree|accept|consent)\w*\b[^.]*\bprivacy (?:policy|notice|statement)", re.IGNORECASE)
_TERMS: Final = re.compile(r"\b(?:agree|accept)\w*\b[^.]*\b(?:terms|privacy)\b", re.IGNORECASE)
_MAIL: Final = re.compile(r"\b(?:receive|get|send)\b[^.]*\b(?:e-?mails?|correspondence|newsletter)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """One thing a lawyer would object to; `blocking` when nothing that carries it can be consent."""

    rule: str
    blocking: bool
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A request for consent: its words, its form as rendered, who asks, and what the form must link to."""

    wording: str
    language: str
    controller: str
    form: str = ""
    links: tuple[str, ...] = ()


def inspect(shown: Shown) -> list[Weakness]:
    """What is weak, in the order of reading."""
    language = shown.language.partition("-")[0].lower()
    found = []
    if any(_TERMS.search(one) and _MAIL.search(one) for one in re.split(r"(?<=[.!?])\s", shown.wording)):
        found.append(_warn("bundled-purposes", "one sentence agrees to terms and to mail: ask for each by itself"))
    if _AGREED.search(shown.wording):
        advice = "a privacy policy informs: link to it, and ask nobody to agree to it"
        found.append(_warn("agrees-to-privacy-policy", advice))
    if shown.controller.casefold() not in shown.wording.casefold():
        found.append(_warn("no-controller", f"it does not say that {shown.controller} asks"))
    if language in _FREQUENCY and not re.search(_FREQUENCY[language], shown.wording, re.IGNORECASE):
        found.append(_warn("no-frequency", "it does not say how often letters come"))
    if language in _WAY_OUT and not re.search(_WAY_OUT[language], shown.wording, re.IGNORECASE):
        found.append(_warn("no-withdrawal", "it does not say that consent can be withdrawn"))
    return found + form(shown.form, shown.links)


def form(html: str, links: tuple[str, ...] = ()) -> list[Weakness]:
    """What is weak in a form as it was rendered."""
    if not html:
        return []
    reader = _Form()
    reader.feed(html)
    found = [_warn("missing-link", f"the form does not link to {one}") for one in links if one not in reader.links]
    found += [
        Weakness(rule="pre-ticked", blocking=True, advice=f"the control “{one}” is ticked before anybody has chosen")
        for one in reader.ticked
    ]
    return found


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ticked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.add(given.get("href") or "")
        if tag == "input" and (given.get("type") or "").lower() in {"checkbox", "radio"} and "checked" in given:
            self.ticked.append(given.get("name") or "without a name")


def _warn(rule: str, advice: str) -> Weakness:
    return Weakness(rule=rule, blocking=False, advice=advice)
