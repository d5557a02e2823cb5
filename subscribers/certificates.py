"""From an address to its consent receipt: the events, what was shown, and their proofs against a fresh checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import Session, SQLModel

from subscribers import registry, requests
from subscribers.addresses import Address
from subscribers.errors import ReceiptRefused
from subscribers.keys import Keys, Sealed
from subscribers.ledger import checkpoints, consent, notices, receipt
from subscribers.ledger.evidence import Kind
from subscribers.ledger.forest import Forest
from subscribers.ledger.receipt import Certified, Issuer, Matter, Shown
from subscribers.ledger.signed_notes import Signer

_WORDINGS: Final = SQLModel.metadata.tables["consent_wording"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Who certifies: the newsroom's own words on itself, its newsletters by key, and its signer."""

    issuer: Issuer
    newsletters: Mapping[str, str]
    signer: Signer


def certify(session: Session, keys: Keys, office: Office, address: Address, now: datetime) -> dict[str, Any]:
    """The receipt of everything the ledger holds on an address. Makes a checkpoint, so it needs a transaction.

    Raises ReceiptRefused when nothing is held, and UnreadableSeal when its evidence does not open any more.
    """
    subject = _holder(session, keys, address).subject
    checkpoint = checkpoints.make(session, keys, office.signer, now)
    tree = Forest(session, checkpoint.size)
    events = [
        Certified(
            seq=one.seq,
            kind=Kind(one.kind),
            header=one.header,
            payload=keys.open(subject, Sealed.EVIDENCE, one.sealed or b"").decode(),
            previous=one.previous,
            path=tree.inclusion(one.seq),
        )
        for one in consent.stored(session, subject)
    ]
    return receipt.make(
        Matter(
            issuer=office.issuer,
            subject=subject,
            newsletters=office.newsletters,
            events=events,
            texts=_texts(session, events),
            checkpoint=checkpoint.note,
            receipt_id=keys.chance(16),
            made_at=now,
        )
    )


def language_of(session: Session, keys: Keys, address: Address) -> str:
    """The language an address is written to (BCP 47). Raises ReceiptRefused when nothing is held on it."""
    return _holder(session, keys, address).language


def _holder(session: Session, keys: Keys, address: Address) -> registry.Person | requests.Request:
    fingerprint = keys.fingerprint(address)
    person = registry.people(session, [fingerprint]).get(fingerprint)
    asked = requests.of_address(session, fingerprint)
    if person is None and not asked:
        raise ReceiptRefused("nothing is held on that address")
    return person or asked[-1]


def _texts(session: Session, events: list[Certified]) -> dict[str, Shown]:
    wanted = {str(one.told.get(name) or "") for one in events for name in ("wording", "notice", "terms")} - {""}
    found = {
        str(row.digest): Shown(digest=str(row.digest), language=str(row.language), text=str(row.text))
        for row in session.connection().execute(select(_WORDINGS).where(_WORDINGS.c.digest.in_(wanted)))
    }
    for digest in wanted - found.keys():
        one = notices.find(session, digest)
        if one:
            found[digest] = Shown(digest=digest, language=one.language, text=one.text, effective_on=one.effective_on)
    return found
