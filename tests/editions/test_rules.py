"""Every rule by which a story is refused, and the sentence it gives."""

from dataclasses import replace
from datetime import timedelta

import pytest

from newsletter.config import Slot
from newsletter.editions.compose import compose
from newsletter.editions.edition import Choice
from newsletter.stories.story import StoryKind
from tests.editions.examples import (
    FRIDAY,
    HOUR,
    ITEMS,
    MONDAY,
    SEND_AT,
    agenda,
    bank,
    figures,
    most_read,
    placed,
    plan,
    quiz,
    refused,
    story,
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"embargo_until": SEND_AT + HOUR}, "embargo until 2026-11-23 11:30 UTC, after the send time"),
        ({"expires_at": SEND_AT}, "expired at 2026-11-23 10:30 UTC, before the send time"),
        ({"published_at": SEND_AT + HOUR}, "dated 2026-11-23 11:30 UTC, after the send time"),
        (
            {"published_at": SEND_AT - 73 * HOUR, "updated_at": SEND_AT - HOUR},
            "too old: of 2026-11-20 09:30 UTC, and “items” takes 72 hours",
        ),
        ({"url": ""}, "missing field: url"),
        ({"url": "javascript:alert(1)"}, "missing field: url"),
        ({"headline": " "}, "missing field: headline"),
        ({"source": ""}, "missing field: source"),
        ({"summary": "", "body": ""}, "missing field: summary or body"),
        ({"language": "de-AT"}, "written in de-AT, not in en"),
        ({"body": "word " * 226, "summary": ""}, "budget: 226 words are too many for the 150 of “items”"),
        ({"kind": StoryKind.QUIZ}, "missing field: quiz"),
        ({"kind": StoryKind.FIGURES}, "missing field: as_of"),
        ({"kind": StoryKind.MOST_READ}, "missing field: ranking"),
    ],
)
def test_a_refusal_says_why(changes: dict[str, object], reason: str) -> None:
    one = story("one", **changes)
    edition = compose(plan(ITEMS), [one], MONDAY)
    assert edition.choices == (
        Choice(story=one.key, headline=one.headline, slot=edition.choices[0].slot, chosen=False, reason=reason),
    )
    assert edition.sections == ()


def test_embargo_and_expiry_are_judged_at_the_moment_of_sending() -> None:
    just = story("just", embargo_until=SEND_AT, expires_at=SEND_AT + timedelta(seconds=1), language="en-GB")
    assert placed(compose(plan(ITEMS), [just], MONDAY)) == {"items": ["just"]}


def test_a_story_no_slot_asks_for_is_refused_by_its_hint() -> None:
    edition = compose(plan(replace(ITEMS, accepts=("world",))), [story("x", section="sport"), quiz()], MONDAY)
    assert refused(edition, "x") == "no slot takes it: section hint “sport”"
    assert refused(edition, "quiz") == "no slot takes it: no section hint (kind “quiz”)"


def test_a_lead_needs_a_kicker() -> None:
    lead = Slot(name="lead", style="lead", required=True, words=450)
    edition = compose(plan(lead), [story("bare", kicker="")], MONDAY)
    assert refused(edition, "bare") == "missing field: kicker, which a lead needs"
    assert edition.gaps == ("the slot “lead” is required: it needs 1 and holds 0",)


def test_what_was_printed_is_not_printed_again_by_key_or_by_address() -> None:
    by_key, by_url, fresh = story("a"), story("b", url="https://worldbrief.test/b?utm_source=x"), story("c")
    used = frozenset({by_key.key, "https://worldbrief.test/b"})
    edition = compose(plan(ITEMS, used=used, reuse_after_days=14), [by_key, by_url, fresh], MONDAY)
    assert refused(edition, "a") == refused(edition, "b") == "already printed in the last 14 days"
    assert placed(edition) == {"items": ["c"]}


def test_a_list_brought_up_to_date_under_its_old_name_is_no_reuse() -> None:
    used = frozenset({figures().key, most_read().key, agenda().key, quiz().key})
    edition = compose(plan(used=used), bank(), MONDAY)
    assert {"figures", "most-read", "agenda"} <= set(placed(edition))
    assert refused(compose(plan(used=used), bank(), FRIDAY), "quiz") == "already printed in the last 30 days"
