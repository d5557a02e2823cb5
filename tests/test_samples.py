"""The samples are what a newsroom would be proud of, and the default configuration names every setting there is."""

import calendar
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image as Picture

from newsletter import config
from newsletter.config import Config, Newsletter, Slot, Source
from newsletter.editions.compose import compose, plan_for
from newsletter.editions.edition import Edition
from newsletter.stories import feeds, manuscripts
from newsletter.stories.story import AgendaItem, Feed, Image, Story, StoryKind
from tests.tools.draw_media import PICTURES

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config.toml"
SAMPLES = ROOT / "newsletter" / "samples"
MEDIA = SAMPLES / "media"
MONDAY = date(2026, 11, 16)
WEEKDAYS = [MONDAY + timedelta(days=n) for n in (0, 1, 2, 3, 4, 7, 8, 9, 10, 11)]
TYPOGRAPHY = re.compile(r"""["'`]|\.\.\.|--|  """)
UNFINISHED = re.compile(r"\bTK\b|\bXX+\b|lorem|\?\?|TODO|[{}]", re.IGNORECASE)
DATED = re.compile(rf"\b(?:{'|'.join(calendar.month_name[1:])}) \d|\b20[2-9]\d\b")


def _stories() -> list[Story]:
    paths = sorted((SAMPLES / "stories").glob("*.md"))
    return [manuscripts.parse_markdown(path.read_text("utf-8"), source="samples", file=path.name) for path in paths]


def _feed(name: str) -> Feed:
    return feeds.parse((SAMPLES / "feeds" / name).read_bytes(), source=name)


STORIES = _stories()
WRITTEN = [one for one in STORIES if one.kind is StoryKind.STORY]
FEEDS = {path.name: _feed(path.name) for path in sorted((SAMPLES / "feeds").iterdir())}


def _of(section: str) -> list[Story]:
    return [one for one in STORIES if one.section == section]


def _plain(story: Story) -> str:
    return re.sub(r"\]\([^)]*\)|[\[*]", "", story.body)


def _urls(story: Story) -> Iterator[str]:
    yield story.url
    yield from re.findall(r"\]\(([^)]*)\)", story.body)
    yield from (one.url for one in story.agenda)
    yield from (one.url for one in story.quiz)


def _images() -> list[Image]:
    return [one.image for one in STORIES if one.image]


# --- the default configuration


def _settings() -> dict[str, set[str]]:
    """The keys under each table of config.toml, whether they are set or stand there commented at their default."""
    found: dict[str, set[str]] = {}
    table = ""
    for line in CONFIG.read_text("utf-8").splitlines():
        if header := re.match(r"(?:# )?\[+([\w.-]+)\]+$", line):
            table = header[1]
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            found.setdefault(table, set()).add(key[1])
    return found


def test_the_default_configuration_loads() -> None:
    found = config.load(CONFIG, {})
    assert list(found.newsletters) == ["world-brief"]
    assert found.site.postal_address.count(",") >= 3
    assert found.sources == {}


@pytest.mark.parametrize(
    "section", ["site", "database", "web", "relay", "dkim", "delivery", "wire", "signup", "alerts"]
)
def test_a_section_names_every_setting_and_no_other(section: str) -> None:
    known = {f.name for f in fields(getattr(Config(), section))}
    assert _settings()[section] == known


@pytest.mark.parametrize("section", ["database", "web", "relay", "dkim", "delivery", "wire", "signup", "alerts"])
def test_a_section_shows_the_defaults(section: str) -> None:
    assert getattr(config.load(CONFIG, {}), section) == getattr(Config(), section)


def test_newsletter_slots_and_sources_name_every_setting() -> None:
    found = _settings()
    assert found["newsletters.world-brief"] == {f.name for f in fields(Newsletter)} - {"key", "slots"}
    assert found["newsletters.world-brief.slots"] == {f.name for f in fields(Slot)}
    assert found["sources.wire-desk"] == {f.name for f in fields(Source)}


