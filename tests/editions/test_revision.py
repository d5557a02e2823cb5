"""What an editor changes by hand, and which words follow."""

from dataclasses import replace

import pytest

from newsletter.editions import revision
from newsletter.editions.compose import compose
from newsletter.editions.edition import Edition, revise
from newsletter.errors import EditionError
from tests.editions.examples import MONDAY, bank, plan, story


@pytest.fixture
def edition() -> Edition:
    return compose(plan(), bank(), MONDAY)


def keys(edition: Edition, slot: str) -> list[str]:
    return [story.key for section in edition.sections if section.slot == slot for story in section.stories]


def test_the_intro_changes_with_the_order(edition: Edition) -> None:
    turned = revision.reorder(edition, "following", keys(edition, "following")[::-1])
    assert turned.intro.endswith("stalled truce talks in Cairo, the matter of world-3, and the matter of world-2.")
    assert turned.preheader == "Plus the matter of world-3 and the matter of world-2."
    assert turned.digest() != edition.digest()
    assert revision.reorder(turned, "following", keys(edition, "following")) == edition


@pytest.mark.parametrize("wrong", [[], ["x"], "twice"])
def test_an_order_must_name_each_story_once(edition: Edition, wrong: list[str] | str) -> None:
    order = keys(edition, "following")[:1] * 4 if wrong == "twice" else list(wrong)
    with pytest.raises(EditionError, match="must name each of its stories once"):
        revision.reorder(edition, "following", order)


def test_dropping_the_lead_leaves_a_gap_and_adding_one_fills_it(edition: Edition) -> None:
    without = revision.drop(edition, story("lead").key)
    assert without.gaps == ("the slot “lead” is required: it needs 1 and holds 0",)
    assert without.headline == "Headline of world-0"
    filled = revision.add(without, "lead", story("world-1"))
    assert filled.gaps == ()
    assert filled.headline == "Headline of world-1"
    assert story("world-1").key not in keys(filled, "following")
    assert [one.slot for one in filled.sections] == [one.slot for one in edition.sections]


def test_a_story_is_added_at_a_position(edition: Edition) -> None:
    made = revision.add(edition, "following", story("new"), at=0)
    assert keys(made, "following")[0] == story("new").key
    assert made.words > edition.words


def test_a_section_without_stories_is_left_out(edition: Edition) -> None:
    assert "odds" not in [one.slot for one in revision.drop(edition, story("odd").key).sections]


def test_a_corrected_story_is_printed_in_its_new_words(edition: Edition) -> None:
    made = revision.correct(edition, replace(bank()[0], headline="New headline"))
    assert made.headline == made.subject == "New headline"


@pytest.mark.parametrize("act", [lambda e: revision.drop(e, "x"), lambda e: revision.correct(e, story("nobody"))])
def test_a_story_that_is_not_there_cannot_be_changed(edition: Edition, act: object) -> None:
    with pytest.raises(EditionError, match="holds no story"):
        act(edition)  # type: ignore[operator]


def test_a_slot_of_another_day_takes_nothing(edition: Edition) -> None:
    with pytest.raises(EditionError, match="has no slot “quiz” on this day"):
        revision.add(edition, "quiz", story("x"))


def test_what_was_written_by_hand_stays(edition: Edition) -> None:
    written = revise(edition, subject=" My own\r\nsubject ", intro="Hello.")
    assert (written.subject, written.intro, written.preheader) == ("My own subject", "Hello.", edition.preheader)
    turned = revision.reorder(written, "following", keys(edition, "following")[::-1])
    assert (turned.subject, turned.intro) == ("My own subject", "Hello.")
    assert turned.preheader != edition.preheader
