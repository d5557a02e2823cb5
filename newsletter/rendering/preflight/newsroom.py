"""The checks on the edition as journalism: its date, its embargoes, its sources, what is unfinished, who approves."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from newsletter.editions.edition import Edition
from newsletter.rendering.preflight.galley import Context, Finding, Galley, around, block, texts, warn
from newsletter.stories.story import Story, StoryKind, canonical_url

UNFINISHED: Final = re.compile(
    r"\bTK(?:TK)*\b|\bX{2,3}\b|\blorem ipsum\b|(?<!\?)\?\?(?!\?)|\?{4,}|\bTODO\b|\bTBC\b", re.IGNORECASE
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
# What a reader sees of a story; the rest are addresses, times and names of machines.
_PRINTED: Final = (
    frozenset(
        ["headline", "kicker", "teaser", "summary", "body", "byline", "image.alt", "image.credit", "image.caption"]
    )
    | frozenset(["agenda.event", "agenda.place", "agenda.actor", "quiz.question", "quiz.options", "quiz.explanation"])
    | frozenset(["ranking.headline", "figures.label", "figures.value", "figures.change"])
)


def ready(galley: Galley) -> Iterator[Finding]:
    """C21: the right day, nothing early, nothing unfinished, nothing unchecked, nothing empty."""
    edition, context = galley.edition, galley.context
    if edition is None:
        return
    yield from _dates(edition, context)
    for gap in edition.gaps:
        advice = "Fill the slot: the plan requires it."
        yield block("C21", advice, place=f"edition: {gap}", field="section")
    for section in edition.sections:
        if not section.stories and not section.text.strip():
            advice = "Fill the section or drop it."
            yield block("C21", advice, place=f"edition: {section.title or section.slot}", field="section")
    for field, text in _own_words(edition):
        found = UNFINISHED.search(text)
        if found:
            advice = f"Replace “{found[0]}”: it marks something unfinished."
            yield block("C21", advice, place=around("edition", text, found), field=field)
    for story in edition.stories():
        yield from _story(story, edition, context)


def _dates(edition: Edition, context: Context) -> Iterator[Finding]:
    sent_on = context.send_at.astimezone(ZoneInfo(context.timezone)).date()
    if edition.on != sent_on:
        advice = f"Date the edition {sent_on}: that is the day it is sent in {context.timezone}."
        yield block("C21", advice, place=f"edition: {edition.on}", field="dateline")
    elif not _tells(edition.dateline, sent_on):
        advice = f"Correct the date line: the edition is sent on {WEEKDAYS[sent_on.weekday()]}, {sent_on}."
        yield block("C21", advice, place=f"edition: {edition.dateline}", field="dateline")


def _tells(dateline: str, on: date) -> bool:
    """Whether the line has the day and the year, and no English weekday or month but the right ones."""
    numbers = {int(one) for one in re.findall(r"\d+", dateline)}
    names = set(re.findall(r"[^\W\d_]+", dateline))
    right = {WEEKDAYS[on.weekday()], MONTHS[on.month - 1]}
    return {on.day, on.year} <= numbers and names.isdisjoint({*WEEKDAYS, *MONTHS} - right)


def _own_words(edition: Edition) -> Iterator[tuple[str, str]]:
    for field in ("headline", "intro", "subject", "preheader"):
        yield field, getattr(edition, field)
    for notice in edition.notices:
        yield "notice", notice
    for section in edition.sections:
        yield "section", section.title
        yield "section", section.text


def _story(story: Story, edition: Edition, context: Context) -> Iterator[Finding]:
    name = story.headline or story.key
    if story.embargo_until and story.embargo_until > context.send_at:
        advice = f"Take the story out or send later: it is embargoed until {story.embargo_until.isoformat()}."
        yield block("C21", advice, place=f"edition: {name}", field="embargo_until", story=name)
    if story.expires_at and story.expires_at <= context.send_at:
        advice = f"Take the story out: it expired at {story.expires_at.isoformat()}."
        yield block("C21", advice, place=f"edition: {name}", field="expires_at", story=name)
    for field, text in texts(story):
        found = UNFINISHED.search(text) if field in _PRINTED else None
        if found:
            advice = f"Replace “{found[0]}”: it marks something unfinished."
            yield block("C21", advice, place=around("edition", text, found), field=field, story=name)
    # What is read most is measured, not written: it has neither a source nor anybody who answers for its facts.
    measured = story.kind is StoryKind.MOST_READ
    for field, value in (("outlet", story.outlet), ("checked_by", story.checked_by)):
        if not value.strip() and not measured:
            advice = "Say where the story comes from." if field == "outlet" else "Have somebody check the story."
            yield block("C21", advice, place=f"edition: {name}", field=field, story=name)
    for item in story.agenda:
        if item.on < edition.on:
            advice = f"Take {item.on} out of the agenda: it has passed."
            yield block("C21", advice, place=f"edition: {item.event}", field="agenda.on", story=name)
    if {story.key, canonical_url(story.url)} & context.used:
        advice = "Say what is new: this story was printed in a recent edition."
        yield warn("C21", advice, place=f"edition: {name}", field="url" if story.url else "headline", story=name)


def approved(galley: Galley) -> Iterator[Finding]:
    """C23: what was approved is what would be sent, and somebody else than its last editor approved it."""
    context = galley.context
    if context.approved_digest is not None and context.approved_digest != context.actual_digest:
        advice = "Approve it again: something changed since the approval."
        yield block("C23", advice, place=f"edition: approved {context.approved_digest[:12]}", field="approval")
    if context.two_person and context.approver and context.approver == context.edited_by:
        advice = f"Let somebody else than {context.approver} approve: two people are required."
        yield block("C23", advice, place=f"edition: last edited by {context.edited_by}", field="approval")
