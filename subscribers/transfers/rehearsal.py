"""What an import would do, exactly, with nothing written: the same reading, the same decisions, and then no hand.

What the batches before would have stored is remembered by fingerprint, so that a second row for one address is told
as it would be found.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from sqlmodel import Session

from subscribers.keys import Keys
from subscribers.registry import Holding
from subscribers.states import EndReason, State
from subscribers.transfers import imports
from subscribers.transfers.batches import Counts
from subscribers.transfers.drafts import Draft, ImportJob, RefusedRow, draft
from subscribers.transfers.imports import BATCH, Imported
from subscribers.transfers.loaders import Standing
from subscribers.transfers.triage import SUPPRESSING, Fate, Known, triage

SAMPLES: Final = 5
# Half a fingerprint tells a million addresses apart and keeps them in a third of the memory.
_KEY_BYTES: Final = 16
_BY_THIS_FILE: Final = -1
_AFTER: Final = {
    Fate.IMPORTED: Holding(0, b"", 0, State.ACTIVE, None, _BY_THIS_FILE),
    Fate.UNKNOWN: Holding(0, b"", 0, State.UNKNOWN, None, None),
    Fate.ENDED: Holding(0, b"", 0, State.ENDED, EndReason.WITHDRAWN, None),
}

Snapshot = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row, with its address masked, and why it would fare as it does."""

    row: int
    address: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The answer the import would give, and the first few rows of each fate."""

    outcome: Imported
    loader: str
    samples: Mapping[str, tuple[Sample, ...]]


@dataclass(slots=True, kw_only=True)
class _Memory:
    """What the file so far would have changed."""

    holdings: dict[bytes, Holding] = field(default_factory=dict)
    suppressed: set[bytes] = field(default_factory=set)
    wordings: set[str] = field(default_factory=set)
    samples: dict[str, list[Sample]] = field(default_factory=lambda: {fate.value: [] for fate in Fate})

    def over(self, known: Known, rows: Sequence[Draft]) -> Known:
        """What would be known by now."""
        marks = [one.fingerprint for one in rows]
        before = {mark: self.holdings[mark[:_KEY_BYTES]] for mark in marks if mark[:_KEY_BYTES] in self.holdings}
        return replace(
            known,
            holdings={**known.holdings, **before},
            suppressed=set(known.suppressed) | {mark for mark in marks if mark[:_KEY_BYTES] in self.suppressed},
            wordings=set(known.wordings) | self.wordings,
        )

    def keep(self, one: Draft, fate: Fate) -> None:
        """What the import would have stored of a row."""
        if fate not in _AFTER:
            return
        key = one.fingerprint[:_KEY_BYTES]
        self.holdings[key] = _AFTER[fate]
        if one.standing in SUPPRESSING:
            self.suppressed.add(key)


def rehearse(
    snapshot: Snapshot,
    keys: Keys,
    lines: Iterable[bytes],
    job: ImportJob,
    progress: Callable[[int], None] | None = None,
) -> Rehearsal:
    """Do all of an import but write it. Raises ImportRefused where the import would."""
    plan, rows = imports.opened(lines, job, len)
    memory, counts, refused = _Memory(), Counts(), list[RefusedRow]()
    for batch in imports.in_batches(rows, BATCH):
        drafted = draft(keys, plan, job, batch, sealing=False)
        refused += drafted.refused
        with snapshot() as session:
            known = memory.over(imports.look_up(session, drafted.drafts, job), drafted.drafts)
        fates = triage(drafted.drafts, known)
        for one, fate in fates:
            if len(memory.samples[fate]) < SAMPLES:
                memory.samples[fate].append(_sample(one, fate, known))
            memory.keep(one, fate)
        memory.wordings |= {one.proof.digest for one in drafted.drafts if one.proof} & set(known.wordings)
        counts += imports.counted((fate for _, fate in fates), len(drafted.refused))
        if progress:
            progress(counts.rows)
    samples = {name: tuple(found) for name, found in memory.samples.items()}
    outcome = imports.summary(counts, refused)
    return Rehearsal(outcome=outcome, loader=plan.loader.name, samples=MappingProxyType(samples))


def _sample(one: Draft, fate: Fate, known: Known) -> Sample:
    local, _, domain = one.address.rpartition("@")
    return Sample(row=one.row, address=f"{local[:1]}…@{domain}", reason=_reason(one, fate, known))


def _reason(one: Draft, fate: Fate, known: Known) -> str:
    if fate is Fate.IMPORTED and one.proof:
        return f"consent of {one.proof.given_at:%Y-%m-%d}, {one.proof.source}"
    if fate is Fate.UNKNOWN:
        return _lacking(one)
    if fate is Fate.UNCHANGED:
        held = known.holdings.get(one.fingerprint)
        if held is None or held.state is None:
            return "another row has this address"
        return f"is {held.state}" + (f" ({held.ended_reason})" if held.ended_reason else "") + " here"
    return "is suppressed here" if fate is Fate.SUPPRESSED else f"{one.standing} there"


def _lacking(one: Draft) -> str:
    if one.standing is Standing.UNCONFIRMED:
        return "never confirmed there"
    if one.proof and not one.proof.is_text:
        return "nobody has the wording of this digest"
    return "no complete evidence of consent"
