"""Everything that is held on one address, for the person it belongs to and the desk that answers them. Reads only."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from subscribers import grants, registry, requests, suppressions
from subscribers.addresses import Address
from subscribers.grants import Errand
from subscribers.keys import Keys
from subscribers.ledger import consent
from subscribers.ledger.consent import Recorded
from subscribers.ledger.headers import headers
from subscribers.registry import Subscription
from subscribers.states import RequestState


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupView:
    """One sign-up request."""

    number: int
    newsletter: str
    state: RequestState
    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """One letter about the subscriptions themselves, and whether its link was used."""

    number: int
    errand: Errand
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitView:
    """One browser that such a link let in."""

    opened_at: datetime
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
    language: str = ""
    created_on: str = ""
    links: tuple[LinkView, ...] = ()
    visits: tuple[VisitView, ...] = ()
    wordings: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[int, str], ...] = ()


def show(session: Session, keys: Keys, address: Address) -> Dossier:
    """Collect what is held on an address: subscriptions, requests, suppressions and every event with its evidence.

    `wordings` are the texts the events name by their digests, `headers` what the ledger keeps of each event for ever.
    """
    fingerprint = keys.fingerprint(address)
    person = registry.people(session, [fingerprint]).get(fingerprint)
    asked = requests.of_address(session, fingerprint)
    subjects = {one.subject for one in asked} | ({person.subject} if person else set())
    events = [event for subject in subjects for event in consent.history(session, keys, subject)]
    shown = consent.wordings(session, {one.wording for one in events if one.wording})
    return Dossier(
        address=address.text,
        subject=person.subject.hex() if person else "",
        subscriptions=tuple(registry.subscriptions_of(session, [fingerprint])),
        requests=tuple(
            SignupView(
                number=one.id,
                newsletter=one.newsletter,
                state=one.state,
                requested_at=one.requested_at,
                expires_at=one.expires_at,
            )
            for one in asked
        ),
        suppressions=tuple(suppressions.reasons(session, fingerprint)),
        events=tuple(sorted(events, key=lambda one: one.seq)),
        language=person.language if person else "",
        created_on=person.created_on if person else "",
        links=tuple(_link(one) for one in grants.of_subject(session, person.subject)) if person else (),
        visits=tuple(
            VisitView(opened_at=one.opened_at, expires_at=one.expires_at)
            for one in (grants.sessions_of(session, person.subject) if person else ())
        ),
        wordings=tuple(sorted(shown.items())),
        headers=tuple(sorted(headers(session, [one.seq for one in events]).items())),
    )


def _link(one: grants.Grant) -> LinkView:
    return LinkView(
        number=one.id, errand=one.errand, made_at=one.made_at, expires_at=one.expires_at, used_at=one.used_at
    )
