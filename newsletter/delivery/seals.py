"""What the letters of a mailing are cut from: its frozen proof, and for each relay a stencil and what signs it."""

from collections.abc import Mapping
from typing import Final

from sqlmodel import Session

from newsletter.delivery.dkim import Seal, Signer
from newsletter.delivery.ledger import Mailing, MailingId
from newsletter.editions import store
from newsletter.errors import LedgerError
from newsletter.rendering import letter, proof
from newsletter.rendering.proof import Proof

KEPT: Final = 16


class Seals:
    """The last few mailings' proofs and seals. Nothing but the frozen document is ever sent."""

    def __init__(self, bounce_domain: str) -> None:
        self._bounce_domain = bounce_domain
        self._proofs: dict[MailingId, Proof] = {}
        self._seals: dict[tuple[MailingId, str], Seal] = {}

    def proof(self, session: Session, mailing: Mailing) -> Proof:
        """The frozen proof. Raises LedgerError when it is missing or was altered: then nothing is sent."""
        if mailing.id not in self._proofs:
            made = proof.from_bytes(_frozen(session, mailing))
            if len(self._proofs) == KEPT:
                self._forget(next(iter(self._proofs)))
            self._proofs[mailing.id] = made
        return self._proofs[mailing.id]

    def seal(self, mailing: Mailing, relay: str, headers: Mapping[str, str], signer: Signer) -> Seal:
        """What makes the letters of a mailing whose proof was read, as this relay wants them. Raises MessageError."""
        key = (mailing.id, relay)
        if key not in self._seals:
            # The one Date of all its letters, so that a letter sent again is the same to the byte.
            stencil = letter.cut(
                self._proofs[mailing.id],
                bounce_domain=self._bounce_domain,
                date=mailing.frozen_at,
                checkpoint=mailing.checkpoint or "",
                headers=headers,
            )
            self._seals[key] = signer.seal(stencil)
        return self._seals[key]

    def _forget(self, mailing: MailingId) -> None:
        del self._proofs[mailing]
        self._seals = {key: seal for key, seal in self._seals.items() if key[0] != mailing}


def _frozen(session: Session, mailing: Mailing) -> bytes:
    try:
        document = store.frozen(session, mailing.proof_digest)
    except ValueError as error:
        raise LedgerError(f"mailing {mailing.id}: {error}; nothing is sent") from error
    if document is None:
        raise LedgerError(f"mailing {mailing.id}: its frozen proof is missing; nothing is sent")
    return document
