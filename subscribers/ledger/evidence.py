"""One consent event as values and as bytes: what the public header says, what is personal, how both are hashed. Pure.

The header is kept for ever and holds neither address nor exact time. What is personal goes into the payload, of which
the chain holds only a salted commitment: it can be destroyed later without breaking the chain (notes: EDPB 02/2025).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from subscribers.instants import to_text

SALT_BYTES: Final = 32
GENESIS: Final = bytes(32)
_HASH_LENGTH: Final = (32).to_bytes(8, "big")
_BEFORE: Final = b"wb/entry/v1" + _HASH_LENGTH
# The encoder's own way to write a string; an import writes millions.
_text: Final = json.encoder.encode_basestring


class Kind(StrEnum):
    """What happened, in the words of the W3C Data Privacy Vocabulary where it has one."""

    REQUESTED = "requested"
    GIVEN = "given"
    RENEWED = "renewed"
    IMPORTED = "imported"
    IMPORTED_WITHOUT_EVIDENCE = "imported_without_evidence"
    PAUSED = "paused"
    RESUMED = "resumed"
    PREFERENCE_CHANGED = "preference_changed"
    ADDRESS_CHANGED = "address_changed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    DELIVERY_BLOCKED = "delivery_blocked"
    INVALIDATED = "invalidated"
    TRACKING_GIVEN = "tracking_given"
    TRACKING_WITHDRAWN = "tracking_withdrawn"
    RESTRICTED = "restricted"
    EXPORTED = "exported"
    REQUEST_EXPIRED = "request_expired"
    ERASED = "erased"


AUTHORISING: Final = frozenset({Kind.GIVEN, Kind.RENEWED, Kind.IMPORTED})
ENDING: Final = frozenset(
    {
        *(Kind.WITHDRAWN, Kind.OBJECTED, Kind.EXPIRED, Kind.SUPPRESSED),
        *(Kind.DELIVERY_BLOCKED, Kind.INVALIDATED, Kind.ERASED),
    }
)


# The last that is said of a subject: its key is to be shredded, and is missing with cause.
RELEASING: Final = frozenset({Kind.ERASED, Kind.REQUEST_EXPIRED})


class Actor(StrEnum):
    """Who acted, as a class; the name, where there is one, is evidence."""

    SUBJECT = "subject"
    DESK = "desk"
    SYSTEM = "system"
    MTA = "mta"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What supports an event. `network` is the sender's network, already cut to a /24 or /48 by the caller."""

    method: str
    source: str = ""
    network: str = ""
    by: str = ""
    second: str = ""
    reason: str = ""
    until: datetime | None = None
    given_at: datetime | None = None
    file: str = ""
    row: int = 0


_EVIDENCE: Final = tuple(field.name for field in fields(Evidence))


class Event(NamedTuple):
    """Something to be appended to the ledger.

    `wording`, `form`, `notice` (the privacy policy shown) and `terms` are SHA-256 digests in hex, or empty.
    """

    subject: bytes
    newsletter: str
    kind: Kind
    evidence: Evidence
    actor: Actor = Actor.SUBJECT
    wording: str = ""
    form: str = ""
    reason: str = ""
    refers_to: int = 0
    notice: str = ""
    terms: str = ""


def digest(text: str) -> str:
    """The name of a wording or form: SHA-256 of its exact UTF-8 bytes, in hex."""
    return hashlib.sha256(raw(text)).hexdigest()


def raw(text: str) -> bytes:
    """The bytes of a stored text, of one that was damaged and read verbatim too."""
    return text.encode("utf-8", "surrogateescape")


def canonical(values: Mapping[str, str | int]) -> str:
    """The one spelling of a flat JSON object (RFC 8785 for text and whole numbers)."""
    spelled = (f"{_text(name)}:{value if isinstance(value, int) else _text(value)}" for name, value in values.items())
    return "{" + ",".join(sorted(spelled)) + "}"


def header(event: Event, seq: int, now: datetime) -> str:
    """What stays readable for ever: the day, never the time; the subject, never the address."""
    # The same as `canonical` of these values, which are always all there and so already in order.
    return (
        f'{{"actor":{_text(event.actor)},"day":"{to_text(now)[:10]}","form":{_text(event.form)},'
        f'"kind":{_text(event.kind)},"newsletter":{_text(event.newsletter)},'
        f'"notice":{_text(event.notice)},"purpose":"newsletter",'
        f'"reason":{_text(event.reason)},"refers_to":{event.refers_to},"seq":{seq},'
        f'"subject":"{event.subject.hex()}","terms":{_text(event.terms)},"v":2,"wording":{_text(event.wording)}}}'
    )


def payload(evidence: Evidence, salt: bytes, now: datetime) -> str:
    """The personal evidence with the salt that keeps its commitment from being guessed."""
    values: dict[str, str | int] = {"salt": salt.hex(), "at": to_text(now)}
    for name in _EVIDENCE:
        value = getattr(evidence, name)
        if value:
            values[name] = to_text(value) if isinstance(value, datetime) else value
    return canonical(values)


def commitment(payload_bytes: bytes) -> bytes:
    """What the chain holds of the payload."""
    return hashlib.sha256(b"wb/payload/v1" + _prefixed(payload_bytes)).digest()


def entry(previous: bytes, header_bytes: bytes, committed: bytes) -> bytes:
    """The hash that binds an event to every one before it: header and both hashes, each after its length."""
    length = len(header_bytes).to_bytes(8, "big")
    return hashlib.sha256(_BEFORE + previous + length + header_bytes + _HASH_LENGTH + committed).digest()


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data
