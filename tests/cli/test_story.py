"""`worldbrief story`: whatever is pulled gives its stories or one clear error, and nothing twice."""

from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run

FEEDS = ROOT / "tests/corpus/feeds"
SAMPLES = ROOT / "newsletter/samples"
ANSWER = {"source", "stories", "new", "updated", "unchanged", "refused"}


@pytest.mark.parametrize(
    ("name", "stories"),
    [
        ("guardian.rss", 55),
        ("heise.atom", 15),
        ("heraldsun.rss", 2),
        ("uolNoticias.rss", 15),
        ("windows-1251.xml", 50),
        ("windows-1252-incorrect-prolog.xml", 0),
        ("incomplete-fields.atom", 0),
    ],
)
def test_a_real_feed_gives_its_stories_once(run: Run, name: str, stories: int) -> None:
    first = run("story", "pull", FEEDS / name, "--json")
    assert first.code == 0
    [answer] = first.answers
    assert set(answer) >= ANSWER
    assert (answer["source"], answer["stories"]) == (name, stories)
    assert answer["new"] == stories
    [again] = run("story", "pull", FEEDS / name, "--json").answers
    assert (again["new"], again["updated"], again["unchanged"]) == (0, 0, stories)


def test_what_is_no_feed_is_one_clear_error(run: Run) -> None:
    ran = run("story", "pull", FEEDS / "unrecognized.rss", "--json")
    assert ran.code == 1
    [answer] = ran.answers
    assert set(answer) == {"source", "error"}
    assert "Traceback" not in ran.err


def test_a_bad_feed_in_a_folder_fails_itself_alone_and_names_itself_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.rss").write_text("<html><body>Not found</body></html>")
    (tmp_path / "heise.atom").write_bytes((FEEDS / "heise.atom").read_bytes())
    ran = run("story", "pull", tmp_path)
    assert ran.code == 1
    assert "15 stories" in ran.out
    assert ran.err.count("page.rss") == 1
    assert "no story has the words" in run("story", "list", "Nutella").out.lower()


def test_a_missing_place_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    ran = run("story", "pull", tmp_path / "nowhere.rss")
    assert ran.code == 1
    assert ran.err.startswith("worldbrief: ")
    assert len(ran.err.splitlines()) == 1


def test_a_private_address_is_refused(run: Run) -> None:
    ran = run("story", "pull", "http://127.0.0.1:1/feed.rss")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1


def test_a_folder_of_stories_is_pulled_listed_and_shown(run: Run) -> None:
    [answer] = run("story", "pull", SAMPLES / "stories", "--json").answers
    assert answer["refused"] == []
    assert answer["new"] == answer["stories"] >= 40
    listed = run("story", "list", "lighthouse", "--json").answers
    assert [one["headline"] for one in listed] == ["Orkney Knits Its Lighthouse a Sweater, to Scale"]
    shown = run("story", "show", listed[0]["story"])
    assert "Orkney" in shown.out
    assert run("story", "show", "0123456789abcdef").code == 1


def test_a_story_is_added_by_hand_and_corrected(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "quake.md"
    file.write_text("---\nheadline: A Quake Off Chile\nkicker: Night Tremor\n---\n\nNobody was hurt.\n", "utf-8")
    assert run("story", "add", file).code == 0
    file.write_text("---\nheadline: A Strong Quake Off Chile\nkicker: Night Tremor\n---\n\nNobody was hurt.\n", "utf-8")
    assert run("story", "add", file).code == 0
    assert [one["headline"] for one in run("story", "list", "--json").answers] == ["A Strong Quake Off Chile"]


def test_a_story_with_a_wrong_field_is_refused_with_file_and_field(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "typo.md"
    file.write_text("---\nheadlin: Typo\n---\nText.\n", "utf-8")
    ran = run("story", "add", file)
    assert ran.code == 1
    assert "typo.md" in ran.err
    assert "headline" in ran.err


def test_the_desk_corrects_a_pulled_story_and_a_pull_does_not_undo_it(run: Run) -> None:
    run("story", "pull", FEEDS / "heraldsun.rss")
    key = run("story", "list", "first", "--json").answers[0]["story"]
    assert run("story", "edit", key, "--kicker", "First Things", "--checked-by", "ana").code == 0
    run("story", "pull", FEEDS / "heraldsun.rss")
    [story] = run("story", "list", "first", "--json").answers
    assert (story["kicker"], story["checked_by"]) == ("First Things", "ana")
    assert run("story", "edit", key, "--url", "not an address").code == 1
