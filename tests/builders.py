"""Makers of values for every room's tests: plain functions with defaults rich enough to print."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from newsletter.config import Newsletter, Site, Slot
from newsletter.editions.edition import Edition, Section
from newsletter.rendering import proving, template
from newsletter.rendering.proof import Proof
from newsletter.stories.story import AgendaItem, Figure, Image, Question, RankedLink, Story, StoryKind

MONDAY = date(2026, 11, 23)
MORNING = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
SITE = "https://worldbrief.test"


def make_site(**changes: Any) -> Site:
    values: dict[str, Any] = {
        "base_url": SITE,
        "publisher": "World Brief",
        "postal_address": "1 Printing House Lane, London EC4A 1AA, United Kingdom",
        "contact_address": "desk@worldbrief.test",
    }
    return Site(**(values | changes))


def make_newsletter(**changes: Any) -> Newsletter:
    values: dict[str, Any] = {
        "key": "world-brief",
        "name": "World Brief",
        "tagline": "The world in five minutes, every weekday.",
        "template": "world-brief",
        "sender_name": "World Brief",
        "sender_address": "brief@worldbrief.test",
        "feedback_address": "feedback@worldbrief.test",
        "list_id": "brief.worldbrief.test",
        "timezone": "America/New_York",
        "slots": (
            Slot(name="lead", style="lead", accepts=("lead",), least=1, required=True, fallback="any"),
            Slot(name="following", title="What We’re Following", accepts=("world",), least=2, most=4),
            Slot(name="odds", title="Odds and Ends", style="light", accepts=("odds",)),
        ),
    }
    return Newsletter(**(values | changes))


def make_image(**changes: Any) -> Image:
    values: dict[str, Any] = {
        "url": "/media/suva-assembly.jpg",
        "alt": "Delegates in bright shirts stand below a paper sun in a wooden hall",
        "credit": "Illustration: World Brief",
        "caption": "The assembly hall in Suva, where sixteen delegations took their seats on Sunday night.",
        "width": 1200,
        "height": 675,
    }
    return Image(**(values | changes))


LEAD_BODY = """The leaders of sixteen Pacific states meet in Suva on Monday to decide whether the floor of their ocean
may be mined. The draft before them, [published on Friday](https://worldbrief.test/2026/11/suva-draft), would close
four million square kilometers of seabed until 2040, the longest such pause any region has agreed.

Nickel has risen by a tenth since the draft leaked. **Three contractors** hold licenses in the zone, and one of
them has already lifted 3,000 tons of nodules in a trial. Its lawyers say that a pause would be *expropriation
by calendar*.

The smaller islands are divided:

- Nauru and Tonga, whose licenses pay for schools, want a shorter pause.
- Palau and Fiji, whose reefs pay for everything else, want none to end.

> We have been asked to price a thing nobody has seen. I would like us to look first.

A vote is due by Wednesday. It needs eleven of the sixteen, and by Sunday night the count stood at ten."""


def make_story(**changes: Any) -> Story:
    """A story complete in itself: a lead, until told otherwise."""
    values: dict[str, Any] = {
        "source": "desk",
        "guid": "pacific-seabed-vote",
        "headline": "Pacific Leaders Weigh a Pause on Mining the Deep Sea",
        "url": "https://worldbrief.test/2026/11/pacific-seabed-vote",
        "kicker": "A Vote in Suva",
        "teaser": "a Pacific vote on the deep sea",
        "summary": "Sixteen states decide whether their seabed stays closed until 2040.",
        "body": LEAD_BODY,
        "byline": "Litia Vakaloloma",
        "outlet": "World Brief",
        "image": make_image(),
        "section": "lead",
        "region": "Oceania",
        "language": "en",
        "published_at": datetime(2026, 11, 22, 20, 0, tzinfo=UTC),
        "checked_by": "Dorothy Amadi",
    }
    return Story(**(values | changes))


ITEMS = {
    "Europe reads its own passports": """The European Parliament votes on Tuesday on a
[plan to check every traveler](https://worldbrief.test/2026/11/border-plan) by machine at the outer border, citizens
included. Airports ask for a year more; the ferry ports of Dover and Patras ask for two.

The law’s own impact study says that a machine takes eleven seconds and an officer nine.""",
    "A smoke pact in Punjab": """The two Punjabs, Indian and Pakistani, signed their first joint rule on stubble
fires. Each side will count the other’s fires by satellite and publish the sum at noon.""",
    "Low water on the Rhine": """Barges pass Kaub half-loaded for the third week. The gauge stood at 71 centimeters on
Sunday; below 40 the river is closed by arithmetic rather than by law.""",
    "Senegal votes early": """Soldiers and nurses cast the first ballots of a parliamentary election that was moved
forward twice.""",
}
OUTLETS = ("The Continental", "World Brief", "Rhine Gauge", "")


def make_item(number: int = 1, **changes: Any) -> Story:
    """One of What We’re Following; `number` tells them apart."""
    headline, body = tuple(ITEMS.items())[(number - 1) % len(ITEMS)]
    values: dict[str, Any] = {
        "guid": f"item-{number}",
        "headline": headline,
        "body": body,
        "url": f"{SITE}/2026/11/item-{number}",
        "kicker": "",
        "teaser": headline[0].lower() + headline[1:],
        "section": "world",
        "outlet": OUTLETS[(number - 1) % len(OUTLETS)],
        "image": None,
    }
    return make_story(**(values | changes))


def make_most_read(**changes: Any) -> Story:
    values: dict[str, Any] = {
        "guid": "most-read",
        "kind": StoryKind.MOST_READ,
        "headline": "Most read on Friday",
        "url": "",
        "body": "",
        "kicker": "",
        "section": "most-read",
        "image": None,
        "ranking": (
            RankedLink(headline="The Village That Sold Its Wind", url=f"{SITE}/2026/11/village-wind", reads=41_200),
            RankedLink(headline="Why Ships Now Wait for Rain", url=f"{SITE}/2026/11/panama-low-water", reads=30_900),
            RankedLink(
                headline="A Carillon Played Backward, and Other Repairs That Nobody Had Asked the City of Mechelen For",
                url=f"{SITE}/2026/11/mechelen-carillon",
                reads=22_040,
            ),
        ),
    }
    return make_story(**(values | changes))


def make_agenda(**changes: Any) -> Story:
    values: dict[str, Any] = {
        "guid": "week-ahead",
        "kind": StoryKind.AGENDA,
        "headline": "The week ahead",
        "url": "",
        "body": "",
        "kicker": "",
        "section": "agenda",
        "image": None,
        "agenda": (
            AgendaItem(
                on=date(2026, 11, 23),
                event="Special session on seabed mining opens",
                place="Suva, Fiji",
                actor="Leaders of sixteen Pacific states",
            ),
            AgendaItem(
                on=date(2026, 11, 24),
                event="Vote on automated checks at the outer border",
                place="Strasbourg, France",
                actor="European Parliament",
                url=f"{SITE}/2026/11/border-vote",
            ),
            AgendaItem(on=date(2026, 11, 24), event="Oil fund publishes its first full accounts", place="Georgetown"),
            AgendaItem(on=date(2026, 11, 27), event="Plastics negotiators publish their draft", actor="UNEP"),
        ),
    }
    return make_story(**(values | changes))


def make_figures(**changes: Any) -> Story:
    values: dict[str, Any] = {
        "guid": "figures",
        "kind": StoryKind.FIGURES,
        "headline": "Markets",
        "url": "",
        "body": "",
        "kicker": "",
        "section": "figures",
        "image": None,
        "as_of": datetime(2026, 11, 23, 6, 0, tzinfo=UTC),
        "figures": (
            Figure(label="Brent crude, barrel", value="$70.95", change="+0.5%"),
            Figure(label="Nickel, ton", value="$15,420", change="+1.9%"),
            Figure(label="Gold, ounce", value="$3,934", change="−0.2%"),
            Figure(label="Euro in dollars", value="1.1592"),
        ),
    }
    return make_story(**(values | changes))


def make_odds(**changes: Any) -> Story:
    values: dict[str, Any] = {
        "guid": "odds",
        "headline": "Orkney Knits Its Lighthouse a Sweater, to Scale",
        "url": f"{SITE}/2026/11/orkney-knitted-lighthouse",
        "kicker": "",
        "teaser": "a lighthouse in a sweater",
        "section": "odds",
        "image": None,
        "body": "Two hundred people knitted 1,400 squares to a pattern that allowed for wind. One sleeve was left "
        "over, because nobody had told a school in Tasmania that lighthouses have none.",
    }
    return make_story(**(values | changes))


def make_quiz(**changes: Any) -> Story:
    values: dict[str, Any] = {
        "guid": "quiz",
        "kind": StoryKind.QUIZ,
        "headline": "The week in two questions",
        "url": "",
        "body": "",
        "kicker": "",
        "section": "quiz",
        "image": None,
        "quiz": (
            Question(
                question="How will Kenya’s proposed grain ledger weigh its silos?",
                options=("By counting trucks", "By drone at noon", "By a sensor under each floor", "By the auditor"),
                answer=2,
                explanation="Three bodies print the weight each morning.",
                url=f"{SITE}/2026/11/kenya-grain-reserve",
            ),
            Question(
                question="What was wrong with the carillon of Mechelen?",
                options=("A bell was missing", "It was an hour late", "It played its tune backward"),
                answer=2,
            ),
        ),
    }
    return make_story(**(values | changes))


def make_sections() -> tuple[Section, ...]:
    """A whole plan, with the Monday's and the Friday's parts in one."""
    return (
        Section(slot="figures", title="", style="figures", stories=(make_figures(),)),
        Section(slot="lead", title="", style="lead", stories=(make_story(),)),
        Section(slot="most-read", title="Today’s Most Read", style="links", stories=(make_most_read(),)),
        Section(slot="agenda", title="The World This Week", style="agenda", stories=(make_agenda(),)),
        Section(
            slot="following",
            title="What We’re Following",
            style="items",
            stories=tuple(make_item(number) for number in (1, 2, 3, 4)),
        ),
        Section(slot="odds", title="Odds and Ends", style="light", stories=(make_odds(),)),
        Section(slot="quiz", title="What in the World?", style="quiz", stories=(make_quiz(),)),
    )


def make_edition(**changes: Any) -> Edition:
    values: dict[str, Any] = {
        "newsletter": "world-brief",
        "on": MONDAY,
        "number": 412,
        "name": "World Brief",
        "headline": "Pacific Leaders Weigh a Pause on Mining the Deep Sea",
        "intro": "Welcome back to World Brief, where we’re looking at a Pacific vote on the deep sea, Europe’s own "
        "passports, and a lighthouse in a sweater.",
        "subject": "Pacific leaders weigh a pause on mining the deep sea",
        "preheader": "Plus: Europe reads its own passports, and a lighthouse in a sweater.",
        "dateline": "Monday, November 23, 2026",
        "reading_minutes": 6,
        "words": 1180,
        "sections": make_sections(),
        "notices": ("World Brief will not be published on Thursday, November 26, and returns the day after.",),
        "byline": "The World Brief Desk",
    }
    return Edition(**(values | changes))


def make_proof(edition: Edition | None = None, site: Site | None = None, **changes: Any) -> Proof:
    """The edition proved by the shipped template; `changes` replace fields of the proof afterwards."""
    newsletter = make_newsletter()
    made = template.load(template.TEMPLATES / newsletter.template, newsletter.direction)
    return replace(proving.prove(made, edition or make_edition(), newsletter, site or make_site()), **changes)


def make_letter(site: Site | None = None, **changes: Any) -> Proof:
    """The letter that asks for confirmation."""
    made = template.load(template.TEMPLATES / "letters" / "confirm")
    return replace(proving.prove_letter(made, make_newsletter(), site or make_site(), {"hours": "72"}), **changes)
