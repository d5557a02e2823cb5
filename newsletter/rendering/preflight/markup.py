"""The checks on the HTML as mail clients read it: leftovers, size, CSS, foreign matter, language, tables, headings."""

import re
from collections.abc import Iterator
from typing import Final

import tinycss2
from lxml.etree import Comment

from newsletter.rendering.preflight.galley import (
    LONGEST,
    Finding,
    Galley,
    around,
    block,
    hidden,
    snippet,
    tag,
    warn,
    words,
)
from newsletter.rendering.proof import blank

LEFTOVER: Final = re.compile(r"\{\{|\{%|%%|\\u\{")
WARN_BYTES, MOST_BYTES = 90_000, 100_000  # Gmail clips near 102,000 bytes and drops <style> from what it clips.
WARN_CSS, MOST_CSS = 12_000, 16_000  # Gmail drops all CSS above 16 KB.
_HSL: Final = re.compile(r"\bhsla?\(", re.IGNORECASE)
_CONDITIONAL: Final = re.compile(r"\s*\[if [^\]]*\]|.*<!\[endif\]\s*$", re.DOTALL)
_FOREIGN: Final = frozenset(
    ["script", "form", "input", "button", "select", "textarea", "iframe", "frame", "object", "embed", "applet", "base"]
)
_EXTERNAL_FONT: Final = re.compile(r"@import|@font-face[^}]*url\(|fonts\.(?:googleapis|gstatic)\.", re.IGNORECASE)
_INLINED: Final = re.compile(r"url\(\s*['\"]?\s*(?:data|cid):", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def leftovers(galley: Galley) -> Iterator[Finding]:
    """C1: nothing that a template should have filled is still there."""
    proof, known = galley.proof, {blank(galley.proof.nonce, name) for name in LONGEST}
    if not proof.html.strip():
        yield block("C1", "The proof has no HTML; render it again.", place="html")
    for where in ("html", "text", "subject", "preheader"):
        text = getattr(proof, where)
        found = LEFTOVER.search(text)
        if found:
            story, field = galley.blame(LEFTOVER.search)
            advice = f"Remove “{found[0]}”: it looks like a placeholder that was never filled."
            yield block("C1", advice, place=around(where, text, found), field=field or where, story=story)
        for unknown in re.finditer(rf"wb{re.escape(proof.nonce)}[a-z0-9]*", text):
            if unknown[0] not in known:
                advice = "The template asks for a blank that no letter fills; correct the template."
                yield block("C1", advice, place=around(where, text, unknown), field=where)


def size(galley: Galley) -> Iterator[Finding]:
    """C2: with the longest recipient the HTML stays below what Gmail clips."""
    count = galley.longest(galley.proof.html)
    if count > MOST_BYTES:
        advice = f"Shorten the edition: Gmail hides the end of mail above {MOST_BYTES:,} bytes, the way out included."
        yield block("C2", advice, place=f"html: {count:,} bytes", field="html")
    elif count > WARN_BYTES:
        advice = f"Shorten the edition if you can: it is close to the {MOST_BYTES:,} bytes above which Gmail clips it."
        yield warn("C2", advice, place=f"html: {count:,} bytes", field="html")


def styles(galley: Galley) -> Iterator[Finding]:
    """C3: style sheets that Gmail keeps and Outlook understands."""
    sheets = [str(one.text or "") for one in galley.elements if one.tag == "style"]
    count = sum(len(sheet.encode()) for sheet in sheets)
    if count > MOST_CSS:
        yield block(
            "C3", "Shorten the template's CSS: Gmail drops all of it.", place=f"css: {count:,} bytes", field="css"
        )
    elif count > WARN_CSS:
        advice = f"Shorten the template's CSS: Gmail drops all of it above {MOST_CSS:,} bytes."
        yield warn("C3", advice, place=f"css: {count:,} bytes", field="css")
    for sheet in sheets:
        for rule in tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True):
            if rule.type == "at-rule" and rule.content and _nests(rule):
                place = f"css line {rule.source_line}: @{rule.at_keyword}"
                yield block("C3", "Take the inner @ rule out: Gmail drops the whole block.", place=place, field="css")
    for style in [*sheets, *(str(one.get("style", "")) for one in galley.elements)]:
        found = _HSL.search(style)
        if found:
            advice = "Write the colour as #rrggbb: Outlook drops hsl()."
            yield block("C3", advice, place=around("css", style, found), field="css")


def _nests(rule: tinycss2.ast.AtRule) -> bool:
    inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
    return any(one.type == "at-rule" for one in inner)


