"""What our own people write: front matter, JSON and ranked lists, with every mistake named by file and field."""

import json
from datetime import UTC, date, datetime

import pytest

from newsletter.errors import FeedError, StoryError
from newsletter.stories import feeds, manuscripts
from newsletter.stories.story import AgendaItem, Figure, Image, Question, RankedLink, Story, StoryKind

WHOLE = """\ufeff---
headline: "Norway: the ferry is back"
kicker: At sea
teaser: a ferry's return
summary: The ferry is back.
url: https://harbour.test/ferry?utm_source=x
byline: Ada Byrne
outlet: The Ledger
section: lead
region: NO
language: en-GB
tags: [sea, Norway]
published_at: 2026-11-23T06:00:00+01:00
embargo_until: 2026-11-24
checked_by: Otto
image: {file: ferry.jpg, alt: A ferry, credit: Ida, width: 600, height: 400}
---

It *returned* on Sunday.
"""


def written(front: str, body: str = "Text.") -> Story:
    return manuscripts.parse_markdown(f"---\n{front}\n---\n{body}", source="desk", file="a.md")


def test_a_manuscript_is_read_whole() -> None:
    assert manuscripts.parse_markdown(WHOLE, source="desk", file="ferry.md") == Story(
        source="desk",
        guid="ferry.md",
        headline="Norway: the ferry is back",
        kicker="At sea",
        teaser="a ferry's return",
        summary="The ferry is back.",
        body="It *returned* on Sunday.",
        url="https://harbour.test/ferry",
        byline="Ada Byrne",
        outlet="The Ledger",
        section="lead",
        region="NO",
        language="en-GB",
        tags=("sea", "Norway"),
        published_at=datetime(2026, 11, 23, 5, tzinfo=UTC),
        embargo_until=datetime(2026, 11, 24, tzinfo=UTC),
        checked_by="Otto",
        image=Image(url="/media/ferry.jpg", alt="A ferry", credit="Ida", width=600, height=400),
    )


def test_lists_of_every_kind_are_read_and_give_the_story_its_kind() -> None:
    agenda = written("headline: Week\nagenda:\n- {on: 2026-11-24, event: Vote, place: Oslo, actor: Parliament}")
    assert agenda.kind is StoryKind.AGENDA
    assert agenda.agenda == (AgendaItem(on=date(2026, 11, 24), event="Vote", place="Oslo", actor="Parliament"),)
    quiz = written("headline: Quiz\nquiz:\n- {question: 'Who?', options: [Ada, 'No'], answer: 'No', explanation: So.}")
    assert quiz.quiz == (Question(question="Who?", options=("Ada", "No"), answer=1, explanation="So."),)
    ranked = written("headline: Read\nranking:\n- {headline: A, url: https://x.test/a, reads: 7}")
    assert ranked.ranking == (RankedLink(headline="A", url="https://x.test/a", reads=7),)
    figures = written(
        "headline: Markets\nas_of: 2026-11-23T05:00:00Z\nfigures:\n- {label: Brent, value: 63.20, change: -1.4 %}"
    )
    assert figures.figures == (Figure(label="Brent", value="63.20", change="-1.4 %"),)
    assert (quiz.kind, ranked.kind, figures.kind) == (StoryKind.QUIZ, StoryKind.MOST_READ, StoryKind.FIGURES)


def test_yaml_types_do_not_change_what_was_written() -> None:
    story = written("headline: 12:30\nkicker: No\nregion: NO\nteaser: 1e3\nsummary: 2026-11-23\nbyline: ~x\nsection:")
    assert (story.headline, story.kicker, story.region, story.teaser, story.summary) == (
        "12:30",
        "No",
        "NO",
        "1e3",
        "2026-11-23",
    )
    assert story.section == ""