def test_a_commented_setting_can_be_taken_into_use_as_it_stands(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# (?=\w+ = |\[)", "", CONFIG.read_text("utf-8"))
    (tmp_path / "config.toml").write_text(text, "utf-8")
    before, after = config.load(CONFIG, {}), config.load(tmp_path / "config.toml", {})
    assert set(after.sources) == {"wire-desk"}
    assert after.relay == before.relay
    assert set(after.relays) == {"first", "second"}
    slots = after.newsletters["world-brief"].slots
    assert slots[0].first_on is not None
    undated = (replace(slots[0], first_on=None, last_on=None), *slots[1:])
    assert replace(after.newsletters["world-brief"], slots=undated) == before.newsletters["world-brief"]


def test_every_table_of_the_configuration_is_explained() -> None:
    lines = CONFIG.read_text("utf-8").splitlines()
    tables = [n for n, line in enumerate(lines) if line.startswith("[") and not line.startswith("[[")]
    assert [lines[n] for n in tables if not lines[n - 1].startswith("# ")] == []


# --- the stories


def test_there_is_a_full_brief_for_every_weekday() -> None:
    assert len(STORIES) >= 44
    counts: dict[str, Counter[str]] = {}
    for one in STORIES:
        counts.setdefault(one.guid[:10], Counter())[one.section] += 1
    for on in WEEKDAYS:
        day = counts[on.isoformat()]
        assert (day["lead"], day["odds"]) == (1, 1), on
        assert 3 <= day["world"] <= 4, on
    assert [one.guid[:10] for one in _of("agenda")] == ["2026-11-16", "2026-11-23"]
    assert [one.guid[:10] for one in _of("quiz")] == ["2026-11-20", "2026-11-27"]
    assert len(_of("figures")) >= 8


def test_a_story_is_published_in_the_night_before_its_brief() -> None:
    for one in STORIES:
        assert one.published_at is not None
        midnight = datetime.combine(date.fromisoformat(one.guid[:10]), time(), UTC)
        latest = 6.5 if one.kind is StoryKind.FIGURES else 2
        assert timedelta(hours=-6) <= one.published_at - midnight <= timedelta(hours=latest), one.guid


def test_no_identity_or_address_is_given_twice() -> None:
    for what in ([one.guid for one in STORIES], [one.url for one in STORIES], [one.headline for one in STORIES]):
        assert [name for name, count in Counter(what).items() if count > 1] == []


@pytest.mark.parametrize(("section", "least", "most"), [("lead", 350, 450), ("world", 90, 150), ("odds", 80, 120)])
def test_bodies_keep_to_their_length(section: str, least: int, most: int) -> None:
    lengths = {one.guid: len(_plain(one).split()) for one in _of(section)}
    assert {guid: words for guid, words in lengths.items() if not least <= words <= most} == {}


def test_a_lead_has_four_to_six_paragraphs_a_picture_and_one_or_two_links() -> None:
    for one in _of("lead"):
        assert 4 <= one.body.count("\n\n") + 1 <= 6, one.guid
        assert one.image is not None, one.guid
        assert 1 <= one.body.count("](") <= 2, one.guid


def test_kickers_are_two_to_five_words_and_teasers_noun_phrases() -> None:
    for one in WRITTEN:
        assert 2 <= len(one.kicker.split()) <= 5, one.kicker
        assert not one.teaser.endswith((".", "!", "?")), one.teaser
        assert 2 <= len(one.teaser.split()) <= 7, one.teaser
        assert len(one.teaser) <= 45, one.teaser
        assert one.kicker[-1].isalnum(), one.kicker


def test_headlines_fit_a_subject_line_and_summaries_are_sentences() -> None:
    for one in STORIES:
        # A subject of up to 60 characters is shown whole; the lead's headline is the subject.
        assert len(one.headline) <= (60 if one.section == "lead" else 75), one.headline
        assert one.summary.endswith("."), one.summary
        assert len(one.summary.split()) <= 40, one.summary


def test_every_story_says_who_wrote_and_who_checked_it() -> None:
    for one in STORIES:
        assert one.byline, one.guid
        assert one.outlet, one.guid
        assert one.checked_by not in {"", one.byline}, one.guid
        assert one.language == "en", one.guid


def test_the_whole_world_is_covered_in_each_week() -> None:
    regions = {"Africa", "Americas", "Asia", "Europe", "Middle East", "Pacific"}
    for week in (WEEKDAYS[:5], WEEKDAYS[5:]):
        days = {on.isoformat() for on in week}
        assert {one.region for one in WRITTEN if one.guid[:10] in days} >= regions


def test_every_address_is_absolute_and_said_once_per_story() -> None:
    for one in STORIES:
        urls = [url for url in _urls(one) if url]
        assert all(urlsplit(url).scheme == "https" and urlsplit(url).hostname for url in urls), one.guid
        assert [url for url, count in Counter(urls).items() if count > 1] == [], one.guid


def test_texts_are_clean_and_tied_to_no_date() -> None:
    for one in STORIES:
        body = " ".join(_plain(one).split())
        text = " ".join(filter(None, (one.headline, one.kicker, one.teaser, one.summary, body)))
        for wrong in (TYPOGRAPHY, UNFINISHED, DATED):
            assert wrong.search(text) is None, (one.guid, wrong.pattern)


def test_typographic_characters_survive_the_reading() -> None:
    text = next(one for one in STORIES if "lodz" in one.guid)
    assert set("☕Łódźéûő") <= set(text.headline + text.body)
    assert set("–‑“”\N{NO-BREAK SPACE}") <= set(text.body)


def test_an_embargo_an_expiry_and_a_near_duplicate_are_among_them() -> None:
    assert [one.guid for one in STORIES if one.embargo_until] == ["2026-11-19-cholera-vaccine-report.md"]
    assert [one.guid for one in STORIES if one.expires_at] == ["2026-11-16-marshall-water-ferry.md"]
    mine = next(one for one in STORIES if "samoa" in one.guid)
    theirs = [one for one in FEEDS["wire-desk.rss"].stories if "Samoa" in one.headline]
    assert [one.summary for one in theirs] == [mine.summary]


def test_an_agenda_names_five_or_six_events_of_its_week() -> None:
    for one in _of("agenda"):
        monday = date.fromisoformat(one.guid[:10])
        assert 5 <= len(one.agenda) <= 6
        assert all(monday <= item.on <= monday + timedelta(days=4) for item in one.agenda)
        assert [item.on for item in one.agenda] == sorted(item.on for item in one.agenda)
        assert all(_complete(item) for item in one.agenda)


def _complete(item: AgendaItem) -> bool:
    return all((item.event, item.place, item.actor, item.url))


def test_a_quiz_asks_four_questions_with_four_options() -> None:
    for one in _of("quiz"):
        assert len(one.quiz) == 4
        for question in one.quiz:
            assert len(set(question.options)) == 4
            assert question.question.endswith("?")
            assert question.explanation.endswith(".")
            assert question.url in {story.url for story in STORIES}


def test_the_figures_are_four_and_taken_that_morning() -> None:
    for one in _of("figures"):
        assert len(one.figures) == 4
        assert one.as_of is not None
        assert one.published_at is not None
        assert timedelta(0) <= one.published_at - one.as_of < timedelta(hours=1)
        assert all(re.fullmatch(r"[+−]\d+\.\d%", figure.change) for figure in one.figures)


# --- the pictures


def test_pictures_are_described_credited_and_as_large_as_they_say() -> None:
    assert len({one.url for one in _images()}) >= 14
    for one in _images():
        path = MEDIA / one.url.removeprefix("/media/")
        with Picture.open(path) as picture:
            assert picture.size == (one.width, one.height) == (1200, 675)
        assert 20 <= len(one.alt) <= 125, one.alt
        assert not re.search(r"\.(jpe?g|png)|picture of|image of|_", one.alt, re.IGNORECASE)
        assert one.credit == "Illustration: World Brief"
        assert one.caption.endswith(".")


def test_pictures_are_small_and_none_is_left_over() -> None:
    used = {one.url.removeprefix("/media/") for one in _images()}
    used |= {one.image.url.rpartition("/")[2] for feed in FEEDS.values() for one in feed.stories if one.image}
    assert {path.name for path in MEDIA.iterdir()} == used == {f"{name}.jpg" for name in PICTURES}
    assert {path.name: path.stat().st_size for path in MEDIA.iterdir() if path.stat().st_size > 60_000} == {}


# --- the feeds and the list


@pytest.mark.parametrize(("name", "count"), [("wire-desk.rss", 8), ("correspondents.atom", 6), ("culture.json", 5)])
def test_a_sample_feed_gives_its_stories_and_refuses_none(name: str, count: int) -> None:
    feed = FEEDS[name]
    assert (len(feed.stories), feed.refused) == (count, ())
    assert feed.title
    assert len({one.guid for one in feed.stories}) == count
    for one in feed.stories:
        assert one.byline, one.headline
        assert one.summary, one.headline
        assert one.published_at is not None
        assert MONDAY - timedelta(days=1) <= one.published_at.date() <= WEEKDAYS[-1]
        assert one.url.startswith("https://worldbrief.test/")
        assert "utm_" not in one.url


def test_the_most_read_list_is_ranked_by_its_reads() -> None:
    text = (SAMPLES / "most-read.csv").read_text("utf-8")
    feed = manuscripts.parse_ranking(text, source="samples", file="most-read.csv")
    assert feed.refused == ()
    (story,) = feed.stories
    reads = [link.reads for link in story.ranking]
    assert len(reads) >= 3
    assert reads == sorted(reads, reverse=True)
    assert not {link.url for link in story.ranking} & {one.url for one in STORIES}


# --- the briefs they make


def _brief(on: date) -> Edition:
    newsletter = config.load(CONFIG, {}).newsletters["world-brief"]
    ranking = manuscripts.parse_ranking(
        (SAMPLES / "most-read.csv").read_text("utf-8"), source="samples", file="most-read.csv"
    )
    send_at = datetime.combine(on, time(10, 30), UTC)
    return compose(plan_for(newsletter, on, send_at, frozenset()), [*STORIES, *ranking.stories], on)


@pytest.mark.parametrize("on", WEEKDAYS)
def test_each_weekday_gets_its_own_full_brief(on: date) -> None:
    edition = _brief(on)
    sections = {one.slot: one.stories for one in edition.sections}
    assert edition.gaps == ()
    assert [one.guid[:10] for one in sections["lead"]] == [on.isoformat()]
    assert {one.guid[:10] for one in (*sections["following"], *sections["odds"])} == {on.isoformat()}
    assert len(sections["following"]) == 4
    assert ("agenda" in sections, "quiz" in sections) == (on.weekday() == 0, on.weekday() == 4)
    assert ("figures" in sections) is (on != date(2026, 11, 25))
    assert len(sections["most-read"][0].ranking) == 3
    assert 900 <= edition.words <= 2_000
    assert 1 <= len(edition.subject) <= 90
    assert 30 <= len(edition.preheader) <= 110


def _raw() -> dict[str, Any]:
    return tomllib.loads(CONFIG.read_text("utf-8"))


def test_the_plan_stands_in_the_order_of_the_brief() -> None:
    names = [slot["name"] for slot in _raw()["newsletters"]["world-brief"]["slots"]]
    assert names == ["figures", "lead", "most-read", "agenda", "following", "odds", "quiz"]
