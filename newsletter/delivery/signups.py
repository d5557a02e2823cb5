"""One way in, whoever asks: a request, its confirmation letter unless it is held, and the owners' word on held ones.

The form, the JSON API, a form on another site and the desk all pass through `sign_up`; nothing else makes requests.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

import subscribers
from newsletter.config import Config, Newsletter, Signup
from newsletter.database import Database
from newsletter.delivery import correspondence
from subscribers import Address, Caps, Keys, Pending, Quiet, SignUp

TOLD_AGAIN_AFTER: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Somebody who has read `wording` asks for a newsletter; `network` is already cut.

    `form` is what was shown, with nobody’s entries;
    `notice` and `terms` are the digests of the published policy and terms that the form linked to.
    """

    newsletter: Newsletter
    address: Address
    wording: str
    language: str
    notice: str = ""
    terms: str = ""
    form: str = ""
    source: str
    method: str
    network: str = ""


def caps(settings: Signup) -> Caps:
    """How many letters may be due."""
    return Caps(
        letters_per_day=settings.letters_per_day,
        letters_per_month=settings.letters_per_month,
        letters_per_domain=settings.letters_per_domain,
        letters_per_provider=settings.letters_per_provider,
        letters_per_hour=settings.letters_per_hour,
    )


def sign_up(session: Session, keys: Keys, config: Config, request: Request, now: datetime) -> Pending | Quiet:
    """Keep the request and queue its letter in one transaction; what is returned is for counting, never for a page."""
    paper = request.newsletter
    asked = SignUp(
        address=request.address,
        newsletter=paper.key,
        language=request.language,
        wording=request.wording,
        form=request.form,
        notice=request.notice,
        terms=request.terms,
        source=request.source,
        network=request.network,
        method=request.method,
        confirm_hours=config.signup.confirm_hours,
        caps=caps(config.signup),
    )
    answer = subscribers.sign_up(session, keys, asked, now)
    if isinstance(answer, Pending) and not answer.held:
        spoken = correspondence.in_language(paper, request.language)
        correspondence.confirmation(session, spoken, config, answer.request_id, answer.expires_at, now)
    return answer


def release(session: Session, config: Config, now: datetime) -> int:
    """Queue the letters of every held request whose newsletter is still there; returns how many."""
    waiting = [one for one in subscribers.held(session, now) if one.newsletter in config.newsletters]
    for one in waiting:
        subscribers.release_held(session, one.id)
        paper = correspondence.in_language(config.newsletters[one.newsletter], one.language)
        correspondence.confirmation(session, paper, config, one.id, one.expires_at, now)
    return len(waiting)


def warning(database: Database, keys: Keys, config: Config, now: datetime) -> list[str]:
    """What the owners are to be told, once a day however many processes ask: that letters are held, and why."""
    with database.snapshot() as session:
        reason = subscribers.alarm(session, caps(config.signup), now)
    if not reason:
        return []
    with database.transaction() as session:
        if not subscribers.take(session, keys, "told/alarm", now, TOLD_AGAIN_AFTER, 1):
            return []
        count = len(subscribers.held(session, now))
    return [f"sign-ups: {reason}; {count} letters are held: see `worldbrief subscriber held`, then --release or --drop"]
