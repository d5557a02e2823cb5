"""Which relay the next letter goes to: those that are for it, of the first priority that can be used, by weight. Pure.

The split is smooth weighted round-robin: each relay gains its weight with every letter, and who has gained most takes
the letter and pays for it with the weights of all. Each provider's letters are split so, as well as all together: where
two providers take turns, each would else go to one relay alone.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Final

from newsletter.relays import RelaySettings


class Switch:
    """The relays of a house and how far each is in its share; one for each process that sends.

    Shares are kept for each set of relays that can be used together, so a relay that was away has nothing to catch up.
    """

    def __init__(self, relays: Mapping[str, RelaySettings]) -> None:
        self._relays: Final = dict(relays)
        self._known: dict[tuple[str, str], tuple[tuple[str, ...], ...]] = {}
        self._all: dict[tuple[str, ...], list[int]] = {}
        self._apart: dict[tuple[tuple[str, ...], str], list[int]] = {}

    def choose(self, newsletter: str, provider: str, usable: Collection[str]) -> str | None:
        """The relay for one letter of a newsletter to a reader at a provider; None when no usable one is for it."""
        for tier in self.tiers(newsletter, provider):
            able = tuple([name for name in tier if name in usable])
            if len(able) == 1:
                return able[0]
            if able:
                return self._turn(able, provider)
        return None

    def tiers(self, newsletter: str, provider: str) -> tuple[tuple[str, ...], ...]:
        """The relays for such letters, those of the same priority together, those to be used first first."""
        known = self._known.get((newsletter, provider))
        if known is None:
            fit = [name for name, one in self._relays.items() if one.is_for(newsletter, provider)]
            known = self._known[newsletter, provider] = _tiers(self._relays, fit)
        return known

    def _turn(self, able: tuple[str, ...], provider: str) -> str:
        together = self._all.setdefault(able, [0] * len(able))
        apart = self._apart.setdefault((able, provider), [0] * len(able))
        weights = 0
        chosen, most = 0, None
        for place, name in enumerate(able):
            weight = self._relays[name].weight
            weights += weight
            together[place] += weight
            apart[place] += weight
            gained = together[place] + apart[place]
            if most is None or gained > most:
                chosen, most = place, gained
        together[chosen] -= weights
        apart[chosen] -= weights
        return able[chosen]


def _tiers(relays: Mapping[str, RelaySettings], names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    ordered = sorted(names, key=lambda name: relays[name].priority)
    return tuple(tuple(tier) for _, tier in groupby(ordered, key=lambda name: relays[name].priority))
