"""What a template may ask for besides the edition itself: texts as markup, links, days and times in the letter's words.

Pure; a template reads the stories' own fields, and these where a field needs work first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from newsletter.config import Newsletter
from newsletter.editions.edition import Section
from newsletter.rendering import prose
from newsletter.rendering.prose import Block
from newsletter.stories.story import AgendaItem, Figure, Image, Question, RankedLink, Story

FALLBACK_LANGUAGE: Final = "en"
# An inbox shows up to about this many characters after the subject; what the preheader leaves of them is filled, or
# the first lines of the letter would show there.
INBOX_CHARACTERS: Final = 140
FILLER: Final = "\u034f\u2007"
# The shape given to a picture whose size nobody told.
USUAL_SHAPE: Final = 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The addresses of the site a letter points to; those with a blank are each reader's own."""

    home: str
    signup: str
    archive: str
    unsubscribe: str
    preferences: str
    confirm: str
    refuse: str
    access: str
    change: str
    privacy: str
    terms: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One date of a look-ahead with what is on."""

    on: date
    events: tuple[AgendaItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The same questions for both parts of a letter, answered for one site, zone and language."""

    base: str
    timezone: str
    words: Mapping[str, str]

    def absolute(self, url: str) -> str:
        """The address to print, "" when it is none."""
        return prose.address(url, self.base)

    def prose(self, of: Story | Section, tail: str = "") -> Markup:
        """The text of a story, or of a section without any, as safe HTML; its last paragraph ends with `tail`."""
        return _ended(prose.html(_markdown(of), self.base), tail)

    def run_in(self, story: Story, tail: str = "") -> Markup:
        """The text of a story with its headline run in to the first paragraph."""
        return _ended(prose.run_in(str(escape(story.headline)), prose.html(_markdown(story), self.base)), tail)

    def blocks(self, of: Story | Section) -> tuple[Block, ...]:
        """The same text for the plain part."""
        return prose.blocks(_markdown(of), self.base)

    def onward(self, story: Story) -> str:
        """Where the story goes on, unless its text links there already."""
        url = self.absolute(story.url)
        return "" if url in prose.links(_markdown(story), self.base) else url

    def day(self, on: date) -> str:
        """A day of the coming week: "Mon 23"."""
        return self.words["day"].format(weekday=self.words["weekdays"].split()[on.weekday()], day=on.day)

    def moment(self, at: datetime) -> str:
        """A time of day in the newsletter's zone: "Nov 23, 05:00 UTC"."""
        local = at.astimezone(ZoneInfo(self.timezone))
        month = self.words["months"].split()[local.month - 1]
        return self.words["moment"].format(month=month, day=local.day, clock=f"{local:%H:%M %Z}")


def names(
    newsletter: Newsletter, base: str, words: Mapping[str, Mapping[str, str]], language: str
) -> dict[str, object]:
    """What both parts of every letter may ask for, by the name a template uses."""
    spoken: dict[str, str] = {}
    for tongue in (FALLBACK_LANGUAGE, language.partition("-")[0], language):
        spoken |= words.get(tongue, {})
    page = Page(base=base, timezone=newsletter.timezone, words=spoken)
    asked = (page.absolute, page.prose, page.run_in, page.blocks, page.onward, page.day, page.moment)
    pure = (ranked, agenda, questions, figures, as_of, height, filler)
    named = {function.__name__: function for function in (*asked, *pure)}
    return {
        "newsletter": newsletter,
        "language": language,
        "direction": newsletter.direction,
        "words": spoken,
        **named,
    }


def ranked(section: Section) -> tuple[RankedLink, ...]:
    """The lines of a list: the measured ranking a story holds, or the stories themselves."""
    lines: list[RankedLink] = []
    for story in section.stories:
        lines += story.ranking or [RankedLink(headline=story.headline, url=story.url)]
    return tuple(lines)


def agenda(section: Section) -> tuple[Day, ...]:
    """The dated lines of all its stories, day by day."""
    lines = sorted((line for story in section.stories for line in story.agenda), key=lambda line: line.on)
    return tuple(Day(on=on, events=tuple(events)) for on, events in groupby(lines, key=lambda line: line.on))


def questions(section: Section) -> tuple[Question, ...]:
    """The questions of all its stories."""
    return tuple(question for story in section.stories for question in story.quiz)


def figures(section: Section) -> tuple[Figure, ...]:
    """The numbers of all its stories."""
    return tuple(figure for story in section.stories for figure in story.figures)


def as_of(section: Section) -> datetime | None:
    """The oldest moment its numbers are from."""
    return min((story.as_of for story in section.stories if story.as_of), default=None)


def height(image: Image, width: int) -> int:
    """How high the picture is when it is `width` wide."""
    known = image.width > 0 and image.height > 0
    return round(width * (image.height / image.width if known else USUAL_SHAPE))


def filler(preheader: str) -> str:
    """Invisible characters after the preheader, which keep the letter's first lines out of the inbox's list."""
    return FILLER * max(0, INBOX_CHARACTERS - len(preheader))


def _ended(html: str, tail: str) -> Markup:
    end = str(escape(tail))
    if end:
        html = f"{html.removesuffix('</p>')} {end}</p>" if html.endswith("</p>") else f"{html}<p>{end}</p>"
    return Markup(html)  # noqa: S704 (the sanitiser made the text, autoescaping the tail)


def _markdown(of: Story | Section) -> str:
    if isinstance(of, Section):
        return of.text
    # A summary is plain text: what Markdown would read as marks is escaped.
    return of.body or re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(of.summary.split()))
