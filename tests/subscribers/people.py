"""Keys, sign-ups and whole walks for the tests of this room."""

from datetime import UTC, datetime

from newsletter.database import Database
from subscribers import Address, Caps, Confirmed, Evidence, Keys, Pending, Quiet, Requester, Signer, SignUp, new_key
from subscribers import confirm as confirm_request
from subscribers import requester as find_requester
from subscribers import sign_up as post_form
from subscribers.registry import subscriptions_of
from subscribers.tokens import Purpose
from tests.keyring import RING

KEYS = Keys(bytes(range(32)), ring=RING)
SIGNER = Signer("worldbrief.test/consent-ledger", new_key(bytes(range(32))))
WORDING = "Sign up to receive World Brief in your inbox every weekday. You may opt out at any time."
NOBODY = KEYS.new_subject(datetime(2026, 11, 1, tzinfo=UTC))
"""A pseudonym with a key, for events that are nobody's."""
CLICK = Evidence(method="confirm button", network="203.0.113.0/24")


def wanted(address: str = "anna@example.org", newsletter: str = "world-brief", letters_per_day: int = 1) -> SignUp:
    return SignUp(
        address=Address.parse(address),
        newsletter=newsletter,
        wording=WORDING,
        form="<form>…</form>",
        network="203.0.113.0/24",
        caps=Caps(letters_per_day=letters_per_day, letters_per_month=max(letters_per_day, 3), letters_per_domain=1_000),
    )


def sign_up(database: Database, now: datetime, sign: SignUp | None = None) -> Pending | Quiet:
    with database.transaction() as session:
        return post_form(session, KEYS, sign or wanted(), now)


def letter(database: Database, now: datetime, sign: SignUp | None = None) -> Requester:
    """Sign up and read the letter."""
    pending = sign_up(database, now, sign)
    assert isinstance(pending, Pending), pending
    with database.snapshot() as session:
        found = find_requester(session, KEYS, pending.request_id, now)
    assert isinstance(found, Requester), found
    return found


def confirm(database: Database, token: str, now: datetime) -> Confirmed:
    with database.transaction() as session:
        return confirm_request(session, KEYS, token, now, CLICK)


def subscribe(
    database: Database, now: datetime, address: str = "anna@example.org", newsletter: str = "world-brief"
) -> str:
    """The whole walk in; returns the token that leads out."""
    sign = wanted(address, newsletter, letters_per_day=99)
    confirm(database, letter(database, now, sign).token, now)
    return leave_token(database, address, newsletter)


def leave_token(database: Database, address: str, newsletter: str = "world-brief") -> str:
    with database.snapshot() as session:
        known = subscriptions_of(session, [KEYS.fingerprint(Address.parse(address))])
    [mine] = [one for one in known if one.newsletter == newsletter]
    return KEYS.token(Purpose.LEAVE, mine.public_id)


def state(database: Database, address: str = "anna@example.org", newsletter: str = "world-brief") -> str:
    """The state of a subscription, "none" when there is none."""
    with database.snapshot() as session:
        known = subscriptions_of(session, [KEYS.fingerprint(Address.parse(address))])
    return next((str(one.state) for one in known if one.newsletter == newsletter), "none")
