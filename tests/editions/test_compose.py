"""Composing by rule: what is chosen, what is refused and why, and that chance has no part in it."""

import random
from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.config import Newsletter, Slot
from newsletter.editions.compose import compose, plan_for
from newsletter.editions.edition import Pin
from newsletter.stories.story import RankedLink, Story, StoryKind
from tests.editions.examples import (
    FRIDAY,
    HOUR,
    ITEMS,
    MONDAY,
    SEND_AT,
    SLOTS,
    agenda,
    bank,
    choice,
    figures,
    most_read,
    placed,
    plan,
    quiz,
    refused,
    story,
)


def test_a_monday_is_filled_in_the_order_of_its_slots() -> None:
    edition = compose(plan(), bank(), MONDAY)
    assert placed(edition) == {
        "figures": ["figures"],
        "lead": ["lead"],
        "most-read": ["most-read"],
        "agenda": ["week"],
        "following": ["world-0", "world-1", "world-2", "world-3"],
        "odds": ["odd"],
    }
    assert list(placed(edition)) == [one.name for one in SLOTS if one.name != "quiz"]
    assert edition.gaps == ()
    assert edition.headline == "Headline of lead"
    assert edition.intro == (
        "Welcome back to World Brief, where we’re looking at stalled truce talks in Cairo, the matter of world-0, "
        "and the matter of world-1."
    )
    assert edition.dateline == "Monday, November 23, 2026"


def test_every_story_has_exactly_one_choice_with_a_reason() -> None:
    edition = compose(plan(), bank(), MONDAY)
    assert sorted(one.story for one in edition.choices) == sorted(one.key for one in bank())
    assert all(one.reason for one in edition.choices)
    assert choice(edition, "lead").reason == "section hint “lead”: number 1 of 1 for “lead”"
    assert choice(edition, "world-1").reason == "section hint “world”: number 2 of 6 for “following”"
    assert choice(edition, "week").reason == "kind “agenda”: number 1 of 1 for “agenda”"
    assert refused(edition, "world-4") == "budget: “following” is full (4 of 4)"


def test_the_quiz_is_printed_on_its_weekday_alone() -> None:
    assert refused(compose(plan(), bank(), MONDAY), "quiz") == (
        "wrong weekday: “quiz” stands on fri, and this is Monday"
    )
    friday = compose(plan(), bank(), FRIDAY)
    assert placed(friday)["quiz"] == ["quiz"]
    assert refused(friday, "week") == "wrong weekday: “agenda” stands on mon, and this is Friday"


def test_the_most_complete_story_speaks_for_its_group() -> None:
    thin = story("thin", group="g", body="", published_at=SEND_AT - HOUR, source="wire")
    full = story("full", group="g", published_at=SEND_AT - 5 * HOUR)
    edition = compose(plan(ITEMS), [thin, full, story("other", group="h")], MONDAY)
    assert sorted(placed(edition)["items"]) == ["full", "other"]
    assert {one.reason for one in edition.choices if not one.chosen} == {"duplicate of “Headline of full” (The Desk)"}


def test_of_equally_complete_duplicates_the_newer_one_is_printed() -> None:
    old, new = story("old", group="g"), story("new", group="g", published_at=SEND_AT - HOUR)
    assert placed(compose(plan(ITEMS), [old, new], MONDAY)) == {"items": ["new"]}


def test_an_embargoed_duplicate_does_not_stand_in_the_way() -> None:
    held = story("held", group="g", embargo_until=SEND_AT + HOUR, byline="Ana")
    assert placed(compose(plan(ITEMS), [held, story("free", group="g")], MONDAY)) == {"items": ["free"]}


def test_two_sources_with_one_address_are_one_story() -> None:
    one, two = story("one", url="https://worldbrief.test/x"), story("two", url="https://WORLDBRIEF.test:443/x#top")
    edition = compose(plan(ITEMS), [one, two], MONDAY)
    assert len(placed(edition)["items"]) == 1
    assert next(one.reason for one in edition.choices if not one.chosen).startswith("duplicate of")


def test_a_story_stored_twice_is_printed_once_in_its_newest_version() -> None:
    old, new = story("x", headline="Old"), story("x", headline="New", updated_at=SEND_AT - HOUR)
    for order in ([old, new], [new, old]):
        edition = compose(plan(ITEMS), order, MONDAY)
        assert [one.headline for one in edition.stories()] == ["New"]
        assert len(edition.choices) == 1


def test_a_long_story_is_printed_with_its_summary() -> None:
    long = story("long", body="word " * 226)
    edition = compose(plan(ITEMS), [long], MONDAY)
    (printed,) = edition.stories()
    assert (printed.body, printed.summary) == ("", long.summary)
    assert choice(edition, "long").reason.endswith("; its body is over the budget, so its summary is printed")


