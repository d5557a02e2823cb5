"""Stories, slots and plans for the tests of this room."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from newsletter.config import Slot
from newsletter.editions.edition import Choice, Edition, Plan
from newsletter.stories.story import AgendaItem, Figure, Question, RankedLink, Story, StoryKind

MONDAY = date(2026, 11, 23)
FRIDAY = date(2026, 11, 27)
SEND_AT = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
WELCOME = "Welcome back to {name}, where we’re looking at {topics}."


def story(guid: str, **changes: Any) -> Story:
    """A complete story of the night before the Monday."""
    values: dict[str, Any] = {
        "source": "desk",
        "guid": guid,
        "headline": f"Headline of {guid}",
        "url": f"https://worldbrief.test/{guid}",
        "kicker": f"Kicker {guid}",
        "teaser": f"the matter of {guid}",
        "summary": f"A summary of {guid} in one plain sentence.",
        "body": "word " * 40,
        "outlet": "The Desk",
        "section": "world",
        "published_at": SEND_AT - timedelta(hours=8),
        "checked_by": "ana",
    }
    return Story(**(values | changes))


def agenda(guid: str = "week", **changes: Any) -> Story:
    days = [date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 29), date(2026, 11, 30)]
    items = tuple(AgendaItem(on=on, event=f"summit of {on}") for on in reversed(days))
    return story(guid, **({"kind": StoryKind.AGENDA, "section": "", "agenda": items} | changes))


def quiz(guid: str = "quiz", **changes: Any) -> Story:
    one = Question(question="Which?", options=("a", "b", "c", "d"), answer=1)
    return story(guid, **({"kind": StoryKind.QUIZ, "section": "", "quiz": (one,)} | changes))


def most_read(guid: str = "most-read", count: int = 5, **changes: Any) -> Story:
    links = tuple(RankedLink(headline=f"Read {n}", url=f"https://worldbrief.test/read/{n}") for n in range(count))
    return story(guid, **({"kind": StoryKind.MOST_READ, "section": "", "ranking": links} | changes))


def figures(guid: str = "figures", **changes: Any) -> Story:
    one = (Figure(label="Brent", value="$63"),)
    values = {"kind": StoryKind.FIGURES, "section": "", "figures": one, "as_of": SEND_AT - timedelta(hours=3)}
    return story(guid, **(values | changes))


SLOTS = (
    Slot(name="figures", style="figures", accepts=("figures",), max_age_hours=20),
    Slot(name="lead", style="lead", accepts=("lead",), least=1, words=450, required=True, fallback="any"),
    Slot(name="most-read", title="Today’s Most Read", style="links", accepts=("most-read",), most=3),
    Slot(name="agenda", title="The World This Week", style="agenda", accepts=("agenda",), days=("mon",)),
    Slot(name="following", title="What We’re Following", style="items", accepts=("world",), least=2, most=4),
    Slot(name="odds", title="Odds and Ends", style="light", accepts=("odds",), words=120),
    Slot(name="quiz", title="Quiz", style="quiz", accepts=("quiz",), days=("fri",)),
)


def plan(*slots: Slot, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "newsletter": "world-brief",
        "name": "World Brief",
        "welcome": WELCOME,
        "slots": slots or SLOTS,
        "most_words": 2_000,
        "send_at": SEND_AT,
    }
    return Plan(**(values | changes))


def bank() -> list[Story]:
    """What a Monday's desk holds: enough of everything."""
    return [
        story("lead", section="lead", teaser="stalled truce talks in Cairo", kicker="One More Day"),
        *(story(f"world-{n}", published_at=SEND_AT - timedelta(hours=n + 1)) for n in range(6)),
        story("odd", section="odds"),
        agenda(),
        quiz(),
        most_read(),
        figures(),
    ]


ITEMS = Slot(name="items", style="items", least=1, most=3)
HOUR = timedelta(hours=1)


def choice(edition: Edition, guid: str) -> Choice:
    (found,) = [one for one in edition.choices if one.story == story(guid).key]
    return found


def refused(edition: Edition, guid: str) -> str:
    found = choice(edition, guid)
    assert not found.chosen
    return found.reason


def placed(edition: Edition) -> dict[str, list[str]]:
    return {one.slot: [held.guid for held in one.stories] for one in edition.sections}
