"""The checks on what a reader sees and follows: characters, pictures, links, and the plain-text part."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import wcwidth
from lxml.etree import _Element

from newsletter.rendering.preflight.galley import Finding, Galley, around, block, letters, snippet, warn, words
from newsletter.stories.story import Story, canonical_url

MOST_ALT: Final = 125
MOST_COLUMNS: Final = 78
LEAST_SHARE: Final = 0.7
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffd]")
# UTF-8 read as Latin-1 or Windows-1252 and written again; letters that languages do write so are left out.
MOJIBAKE: Final = re.compile(
    r"Ã(?:[\x80-\x9f¡-º¼-¿€ƒ†‡ˆ‰Š‹ŒŽ™šœžŸ]|[\xa0»](?=\w))|Â[\x80-\xa0£©®°·´§]|â€[\x80-\x9f™œ˜“”¦]|ï»¿|ï¿½"
)
_FILE_NAME: Final = re.compile(r"\S+\.(?:jpe?g|png|gif|webp|avif|svg)|(?:IMG|DSC|DCIM|image)[_-]?\d+", re.IGNORECASE)
_BARE_URL: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_STAGING: Final = re.compile(r"(?:[\w-]+-)?(?:staging|stage|preview|preprod|draft|dev|cms|uat|qa)(?:-[\w-]+)?")
_CMS: Final = re.compile(r"/wp-admin/|[?&]preview(?:_id)?=", re.IGNORECASE)
_MARKDOWN_LINK: Final = re.compile(r"\]\(\s*<?([^\s)>]+)|<(https?://[^>\s]+)>")
_TAG: Final = re.compile(
    r"</?(?:a|b|br|div|em|h[1-6]|i|img|li|ol|p|span|strong|table|td|tr|ul)\b[^<>]*>", re.IGNORECASE
)
_EMPTY_WORDS: Final = frozenset(["click here", "here", "click", "this", "link", "this link"])
_NEEDS_CONTEXT: Final = frozenset(["read more", "more", "learn more", "continue reading", "full story"])


def characters(galley: Galley) -> Iterator[Finding]:
    """C4: composed Unicode without controls or mangled letters, and a letter can be written of it."""
    proof = galley.proof
    parts = [("html", proof.html), ("text", proof.text), ("subject", re.sub(r"[\r\n]", "", proof.subject))]
    for where, text in [*parts, ("preheader", proof.preheader), ("sender", proof.sender.name)]:
        for broken in (CONTROL, MOJIBAKE):
            found = broken.search(text)
            if found:
                story, field = galley.blame(broken.search)
                advice = f"Retype the text: {_named(found[0])} is a control or mangled character."
                yield block("C4", advice, place=around(where, text, found), field=field or where, story=story)
        if not unicodedata.is_normalized("NFC", text):
            story, field = galley.blame(lambda known: not unicodedata.is_normalized("NFC", known))
            advice = "Paste the text again as composed Unicode (NFC): some clients show accents apart from letters."
            yield block("C4", advice, place=f"{where}: {_decomposed(text)}", field=field or where, story=story)
    if isinstance(galley.letter, str) and proof.subject.strip():
        yield block("C4", f"No letter can be written: {galley.letter}.", place="header", field="header")


def _named(text: str) -> str:
    return ascii(text[0]) if len(text) == 1 else f"“{text}”"


def _decomposed(text: str) -> str:
    words = (word for word in text.split() if not unicodedata.is_normalized("NFC", word))
    return next(words, text)


def images(galley: Galley) -> Iterator[Finding]:
    """C8: every picture is described, measured and fetched by https."""
    for one in galley.elements:
        if one.tag != "img":
            continue
        source = str(one.get("src", ""))
        story, _ = galley.blame_url(source)
        for field, advice in _image_faults(one, source):
            yield block("C8", advice, place=snippet(one), field=field, story=story)


def _image_faults(one: _Element, source: str) -> Iterator[tuple[str, str]]:
    alt = one.get("alt")
    linked = any(above.tag == "a" for above in one.iterancestors())
    if alt is None:
        yield "image.alt", "Describe the picture in its alt text; leave it empty only for decoration."
    elif not alt.strip() and linked and not words(_link(one)):
        yield "image.alt", "Describe the picture: it is all there is of its link."
    elif _FILE_NAME.fullmatch(alt.strip()):
        yield "image.alt", "Describe the picture: its alt text is a file name."
    elif len(alt) > MOST_ALT:
        yield "image.alt", f"Shorten the alt text to {MOST_ALT} characters; it has {len(alt)}."
    if not re.match(r"(?:https|data|cid):", source):
        yield "image.url", "Give the picture an absolute https address."
    if not re.fullmatch(r"\d+(?:px|%)?", str(one.get("width", ""))):
        yield "image.width", "Say how wide the picture is: Outlook shows it in full size otherwise."
    if not one.get("height") and not re.search(r"(?:^|[;\s])height:", str(one.get("style", ""))):
        yield "image.height", "Say how high the picture is: the text jumps when it loads otherwise."


def _link(image: _Element) -> _Element:
    return next(above for above in image.iterancestors() if above.tag == "a")


def links(galley: Galley) -> Iterator[Finding]:
    """C10: every link leads to a public page, says where in words, and stands once in its item."""
    for one in galley.elements:
        if one.tag not in {"a", "area"} or (one.get("href") is None and (one.get("id") or one.get("name"))):
            continue
        target, text = str(one.get("href", "")), words(one)
        advice = target_fault(target)
        if not advice and not text and not one.get("aria-label") and one.find(".//img") is None and one.tag == "a":
            advice = "Give the link some words."
        if not advice and _BARE_URL.fullmatch(text):
            advice = "Say in words where the link leads: a bare address is read out letter by letter."
        if advice:
            story, field = galley.blame_url(target) if target.strip("#") else galley.blame(lambda known: "](#" in known)
            yield block("C10", advice, place=snippet(one), field=field or "url", story=story)
    for printed in galley.edition.stories() if galley.edition else ():
        yield from _repeated(printed)


def _repeated(story: Story) -> Iterator[Finding]:
    seen: set[str] = set()
    for found in _MARKDOWN_LINK.finditer(story.body):
        target = found[1] or found[2]
        plain = canonical_url(target) or target
        if plain in seen:
            advice = "Link to a page once in an item: the second link says nothing new."
            yield block("C10", advice, place=f"edition: {target}", field="body", story=story.headline or story.key)
        seen.add(plain)


def target_fault(target: str) -> str:
    """What to do about a link's target; "" where nothing is wrong with it."""
    if not target.strip() or target.startswith("#"):
        return "Give the link an address: it leads nowhere."
    try:
        parts = urlsplit(target)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return "Correct the address: it cannot be read."
    if parts.scheme == "mailto" and re.fullmatch(r"[^\s@]+@[^\s@]+", parts.path):
        return ""
    if parts.scheme != "https" or not host or parts.username is not None or re.search(r"\s", target):
        return "Use an absolute address that begins with https:// and the site's name."
    if not _public(host) or _CMS.search(target):
        return "Use the public address: readers cannot open this one."
    return ""