def foreign(galley: Galley) -> Iterator[Finding]:
    """C5: no notes to colleagues, nothing that runs or asks, nothing loaded from elsewhere but pictures."""
    for comment in galley.document.iter(Comment):
        if not _CONDITIONAL.match(comment.text or ""):
            advice = "Remove the comment: readers can see it in the source."
            place = f"html line {comment.sourceline}: {comment.text or ''!s}"
            yield block("C5", advice, place=place, field="html")
    for one in galley.elements:
        if one.tag in _FOREIGN or (one.tag == "link" and "stylesheet" in str(one.get("rel", ""))):
            advice = f"Remove the <{tag(one)}>: mail clients refuse or drop it."
            yield block("C5", advice, place=snippet(one), field="html")
        running = next((name for name in one.attrib if str(name).startswith("on")), None)
        if running:
            yield block("C5", f"Remove {running!s}: nothing may run in mail.", place=snippet(one), field="html")
        source = str(one.get("src", "")) or str(one.get("background", ""))
        if re.match(r"\s*(?:data|cid):", source, re.IGNORECASE) or _INLINED.search(str(one.get("style", ""))):
            story, field = galley.blame_url(source[:60])
            advice = "Use a picture with an https address: pasted pictures are dropped by mail clients."
            yield block("C5", advice, place=snippet(one), field=field or "image.url", story=story)
        sheet = str(one.text or "") if one.tag == "style" else ""
        if _EXTERNAL_FONT.search(sheet) or _INLINED.search(sheet):
            advice = "Use system fonts: a font from elsewhere tells its host who reads."
            yield block("C5", advice, place=snippet(one), field="css")


def language(galley: Galley) -> Iterator[Finding]:
    """C6: language and direction are said on <html> and again inside <body>, and are the edition's."""
    proof = galley.proof
    body = next((one for one in galley.elements if one.tag == "body"), None)
    first = (
        next((one for one in body if isinstance(one.tag, str) and not hidden(one)), None) if body is not None else None
    )
    for name, one in (("html", galley.document), ("the first element in body", first)):
        lang = "" if one is None else str(one.get("lang", ""))
        direction = "" if one is None else str(one.get("dir", ""))
        if not _LANGUAGE.fullmatch(lang) or lang.lower() != proof.language.lower():
            advice = f'Set lang="{proof.language}" on {name}: screen readers choose their voice by it.'
            yield block("C6", advice, place=f"html: lang=“{lang}” on {name}", field="language")
        if direction != proof.direction:
            advice = f'Set dir="{proof.direction}" on {name}.'
            yield block("C6", advice, place=f"html: dir=“{direction}” on {name}", field="language")
    if proof.direction == "rtl":
        for one in galley.elements:
            if re.search(r"direction:\s*ltr", str(one.get("style", "")), re.IGNORECASE):
                yield block("C6", "Remove direction:ltr from the template.", place=snippet(one), field="language")
                break


def tables(galley: Galley) -> Iterator[Finding]:
    """C7: a table is either layout and says so, or data and has heads."""
    for one in galley.elements:
        if one.tag != "table" or one.get("role") in {"presentation", "none"}:
            continue
        # A head of a table inside this one is not its own.
        if one.find("./tr/th") is None and one.find("./*/tr/th") is None:
            advice = 'Give a layout table role="presentation", and a data table heads (<th>).'
            yield block("C7", advice, place=snippet(one), field="html")


def headings(galley: Galley) -> Iterator[Finding]:
    """C9: one first-level heading, no level skipped, none empty."""
    found = [(int(one.tag[1]), one) for one in galley.elements if re.fullmatch("h[1-6]", str(one.tag))]
    firsts = [one for level, one in found if level == 1]
    if len(firsts) != 1:
        advice = f"Use exactly one first-level heading; there are {len(firsts)}."
        yield block("C9", advice, place=snippet(firsts[1]) if firsts else "html", field="headline")
    before = 0
    for level, one in found:
        text = words(one)
        story, field = galley.blame(text.__eq__) if text else ("", "")
        if level > before + 1 and (before or firsts):
            advice = f"Use a level {before + 1} heading here: readers who jump by headings lose their way."
            yield block("C9", advice, place=f"{snippet(one)} {text}", field=field or "headline", story=story)
        if not text and not any(image.get("alt") for image in one.iter("img")):
            yield block("C9", "Write the heading or remove it.", place=snippet(one), field="headline")
        before = level
