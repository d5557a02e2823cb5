"""What the checks look at and what they say: the values of the preflight, and how a fault is traced to its story."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

from lxml import html as markup
from lxml.etree import ParserError, _Element

from newsletter.editions.edition import Edition
from newsletter.errors import MessageError
from newsletter.rendering import letter
from newsletter.rendering.letter import Asked, Recipient
from newsletter.rendering.proof import Proof, blank

MOST_PLACE: Final = 80
# What the longest recipient brings: RFC 5321 allows 254 octets of address, and tokens stay far below 64 characters.
LONGEST: Final = {"address": "a" * 245 + "@mail.org", "token": "t" * 64, "code": "c" * 8, "asked": "2026-11-23 05:30"}
# The letter the header checks read; nobody gets it.
_READER: Final = Recipient(
    address="reader@mail.org",
    token="t" * 32,
    return_token="r" * 32,
    asked=Asked(code="ABCD2345", at=datetime(2026, 11, 23, 5, 30, tzinfo=UTC), network="192.0.2.0/24"),
)
_UNSEEN: Final = {"style", "script", "head", "title", "template"}


class Severity(StrEnum):
    """Whether a finding stops the approval, or only asks to be read."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault: the rule it breaks, the story ("" if none) and field it is in, the place in the proof, what to do."""

    rule: str
    severity: Severity
    story: str
    field: str
    place: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the checks must know beyond the proof and its edition; times are aware.

    `used` holds the story keys and canonical URLs of recent editions. `actual_digest` is what an approval made now
    would be bound to and `approved_digest` what the standing one is bound to: leave that None while nothing is approved
    and while a new approval is being given. `approver` is who approves or has approved, "" before anybody does.
    """

    now: datetime
    send_at: datetime
    timezone: str
    last_subject: str = ""
    used: frozenset[str] = frozenset()
    postal_address: str = ""
    base_url: str = ""
    approved_digest: str | None = None
    actual_digest: str = ""
    edited_by: str = ""
    approver: str = ""
    two_person: bool = False


class Galley:
    """A proof laid out for inspection: parsed, cut to one letter, beside its edition and context."""

    def __init__(self, proof: Proof, edition: Edition | None, context: Context) -> None:
        self.proof, self.edition, self.context = proof, edition, context

    @cached_property
    def document(self) -> _Element:
        """The parsed HTML; an empty document where there is none."""
        parser = markup.HTMLParser(encoding="utf-8")
        try:
            return markup.document_fromstring(self.proof.html.encode("utf-8", "replace"), parser=parser)
        except ParserError:
            return markup.document_fromstring("<html><body></body></html>")

    @cached_property
    def elements(self) -> tuple[_Element, ...]:
        """Every element in document order, comments left out."""
        return tuple(one for one in self.document.iter() if isinstance(one.tag, str))

    @cached_property
    def visible(self) -> str:
        """What a reader sees of the HTML, words one space apart."""
        return squeezed(" ".join(_seen(self.document)))

    @cached_property
    def letter(self) -> bytes | str:
        """One letter's bytes, or the reason why none can be cut."""
        try:
            stencil = letter.cut(self.proof, bounce_domain="", date=self.context.send_at)
            return letter.address(stencil, _READER).letter().message
        except MessageError as error:
            return str(error)

    @property
    def unsubscribe_url(self) -> str:
        """The address of the recipient's own way out, its token still blank."""
        return f"{self.proof.site}/u/{blank(self.proof.nonce, 'token')}"

    def longest(self, text: str) -> int:
        """How many bytes the text takes with the longest values in its blanks."""
        for name, value in LONGEST.items():
            text = text.replace(blank(self.proof.nonce, name), value)
        return len(text.encode("utf-8", "replace"))

    def blame(self, test: Callable[[str], object]) -> tuple[str, str]:
        """The headline and the field of the first story with a text that passes the test; two empty texts if none."""
        for story in self.edition.stories() if self.edition else ():
            for name, text in texts(story):
                if test(text):
                    return story.headline or story.key, name
        return "", ""

    def blame_url(self, url: str) -> tuple[str, str]:
        """The story and field an address in the HTML came from."""
        own = url.removeprefix(self.proof.site)
        return (
            self.blame(lambda text: url in text or (own.startswith("/") and text == own)) if url.strip() else ("", "")
        )


def texts(value: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside a story with the name of its field, such as `image.alt`."""
    if isinstance(value, str):
        yield prefix, value
    elif isinstance(value, tuple):
        for one in value:
            yield from texts(one, prefix)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name), f"{prefix}.{field.name}".lstrip("."))


def block(rule: str, advice: str, *, place: str, field: str = "", story: str = "") -> Finding:
    """A finding that stops the approval."""
    return Finding(rule=rule, severity=Severity.BLOCK, story=story, field=field, place=clip(place), advice=advice)


def warn(rule: str, advice: str, *, place: str, field: str = "", story: str = "") -> Finding:
    """A finding that only asks to be read."""
    return Finding(rule=rule, severity=Severity.WARN, story=story, field=field, place=clip(place), advice=advice)


def clip(text: str) -> str:
    """The text on one line of at most 80 characters, without what cannot be seen."""
    text = squeezed("".join(one if one.isprintable() else " " for one in text))
    return text if len(text) <= MOST_PLACE else text[: MOST_PLACE - 1] + "…"


def snippet(element: _Element) -> str:
    """Where an element stands, and how its tag reads."""
    shown = " ".join(
        f'{name!s}="{value!s}"' for name, value in element.attrib.items() if name in {"src", "href", "alt"}
    )
    return f"html line {element.sourceline}: <{tag(element)}{' ' * bool(shown)}{shown}>"


def tag(element: _Element) -> str:
    """The element's name."""
    return str(element.tag)


def words(element: _Element) -> str:
    """All text inside the element."""
    return squeezed("".join(str(text) for text in element.itertext()))


def around(where: str, text: str, found: re.Match[str]) -> str:
    """The words round a match, after the part it was found in."""
    line = text.count("\n", 0, found.start()) + 1
    return f"{where} line {line}: {text[max(0, found.start() - 20) : found.end() + 30]}"


def squeezed(text: str) -> str:
    """Every run of white space as one space."""
    return " ".join(text.split())


def letters(text: str) -> str:
    """Only the letters and digits, in one case: equal where two texts differ by wrapping and punctuation."""
    return re.sub(r"[\W_]+", "", text).casefold()


def hidden(element: _Element) -> bool:
    """Whether the element itself is taken out of sight."""
    style = str(element.get("style", "")).replace(" ", "").lower()
    return (
        element.tag in _UNSEEN or "hidden" in element.attrib or "display:none" in style or "visibility:hidden" in style
    )


def _seen(element: _Element) -> Iterator[str]:
    if not isinstance(element.tag, str) or hidden(element):
        return
    if element.text:
        yield element.text
    for child in element:
        yield from _seen(child)
        if child.tail:
            yield child.tail
