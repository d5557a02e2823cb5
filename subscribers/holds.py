"""Legal holds (GDPR 17(3)(e)): whose evidence must outlive them for now, and what of it does. The only writer of both.

Who is erased under a hold is erased like everybody: rows go, the key is shredded. Only the evidence and the address it
belongs to are sealed before, to a key whose private half is not in the house, and go with the hold.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Column, Date, LargeBinary, Row, delete, select
from sqlmodel import Field, Session, SQLModel

from subscribers import envelopes
from subscribers.addresses import Address
from subscribers.errors import UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent


class LegalHoldRow(SQLModel, table=True):
    """An address whose evidence must be kept for now: why, on whose word, and until when."""

    __tablename__ = "legal_hold"

    fingerprint: bytes = Field(sa_column=Column(LargeBinary(33), primary_key=True))
    reason: str
    owner: str
    until: date = Field(sa_column=Column(Date, nullable=False))


class HeldEvidenceRow(SQLModel, table=True):
    """The evidence on somebody who was erased under a hold, for the holder of the private key alone."""

    __tablename__ = "held_evidence"

    id: int | None = Field(default=None, primary_key=True)
    fingerprint: bytes = Field(sa_column=Column(LargeBinary(33), nullable=False, index=True))
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


_HOLDS: Final = SQLModel.metadata.tables["legal_hold"]
_EVIDENCE: Final = SQLModel.metadata.tables["held_evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why the evidence on an address is kept."""

    reason: str
    owner: str
    until: date


def hold(session: Session, fingerprint: bytes, why: Hold) -> None:
    """Keep the evidence on this address until a day; a later hold takes an earlier one's place."""
    session.connection().execute(delete(_HOLDS).where(_HOLDS.c.fingerprint == fingerprint))
    values = {"fingerprint": fingerprint, "reason": why.reason, "owner": why.owner, "until": why.until}
    session.connection().execute(_HOLDS.insert().values(values))


def follow(session: Session, old: bytes, new: bytes) -> None:
    """Hold somebody at their new address as well, so that nobody gets out of a hold by moving."""
    row = session.connection().execute(select(_HOLDS).where(_HOLDS.c.fingerprint == old)).one_or_none()
    if row is not None:
        hold(session, new, _hold(row))


def release(session: Session, fingerprint: bytes) -> bool:
    """End a hold, and destroy what was sealed under it; returns whether there was one."""
    session.connection().execute(delete(_EVIDENCE).where(_EVIDENCE.c.fingerprint == fingerprint))
    done = session.connection().execute(delete(_HOLDS).where(_HOLDS.c.fingerprint == fingerprint))
    return bool(done.rowcount)


def standing(session: Session, fingerprints: Collection[bytes], today: date) -> dict[bytes, Hold]:
    """The holds on these addresses that are not over."""
    wanted = select(_HOLDS).where(_HOLDS.c.fingerprint.in_(fingerprints), _HOLDS.c.until >= today)
    return {bytes(row.fingerprint): _hold(row) for row in session.connection().execute(wanted)}


def prune(session: Session, today: date) -> int:
    """Destroy the holds that are over, with what was sealed under them; returns how many holds."""
    over = select(_HOLDS.c.fingerprint).where(_HOLDS.c.until < today)
    return sum(release(session, bytes(one)) for one in session.connection().execute(over).scalars().all())


def keep_evidence(session: Session, keys: Keys, subject: bytes, address: Address, why: Hold) -> None:
    """Seal what the ledger holds of a subject, as it stands there, and the address it is about.

    Raises UnreadableSeal when no key to seal to is in the house.
    """
    events = []
    for one in consent.stored(session, subject):
        # What somebody's leaving was told with may be sealed by a key that nobody kept.
        with suppress(UnreadableSeal):
            plain = keys.open(subject, Sealed.EVIDENCE, one.sealed or b"").decode()
            events.append({"seq": one.seq, "header": one.header, "payload": plain, "commitment": one.commitment.hex()})
    told = {"address": address.text, "subject": subject.hex(), "hold": why.reason, "events": events}
    sealed = envelopes.seal(keys.offline, json.dumps(told, ensure_ascii=False).encode())
    values = {"fingerprint": keys.fingerprint(address), "sealed": sealed}
    session.connection().execute(_EVIDENCE.insert().values(values))


def evidence_of(session: Session, fingerprint: bytes) -> list[bytes]:
    """What was sealed of an address, one for each time somebody was erased under its hold."""
    wanted = select(_EVIDENCE.c.sealed).where(_EVIDENCE.c.fingerprint == fingerprint).order_by(_EVIDENCE.c.id)
    return [bytes(one) for one in session.connection().execute(wanted).scalars()]


def read_evidence(private_pem: bytes, sealed: bytes) -> dict[str, object]:
    """What was sealed, for whoever has the private key: no database is needed. Raises UnreadableSeal."""
    return dict(json.loads(envelopes.open_sealed(private_pem, sealed)))


def _hold(row: Row[Any]) -> Hold:
    return Hold(reason=row.reason, owner=row.owner, until=row.until)
