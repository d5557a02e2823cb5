"""The checks on the mail around the stories: the way out, the sender's place, the subject and the preheader."""

import re
from collections.abc import Iterator
from email import message_from_bytes
from typing import Final

from lxml.etree import _Element

from newsletter.rendering.preflight.galley import Finding, Galley, block, clip, hidden, letters, warn, words

VISIBLE_BEFORE: Final = 90_000
WARN_SUBJECT, MOST_SUBJECT = 60, 90
LEAST_PREHEADER, MOST_PREHEADER = 30, 110


def way_out(galley: Galley) -> Iterator[Finding]:
    """C13: the way out and the postal address are plain to see in both parts, and the headers offer one click."""
    if galley.proof.kind != "edition":
        return
    proof, url = galley.proof, galley.unsubscribe_url
    visible = any(
        one.tag == "a" and str(one.get("href", "")) == url and words(one) and not _out_of_sight(one)
        for one in galley.elements
    )
    if not visible or galley.longest(proof.html[: proof.html.find(url)]) > VISIBLE_BEFORE:
        advice = f"Show the unsubscribe link before byte {VISIBLE_BEFORE:,}, where Gmail does not hide it."
        yield block("C13", advice, place="html lacks the unsubscribe link", field="html")
    if url not in re.sub(r"\s", "", proof.text):
        yield block("C13", "Print the unsubscribe link.", place="text lacks the unsubscribe link", field="text")
    yield from _postal_address(galley)
    yield from _one_click(galley)


def _out_of_sight(element: _Element) -> bool:
    return hidden(element) or any(hidden(above) for above in element.iterancestors())


def _postal_address(galley: Galley) -> Iterator[Finding]:
    wanted = letters(galley.context.postal_address)
    if not wanted:
        advice = "Set site.postal_address in the configuration: the law asks for the sender's postal address."
        yield block("C13", advice, place="edition", field="postal_address")
        return
    head = re.sub(
        r"<[^>]*>", " ", galley.proof.html.encode("utf-8", "replace")[:VISIBLE_BEFORE].decode("utf-8", "ignore")
    )
    for where, text in (("html", galley.visible), ("text", galley.proof.text)):
        late = where == "html" and len(galley.proof.html) > VISIBLE_BEFORE and wanted not in letters(head)
        if wanted not in letters(text) or late:
            advice = f"Show the postal address in the {where} part, before byte {VISIBLE_BEFORE:,}."
            yield block("C13", advice, place=f"{where} lacks {galley.context.postal_address}", field=where)


def _one_click(galley: Galley) -> Iterator[Finding]:
    if isinstance(galley.letter, str):
        return  # C4 says why there is no letter.
    message = message_from_bytes(galley.letter)
    value = str(message["List-Unsubscribe"] or "")
    if not re.fullmatch(r"<https://[^<>\s]+>(?:, <mailto:[^<>\s]+>)?", value) or "=?" in value:
        advice = "Give the site an https address: without it mail programs show no unsubscribe button."
        yield block("C13", advice, place=f"header List-Unsubscribe: {value}", field="header")
    if message["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        advice = "The letter must offer one-click unsubscription (RFC 8058)."
        yield block("C13", advice, place="header List-Unsubscribe-Post", field="header")


def subject_lines(galley: Galley) -> Iterator[Finding]:
    """C20: a subject and a preheader of the right length, new, on one line, and not the same."""
    proof, last = galley.proof, galley.context.last_subject
    subject, preheader = proof.subject.strip(), proof.preheader.strip()
    place = f"header Subject: {clip(subject)}"
    if not subject or len(subject) > MOST_SUBJECT:
        advice = f"Write a subject of 1 to {MOST_SUBJECT} characters; this one has {len(subject)}."
        yield block("C20", advice, place=place, field="subject")
    elif len(subject) > WARN_SUBJECT:
        advice = f"Shorten the subject to {WARN_SUBJECT} characters, or phones cut it; it has {len(subject)}."
        yield warn("C20", advice, place=place, field="subject")
    if re.search(r"[\r\n]", proof.subject):
        yield block("C20", "Write the subject on one line.", place=place, field="subject")
    if re.search(r"\[test\b[^\]]*\]", subject, re.IGNORECASE):
        yield block("C20", "Take the test mark out of the subject.", place=place, field="subject")
    if subject and letters(subject) == letters(last) and letters(subject):
        advice = "Write another subject: mail programs fold an edition with the last one's subject into it."
        yield block("C20", advice, place=place, field="subject")
    if proof.kind == "edition":
        if not LEAST_PREHEADER <= len(preheader) <= MOST_PREHEADER:
            advice = f"Write a preheader of {LEAST_PREHEADER} to {MOST_PREHEADER} characters; it has {len(preheader)}."
            yield block("C20", advice, place=f"preheader: {preheader}", field="preheader")
        elif letters(preheader) == letters(subject):
            advice = "Let the preheader say something the subject does not."
            yield block("C20", advice, place=f"preheader: {preheader}", field="preheader")
