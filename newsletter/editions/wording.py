"""What is written from the picks: date line, intro sentence, subject and preheader candidates, words, reading time.

All of it is derived again whenever the picks change (`word`).
"""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from newsletter.editions.edition import Edition, Frame, Section
from newsletter.stories.story import Story, StoryKind

WORDS_PER_MINUTE: Final = 230
# Gmail and others clip a subject at about 60 characters; the preflight refuses more than 90 (C20).
SUBJECT_GOOD: Final = 60
SUBJECT_MOST: Final = 90
CANDIDATES: Final = 6
PREHEADER_LEAST: Final = 30
PREHEADER_MOST: Final = 110


@dataclass(frozen=True, slots=True, kw_only=True)
class Locale:
    """The standing words of one language."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    day: str
    dateline: str
    pair: str
    last: str
    plain_welcome: str
    of_the_day: str
    plus: str
    reading: str
    absent: str
    away: str
    back: str


ENGLISH: Final = Locale(
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    day="{weekday}, {month} {day}",
    dateline="{weekday}, {month} {day}, {year}",
    pair=" and ",
    last=", and ",
    plain_welcome="Welcome back to {name}.",
    of_the_day="{name} for {day}",
    plus="Plus {topics}.",
    reading="{dateline}. Reading time: {minutes} min.",
    absent="{name} will not appear on {days}.",
    away="{name} will not appear from {first} to {last}.",
    back=" We are back on {day}.",
)
GERMAN: Final = Locale(
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    day="{weekday}, {day}. {month}",
    dateline="{weekday}, {day}. {month} {year}",
    pair=" und ",
    last=" und ",
    plain_welcome="Willkommen bei {name}.",
    of_the_day="{name} vom {day}",
    plus="Außerdem: {topics}.",
    reading="{dateline}. Lesezeit: {minutes} Min.",
    absent="{name} erscheint nicht am {days}.",
    away="{name} erscheint nicht von {first} bis {last}.",
    back=" Die nächste Ausgabe kommt am {day}.",
)
LOCALES: Final = {"en": ENGLISH, "de": GERMAN}


def locale(language: str) -> Locale:
    """The words of a language tag such as "de-AT"; English where we have none."""
    return LOCALES.get(primary(language), ENGLISH)


def primary(language: str) -> str:
    """The primary subtag of a language tag (RFC 5646): "en" of "en-GB"."""
    return re.split(r"[-_]", language.strip().lower(), maxsplit=1)[0]


def dateline(on: date, language: str = "en") -> str:
    """Such as "Monday, November 23, 2026"."""
    words = locale(language)
    return fill(words.dateline, **_parts(on, words))


def day(on: date, language: str = "en") -> str:
    """The date line without its year."""
    words = locale(language)
    return fill(words.day, **_parts(on, words))


def _parts(on: date, words: Locale) -> dict[str, str]:
    month = words.months[on.month - 1]
    return {"weekday": words.weekdays[on.weekday()], "month": month, "day": str(on.day), "year": str(on.year)}


def fill(pattern: str, **values: str) -> str:
    """Put values in a pattern's {blanks} in one pass: a value that looks like a blank stays text."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), pattern)


def joined(parts: Sequence[str], language: str = "en") -> str:
    """One sentence part of several: "A", "A and B", "A, B, and C"."""
    words = locale(language)
    if len(parts) <= 2:
        return words.pair.join(parts)
    return ", ".join(parts[:-1]) + words.last + parts[-1]


def plain(text: str) -> str:
    """One line without control characters."""
    return " ".join("".join(" " if unicodedata.category(one) == "Cc" else one for one in text).split())


def word(edition: Edition) -> Edition:
    """The edition with everything derived from its sections written anew."""
    picks = _picks(edition.sections)
    first = next(edition.stories(), None)
    headline = picks[0].headline if picks else first.headline if first else edition.name
    welcome = introduction(edition.welcome, edition.name, [topic(one) for one in picks[:3]], edition.language)
    words = len(welcome.split()) + sum(_section_words(one) for one in edition.sections)
    words += sum(len(one.split()) for one in edition.notices)
    minutes = max(1, round(words / WORDS_PER_MINUTE))
    edition = replace(
        edition,
        headline=plain(headline),
        intro=welcome,
        dateline=dateline(edition.on, edition.language),
        words=words,
        reading_minutes=minutes,
        gaps=tuple(_gaps(edition.frames, edition.sections)),
    )
    subjects = _subjects(edition, picks)
    preheaders = _preheaders(edition, picks, subjects)
    return replace(edition, subjects=subjects, subject=subjects[0], preheaders=preheaders, preheader=preheaders[0])


def introduction(welcome: str, name: str, topics: Sequence[str], language: str = "en") -> str:
    """The sentence that opens the edition; without a topic it is a plain welcome."""
    pattern = welcome if topics else locale(language).plain_welcome
    return plain(fill(pattern, name=name, topics=joined(topics, language)))


def topic(story: Story) -> str:
    """The story as a noun phrase: its teaser, or else its kicker or headline with common words in lower case."""
    text = plain(story.teaser) or _lowered(plain(story.kicker) or plain(story.headline), story)
    return text.strip(" .…,;:!") or text