def _public(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return False
    labels = host.split(".")
    private = labels[-1] in {"localhost", "local", "internal", "lan", "invalid", "example"} or labels[-1].isdigit()
    # The last two labels are somebody's registered name: dev.to is a public site.
    staged = any(_STAGING.fullmatch(label) for label in labels[:-2])
    return len(labels) > 1 and not private and not staged and "example" not in labels[-2:-1]


def link_words(galley: Galley) -> Iterator[Finding]:
    """C12: a link's words say where it leads, even read without what stands around it."""
    repeated: set[str] = set()
    for one in galley.elements:
        text = words(one).rstrip(" .:→›»").lower() if one.tag == "a" else ""
        story, field = galley.blame_url(str(one.get("href", ""))) if text in _EMPTY_WORDS | _NEEDS_CONTEXT else ("", "")
        if text in _EMPTY_WORDS:
            advice = f"Write what the link leads to instead of “{text}”."
            yield block("C12", advice, place=snippet(one), field=field or "body", story=story)
        elif text in _NEEDS_CONTEXT and not one.get("aria-label") and not _in_a_sentence(one):
            if text in repeated:
                advice = f"Tell one “{text}” from another: name the story in the link or its aria-label."
                yield block("C12", advice, place=snippet(one), field=field or "body", story=story)
            repeated.add(text)


def _in_a_sentence(link: _Element) -> bool:
    """Whether the link's own paragraph or list item says more than the link (WCAG 2.4.4: link purpose in context)."""
    own = next((above for above in link.iterancestors() if above.tag in {"p", "li", "dd"}), link)
    return len(letters(words(own))) > 2 * len(letters(words(link)))


def plain_text(galley: Galley) -> Iterator[Finding]:
    """C14: a text part that is a brief of its own: every headline, every link target, lines that fit, no tags."""
    text = galley.proof.text
    if not text.strip():
        yield block("C14", "The text part is empty; render it again.", place="text", field="text")
        return
    found = _TAG.search(text)
    if found:
        story, field = galley.blame(_TAG.search)
        advice = f"Remove {found[0]} from the text: tags mean nothing in plain text."
        yield block("C14", advice, place=around("text", text, found), field=field or "text", story=story)
    for number, line in enumerate(text.splitlines(), 1):
        if wcwidth.wcswidth(line) > MOST_COLUMNS and not re.search(r"\S{60,}|https?://|mailto:", line):
            advice = f"Wrap the line: it is wider than {MOST_COLUMNS} columns."
            yield block("C14", advice, place=f"text line {number}: {line}", field="text")
            break
    yield from _missing(galley, text)


def _missing(galley: Galley, text: str) -> Iterator[Finding]:
    joined, written = re.sub(r"\s", "", text), letters(text)
    for target in dict.fromkeys(str(one.get("href", "")) for one in galley.elements if one.tag == "a"):
        if target == galley.unsubscribe_url:
            continue  # C13 sees to the way out.
        if target.startswith("https:") and re.sub(r"\s", "", target) not in joined:
            story, field = galley.blame_url(target)
            advice = "Print this link in the text part too: its readers have no other way to it."
            yield block("C14", advice, place=f"text lacks {target}", field=field or "url", story=story)
    shown = letters(galley.visible)
    for printed in galley.edition.stories() if galley.edition else ():
        wanted = letters(printed.headline)
        if wanted and wanted in shown and wanted not in written:
            advice = "Print this headline in the text part too."
            place = f"text lacks {printed.headline}"
            yield block("C14", advice, place=place, field="headline", story=printed.headline)
    words, seen = len(re.findall(r"\w+", re.sub(r"https?://\S+", "", text))), len(re.findall(r"\w+", galley.visible))
    if seen > 50 and words < seen * LEAST_SHARE:
        advice = "Compare the text part with the HTML: it has much fewer words."
        yield warn("C14", advice, place=f"text: {words} words, html: {seen}", field="text")
