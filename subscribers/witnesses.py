"""What was told of the ledger at other times and is kept elsewhere: checkpoints in files, and how they are judged.

A file is a signed note, the journal of notes, or a letter of an edition with its header. A blinded line fits exactly
one size, root and nonce; the nonce is found among the stored checkpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Final

from sqlmodel import Session

from subscribers.errors import InvalidCheckpoint
from subscribers.ledger import checkpoints, signed_notes
from subscribers.ledger.checkpoints import Checkpoint
from subscribers.ledger.signed_notes import Claim, Verifier

HEADER: Final = "X-Consent-Checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """One thing that is not as it was written, at the event it concerns."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What a file says of the ledger: notes with their signatures, or blinded lines."""

    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Asked:
    """Everything the walk along the chain is to be compared with."""

    stored: list[Checkpoint]
    told: list[tuple[str, Claim]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    @property
    def sizes(self) -> set[int]:
        """The sizes at which the walk must note its root."""
        return {one.size for one in self.stored} | {claim.size for _, claim in self.told}

    def judge(self, verifier: Verifier | None, roots: Mapping[int, bytes], size: int) -> list[Broken]:
        """What does not fit, once the roots are known."""
        empty = signed_notes.EMPTY_ROOT
        broken = [
            Broken(seq=one.size, reason=f"the first {one.size} events are not those of the checkpoint made of them")
            for one in self.stored
            if (roots.get(one.size) or empty) != one.root or one.size > size
        ]
        broken += [one for kept in self.stored for one in _signature(kept, verifier)]
        for note, claim in self.told:
            broken += self._witness(note, claim, verifier, roots.get(claim.size) or empty, size=size)
        broken += [
            Broken(seq=size, reason=f"no checkpoint of this ledger makes the line “{line}”") for line in self.unknown
        ]
        return broken

    def _witness(self, note: str, claim: Claim, verifier: Verifier | None, root: bytes, *, size: int) -> list[Broken]:
        if verifier is None:
            self.incomplete.append(f"the checkpoint of {claim.size} events: there is no key to check it with")
            return []
        try:
            verifier.open(note)
        except InvalidCheckpoint as error:
            self.incomplete.append(f"the checkpoint of {claim.size} events at {claim.origin}: {error}")
            return []
        if claim.size > size:
            reason = f"there were {claim.size} events once, signed and witnessed; there are {size}"
            return [Broken(seq=size + 1, reason=reason)]
        if claim.root != root:
            reason = f"the first {claim.size} events are not those a witness has a signed checkpoint of"
            return [Broken(seq=claim.size, reason=reason)]
        return []


def read(data: bytes) -> Witnessed:
    """The checkpoints in a file, whichever of the three it is; none when it is none of them."""
    text = data.decode("utf-8", "replace")
    notes = tuple(dict.fromkeys(signed_notes.split(text)))
    if notes:
        return Witnessed(notes=notes)
    told = message_from_bytes(data, policy=policy.compat32).get_all(HEADER) or []
    return Witnessed(lines=tuple(" ".join(str(one).split()) for one in told))


def gather(session: Session, witnessed: Witnessed | None) -> Asked:
    """What is stored and what is told, side by side."""
    asked = Asked(stored=list(checkpoints.all_of(session)))
    if witnessed is None:
        return asked
    for note in witnessed.notes:
        claim = signed_notes.read(f"{note.partition(signed_notes.BLANK)[0]}\n")
        if claim is None:
            asked.incomplete.append("a checkpoint cannot be read")
        else:
            asked.told.append((note, claim))
    made = {one.line for one in asked.stored}
    asked.unknown = [line for line in witnessed.lines if line not in made]
    if not witnessed.notes and not witnessed.lines:
        asked.incomplete.append("the file holds no checkpoint")
    return asked


def _signature(kept: Checkpoint, verifier: Verifier | None) -> list[Broken]:
    if verifier is None:
        return []
    try:
        claim = verifier.open(kept.note)
    except InvalidCheckpoint as error:
        return [Broken(seq=kept.size, reason=f"the checkpoint of {kept.size} events: {error}")]
    if (claim.size, claim.root) != (kept.size, kept.root):
        return [Broken(seq=kept.size, reason=f"the checkpoint of {kept.size} events was signed as another")]
    return []
