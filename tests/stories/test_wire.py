"""Pulling: files, folders and addresses into the bank, all of a feed or nothing, safe to repeat."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.config import Source, Wire
from newsletter.database import Database
from newsletter.errors import FeedError
from newsletter.stories import wire
from newsletter.stories.story import StoryKind
from newsletter.stories.wire import Pulled, Reach, Refusal
from tests.stories.test_feeds import CORPUS, OURS
from tests.stories.test_fetch import Server, loopback

SETTINGS = Wire()
NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
TESTS = Reach(resolve=loopback, loopback=True)


def pull(
    database: Database, place: Path | str, source: Source | None = None, settings: Wire = SETTINGS
) -> list[Pulled]:
    return wire.pull(database, str(place), settings, source=source, now=NOW, reach=TESTS)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def test_a_file_is_pulled_and_pulled_again_without_a_change(database: Database) -> None:
    expected = Pulled(source="guardian.rss", stories=55, new=55)
    assert pull(database, CORPUS / "guardian.rss") == [expected]
    assert pull(database, CORPUS / "guardian.rss") == [replace(expected, new=0, unchanged=55)]


def test_a_folder_gives_each_feed_and_all_its_manuscripts(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "stories"
    folder.mkdir()
    (folder / "README.md").write_text("# How to write here")
    (folder / "notes.txt").write_text("nothing")
    (folder / ".hidden.md").write_text("nothing")
    (folder / "a.md").write_text("---\nheadline: A ferry\n---\nText.")
    (folder / "b.md").write_text("---\nheadline: A bridge\nguid: a.md\n---\n")
    (folder / "c.md").write_text("---\nheadlin: C\n---\n")
    (folder / "d.md").write_text("no front matter")
    for name in ("rss-2.0.xml", "truncated.xml"):
        shutil.copy(OURS / name, folder)
    feed, cut, written = pull(database, folder)
    assert (feed.source, feed.new, len(feed.refused)) == ("rss-2.0.xml", 3, 2)
    assert cut == Pulled(source="truncated.xml", error="truncated.xml: is cut off: </rss> is missing")
    assert written == Pulled(
        source="stories",
        stories=1,
        new=1,
        refused=(
            Refusal(item="b.md", reason="has the guid of another file: a.md"),
            Refusal(item="c.md", reason="headlin: unknown key; did you mean `headline`?"),
            Refusal(item="d.md", reason="does not begin with front matter between two lines of ---"),
        ),
    )
    (alone,) = pull(database, folder / "a.md")
    assert (alone.source, alone.unchanged) == ("stories", 1)


def test_the_whole_corpus_is_pulled_twice_without_a_traceback(database: Database) -> None:
    first = pull(database, CORPUS) + pull(database, OURS)
    again = pull(database, CORPUS) + pull(database, OURS)
    assert [one.stories for one in first] == [one.stories for one in again]
    assert sum(one.new + one.updated for one in again) == 0
    assert all(one.unchanged == one.stories for one in again)
    with database.snapshot() as session:
        assert len(wire.bank(session)) == sum(one.new for one in first)


def test_a_source_stands_in_where_its_stories_say_nothing(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('[{"headline": "A", "section": "lead"}, {"headline": "B", "outlet": "Own"}]')
    source = Source(url=str(file), name="The Ledger", section="world", region="Europe", checked_by="Ada")
    pull(database, file, source)
    with database.snapshot() as session:
        stories = {story.headline: story for story in wire.bank(session)}
    assert (stories["A"].outlet, stories["A"].section, stories["A"].region) == ("The Ledger", "lead", "Europe")
    assert (stories["B"].outlet, stories["B"].section, stories["B"].checked_by) == ("Own", "world", "Ada")


def test_what_is_beyond_the_limit_is_refused_by_name(database: Database) -> None:
    (pulled,) = pull(database, CORPUS / "heise.atom", settings=Wire(max_items=14))
    assert (pulled.stories, len(pulled.refused)) == (14, 1)
    assert pulled.refused[0].reason == "is beyond the 14 items taken from one feed"


def test_a_ranked_list_is_one_story(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "most-read.csv"
    file.write_text("headline,url,reads\nA,https://x.test/a,9\nB,nowhere,8\n")
    (pulled,) = pull(database, file)
    assert (pulled.new, [one.item for one in pulled.refused]) == (1, ["row 3"])
    with database.snapshot() as session:
        (story,) = wire.bank(session, kind=StoryKind.MOST_READ)
    assert [link.headline for link in story.ranking] == ["A"]


def test_a_feed_from_the_future_is_not_newest_for_ever(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    dated = "<item><title>A</title><pubDate>Mon, 23 Nov 2037 04:00:00 GMT</pubDate></item>"
    file.write_text(f'<rss version="2.0"><channel><title>T</title>{dated}</channel></rss>')
    pull(database, file)
    with database.snapshot() as session:
        assert wire.bank(session)[0].published_at == NOW


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere.rss", "no such file or folder"),
        ("/dev/zero", "is no plain file"),
        ("a\x00b", "cannot be read|no such file"),
        ("x" * 5_000, "cannot be read"),
        ("file:///etc/passwd", "only http and https"),
        (str(OURS / "truncated.xml"), "is cut off"),
        (str(OURS / "README.md"), "front matter"),
        (str(OURS / "billion-laughs.xml"), "declares XML entities"),
    ],
)
def test_a_place_that_is_no_source_is_one_clear_error(database: Database, place: str, reason: str) -> None:
    with pytest.raises(FeedError, match=reason) as caught:
        pull(database, place)
    assert caught.value.source == place
    with database.snapshot() as session:
        assert wire.bank(session) == []


def test_an_empty_folder_and_a_file_too_large_are_errors(database: Database, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="neither feeds nor Markdown"):
        pull(database, tmp_path)
    with pytest.raises(FeedError, match="is larger than 100 bytes"):
        pull(database, CORPUS / "guardian.rss", settings=Wire(max_decompressed_bytes=100))


def test_an_address_is_pulled_and_then_only_asked_for_changes(database: Database, server: Server) -> None:
    place = f"{server.address}/real"
    first = pull(database, place)
    assert first == [Pulled(source=place, stories=15, new=15)]
    assert pull(database, place) == [Pulled(source=place, stories=15, unchanged=15)]
    assert "If-None-Match" in server.seen[-1][1]
    assert pull(database, place, Source(url=place, section="tech"))[0].updated == 15
    assert "If-None-Match" not in server.seen[-1][1]
    with database.snapshot() as session:
        story = wire.bank(session)[0]
        origin = wire.provenance(session, story.key)
    assert story.section == "tech"
    assert origin is not None
    assert origin.place == place


def test_an_address_that_leads_inside_leaves_the_bank_alone(database: Database) -> None:
    with pytest.raises(FeedError, match="not on the public internet"):
        wire.pull(database, "http://169.254.169.254/latest/", SETTINGS, source=None, now=NOW)


def test_reading_keeps_nothing(tmp_path: Path) -> None:
    assert len(wire.read(CORPUS / "heise.atom", SETTINGS)) == 15
