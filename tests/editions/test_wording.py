"""The derived words: intro, candidates, date line, reading time."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.editions import wording
from newsletter.editions.compose import compose
from newsletter.editions.edition import Edition, Section
from tests.editions.examples import MONDAY, WELCOME, agenda, bank, figures, most_read, plan, quiz, story


@pytest.mark.parametrize(
    ("topics", "sentence"),
    [
        ([], "Welcome back to World Brief."),
        (["A"], "Welcome back to World Brief, where we’re looking at A."),
        (["A", "B"], "Welcome back to World Brief, where we’re looking at A and B."),
        (["A", "B", "C"], "Welcome back to World Brief, where we’re looking at A, B, and C."),
        (["A", "B", "C", "D"], "Welcome back to World Brief, where we’re looking at A, B, C, and D."),
    ],
)
def test_the_intro_joins_its_topics_correctly(topics: list[str], sentence: str) -> None:
    assert wording.introduction(WELCOME, "World Brief", topics) == sentence


def test_what_looks_like_a_blank_stays_text() -> None:
    made = wording.introduction("{name}: {topics} {other} {0}", "{topics}", ["{name}", "{x.__class__}"])
    assert made == "{topics}: {name} and {x.__class__} {other} {0}"


def test_a_locale_has_its_own_words_and_an_unknown_language_gets_english() -> None:
    assert wording.dateline(MONDAY, "de-AT") == "Montag, 23. November 2026"
    assert wording.joined(["A", "B", "C"], "de") == "A, B und C"
    assert wording.dateline(MONDAY, "xx") == wording.dateline(MONDAY) == "Monday, November 23, 2026"
    assert wording.day(date(2027, 1, 1)) == "Friday, January 1"


@pytest.mark.parametrize(
    ("fields", "topic"),
    [
        ({"teaser": "stalled truce talks in Cairo."}, "stalled truce talks in Cairo"),
        ({"teaser": " two\nlines\x00 "}, "two lines"),
        (
            {"teaser": "", "kicker": "Cries Grow for More Aid to Gaza", "body": "the cries for aid grow, in Gaza now"},
            "cries grow for more aid to Gaza",
        ),
        ({"teaser": "", "kicker": "The UN Vote", "body": "It was a vote in the UN."}, "the UN vote"),
        (
            {"teaser": "", "kicker": "", "headline": "City v West Ham", "body": "[Live](https://a.test/city-v-ham)"},
            "City v West Ham",
        ),
        ({"teaser": "", "kicker": "March Protests", "body": "They may march. On 3 March, protests"}, "March protests"),
        ({"teaser": "", "kicker": "", "headline": "Israel and Egypt meet", "body": ""}, "Israel and Egypt meet"),
        ({"teaser": "", "kicker": "", "headline": "The strike is over!", "body": ""}, "the strike is over"),
        ({"teaser": "", "kicker": "", "headline": "!!!"}, "!!!"),
    ],
)
def test_a_topic_is_the_teaser_or_a_kicker_or_headline_written_small(fields: dict[str, str], topic: str) -> None:
    assert wording.topic(story("x", **({"summary": ""} | fields))) == topic


def edition(*stories: tuple[str, dict[str, str]], name: str = "World Brief") -> Edition:
    made = [story(guid, section="lead" if not n else "world", **fields) for n, (guid, fields) in enumerate(stories)]
    return compose(plan(name=name), made, MONDAY)


def test_subjects_and_preheaders_come_from_the_picks() -> None:
    made = edition(
        ("a", {"headline": "Truce Talks Stall in Cairo", "teaser": "stalled truce talks", "kicker": "One More Day"}),
        ("b", {"teaser": "a vote in Chile"}),
        ("c", {"teaser": "a comet"}),
    )
    assert made.subjects == (
        "Truce Talks Stall in Cairo",
        "Stalled truce talks, a vote in Chile, and a comet",
        "Stalled truce talks and a vote in Chile",
        "Stalled truce talks",
        "One More Day: a vote in Chile",
        "World Brief: stalled truce talks",
    )
    assert made.preheaders == (
        "Plus a vote in Chile and a comet.",
        "A summary of a in one plain sentence.",
        "Monday, November 23, 2026. Reading time: 1 min.",
    )
    assert (made.subject, made.preheader) == (made.subjects[0], made.preheaders[0])


def test_a_headline_too_long_for_a_subject_is_not_the_default() -> None:
    made = edition(("a", {"headline": "Long " * 14, "teaser": "talks"}))
    assert made.subjects == (
        "Talks",
        "World Brief: talks",
        ("Long " * 12).strip() + "…",
        ("Long " * 14).strip(),
        "World Brief for Monday, November 23",
        "Monday, November 23, 2026",
    )


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("short", 10, "short"),
        ("one two three", 9, "one two…"),
        ("one two three", 8, "one two…"),
        ("one two three", 7, "one…"),
        ("one, two", 6, "one…"),
        ("oneword", 5, ""),
    ],
)
def test_a_text_is_cut_between_words(text: str, most: int, cut: str) -> None:
    assert wording.fit(text, most) == cut


LINES = st.text(st.sampled_from("ab cdé\n\x00\u2028’.,A🎉"), max_size=200)


@settings(max_examples=150, deadline=None)
@given(headline=LINES, teaser=LINES, kicker=LINES, summary=LINES, other=LINES, name=LINES)
def test_candidates_are_whole_one_line_and_within_their_limits(
    headline: str, teaser: str, kicker: str, summary: str, other: str, name: str
) -> None:
    first = {"headline": headline, "teaser": teaser, "kicker": kicker, "summary": summary}
    made = edition(("a", first), ("b", {"teaser": other}), name=name)
    assert made.subjects
    assert made.preheaders
    for line in (*made.subjects, *made.preheaders, made.intro):
        assert line == wording.plain(line)
    assert all(1 <= len(one) <= 90 for one in made.subjects)
    assert all(30 <= len(one) <= 110 for one in made.preheaders)
    assert not {one.casefold() for one in made.subjects} & {one.casefold() for one in made.preheaders}
    assert len(made.subjects) == len(set(made.subjects))
    known = f" {wording.plain(f'{headline} {teaser} {kicker} {summary} {other} {name}')} ".lower()
    for line in (*made.subjects, *made.preheaders):
        if line.endswith("…"):
            assert f" {line[:-1].split()[-1].lower()}" in known


def test_at_least_three_subjects_are_short_where_the_texts_allow_it() -> None:
    made = compose(plan(), bank(), MONDAY)
    assert sum(len(one) <= 60 for one in made.subjects) >= 3


def test_words_are_counted_as_they_are_printed() -> None:
    assert wording.words_in(story("x", kicker="Two words", headline="And three more", body="a b c d"), "items") == 9
    assert wording.words_in(story("x", kicker="", headline="Only this", body="a b c"), "links") == 2
    assert wording.words_in(story("x", kicker="", headline="One", body="", summary="a b"), "items") == 3
    assert wording.words_in(quiz(), "quiz") == 5
    assert wording.words_in(most_read(count=3), "links") == 6
    assert wording.words_in(figures(), "figures") == 2
    assert wording.words_in(agenda(), "agenda") == 4 * 5


def test_the_reading_time_is_a_minute_for_230_words_and_never_none() -> None:
    base = compose(plan(), [], MONDAY)
    long = replace(base, sections=(Section(slot="x", title="", style="items", stories=(story("x", body="a " * 690),)),))
    assert base.reading_minutes == 1
    assert wording.word(long).reading_minutes == 3
    assert wording.word(long).words == 690 + 5 + len(wording.word(long).intro.split())
