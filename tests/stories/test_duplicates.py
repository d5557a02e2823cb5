"""Near-duplicates: the same address anywhere, or nearly the same headline elsewhere, within hours."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from newsletter.stories import duplicates
from newsletter.stories.duplicates import Candidate, alike, tokens

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def candidate(
    key: str, headline: str, *, source: str = "", url: str = "", hours: float = 0, group: str = ""
) -> Candidate:
    at = NOON + timedelta(hours=hours)
    return Candidate(key=key, source=source or key, headline=headline, url=url, at=at, group=group, fresh=not group)


def grouped(*candidates: Candidate) -> dict[str, str]:
    return duplicates.group(candidates, similarity=0.6, hours=72)


def test_nearly_the_same_headline_from_another_source_is_grouped() -> None:
    groups = grouped(
        candidate("a", "Grain talks resume in Odesa after a week", hours=1),
        candidate("b", "GRAIN talks resume in Odesa, after week"),
        candidate("c", "Comet passes the Earth tonight"),
    )
    assert groups == {"a": "b", "b": "b", "c": ""}


def test_the_same_headline_of_the_same_source_is_a_series() -> None:
    groups = grouped(
        candidate("a", "Markets this week: live", source="x"), candidate("b", "Markets this week: live", source="x")
    )
    assert groups == {"a": "", "b": ""}


def test_the_same_address_is_the_same_news_whatever_it_is_called() -> None:
    groups = grouped(
        candidate("a", "One", url="https://x.test/1"),
        candidate("b", "Another", source="a", url="http://x.test/1", hours=2),
    )
    assert groups == {"a": "a", "b": "a"}


def test_headlines_too_far_apart_or_too_short_are_left_alone() -> None:
    assert set(
        grouped(
            candidate("a", "Grain talks resume today"), candidate("b", "Grain talks resume today", hours=73)
        ).values()
    ) == {""}
    assert set(grouped(candidate("a", "Live"), candidate("b", "Live")).values()) == {""}


def test_a_group_keeps_its_name_when_it_grows_and_is_left_by_what_changed() -> None:
    old = candidate("b", "Grain talks resume in Odesa", group="b", hours=-1)
    assert grouped(old, candidate("a", "Grain talks resume in Odesa", hours=-9)) == {"a": "b", "b": "b"}
    assert grouped(old, candidate("a", "Something else entirely now")) == {"a": "", "b": "b"}


def test_scripts_without_spaces_are_compared_too() -> None:
    assert grouped(candidate("a", "橋が本日開通しました"), candidate("b", "橋が本日開通した"))["b"] == "a"


headlines = st.lists(
    st.sampled_from(["grain", "talks", "resume", "odesa", "port", "ship", "comet", "sky", "moon"]), max_size=7
).map(" ".join)


@given(st.lists(st.tuples(headlines, st.integers(0, 200), st.sampled_from("xyz")), max_size=14), st.randoms())
def test_the_quick_way_finds_what_comparing_all_would(rows: list[tuple[str, int, str]], chance: Random) -> None:
    candidates = [
        candidate(f"{n:02}", text, hours=hours, source=source) for n, (text, hours, source) in enumerate(rows)
    ]
    groups = grouped(*candidates)
    for a, b in combinations(candidates, 2):
        one, other = tokens(a.headline), tokens(b.headline)
        near = abs(a.at - b.at) <= timedelta(hours=72) and a.source != b.source
        if near and min(len(one), len(other)) >= 3 and alike(one, other) >= 0.6:
            assert groups[a.key] == groups[b.key] != ""
    mixed = list(candidates)
    chance.shuffle(mixed)
    assert grouped(*mixed) == groups


def test_five_thousand_headlines_are_compared_in_no_time() -> None:
    many = [
        candidate(f"{n}", f"word{n % 611} word{n % 677} word{n % 719} word{n % 733} word{n % 797} word{n % 839}")
        for n in range(5_000)
    ]
    assert len(grouped(*many)) == 5_000