@pytest.mark.parametrize(
    ("front", "reason"),
    [
        ("headlin: A", "headlin: unknown key; did you mean `headline`?"),
        ("group: x\nheadline: A", "group: unknown key"),
        ("kicker: A", "headline: is missing"),
        ("headline: [A]", "headline: must be text"),
        ("headline: A\nheadline: B", "headline: is given twice"),
        ("headline: A\npublished_at: 2026-11-23 05:00:00", "published_at: '2026-11-23 05:00:00' has no offset"),
        ("headline: A\npublished_at: yesterday", "published_at: 'yesterday' is no time"),
        ("headline: A\nexpires_at: 0001-01-01T00:00:00+23:00", "expires_at:"),
        ("headline: A\nurl: ftp://x.test/", "url: 'ftp://x.test/' is no http or https address"),
        ("headline: A\nkind: poll", "kind: 'poll' is not one of story, agenda"),
        ("headline: A\nlanguage: English please", "language:"),
        ("headline: A\nimage: x.jpg", "image: must be `key: value` pairs"),
        ("headline: A\nimage: {file: x.jpg}", "image.alt: is missing"),
        ("headline: A\nimage: {alt: x}", "image.url: is missing"),
        ("headline: A\nimage: {file: ../x.jpg, alt: x}", "image.file: must be the name"),
        ("headline: A\nimage: {file: x.jpg, alt: x, widht: 3}", "image.widht: unknown key; did you mean `width`?"),
        ("headline: A\nimage: {file: x.jpg, alt: x, width: wide}", "image.width: 'wide' is no whole number"),
        ("headline: A\nagenda: {on: 2026-11-23}", "agenda: must be a list"),
        ("headline: A\nagenda: [{on: soon, event: x}]", "agenda[0].on: 'soon' is no date"),
        ("headline: A\nagenda: [{event: x}]", "agenda[0].on: is missing"),
        (
            "headline: A\nquiz: [{question: Q, options: [a, b], answer: c}]",
            "quiz[0].answer: 'c' is none of the options",
        ),
        ("headline: A\nquiz: [{question: Q, options: [a, a], answer: a}]", "quiz[0].options: must be two or more"),
        ("headline: A\nranking: [{headline: x, url: x}]", "ranking[0].url: 'x' is no http"),
        ("headline: A\nfigures: [{label: x}]", "figures[0].value: is missing"),
        ("headline: A\nbyline: &a x\noutlet: *a", "front matter: aliases such as *a are not allowed"),
        ("headline: [A", "front matter: line 3:"),
        ("- A", "front matter: must be `key: value` lines"),
        ("headline: A\ntags: " + "[" * 5_000, "front matter:"),
        ("headline: " + "A" * 200_000, "front matter: is longer"),
        ("headline: !!python/object/apply:os.system [id]", "headline: must be text"),
    ],
)
def test_a_mistake_is_told_with_file_and_field(front: str, reason: str) -> None:
    with pytest.raises(StoryError) as caught:
        written(front)
    assert caught.value.item == "a.md"
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bomb_of_aliases_is_refused_at_the_first() -> None:
    bomb = "a: &a [x, x]\n" + "\n".join(f"b{n}: &b{n} [*a, *a]" for n in range(50))
    with pytest.raises(StoryError, match="aliases"):
        written(bomb)


def test_text_without_front_matter_is_no_manuscript() -> None:
    for text in ("# A readme", "", "---\nheadline: A", "headline: A\n---\n"):
        with pytest.raises(FeedError, match="front matter"):
            manuscripts.parse_markdown(text, source="desk", file="a.md")


def test_a_nul_or_control_character_does_not_pass() -> None:
    story = written('headline: "A\\0B\\x07"\nsummary: x\x00y', "te\x00xt\x07")
    assert (story.headline, story.summary, story.body) == ("AB", "xy", "text")


def test_our_own_json_is_a_story_or_a_list_of_them() -> None:
    one = {"headline": "A", "body": "**b**", "image": None, "tags": ["x"]}
    documents: list[object] = [one, [one], {"stories": [one], "title": "Desk"}]
    for document in documents:
        (story,) = feeds.parse(json.dumps(document).encode(), source="desk").stories
        assert (story.headline, story.body, story.tags) == ("A", "**b**", ("x",))


def test_a_wrong_item_in_json_is_refused_by_number_and_field() -> None:
    items = [
        {"headline": 7},
        {"headline": "A", "kickr": 1},
        "x",
        {"headline": "B", "guid": "b"},
        {"headline": "C", "guid": "b"},
    ]
    feed = feeds.parse(json.dumps(items).encode(), source="desk")
    assert [story.headline for story in feed.stories] == ["B"]
    assert [(one.item, one.reason) for one in feed.refused] == [
        ("item 1", "headline: must be text"),
        ("item 2", "kickr: unknown key; did you mean `kicker`?"),
        ("item 3", "is no object"),
        ("item 5", "has the same guid as item 4: b"),
    ]


def test_a_manuscript_among_feeds_is_one_story_or_one_refusal() -> None:
    assert feeds.parse(WHOLE.encode(), source="ferry.md").stories[0].headline == "Norway: the ferry is back"
    (refusal,) = feeds.parse(b"---\nheadlin: x\n---\n", source="a.md").refused
    assert refusal.item == "a.md"


def test_a_ranked_list_keeps_its_order_and_names_wrong_rows() -> None:
    text = "Headline,URL,Reads\nA,https://x.test/a?utm_source=m,90\n,https://x.test/b,80\nC,nowhere,7\nD,https://x.test/d,many\nE,https://x.test/e\n"
    feed = manuscripts.parse_ranking(text, source="most.csv", file="most.csv")
    (story,) = feed.stories
    assert story.kind is StoryKind.MOST_READ
    assert story.ranking == (
        RankedLink(headline="A", url="https://x.test/a", reads=90),
        RankedLink(headline="E", url="https://x.test/e"),
    )
    assert [one.item for one in feed.refused] == ["row 3", "row 4", "row 5"]
    for wrong in ("", "a,b\n1,2\n", "\x00"):
        with pytest.raises(FeedError, match="headline,url,reads"):
            manuscripts.parse_ranking(wrong, source="most.csv", file="most.csv")
