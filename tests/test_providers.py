"""Domains are told apart by who keeps the mailboxes, and batches are mixed as well as they can be."""

import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter import providers
from newsletter.providers import OTHER, PROVIDERS, interleave, provider

TABLE = tomllib.loads(Path(providers.__file__).with_name("providers.toml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("gmail.com", "google"),
        ("GoogleMail.com", "google"),
        ("hotmail.co.uk", "microsoft"),
        ("aol.com", "yahoo"),
        ("yahoo.co.jp", "yahoojp"),
        ("t-online.de", "t-online"),
        ("icloud.com.", "apple"),
        ("worldbrief.test", OTHER),
        ("notgmail.com", OTHER),
        ("mail.gmail.com", OTHER),
        ("", OTHER),
    ],
)
def test_a_domain_has_its_provider(domain: str, expected: str) -> None:
    assert provider(domain) == expected
    assert expected in PROVIDERS


def test_no_domain_has_two_and_all_are_written_as_they_are_looked_up() -> None:
    domains = [domain for listed in TABLE.values() for domain in listed]
    assert [domain for domain, times in Counter(domains).items() if times > 1] == []
    assert [domain for domain in domains if domain != domain.lower().strip(". ") or "." not in domain] == []
    assert all(listed == sorted(set(listed)) for listed in TABLE.values())
    assert list(TABLE) == sorted(TABLE)


@given(st.lists(st.sampled_from("aaaabbcdefg")))
def test_a_batch_is_mixed_as_far_as_possible_and_each_keeps_its_order(keys: list[str]) -> None:
    items = list(enumerate(keys))
    mixed = interleave(items, lambda item: item[1])
    assert sorted(mixed) == items
    most = max(Counter(keys).values(), default=0)
    assert sum(one[1] == two[1] for one, two in pairwise(mixed)) == max(0, 2 * most - len(items) - 1)
    for key in set(keys):
        assert [item for item in mixed if item[1] == key] == [item for item in items if item[1] == key]


def test_the_few_are_spread_over_the_whole() -> None:
    mixed = interleave([*"g" * 900, *"y" * 90, *"a" * 10], lambda item: item)
    for tenth in range(10):
        part = Counter(mixed[100 * tenth : 100 * (tenth + 1)])
        assert 8 <= part["y"] <= 10
        assert 0 <= part["a"] <= 2
