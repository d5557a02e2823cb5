"""Which stories tell the same news (pure): the same address, or nearly the same headline from different sources."""

import itertools
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# Scripts without spaces between words are compared by pairs of characters.
UNSPACED: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
# "Live", "Opinion": too short a headline says nothing.
LEAST_WORDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is compared of a story; `group` is the one it was in, kept unless it is `fresh`."""

    key: str
    source: str
    headline: str
    url: str
    at: datetime
    group: str = ""
    fresh: bool = True


def group(candidates: Sequence[Candidate], *, similarity: float, hours: int) -> dict[str, str]:
    """The group of every candidate by its key, "" for one that stands alone.

    Fresh candidates are compared with all others, at most `hours` apart. A group is named after its earliest story and
    keeps its name when it grows; the order of the candidates does not matter.
    """
    ordered = sorted(candidates, key=lambda one: (one.at, one.key))
    forest = _Forest(len(ordered))
    pairs = itertools.chain(_same_group(ordered), _same_address(ordered), _same_headline(ordered, similarity))
    for a, b in pairs:
        if abs(ordered[a].at - ordered[b].at) <= timedelta(hours=hours):
            forest.join(a, b)
    members: dict[int, list[Candidate]] = defaultdict(list)
    for n, one in enumerate(ordered):
        members[forest.root(n)].append(one)
    return {one.key: name for each in members.values() for name in (_name(each),) for one in each}


def tokens(headline: str) -> frozenset[str]:
    """The words of a headline as they are compared: without case, marks and punctuation."""
    text = unicodedata.normalize("NFKC", headline).casefold()
    found: set[str] = set()
    for run in UNSPACED.findall(text):
        found.update(run[n : n + 2] for n in range(max(1, len(run) - 1)))
    return frozenset(found | set(re.findall(r"\w+", UNSPACED.sub(" ", text))))


def alike(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's similarity: the share of all words that both have."""
    return len(a & b) / len(a | b) if a and b else 0.0


def _name(members: Sequence[Candidate]) -> str:
    names = [one.group for one in members if one.group and not one.fresh]
    return names[0] if names else members[0].key if len(members) > 1 else ""


def _same_group(ordered: Sequence[Candidate]) -> Iterable[tuple[int, int]]:
    return _chains((n, one.group) for n, one in enumerate(ordered) if one.group and not one.fresh)


def _same_address(ordered: Sequence[Candidate]) -> Iterable[tuple[int, int]]:
    return _chains((n, one.url.partition("://")[2]) for n, one in enumerate(ordered) if one.url)


def _chains(marked: Iterable[tuple[int, str]]) -> Iterable[tuple[int, int]]:
    """Each candidate with the previous one that bears the same mark."""
    last: dict[str, int] = {}
    for n, mark in marked:
        if mark in last:
            yield last[mark], n
        last[mark] = n


def _same_headline(ordered: Sequence[Candidate], similarity: float) -> Iterable[tuple[int, int]]:
    """Pairs at least so similar.

    Two such sets share one of their rarest words (prefix filtering), so only those are compared: 5,000 headlines take a
    fraction of a second instead of 12 million comparisons.
    """
    if not 0 < similarity <= 1:
        return
    words = [tokens(one.headline) for one in ordered]
    rarity = Counter(word for each in words for word in each)
    holders: Mapping[str, list[int]] = defaultdict(list)
    prefixes: list[list[str]] = []
    for n, each in enumerate(words):
        rare = sorted(each, key=lambda word: (rarity[word], word))
        prefixes.append(rare[: len(rare) - math.ceil(similarity * len(rare)) + 1] if len(rare) >= LEAST_WORDS else [])
        for word in prefixes[n]:
            holders[word].append(n)
    for n, one in enumerate(ordered):
        if not one.fresh:
            continue
        for other in {m for word in prefixes[n] for m in holders[word]} - {n}:
            if ordered[other].source != one.source and alike(words[n], words[other]) >= similarity:
                yield n, other


class _Forest:
    """Disjoint sets; the root of a set is its first member."""

    def __init__(self, size: int) -> None:
        self.parents = list(range(size))

    def root(self, n: int) -> int:
        while self.parents[n] != n:
            self.parents[n] = self.parents[self.parents[n]]
            n = self.parents[n]
        return n

    def join(self, a: int, b: int) -> None:
        first, second = sorted((self.root(a), self.root(b)))
        self.parents[second] = first
