"""What becomes of each row of an import, decided against what is known already. Pure.

Suppression is stronger than any row, who left stays away, and of several rows for one address the gravest counts.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from subscribers import states
from subscribers.ledger.evidence import Actor, Kind
from subscribers.registry import Holding
from subscribers.states import Change, EndReason, State
from subscribers.transfers.drafts import Draft
from subscribers.transfers.loaders import LEAVING, Standing

# Standings that mean the address must not be written to for any newsletter.
SUPPRESSING: Final = frozenset({Standing.COMPLAINED, Standing.BLOCKED})
_PROVED: Final = Change(Kind.IMPORTED, Actor.IMPORT)


class Fate(StrEnum):
    """What becomes of a row, in the words of the counts."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the database holds on the addresses of a batch: `given` is kind and day of the event one rests on."""

    holdings: Mapping[bytes, Holding]
    suppressed: AbstractSet[bytes]
    wordings: AbstractSet[str]
    given: Mapping[int, tuple[Kind, str]]

    def is_proved(self, one: Draft) -> bool:
        """Complete evidence whose wording we can show: a text nobody has proves nothing (BGH I ZR 164/09)."""
        return one.proof is not None and one.proof.digest in self.wordings


class Turn(NamedTuple):
    """A row that changes something."""

    draft: Draft
    fate: Fate
    holding: Holding | None


def triage(drafts: Sequence[Draft], known: Known) -> list[tuple[Draft, Fate]]:
    """The fate of every draft, in their order."""
    chosen: dict[bytes, int] = {}
    for place, one in enumerate(drafts):
        before = chosen.get(one.fingerprint)
        if before is None or _rank(one, known) > _rank(drafts[before], known):
            chosen[one.fingerprint] = place
    return [(one, _fate(one, known, first=chosen[one.fingerprint] == place)) for place, one in enumerate(drafts)]


def _rank(one: Draft, known: Known) -> int:
    """Which of several rows for one address counts: who left before who is proved, complaints before all."""
    if one.standing in LEAVING:
        return 3 if one.standing in SUPPRESSING else 2
    return int(known.is_proved(one))


def _fate(one: Draft, known: Known, *, first: bool) -> Fate:
    if one.fingerprint in known.suppressed:
        return Fate.SUPPRESSED
    if not first:
        return Fate.UNCHANGED
    before = known.holdings.get(one.fingerprint)
    if one.standing in LEAVING:
        return Fate.ENDED if _leaves(one, before, known) else Fate.UNCHANGED
    proved = known.is_proved(one)
    if before is None or before.state is None:
        return Fate.IMPORTED if proved else Fate.UNKNOWN
    return Fate.IMPORTED if proved and states.allows(before.place, _PROVED) else Fate.UNCHANGED


def _leaves(one: Draft, before: Holding | None, known: Known) -> bool:
    if before is None or before.state is None or one.standing in SUPPRESSING:
        return True
    if before.state == State.ENDED:
        return before.ended_reason == EndReason.UNDONE
    kind, day = known.given.get(before.authorised_by or 0, (Kind.IMPORTED, ""))
    # Who confirmed here by a letter is not ended by what another platform knew before.
    return kind is Kind.IMPORTED or (one.left_at is not None and one.left_at.date().isoformat() >= day)
