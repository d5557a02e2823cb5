"""The bank: each story once, updates recognised, duplicates grouped, on both databases."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from newsletter.config import Wire
from newsletter.database import Database
from newsletter.errors import StoryError
from newsletter.stories import wire
from newsletter.stories.story import AgendaItem, Figure, Image, Question, RankedLink, Story, StoryKind
from newsletter.stories.wire import Counts

SETTINGS = Wire()
NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
STORY = Story(
    source="ledger",
    guid="7",
    headline="Grain talks resume in Odesa",
    url="https://ledger.test/7",
    published_at=NOW - timedelta(hours=2),
)


def keep(database: Database, *stories: Story, now: datetime = NOW) -> Counts:
    with database.transaction() as session:
        return wire.store(session, stories, SETTINGS, now, place="feeds/ledger.rss")


def all_of(database: Database) -> list[Story]:
    with database.snapshot() as session:
        return wire.bank(session)


def test_a_story_is_kept_once_and_an_update_is_recognised(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    assert keep(database, STORY) == Counts(new=1, updated=0, unchanged=0)
    assert keep(database, STORY, now=later) == Counts(new=0, updated=0, unchanged=1)
    changed = replace(STORY, headline="Grain talks end in Odesa")
    assert keep(database, changed, now=later) == Counts(new=0, updated=1, unchanged=0)
    assert all_of(database) == [changed]
    with database.snapshot() as session:
        seen = wire.provenance(session, STORY.key)
    assert seen == wire.Provenance(
        source="ledger",
        guid="7",
        place="feeds/ledger.rss",
        first_seen_at=NOW,
        updated_at=later,
        pulled_at=later,
        version=2,
    )


def test_every_field_comes_back_as_it_went_in(database: Database) -> None:
    whole = replace(
        STORY,
        kind=StoryKind.FIGURES,
        kicker="Trade",
        teaser="grain",
        summary="They met — «again». 橋",
        body="*Again.*\n\n- a",
        byline="Ada",
        outlet="The Ledger",
        image=Image(url="/media/a.jpg", alt="A ship", width=600),
        section="lead",
        region="Europe",
        language="en",
        tags=("trade", "sea"),
        updated_at=NOW,
        embargo_until=NOW,
        expires_at=NOW + timedelta(days=1),
        checked_by="Otto",
        agenda=(AgendaItem(on=date(2026, 11, 24), event="Vote"),),
        quiz=(Question(question="Who?", options=("a", "b"), answer=1),),
        ranking=(RankedLink(headline="A", url="https://x.test/", reads=3),),
        figures=(Figure(label="Brent", value="63.20"),),
        as_of=NOW,
    )
    keep(database, whole)
    with database.snapshot() as session:
        assert wire.find(session, whole.key) == whole
        assert wire.find(session, "0" * 16) is None
        assert wire.provenance(session, "0" * 16) is None


def test_the_same_guid_of_two_sources_is_two_stories(database: Database) -> None:
    assert keep(database, STORY, replace(STORY, source="herald", headline="Elsewhere", url="")).new == 2


def test_a_story_that_comes_twice_at_once_is_kept_once(database: Database) -> None:
    assert keep(database, STORY, replace(STORY, headline="Corrected")) == Counts(new=1, updated=0, unchanged=0)
    assert all_of(database)[0].headline == "Corrected"


def test_near_duplicates_of_two_pulls_share_a_group(database: Database) -> None:
    keep(database, STORY)
    keep(database, replace(STORY, source="herald", headline="Grain talks resume in Odesa today", url=""))
    keep(database, replace(STORY, source="times", headline="A comet passes", url="", guid="9"))
    groups = {story.source: story.group for story in all_of(database)}
    assert groups["ledger"] == groups["herald"] != ""
    assert groups["times"] == ""
    keep(database, replace(STORY, source="herald", headline="Something else entirely", url=""))
    assert {story.source: story.group for story in all_of(database)}["herald"] == ""


def test_the_bank_is_newest_first_and_can_be_narrowed(database: Database) -> None:
    hours = [
        replace(STORY, guid=str(n), headline=f"Story number {n}", url="", published_at=NOW - timedelta(hours=n))
        for n in range(6)
    ]
    keep(database, *hours, replace(STORY, guid="q", kind=StoryKind.QUIZ, headline="The quiz of Friday", url=""))
    with database.snapshot() as session:
        assert [story.guid for story in wire.bank(session, limit=2)] == ["0", "1"]
        assert len(wire.bank(session, since=NOW - timedelta(hours=3))) == 5
        assert [story.guid for story in wire.bank(session, kind=StoryKind.QUIZ)] == ["q"]


def test_a_story_without_a_date_bears_the_moment_it_was_first_seen(database: Database) -> None:
    undated = replace(STORY, published_at=None)
    ranked = replace(undated, guid="r", kind=StoryKind.MOST_READ, headline="Most Read of today", url="")
    keep(database, undated, ranked)
    later = NOW + timedelta(hours=3)
    keep(database, replace(undated, summary="New."), replace(ranked, summary="New."), now=later)
    assert {story.guid: story.published_at for story in all_of(database)} == {"7": NOW, "r": later}


def test_the_listing_finds_words_in_any_case_and_script(database: Database) -> None:
    keep(database, STORY, replace(STORY, guid="8", headline="Мост ОТКРЫТ", url="", tags=("100%_sure",)))
    with database.snapshot() as session:
        assert [story.guid for story in wire.listing(session, text="открыт мост")] == ["8"]
        assert [story.guid for story in wire.listing(session, text="GRAIN ledger")] == ["7"]
        assert [story.guid for story in wire.listing(session, text="100%_s")] == ["8"]
        assert wire.listing(session, text="%") == wire.listing(session, text="0%")
        assert wire.listing(session, text="grain comet") == []
        assert len(wire.listing(session, limit=1, offset=1)) == 1
        assert wire.listing(session, kind=StoryKind.QUIZ) == []


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (replace(STORY, headline=" "), "has no headline"),
        (replace(STORY, guid=""), "has no guid"),
        (replace(STORY, source=""), "has no source"),
        (replace(STORY, summary="a\x00b"), "cannot be stored"),
        (replace(STORY, body="half \ud800"), "cannot be stored"),
        (replace(STORY, published_at=datetime(2026, 11, 23, 5)), "has a time without an offset"),
    ],
)
def test_a_story_that_cannot_be_kept_is_an_error_and_nothing_is_kept(
    database: Database, story: Story, reason: str
) -> None:
    with pytest.raises(StoryError, match=reason), database.transaction() as session:
        wire.store(session, [replace(STORY, guid="first"), story], SETTINGS, NOW)
    assert all_of(database) == []


def test_a_story_of_the_desk_is_added_and_found_in_one_transaction(database: Database) -> None:
    with database.transaction() as session:
        assert wire.add(session, STORY, SETTINGS, NOW).new == 1
        assert wire.find(session, STORY.key) == STORY
        changed = replace(STORY, summary="New.")
        assert wire.add(session, changed, SETTINGS, NOW).updated == 1
        assert wire.find(session, STORY.key) == changed


def test_more_stories_than_one_statement_can_name_are_kept(database: Database) -> None:
    many = [replace(STORY, guid=str(n), headline=f"Story {n} of many{n % 97}", url="") for n in range(1_200)]
    assert keep(database, *many).new == 1_200
    assert keep(database, *many).unchanged == 1_200