def test_an_address_in_a_link_costs_no_words_and_hostile_brackets_no_time() -> None:
    linked = story("linked", body="[a](https://worldbrief.test/x) " * 225)
    assert next(compose(plan(ITEMS), [linked], MONDAY).stories()).body
    assert compose(plan(ITEMS), [story("hostile", body="](" * 50_000)], MONDAY).sections


def test_the_whole_edition_keeps_to_its_words() -> None:
    stories = [story(f"s{n}", body="word " * 100, published_at=SEND_AT - n * HOUR) for n in range(1, 4)]
    edition = compose(plan(replace(ITEMS, least=0), most_words=230), stories, MONDAY)
    assert placed(edition) == {"items": ["s1", "s2"]}
    assert refused(edition, "s3") == "budget: the edition would have 315 words, and 230 is its most"


def test_an_early_slot_does_not_eat_what_a_later_one_needs() -> None:
    first = Slot(name="first", accepts=("world",), most=9)
    odds = Slot(name="odds", style="light", accepts=("odds",), required=True)
    stories = [story("odd", section="odds"), *(story(f"s{n}", body="word " * 100) for n in range(9))]
    edition = compose(plan(first, odds, most_words=350), stories, MONDAY)
    assert len(placed(edition)["first"]) == 2
    assert placed(edition)["odds"] == ["odd"]
    assert edition.gaps == ()


def test_a_slot_that_takes_anything_leaves_what_another_asks_for_by_name() -> None:
    odds = Slot(name="odds", style="light", accepts=("odds",))
    edition = compose(plan(ITEMS, odds), [story("odd", section="odds"), story("any", section="sport")], MONDAY)
    assert placed(edition) == {"items": ["any"], "odds": ["odd"]}


def test_the_hints_of_a_slot_are_in_order_of_preference() -> None:
    slot = Slot(name="items", accepts=("lead", "world"))
    older = story("older", section="lead", published_at=SEND_AT - 9 * HOUR)
    assert placed(compose(plan(slot), [older, story("newer")], MONDAY)) == {"items": ["older"]}


def test_a_story_made_for_the_brief_comes_before_a_newer_one_from_the_wire() -> None:
    wire = story("wire", teaser="", kicker="", published_at=SEND_AT - HOUR)
    edition = compose(plan(replace(ITEMS, most=1)), [wire, story("made")], MONDAY)
    assert placed(edition) == {"items": ["made"]}


def test_too_few_stories_drop_a_section_and_free_them_for_others() -> None:
    two = Slot(name="two", accepts=("world",), least=2, most=4)
    more = Slot(name="more", style="light", accepts=("world",))
    edition = compose(plan(two, more), [story("only")], MONDAY)
    assert placed(edition) == {"more": ["only"]}
    assert refused(compose(plan(two), [story("only")], MONDAY), "only") == "“two” needs 2 and found 1"


def test_a_required_slot_with_too_few_stories_prints_them_and_is_a_gap() -> None:
    slot = Slot(name="two", least=2, most=4, required=True)
    edition = compose(plan(slot), [story("only")], MONDAY)
    assert placed(edition) == {"two": ["only"]}
    assert edition.gaps == ("the slot “two” is required: it needs 2 and holds 1",)


def test_the_fallback_any_takes_the_best_story_left_but_a_light_one_last() -> None:
    stories = [story("odd", section="odds", published_at=SEND_AT - HOUR), story("bare", kicker="")]
    edition = compose(plan(), stories, MONDAY)
    assert placed(edition)["lead"] == ["bare"]
    assert choice(edition, "bare").reason == "the fallback of “lead”: the best story not placed yet"
    assert placed(compose(plan(), stories[:1], MONDAY))["lead"] == ["odd"]


def test_the_fallback_any_breaks_no_other_rule() -> None:
    bad = [
        story("embargoed", embargo_until=SEND_AT + HOUR),
        story("old", published_at=SEND_AT - 100 * HOUR),
        story("long", body="word " * 1_000, summary=""),
        quiz(),
    ]
    pins = (Pin(slot="lead", story_key=bad[0].key),)
    edition = compose(plan(pins=pins), bad, MONDAY)
    assert "lead" not in placed(edition)
    assert edition.gaps == ("the slot “lead” is required: it needs 1 and holds 0",)


