"""Where a reader has their mailbox, told by the domain, and batches in which no provider comes twice in a row. Pure.

The large providers are data, providers.toml beside this file: what limits or blocks us does so for a provider, not for
one of its domains. Nothing is asked of the DNS, so a domain of one's own at a large provider is "other".
"""

import math
import tomllib
from collections.abc import Callable, Hashable, Iterator, Sequence
from importlib import resources
from typing import Any, Final, TypeVar

OTHER: Final = "other"
_GOLDEN: Final = (math.sqrt(5) - 1) / 2

T = TypeVar("T")


def _read() -> dict[str, str]:
    table: dict[str, Any] = tomllib.loads(resources.files("newsletter").joinpath("providers.toml").read_text("utf-8"))
    return {domain: provider for provider, domains in table.items() for domain in domains}


_BY_DOMAIN: Final = _read()
PROVIDERS: Final = frozenset({OTHER, *_BY_DOMAIN.values()})


def provider(domain: str) -> str:
    """Whose mailboxes a domain holds, as a word such as "google"; "other" where it is none of the large ones."""
    return _BY_DOMAIN.get(domain.lower().rstrip("."), OTHER)


def interleave(items: Sequence[T], key: Callable[[T], Hashable]) -> list[T]:
    """The same items with as few neighbours of one key as can be, each key spread over the whole and in its own order.

    There are as many rounds as the largest group has items. Each group is dealt to rounds next to where the one before
    it ended, so that no round has two of a key, and every round begins with one of the largest group.
    """
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    dealt = sorted(groups.values(), key=len, reverse=True)[:1]
    if not dealt:
        return []
    dealt += [group for group in groups.values() if group is not dealt[0]]
    rounds: list[list[Iterator[T]]] = [[] for _ in dealt[0]]
    places = _spread(len(rounds))
    for group in dealt:
        following = iter(group)
        for _ in group:
            rounds[next(places)].append(following)
    return [next(following) for one in rounds for following in one]


def _spread(count: int) -> Iterator[int]:
    """0 to count - 1 over and over, in steps that leave any few in a row far apart; the last place comes last."""
    step = max(1, round(count * _GOLDEN))
    while math.gcd(step, count) > 1:
        step += 1
    place = count - 1
    while True:
        place = (place + step) % count
        yield place
