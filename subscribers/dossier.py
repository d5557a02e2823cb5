"""Everything that is held on one address, for the person it belongs to and the desk that answers them. Reads only."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from subscribers import registry, requests, suppressions
from subscribers.addresses import Address
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.consent import Recorded
from subscribers.registry import Subscription
from subscribers.states import RequestState


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupView:
    """One sign-up request."""

    newsletter: str
    state: RequestState
    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is held. An address nobody holds anything on has an empty one."""

    address: str = field(repr=False)
    subject: str
    subscriptions: tuple[Subscription, ...]
    requests: tuple[SignupView, ...]
    suppressions: tuple[str, ...]
    events: tuple[Recorded, ...]


def show(session: Session, keys: Keys, address: Address) -> Dossier:
    """Collect what is held on an address: subscriptions, requests, suppressions and every event with its evidence."""
    fingerprint = keys.fingerprint(address)
    person = registry.people(session, [fingerprint]).get(fingerprint)
    asked = requests.of_address(session, fingerprint)
    subjects = {one.subject for one in asked} | ({person.subject} if person else set())
    events = [event for subject in subjects for event in consent.history(session, keys, subject)]
    return Dossier(
        address=address.text,
        subject=person.subject.hex() if person else "",
        subscriptions=tuple(registry.subscriptions_of(session, [fingerprint])),
        requests=tuple(
            SignupView(
                newsletter=one.newsletter,
                state=one.state,
                requested_at=one.requested_at,
                expires_at=one.expires_at,
            )
            for one in asked
        ),
        suppressions=tuple(suppressions.reasons(session, fingerprint)),
        events=tuple(sorted(events, key=lambda one: one.seq)),
    )