def test_the_fallback_text_is_printed_when_nothing_is_found() -> None:
    slot = replace(ITEMS, fallback="text", fallback_text="Nothing today.", title="Items")
    (section,) = compose(plan(slot), [], MONDAY).sections
    assert (section.stories, section.text, section.title) == ((), "Nothing today.", "Items")


def test_a_slot_with_dates_stands_only_between_them() -> None:
    slot = replace(ITEMS, first_on=date(2026, 11, 20), last_on=date(2026, 11, 22))
    assert refused(compose(plan(slot), [story("x")], MONDAY), "x") == "too late: “items” stood until 2026-11-22"
    soon = replace(slot, first_on=date(2026, 11, 24), last_on=None)
    assert refused(compose(plan(soon), [story("x")], MONDAY), "x") == "too early: “items” stands from 2026-11-24"
    inside = replace(slot, first_on=MONDAY, last_on=MONDAY)
    assert placed(compose(plan(inside), [story("x")], MONDAY)) == {"items": ["x"]}


def test_a_slot_that_takes_nothing_stays_empty() -> None:
    edition = compose(plan(replace(ITEMS, least=0, most=0)), [story("x")], MONDAY)
    assert refused(edition, "x") == "“items” takes no story"


def test_the_agenda_shows_the_seven_days_ahead_in_order() -> None:
    (printed,) = [one for one in compose(plan(), bank(), MONDAY).stories() if one.kind is StoryKind.AGENDA]
    assert [one.on for one in printed.agenda] == [date(2026, 11, 23), date(2026, 11, 29)]
    past = compose(plan(), [agenda()], date(2026, 12, 7))
    assert refused(past, "week") == "too old: nothing of its agenda lies in the next 7 days"


def test_stale_figures_are_dropped_and_never_printed() -> None:
    edition = compose(plan(), [figures(as_of=SEND_AT - 21 * HOUR)], MONDAY)
    assert refused(edition, "figures") == "too old: of 2026-11-22 13:30 UTC, and “figures” takes 20 hours"
    ahead = compose(plan(), [figures(as_of=SEND_AT + HOUR)], MONDAY)
    assert refused(ahead, "figures").startswith("dated")


def test_the_newest_ranking_is_printed_without_what_the_edition_holds_already() -> None:
    links = tuple(
        RankedLink(headline=name, url=f"https://worldbrief.test/{name}")
        for name in ("lead?utm_medium=mail", "a", "b", "a#again", "c", "d")
    )
    new = most_read("new", ranking=links, as_of=SEND_AT - HOUR)
    edition = compose(plan(), [*bank(), new], MONDAY)
    (printed,) = [one for one in edition.stories() if one.kind is StoryKind.MOST_READ]
    assert [one.headline for one in printed.ranking] == ["a", "b", "c"]
    assert refused(edition, "most-read") == "budget: “most-read” is full (1 of 3)"


def test_a_ranking_of_nothing_new_is_dropped() -> None:
    same = most_read(ranking=(RankedLink(headline="x", url="https://worldbrief.test/lead"),))
    edition = compose(plan(), [bank()[0], same], MONDAY)
    assert "most-read" not in placed(edition)
    assert refused(edition, "most-read") == "too few of its links are not in this edition already"


def test_a_list_of_links_can_be_of_stories_that_need_no_text() -> None:
    slot = Slot(name="links", style="links", accepts=("world",), most=2)
    assert placed(compose(plan(slot), [story("a", body="", summary="")], MONDAY)) == {"links": ["a"]}


def test_a_pin_wins_over_every_preference() -> None:
    pinned = story("pinned", section="sport", kicker="", body="word " * 900, published_at=SEND_AT - 900 * HOUR)
    pins = (Pin(slot="lead", story_key=pinned.key), Pin(slot="odds", story_key=pinned.key))
    edition = compose(plan(pins=pins, used=frozenset({pinned.key})), [*bank(), pinned], MONDAY)
    assert placed(edition)["lead"] == ["pinned"]
    assert placed(edition)["odds"] == ["odd"]
    assert choice(edition, "pinned").reason == "pinned by an editor"
    assert next(one for one in edition.stories() if one.guid == "pinned").body
    assert refused(edition, "lead") == "budget: “lead” is full (1 of 1)"


def test_a_pin_opens_a_slot_on_another_weekday() -> None:
    edition = compose(plan(pins=(Pin(slot="quiz", story_key=quiz().key),)), bank(), MONDAY)
    assert placed(edition)["quiz"] == ["quiz"]


