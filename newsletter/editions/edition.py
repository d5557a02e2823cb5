"""The values of the room: the plan to fill, and the edition it becomes. Nothing here decides or writes anything."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from pydantic import TypeAdapter

from newsletter.config import Slot
from newsletter.stories.story import Story

__all__ = ["Choice", "Edition", "Frame", "Notice", "Pin", "Plan", "Section", "Slot", "from_json", "revise", "to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence the desk prints above the stories, such as a day without an edition."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An editor's choice: this story in this slot, whatever the rules prefer."""

    slot: str
    story_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an edition is made to: its slots, its limits, its moment, and what was printed before."""

    newsletter: str
    name: str
    welcome: str
    slots: tuple[Slot, ...]
    most_words: int
    send_at: datetime
    used: frozenset[str] = frozenset()
    reuse_after_days: int = 30
    notices: tuple[str, ...] = ()
    language: str = "en"
    byline: str = ""
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A filled slot; `text` is printed instead of stories when there are none."""

    slot: str
    title: str
    style: str
    stories: tuple[Story, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A slot as it stood on the day, filled or not; a required one that holds less than `least` is a gap."""

    slot: str
    title: str
    style: str
    least: int = 0
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Why a story is in the edition, or why it is not."""

    story: str
    headline: str
    slot: str
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One dated composition of sections, with everything derived from the picks.

    `subjects` and `preheaders` are candidates, and the first is the default; `gaps` has a sentence for each required
    slot that could not be filled. `frames`, `name`, `welcome` and `language` are what the plan said: with them the
    wording can be derived again after a change of the picks.
    """

    newsletter: str
    on: date
    number: int = 0
    name: str = ""
    welcome: str = ""
    language: str = "en"
    headline: str
    intro: str
    subject: str
    preheader: str
    subjects: tuple[str, ...] = ()
    preheaders: tuple[str, ...] = ()
    dateline: str
    reading_minutes: int
    words: int
    sections: tuple[Section, ...]
    frames: tuple[Frame, ...] = ()
    notices: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    gaps: tuple[str, ...] = ()
    byline: str = ""

    def stories(self) -> Iterator[Story]:
        """Every story in the order it is printed."""
        for section in self.sections:
            yield from section.stories

    def digest(self) -> str:
        """SHA-256 over what is printed. The number is left out: it follows from newsletter and date, once stored."""
        return hashlib.sha256(_EDITION.dump_json(self, exclude=_NOT_PRINTED)).hexdigest()


def revise(
    edition: Edition, *, subject: str | None = None, preheader: str | None = None, intro: str | None = None
) -> Edition:
    """The edition with what an editor wrote by hand, each on one line; None leaves a field as it is."""

    def line(written: str | None, there: str) -> str:
        return there if written is None else " ".join(written.split())

    return replace(
        edition,
        subject=line(subject, edition.subject),
        preheader=line(preheader, edition.preheader),
        intro=line(intro, edition.intro),
    )


_EDITION: Final = TypeAdapter(Edition)
_NOT_PRINTED: Final = {"number", "choices", "subjects", "preheaders", "gaps", "welcome", "frames"}


def to_json(edition: Edition) -> bytes:
    """The edition as it is stored."""
    return _EDITION.dump_json(edition)


def from_json(document: bytes) -> Edition:
    """Read back what `to_json` wrote; raises ValueError when it is not an edition."""
    return _EDITION.validate_json(document)
