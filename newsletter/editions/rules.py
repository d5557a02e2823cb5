"""Whether a story may be printed, and where: one predicate a rule, each giving its reason as a phrase, or "" to agree.

Embargo, expiry and age are judged at the slot's moment, not while composing. A story longer than one and a half times
its slot's budget is printed with its summary instead of its body; where it has none, it is refused.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from newsletter.config import WEEKDAYS, Slot
from newsletter.editions import wording
from newsletter.editions.edition import Plan
from newsletter.stories.story import Story, StoryKind, canonical_url

BUDGET_SLACK: Final = 1.5
AGENDA_DAYS: Final = 7
NOTHING_AHEAD: Final = "too old: nothing of its agenda lies in the next 7 days"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

# Which kinds a section of each style can print; the first is what a slot without `accepts` takes.
KINDS: Final = {
    "lead": (StoryKind.STORY,),
    "items": (StoryKind.STORY,),
    "light": (StoryKind.STORY,),
    "links": (StoryKind.MOST_READ, StoryKind.STORY),
    "agenda": (StoryKind.AGENDA,),
    "quiz": (StoryKind.QUIZ,),
    "figures": (StoryKind.FIGURES,),
}


def bank_of(stories: Iterable[Story]) -> list[Story]:
    """Each story once (its newest version), best first."""
    newest: dict[str, Story] = {}
    for story in sorted(stories, key=lambda one: (_changed(one), one.digest())):
        newest[story.key] = story
    return sorted(newest.values(), key=preference)


def _changed(story: Story) -> datetime:
    return story.updated_at or story.published_at or _NEVER


def _dated(story: Story) -> datetime | None:
    """When it was news: a correction does not make an old story new, but a fresh measurement makes a list new."""
    if story.kind in {StoryKind.MOST_READ, StoryKind.FIGURES}:
        return story.as_of or story.updated_at or story.published_at
    return story.published_at or story.updated_at


def preference(story: Story) -> tuple[bool, float, int, str]:
    """Stories made for the brief (they have a teaser) first, then the newest, then the most complete."""
    age = -(_dated(story) or _NEVER).timestamp()
    return story.kind is StoryKind.STORY and not story.teaser, age, -completeness(story), story.key


def completeness(story: Story) -> int:
    fields = (story.url, story.kicker, story.teaser, story.summary, story.body, story.byline, story.image)
    return sum(map(bool, (*fields, story.section, story.checked_by)))


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def not_now(story: Story, plan: Plan) -> str:
    """What not even an editor's pin overrides."""
    if story.embargo_until and story.embargo_until > plan.send_at:
        return f"embargo until {_utc(story.embargo_until)}, after the send time"
    if story.expires_at and story.expires_at <= plan.send_at:
        return f"expired at {_utc(story.expires_at)}, before the send time"
    return ""


def unpinnable(slot: Slot, story: Story, plan: Plan, on: date) -> str:
    """Why an editor's pin cannot be followed."""
    if story.kind not in KINDS[slot.style]:
        return f"“{slot.name}” cannot print what is of kind “{story.kind}”"
    if story.kind is StoryKind.AGENDA and not ahead(story, on).agenda:
        return NOTHING_AHEAD
    return not_now(story, plan) or (f"missing field: {field}" if (field := _missing(story)) else "")


def unfit(story: Story, plan: Plan) -> str:
    """Why no slot may print the story, or ""."""
    if reason := not_now(story, plan):
        return reason
    if (dated := _dated(story)) and dated > plan.send_at:
        return f"dated {_utc(dated)}, after the send time"
    if missing := _missing(story):
        return f"missing field: {missing}"
    if story.language and wording.primary(story.language) != wording.primary(plan.language):
        return f"written in {story.language}, not in {plan.language}"
    # A measured list, a strip or a look-ahead is brought up to date under the same name; its age decides, not its use.
    names = {StoryKind.STORY: {story.key, canonical_url(story.url)}, StoryKind.QUIZ: {story.key}}
    if not plan.used.isdisjoint(names.get(story.kind, set())):
        return f"already printed in the last {plan.reuse_after_days} days"
    return ""


def _missing(story: Story) -> str:
    if not story.headline.strip():
        return "headline"
    if not story.source:
        return "source"
    if story.kind is StoryKind.STORY:
        return "" if canonical_url(story.url) else "url"
    needed = {"agenda": story.agenda, "quiz": story.quiz, "most-read": story.ranking, "figures": story.figures}
    if story.kind is StoryKind.FIGURES and not story.as_of:
        return "as_of"
    return "" if needed[story.kind] else {"most-read": "ranking"}.get(story.kind, str(story.kind))


def closed(slot: Slot, on: date) -> str:
    """Why the slot does not stand on that date, or ""."""
    if WEEKDAYS[on.weekday()] not in slot.days:
        return f"wrong weekday: “{slot.name}” stands on {', '.join(slot.days) or 'no day'}, and this is {on:%A}"
    if slot.first_on and on < slot.first_on:
        return f"too early: “{slot.name}” stands from {slot.first_on}"
    if slot.last_on and on > slot.last_on:
        return f"too late: “{slot.name}” stood until {slot.last_on}"
    return f"“{slot.name}” takes no story" if slot.most < 1 else ""


def place_of(slot: Slot, story: Story) -> int | None:
    """How well the slot's `accepts` suits the story (0 is best), or None."""
    kinds = KINDS[slot.style]
    if story.kind not in kinds:
        return None
    if not slot.accepts:
        return 0 if story.kind is kinds[0] else None
    names = {story.section, story.kind.value}
    return next((place for place, one in enumerate(slot.accepts) if one in names), None)


def printed(slot: Slot, story: Story, plan: Plan, on: date, *, any_story: bool = False) -> tuple[Story, str]:
    """The story as the slot would print it, and why it cannot ("" when it can)."""
    oldest = plan.send_at - timedelta(hours=slot.max_age_hours)
    dated = _dated(story)
    if story.kind is not StoryKind.AGENDA and dated and dated < oldest:
        return story, f"too old: of {_utc(dated)}, and “{slot.name}” takes {slot.max_age_hours} hours"
    story = ahead(story, on)
    if story.kind is StoryKind.AGENDA and not story.agenda:
        return story, NOTHING_AHEAD
    if story.kind is not StoryKind.STORY or slot.style == "links":
        return story, ""
    if slot.style == "lead" and not story.kicker.strip() and not any_story:
        return story, "missing field: kicker, which a lead needs"
    return _within_budget(slot, story)


def _within_budget(slot: Slot, story: Story) -> tuple[Story, str]:
    most, words = slot.words * BUDGET_SLACK, wording.text_words(story)
    if not words:
        return story, "missing field: summary or body"
    if words <= most:
        return story, ""
    short = replace(story, body="")
    if story.body.strip() and 0 < wording.text_words(short) <= most:
        return short, ""
    return story, f"budget: {words} words are too many for the {slot.words} of “{slot.name}”"


def ahead(story: Story, on: date) -> Story:
    """The story with only those dates of its agenda that lie in the seven days from `on`, in order."""
    items = [one for one in story.agenda if on <= one.on < on + timedelta(days=AGENDA_DAYS)]
    return replace(story, agenda=tuple(sorted(items, key=lambda one: one.on))) if story.agenda else story