def test_a_pin_that_cannot_be_followed_says_why() -> None:
    held = story("held", embargo_until=SEND_AT + HOUR)
    pins = (
        Pin(slot="lead", story_key=held.key),
        Pin(slot="odds", story_key=quiz().key),
        Pin(slot="nowhere", story_key=story("odd").key),
        Pin(slot="lead", story_key="0123456789abcdef"),
        Pin(slot="agenda", story_key=agenda("past", agenda=()).key),
    )
    edition = compose(plan(pins=pins), [*bank(), held, agenda("past", agenda=agenda().agenda[:1])], MONDAY)
    assert refused(edition, "held").startswith("embargo until")
    assert refused(edition, "quiz") == "“odds” cannot print what is of kind “quiz”"
    assert refused(edition, "odd") == "pinned to no slot of this plan"
    assert refused(edition, "past").startswith("too old: nothing of its agenda")
    assert "pinned, but not in the bank" in [one.reason for one in edition.choices]


def test_the_duplicate_of_a_pinned_story_is_not_printed() -> None:
    pinned, twin = story("pinned", group="g", body=""), story("twin", group="g")
    edition = compose(plan(ITEMS, pins=(Pin(slot="items", story_key=pinned.key),)), [pinned, twin], MONDAY)
    assert placed(edition) == {"items": ["pinned"]}
    assert refused(edition, "twin") == "duplicate of “Headline of pinned” (The Desk)"


def test_an_empty_bank_gives_a_plain_edition_with_its_gaps() -> None:
    edition = compose(plan(notices=("No brief on Thursday.",)), [], MONDAY)
    assert edition.intro == "Welcome back to World Brief."
    assert edition.headline == "World Brief"
    assert edition.subject == "World Brief for Monday, November 23"
    assert edition.notices == ("No brief on Thursday.",)
    assert edition.reading_minutes == 1
    assert len(edition.gaps) == 1


def test_the_plan_of_a_newsletter_is_its_settings() -> None:
    newsletter = Newsletter(key="k", name="N", sender_address="a@b.test", slots=SLOTS, reuse_after_days=9, byline="Ana")
    made = plan_for(newsletter, MONDAY, SEND_AT, frozenset({"x"}), ["One."])
    assert (made.newsletter, made.name, made.slots, made.send_at) == ("k", "N", SLOTS, SEND_AT)
    assert (made.used, made.notices, made.reuse_after_days, made.byline) == (frozenset({"x"}), ("One.",), 9, "Ana")


SECTIONS = st.sampled_from(["lead", "world", "odds", "sport", ""])


@st.composite
def banks(draw: st.DrawFn) -> list[Story]:
    kinds = {StoryKind.STORY: story, StoryKind.AGENDA: agenda, StoryKind.QUIZ: quiz, StoryKind.MOST_READ: most_read}
    made = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from([StoryKind.STORY] * 6 + list(kinds)))
        made.append(
            kinds[kind](
                f"s{draw(st.integers(0, 20))}" if kind is StoryKind.STORY else f"{kind}{number}",
                section=draw(SECTIONS),
                group=draw(st.sampled_from(["", "", "g", "h"])),
                kicker=draw(st.sampled_from(["", "Kicker"])),
                teaser=draw(st.sampled_from(["", "a teaser"])),
                body="word " * draw(st.sampled_from([0, 30, 160, 900])),
                published_at=SEND_AT - draw(st.integers(-5, 100)) * HOUR,
            )
        )
    return made


@settings(max_examples=150, deadline=None)
@given(stories=banks(), seed=st.integers(0, 99), most_words=st.integers(50, 1_500))
def test_the_rules_hold_for_any_bank_in_any_order(stories: list[Story], seed: int, most_words: int) -> None:
    pins = tuple(Pin(slot="odds", story_key=one.key) for one in stories[:1] if seed % 3 == 0)
    made = plan(most_words=most_words, pins=pins)
    shuffled = random.Random(seed).sample(stories, len(stories))
    edition, again = compose(made, stories, MONDAY), compose(made, shuffled, MONDAY)
    assert edition == again
    assert edition.digest() == again.digest()

    printed = list(edition.stories())
    keys = [one.key for one in printed]
    assert len(keys) == len(set(keys))
    groups = [one.group for one in printed if one.group]
    assert len(groups) == len(set(groups))
    assert sorted(one.story for one in edition.choices) == sorted({one.key for one in stories})
    assert {one.story for one in edition.choices if one.chosen} == set(keys)
    for section in edition.sections:
        slot = next(one for one in SLOTS if one.name == section.slot)
        pinned = section.slot == "odds" and bool(pins)
        assert len(section.stories) <= slot.most + pinned
        assert all(one.published_at and one.published_at <= SEND_AT for one in section.stories) or pinned
    filled = {one.slot for one in edition.sections}
    assert ("lead" in filled) != bool(edition.gaps)
