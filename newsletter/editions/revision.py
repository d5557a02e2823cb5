"""What an editor changes in a composed edition: order, stories, texts. The derived wording follows.

None of it consults a plan: an editor's choice wins, and the preflight says what is wrong with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from newsletter.editions import wording
from newsletter.editions.edition import Edition, Section
from newsletter.errors import EditionError
from newsletter.stories.story import Story


def rearrange(edition: Edition, sections: Iterable[Section]) -> Edition:
    """The edition with these sections, empty ones left out, and its wording derived anew.

    An intro, subject or preheader that is not the one derived from the old sections was written or chosen by a person
    and stays.
    """
    derived = wording.word(edition)
    fresh = wording.word(replace(edition, sections=tuple(one for one in sections if one.stories or one.text)))
    return replace(
        fresh,
        intro=fresh.intro if edition.intro == derived.intro else edition.intro,
        subject=fresh.subject if edition.subject == derived.subject else edition.subject,
        preheader=fresh.preheader if edition.preheader == derived.preheader else edition.preheader,
    )


def reorder(edition: Edition, slot: str, keys: Sequence[str]) -> Edition:
    """The stories of a section in another order; `keys` names each of them once, or EditionError is raised."""
    section = _section(edition, slot)
    held = {story.key: story for story in section.stories}
    if sorted(keys) != sorted(held):
        raise EditionError(
            edition.newsletter, edition.on, f"the new order of “{slot}” must name each of its stories once"
        )
    return _with(edition, replace(section, stories=tuple(held[key] for key in keys)))


def drop(edition: Edition, key: str) -> Edition:
    """The edition without a story."""
    section = _holding(edition, key)
    return _with(edition, replace(section, stories=tuple(one for one in section.stories if one.key != key)))


def add(edition: Edition, slot: str, story: Story, at: int | None = None) -> Edition:
    """A story placed in a slot of the day, last or before position `at`; one that stands elsewhere is moved."""
    if any(one.key == story.key for one in edition.stories()):
        edition = drop(edition, story.key)
    section = _section(edition, slot)
    stories = list(section.stories)
    stories.insert(len(stories) if at is None else at, story)
    return _with(edition, replace(section, stories=tuple(stories), text=""))


def correct(edition: Edition, story: Story) -> Edition:
    """The edition with another version of a story it holds."""
    section = _holding(edition, story.key)
    stories = tuple(story if one.key == story.key else one for one in section.stories)
    return _with(edition, replace(section, stories=stories))


def _section(edition: Edition, slot: str) -> Section:
    """The slot's section, empty when nothing stands in it."""
    found = next((one for one in edition.sections if one.slot == slot), None)
    frame = next((one for one in edition.frames if one.slot == slot), None)
    if found:
        return found
    if frame is None:
        raise EditionError(edition.newsletter, edition.on, f"has no slot “{slot}” on this day")
    return Section(slot=frame.slot, title=frame.title, style=frame.style)


def _holding(edition: Edition, key: str) -> Section:
    for section in edition.sections:
        if any(one.key == key for one in section.stories):
            return section
    raise EditionError(edition.newsletter, edition.on, f"holds no story {key}")


def _with(edition: Edition, section: Section) -> Edition:
    sections = {one.slot: one for one in edition.sections} | {section.slot: section}
    order = dict.fromkeys([*(one.slot for one in edition.frames), *sections])
    return rearrange(edition, [sections[slot] for slot in order if slot in sections])