# Lowered wherever they stand; any other capital is lowered only if the story also writes the word small.
_SMALL: Final = re.compile(
    r"an?|the|how|why|what|when|where|who|which|in|on|at|for|of|to|with|without|after|before|as|from|by|into|over|under"
    r"|is|are|was|were|be|and|or|but|not|no|this|that|these|those|its?|their|his|her|our|your|more|most|new"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def _lowered(text: str, story: Story) -> str:
    """The text with its common words small, by the evidence of the story's own sentences."""
    tokens = _ADDRESS.sub("]", f"{story.summary} {story.body[:5_000]}").split()
    tokens = [one for one in tokens if "://" not in one]
    if not _is_titled(story.headline):
        tokens = [*story.headline.split(), ".", *tokens]
    small = {one for one in _WORD.findall(" ".join(tokens)) if one.islower()}
    # A capital in mid-sentence is a name, even where the same letters are also a common word (May, may).
    pairs = itertools.pairwise(tokens)
    names = {name for before, one in pairs if before[-1].isalnum() or before[-1] == "," for name in _WORD.findall(one)}

    def lower(found: re.Match[str]) -> str:
        one, low = found[0], found[0].lower()
        titled = one[:1].isupper() and one[1:] == one[1:].lower()
        return low if titled and (_SMALL.fullmatch(low) or (low in small and one not in names)) else one

    return _WORD.sub(lower, text)


def _is_titled(headline: str) -> bool:
    words = headline.split()
    return sum(one[:1].isupper() for one in words) > 0.6 * len(words)


def fit(text: str, most: int) -> str:
    """The text within `most` characters, cut between words with an ellipsis; "" when not one word fits."""
    if len(text) <= most:
        return text
    cut = text[:most].rpartition(" ")[0].rstrip(" ,;:–—-(“\"'")
    return f"{cut}…" if cut else ""


def words_in(story: Story, style: str) -> int:
    """How many words of the story a section of that style prints."""
    if story.kind is StoryKind.AGENDA:
        return sum(len(f"{one.event} {one.place} {one.actor}".split()) + 2 for one in story.agenda)
    if story.kind is StoryKind.QUIZ:
        lines = [f"{one.question} {' '.join(one.options)} {one.explanation}" for one in story.quiz]
        return len(" ".join(lines).split())
    if story.kind is StoryKind.MOST_READ:
        return sum(len(one.headline.split()) for one in story.ranking)
    if story.kind is StoryKind.FIGURES:
        return sum(len(f"{one.label} {one.value} {one.change}".split()) for one in story.figures)
    head = len(f"{story.kicker} {story.headline}".split())
    return head if style == "links" else head + text_words(story)


# A Markdown link's address is no word. The class stops at brackets, so that a hostile text takes linear time.
_ADDRESS: Final = re.compile(r"\]\([^()\[\]\s]*\)")


def text_words(story: Story) -> int:
    """The words of what is printed under the headline: the body, or else the summary."""
    return len(_ADDRESS.sub("]", story.body or story.summary).split())


def _section_words(section: Section) -> int:
    own = len(f"{section.title} {section.text}".split())
    return own + sum(words_in(one, section.style) for one in section.stories)


def filled(section: Section) -> int:
    """How much a section holds: stories, or the links of its ranking."""
    return sum(len(one.ranking) if one.kind is StoryKind.MOST_READ else 1 for one in section.stories)


def _gaps(frames: Sequence[Frame], sections: Sequence[Section]) -> list[str]:
    held = {one.slot: filled(one) for one in sections}
    return [
        f"the slot “{one.slot}” is required: it needs {max(one.least, 1)} and holds {held.get(one.slot, 0)}"
        for one in frames
        if one.required and held.get(one.slot, 0) < max(one.least, 1)
    ]


def _picks(sections: Sequence[Section]) -> list[Story]:
    """What the edition is about: the lead first, then the items, as they are printed."""
    return [
        story
        for style in ("lead", "items")
        for section in sections
        if section.style == style
        for story in section.stories
        if story.kind is StoryKind.STORY
    ]


def _subjects(edition: Edition, picks: Sequence[Story]) -> tuple[str, ...]:
    words = locale(edition.language)
    topics = [topic(one) for one in picks[:3]]
    lines: list[str] = []
    if picks:
        kicker = plain(picks[0].kicker)
        lines = [
            edition.headline,
            _sentence(joined(topics, edition.language)),
            _sentence(joined(topics[:2], edition.language)),
            _sentence(topics[0]),
            *(f"{kicker}: {one}" for one in topics[1:2] if kicker),
            f"{edition.name}: {topics[0]}",
            fit(edition.headline, SUBJECT_GOOD),
            fit(edition.headline, SUBJECT_MOST),
        ]
        lines.sort(key=lambda line: len(line) > SUBJECT_GOOD)
    lines += [fill(words.of_the_day, name=edition.name, day=day(edition.on, edition.language)), edition.dateline]
    unique = dict.fromkeys(map(plain, lines))
    return tuple(line for line in unique if 0 < len(line) <= SUBJECT_MOST)[:CANDIDATES]


def _preheaders(edition: Edition, picks: Sequence[Story], subjects: Sequence[str]) -> tuple[str, ...]:
    words = locale(edition.language)
    topics = [topic(one) for one in picks[:3]]
    raw = [fill(words.plus, topics=joined(topics[1:], edition.language))] if topics[1:] else []
    if picks:
        raw += [picks[0].summary, _sentence(joined(topics, edition.language))]
    raw.append(fill(words.reading, dateline=edition.dateline, minutes=str(edition.reading_minutes)))
    lines = dict.fromkeys(fit(plain(one), PREHEADER_MOST) for one in raw)
    taken = {one.casefold() for one in subjects}
    return tuple(one for one in lines if len(one) >= PREHEADER_LEAST and one.casefold() not in taken)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
