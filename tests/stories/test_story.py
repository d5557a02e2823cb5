"""The values: identity, digest, and the one spelling of an address."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.stories.story import Image, Story, canonical_url, link_url

STORY = Story(source="ledger", guid="7", headline="Grain talks resume")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("HTTPS://Ledger.TEST:443/Grain?id=7#top", "https://ledger.test/Grain?id=7"),
        ("http://ledger.test", "http://ledger.test/"),
        ("http://ledger.test:8080/a", "http://ledger.test:8080/a"),
        ("https://x.test/?utm_source=rss&b=2&a=1&utm_campaign=z", "https://x.test/?b=2&a=1"),
        ("https://x.test/?fbclid=1&gclid=2&wt_mc=rss.a&mc_cid=3&_hsenc=4", "https://x.test/"),
        ("https://x.test/?tag=1&tag=2&empty=", "https://x.test/?tag=1&tag=2&empty="),
        ("https://bücher.test/straße", "https://xn--bcher-kva.test/stra%C3%9Fe"),
        ("https://faß.test/", "https://xn--fa-hia.test/"),
        ("https://x.test/%41%zz", "https://x.test/%41%25zz"),
        ("https://x.test/a\n  b", "https://x.test/ab"),
        ("https://x.test./", "https://x.test/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ("https://under_score.test/", "https://under_score.test/"),
        ("javascript:alert(1)", ""),
        ("mailto:a@b.test", ""),
        ("//x.test/a", ""),
        ("https://user:secret@x.test/", ""),
        ("https://@x.test/", ""),
        ("https://x.test:99999/", ""),
        ("https://[::1", ""),
        ("https://" + "a" * 300 + ".test/", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(written: str, canonical: str) -> None:
    assert canonical_url(written) == canonical


def test_a_link_keeps_the_place_on_the_page() -> None:
    assert link_url("https://X.test/a?utm_source=b#part two") == "https://x.test/a#part%20two"


@given(st.text(max_size=60).map(lambda text: "https://x.test/" + text) | st.text(max_size=60))
def test_spelling_an_address_again_changes_nothing(url: str) -> None:
    once = canonical_url(url)
    assert canonical_url(once) == once


def test_the_key_follows_from_source_and_guid_alone() -> None:
    assert STORY.key == replace(STORY, headline="Something else").key
    assert STORY.key != replace(STORY, guid="8").key != replace(STORY, source="x", guid="8").key
    assert len(STORY.key) == 16


def test_the_digest_changes_with_any_content_but_not_with_the_group() -> None:
    assert STORY.digest() == replace(STORY, group="abc").digest()
    for other in (
        replace(STORY, summary="New."),
        replace(STORY, image=Image(url="/media/a.jpg", alt="A ship")),
        replace(STORY, tags=("trade",)),
        replace(STORY, published_at=datetime(2026, 11, 23, tzinfo=UTC)),
    ):
        assert other.digest() != STORY.digest()


def test_the_same_instant_in_another_offset_is_the_same_content() -> None:
    moment = datetime(2026, 11, 23, 5, tzinfo=UTC)
    there = moment.astimezone(timezone(timedelta(hours=9)))
    assert replace(STORY, published_at=moment).digest() == replace(STORY, published_at=there).digest()
