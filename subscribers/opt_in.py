"""Coming in: a request by anybody, a letter to the address, a confirmation by its holder. The only way to `given`.

What the caller shows after `sign_up` is the same page whatever it returns: nobody learns whether an address is known.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from subscribers import displays, limits, registry, requests, restraint, states, suppressions
from subscribers.addresses import Address
from subscribers.audience import Dropped
from subscribers.errors import ExpiredToken, InvalidToken, UnreadableSeal
from subscribers.keys import Keys, Sealed
from subscribers.ledger import consent, notices
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind
from subscribers.registry import Newcomer, NewSubscription
from subscribers.requests import NewRequest, Request
from subscribers.restraint import Caps, Silence
from subscribers.states import BY_THE_DESK, NONE, Change, RequestState, State
from subscribers.tokens import ID_BYTES, Purpose

NAME_BYTES: Final = 16
MOST_TRIES: Final = 5
CODE_LIVES: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """What the form posted, and what it showed: `wording` and `form` are the exact texts, `network` already cut.

    `notice` and `terms` are the digests of the published policy and terms the form linked to.
    """

    address: Address
    newsletter: str
    wording: str
    form: str = ""
    notice: str = ""
    terms: str = ""
    language: str = "en"
    source: str = "form"
    network: str = ""
    method: str = "submit button"
    confirm_hours: int = 72
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A letter is due to this request; a `held` one waits until a person lets it go."""

    request_id: int
    expires_at: datetime
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """No letter is due; the reason is for counting, never for the page."""

    reason: Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Whom the confirmation letter goes to, with the token its link carries and the code that does the same."""

    address: str = field(repr=False)
    token: str = field(repr=False)
    code: str = field(repr=False)
    requested_at: datetime
    network: str
    newsletter: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A code as somebody typed it, and the ticket of the page they typed it on."""

    ticket: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What the page behind the letter's link may show; never the address."""

    newsletter: str
    language: str
    wording: str
    requested_at: datetime
    expires_at: datetime
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The subscription is active; `already` when an earlier click did it."""

    newsletter: str
    already: bool


def sign_up(session: Session, keys: Keys, wanted: SignUp, now: datetime) -> Pending | Quiet:
    """Keep a request and its `requested` event, and say whether a confirmation letter is due."""
    consent.lock(session)
    fingerprint = keys.fingerprint(wanted.address)
    # First, and without another look: under attack nearly every request ends here.
    too_many = restraint.silence(session, keys, wanted.address, wanted.caps, now)
    if too_many is not None:
        return Quiet(reason=too_many)
    earlier = requests.of_address(session, fingerprint)
    silence = _silence(session, keys, wanted, earlier, now)
    if silence is not None:
        return Quiet(reason=silence)
    for one in earlier:
        if one.state is RequestState.PENDING and one.newsletter == wanted.newsletter:
            requests.move(session, one.id, states.request_after(one.state, Kind.REQUESTED, Actor.SUBJECT))
    subject = _subject(session, keys, fingerprint, earlier, now)
    wording = consent.keep_wording(session, wanted.wording, wanted.language)
    form = notices.keep(session, wanted.form, wanted.language, now.date()) if wanted.form else ""
    evidence = Evidence(method=wanted.method, source=wanted.source, network=wanted.network)
    event = Event(
        subject=subject,
        newsletter=wanted.newsletter,
        kind=Kind.REQUESTED,
        evidence=evidence,
        wording=wording,
        form=form,
        notice=wanted.notice,
        terms=wanted.terms,
    )
    [seq] = consent.append(session, keys, [event], now)
    expires_at = now + timedelta(hours=wanted.confirm_hours)
    new = NewRequest(
        public_id=keys.chance(ID_BYTES),
        subject=subject,
        fingerprint=fingerprint,
        sealed=keys.seal(subject, Sealed.REQUEST, wanted.address.text.encode()),
        newsletter=wanted.newsletter,
        language=wanted.language,
        wording=wording,
        form=form,
        requested_by=seq,
        expires_at=expires_at,
        held=bool(restraint.alarm(session, wanted.caps, now)),
    )
    request_id = requests.keep(session, new, now)
    if request_id is None:
        return Quiet(reason=Silence.PENDING)
    suppressions.note_letter(session, fingerprint, now)
    limits.keep_letter(session, keys, wanted.address, now)
    return Pending(request_id=request_id, expires_at=expires_at, held=new.held)


def requester(session: Session, keys: Keys, request_id: int, now: datetime) -> Requester | Dropped:
    """The address and token for a confirmation letter as of now: the same each time, or why it is not to be sent."""
    request = requests.by_id(session, request_id)
    if request is None:
        return Dropped(reason="no such request")
    if request.state is not RequestState.PENDING:
        return Dropped(reason=f"request {request.state}")
    if now >= request.expires_at:
        return Dropped(reason="request expired")
    if _is_barred(session, request):
        return Dropped(reason="suppressed")
    try:
        address = _address(keys, request)
    except UnreadableSeal:
        return Dropped(reason="unreadable address")
    return Requester(
        address=address.text,
        token=keys.token(Purpose.CONFIRM, request.public_id),
        code=keys.code(request.public_id),
        requested_at=request.requested_at,
        network=_network(session, keys, request),
        newsletter=request.newsletter,
        language=request.language,
    )


def look_up(session: Session, keys: Keys, token: str, now: datetime) -> Invitation:
    """What a confirmation link is for; writes nothing. Raises InvalidToken or ExpiredToken as `confirm` would."""
    request, already = _usable(session, keys, token, now)
    return Invitation(
        newsletter=request.newsletter,
        language=request.language,
        wording=consent.wordings(session, [request.wording]).get(request.wording, ""),
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        already=already,
    )


def asked_for(session: Session, keys: Keys, token: str) -> tuple[str, str]:
    """The newsletter a letter asked to confirm and its language, whatever has become of it. Raises InvalidToken."""
    request = requests.by_public_id(session, keys.read_token(Purpose.CONFIRM, token))
    if request is None:
        raise InvalidToken
    return request.newsletter, request.language


def confirm(session: Session, keys: Keys, token: str, now: datetime, evidence: Evidence) -> Confirmed:
    """Make the subscription active by a `given` event; a second time changes nothing.

    It lifts what only its holder may lift: an objection, a complaint of long ago, the bounce of a dead mailbox.

    Raises InvalidToken when the token is not genuine, or the address has been withdrawn or suppressed since; and
    ExpiredToken when its hours are over, a newer letter has taken its place, or its words were replaced a week ago.
    """
    keys.read_token(Purpose.CONFIRM, token)
    consent.lock(session)
    return _confirm(session, keys, _usable(session, keys, token, now), now, evidence)


def ticket(keys: Keys, address: Address, newsletter: str) -> str:
    """What the page after the form carries, so that a code typed there finds its request; the same length always."""
    return keys.ticket(keys.fingerprint(address) + _named(newsletter))


def confirm_by_code(session: Session, keys: Keys, given: Typed, now: datetime, evidence: Evidence) -> Confirmed | None:
    """`confirm` by the code in the letter; None when it does not fit or was tried too often, whatever there is.

    The caller keeps what was counted, so a wrong code is no error. The letter's link works all the same. Raises
    InvalidToken for a ticket that is not ours.
    """
    sought = keys.read_ticket(given.ticket)
    consent.lock(session)
    fingerprint, newsletter = sought[:-NAME_BYTES], sought[-NAME_BYTES:]
    mine = [one for one in requests.of_address(session, fingerprint) if _named(one.newsletter) == newsletter]
    # Who has no request has a code as well, of nobody: both are counted and compared alike.
    public_id = mine[-1].public_id if mine else fingerprint[:ID_BYTES]
    within = limits.take(session, keys, f"code/{public_id.hex()}", now, CODE_LIVES, MOST_TRIES)
    fits = hmac.compare_digest(keys.code(public_id).encode(), _as_code(given.code).encode())
    if not (mine and within and fits):
        return None
    try:
        return _confirm(session, keys, _standing(session, mine[-1], now), now, evidence)
    except (InvalidToken, ExpiredToken):
        return None


def _confirm(session: Session, keys: Keys, found: tuple[Request, bool], now: datetime, evidence: Evidence) -> Confirmed:
    request, already = found
    if already:
        return Confirmed(newsletter=request.newsletter, already=True)
    person = registry.people(session, [request.fingerprint]).get(request.fingerprint)
    subject = person.subject if person else request.subject
    _lift(session, keys, request, subject, now)
    asked = consent.header(session, request.requested_by)
    event = Event(
        subject=subject,
        newsletter=request.newsletter,
        kind=Kind.GIVEN,
        evidence=evidence,
        wording=request.wording,
        form=request.form,
        refers_to=request.requested_by,
        notice=str(asked.get("notice", "")),
        terms=str(asked.get("terms", "")),
    )
    [seq] = consent.append(session, keys, [event], now)
    _activate(session, keys, request, seq, now)
    requests.move(session, request.id, states.request_after(request.state, Kind.GIVEN, Actor.SUBJECT))
    return Confirmed(newsletter=request.newsletter, already=False)


def _silence(session: Session, keys: Keys, wanted: SignUp, earlier: list[Request], now: datetime) -> Silence | None:
    fingerprint = keys.fingerprint(wanted.address)
    if states.bars_letter(suppressions.bars(session, fingerprint), now):
        return Silence.SUPPRESSED
    for one in registry.subscriptions_of(session, [fingerprint]):
        if one.newsletter == wanted.newsletter and one.state_at(now) is State.ACTIVE:
            return Silence.ACTIVE
    for request in earlier:
        same = request.newsletter == wanted.newsletter and request.state is RequestState.PENDING
        if same and now - request.requested_at < restraint.DAY:
            return Silence.PENDING
    return None


def _subject(session: Session, keys: Keys, fingerprint: bytes, earlier: list[Request], now: datetime) -> bytes:
    """One pseudonym for one address, as far as it is known."""
    person = registry.people(session, [fingerprint]).get(fingerprint)
    if person:
        return person.subject
    return earlier[-1].subject if earlier else keys.new_subject(now)


def _usable(session: Session, keys: Keys, token: str, now: datetime) -> tuple[Request, bool]:
    """The request a token may still confirm, and whether it has been."""
    request = requests.by_public_id(session, keys.read_token(Purpose.CONFIRM, token))
    if request is None:
        raise InvalidToken
    return _standing(session, request, now)


def _standing(session: Session, request: Request, now: datetime) -> tuple[Request, bool]:
    if request.state in {RequestState.WITHDRAWN, RequestState.REFUSED} or _is_barred(session, request):
        raise InvalidToken
    if request.state is RequestState.CONFIRMED:
        if not _is_running(session, request):
            raise InvalidToken
        return request, True
    over = request.state in {RequestState.SUPERSEDED, RequestState.EXPIRED} or now >= request.expires_at
    if over or displays.is_outdated(session, request.newsletter, request.wording, now):
        raise ExpiredToken(request.requested_at)
    return request, False


def _is_barred(session: Session, request: Request) -> bool:
    return states.bars_confirmation(suppressions.bars(session, request.fingerprint), request.requested_at)


def _lift(session: Session, keys: Keys, request: Request, subject: bytes, now: datetime) -> None:
    reasons = [one.reason for one in suppressions.bars(session, request.fingerprint) if one.reason not in BY_THE_DESK]
    if not reasons:
        return
    event = Event(
        subject=subject,
        newsletter=request.newsletter,
        kind=Kind.UNSUPPRESSED,
        evidence=Evidence(method="confirmation", reason=", ".join(sorted(reasons))),
        refers_to=request.requested_by,
    )
    consent.append(session, keys, [event], now)
    suppressions.lift(session, request.fingerprint, reasons)


def _is_running(session: Session, request: Request) -> bool:
    running = {State.ACTIVE, State.PAUSED}
    known = registry.subscriptions_of(session, [request.fingerprint])
    return any(one.newsletter == request.newsletter and one.state in running for one in known)


def _activate(session: Session, keys: Keys, request: Request, seq: int, now: datetime) -> None:
    known = registry.subscriptions_of(session, [request.fingerprint])
    mine = next((one for one in known if one.newsletter == request.newsletter), None)
    states.after(mine.place if mine else NONE, Change(Kind.GIVEN, Actor.SUBJECT))
    if mine:
        registry.activate(session, mine.id, seq, now)
        return
    person = registry.people(session, [request.fingerprint]).get(request.fingerprint)
    if person:
        subscriber_id = person.id
    else:
        newcomer = Newcomer(
            address=_address(keys, request),
            subject=request.subject,
            fingerprint=request.fingerprint,
            language=request.language,
        )
        subscriber_id = registry.add_people(session, keys, [newcomer], now)[request.fingerprint]
    new = NewSubscription(subscriber_id=subscriber_id, state=State.ACTIVE, authorised_by=seq)
    registry.add_subscriptions(session, keys, request.newsletter, [new], now)


def _network(session: Session, keys: Keys, request: Request) -> str:
    asked = consent.recorded(session, keys, [request.requested_by])[request.requested_by]
    return dict(asked.evidence).get("network", "")


def _named(newsletter: str) -> bytes:
    return hashlib.sha256(newsletter.encode()).digest()[:NAME_BYTES]


def _as_code(typed: str) -> str:
    """What somebody typed as the alphabet of base32, which has no 0, 1 or 8."""
    return "".join(typed.upper().split()).replace("-", "").translate(str.maketrans("018", "OIB"))


def _address(keys: Keys, request: Request) -> Address:
    return Address.parse(keys.open(request.subject, Sealed.REQUEST, request.sealed).decode())
