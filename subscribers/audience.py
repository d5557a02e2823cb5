"""Who is written to: the frozen answer at dispatch, and the last look before each letter. Reads, never writes.

Both ask the database the same one question, so they cannot disagree about a rule.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, case, except_, exists, func, or_, select, true
from sqlmodel import Session

from subscribers.errors import UnreadableSeal
from subscribers.instants import to_ms
from subscribers.keys import Keys, Sealed
from subscribers.ledger import standing
from subscribers.registry import SUBSCRIBERS, SUBSCRIPTIONS
from subscribers.states import Rhythm, State
from subscribers.suppressions import SUPPRESSIONS
from subscribers.tokens import Purpose

AUDIENCE_RULE: Final = (
    "every subscription of the newsletter that is active, or whose pause is over, and rests on a consent given, "
    "renewed or imported with evidence and not ended since, except of suppressed addresses and of those whose reader "
    "does not want the edition of that weekday"
)
BATCH: Final = 1_000


class Exclusion(StrEnum):
    """Why a subscription gets no letter."""

    SUPPRESSED = "suppressed"
    ENDED = "ended"
    PAUSED = "paused"
    NO_CONSENT = "no consent"
    UNREADABLE = "unreadable address"
    RHYTHM = "rhythm"
    GONE = "not subscribed"


_ELIGIBLE: Final = "eligible"
_WHOSE: Final = (SUBSCRIBERS.c.subject, SUBSCRIPTIONS.c.newsletter)
_BARS: Final = SUPPRESSIONS.c.fingerprint == SUBSCRIBERS.c.fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """All subscriptions of a newsletter: how many, which to write to, in the order of their ids, and why not to others.

    `excluded` counts those that a list of ids leaves out, each judged anew, by what keeps it from a letter. One that
    nothing keeps is not counted: then the list, its exclusions and the candidates do not add up.
    """

    count: int
    eligible: Select[int]
    excluded: Callable[[Session, Select[int]], Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """candidates = all subscriptions of the newsletter = those `eligible` selects + the sum of `excluded`, always."""

    candidates: int
    excluded: Mapping[str, int]
    eligible: Select[int]
    rule: str = AUDIENCE_RULE


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a letter goes to, and the token that lets this one reader leave."""

    address: str = field(repr=False)
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """No letter, and why."""

    reason: str


def candidates(session: Session, newsletter: str, now: datetime, on: date | None = None) -> Candidates:
    """Count a newsletter's subscriptions, say how to select those to write to, and how to learn what keeps the others.

    `on` is the edition's own date, which some do not want; without it, whoever wants any edition counts. All three
    agree as long as nothing commits in between: call `lock` first.
    """
    mine = select(SUBSCRIPTIONS.c.id).where(SUBSCRIPTIONS.c.newsletter == newsletter)
    count = int(session.connection().execute(select(func.count()).select_from(mine.subquery())).scalar_one())

    def excluded(session: Session, chosen: Select[int]) -> Mapping[str, int]:
        # Both lists come in the order of their ids, and are merged; without a limit SQLite would forget the order, and
        # build a third.
        others = except_(mine, chosen.order_by(None)).order_by("id").limit(count).subquery()
        verdict = _verdict(now, on).label("verdict")
        counted = select(verdict, func.count()).select_from(others.join(_people(), SUBSCRIPTIONS.c.id == others.c.id))
        found = {str(name): int(number) for name, number in session.connection().execute(counted.group_by(verdict))}
        found.pop(_ELIGIBLE, None)
        return MappingProxyType(found)

    return Candidates(count=count, eligible=_eligible(newsletter, now, on), excluded=excluded)


def audience(session: Session, newsletter: str, now: datetime, on: date | None = None) -> Audience:
    """Count a newsletter's subscriptions by what would become of them now; parameters as for `candidates`."""
    found = candidates(session, newsletter, now, on)
    excluded = found.excluded(session, found.eligible)
    return Audience(candidates=found.count, excluded=excluded, eligible=found.eligible)


def recipients(
    session: Session, keys: Keys, ids: Sequence[int], newsletter: str, now: datetime, *, on: date | None = None
) -> dict[int, Recipient | Dropped]:
    """The address and token of each subscription as of now, or why it gets no letter. Every id is answered.

    `on` is the edition's own date, as for `audience`.
    """
    answers: dict[int, Recipient | Dropped] = {}
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        wanted = (
            select(
                SUBSCRIPTIONS.c.id,
                SUBSCRIPTIONS.c.public_id,
                SUBSCRIBERS.c.subject,
                SUBSCRIBERS.c.sealed,
                _verdict(now, on).label("verdict"),
            )
            .select_from(_people())
            .where(SUBSCRIPTIONS.c.id.in_(batch), SUBSCRIPTIONS.c.newsletter == newsletter)
        )
        rows = session.connection().execute(wanted).all()
        # Where no key can be had at all, each of them is answered so.
        with suppress(UnreadableSeal):
            keys.fetch([bytes(row.subject) for row in rows if row.verdict == _ELIGIBLE])
        found = {int(row.id): _answer(keys, row) for row in rows}
        answers.update({one: found.get(one, Dropped(reason=Exclusion.GONE)) for one in batch})
    return answers


def opens(session: Session, keys: Keys) -> bool:
    """Whether the addresses were sealed with these keys; one damaged row does not say no, and an empty room agrees."""
    wanted = select(SUBSCRIBERS.c.subject, SUBSCRIBERS.c.sealed).where(SUBSCRIBERS.c.sealed.is_not(None))
    rows = session.connection().execute(wanted.order_by(SUBSCRIBERS.c.id.desc()).limit(10)).all()
    return not rows or any(_opens(keys, bytes(subject), bytes(sealed)) for subject, sealed in rows)


def _opens(keys: Keys, subject: bytes, sealed: bytes) -> bool:
    try:
        keys.open(subject, Sealed.ADDRESS, sealed)
    except UnreadableSeal:
        return False
    return True


def _answer(keys: Keys, row: Row[Any]) -> Recipient | Dropped:
    if row.verdict != _ELIGIBLE:
        return Dropped(reason=str(row.verdict))
    try:
        address = keys.open(bytes(row.subject), Sealed.ADDRESS, bytes(row.sealed)).decode()
    except UnreadableSeal:
        # One damaged row must not keep the rest of its batch from their letters.
        return Dropped(reason=Exclusion.UNREADABLE)
    return Recipient(address=address, token=keys.token(Purpose.LEAVE, bytes(row.public_id)))


def _people() -> FromClause:
    """The subscriptions with their subscribers and the events they rest on: one look-up by a primary key each."""
    mine = SUBSCRIPTIONS.join(SUBSCRIBERS, SUBSCRIBERS.c.id == SUBSCRIPTIONS.c.subscriber_id)
    return mine.outerjoin(standing.BASIS, standing.BASIS.c.seq == SUBSCRIPTIONS.c.authorised_by)


def _eligible(newsletter: str, now: datetime, on: date | None) -> Select[int]:
    """The subscriptions a letter goes to, as `_verdict` has them, with its last two questions asked by joins.

    What is not there is found so in half the time, and a join may name a row twice only when it is there.
    """
    mine = _people().outerjoin(standing.ENDED, standing.ends(*_WHOSE)).outerjoin(SUPPRESSIONS, _BARS)
    return (
        select(SUBSCRIPTIONS.c.id)
        .select_from(mine)
        .where(
            SUBSCRIPTIONS.c.newsletter == newsletter,
            _runs(now),
            _wants(on),
            standing.authorises(*_WHOSE),
            standing.ENDED.c.seq.is_(None),
            SUPPRESSIONS.c.fingerprint.is_(None),
        )
        .order_by(SUBSCRIPTIONS.c.id)
    )


def _verdict(now: datetime, on: date | None) -> ColumnElement[str]:
    """What becomes of a subscription, the gravest reason first."""
    paused = and_(SUBSCRIPTIONS.c.state == State.PAUSED.value, SUBSCRIPTIONS.c.paused_until > to_ms(now))
    stands = and_(_runs(now), standing.stands(*_WHOSE))
    return case(
        (exists().where(_BARS), Exclusion.SUPPRESSED.value),
        (SUBSCRIPTIONS.c.state == State.ENDED.value, Exclusion.ENDED.value),
        (paused, Exclusion.PAUSED.value),
        (and_(stands, _wants(on)), _ELIGIBLE),
        (stands, Exclusion.RHYTHM.value),
        else_=Exclusion.NO_CONSENT.value,
    )


def _runs(now: datetime) -> ColumnElement[bool]:
    """Whether a subscription is active, or its pause over."""
    over = and_(SUBSCRIPTIONS.c.state == State.PAUSED.value, SUBSCRIPTIONS.c.paused_until <= to_ms(now))
    return or_(SUBSCRIPTIONS.c.state == State.ACTIVE.value, over)


def _wants(on: date | None) -> ColumnElement[bool]:
    """Whether the reader wants the edition of that date."""
    if on is None:
        return true()
    weekday = on.isoweekday()
    wanted = [Rhythm.EVERY, *([Rhythm.WEEKDAYS] if weekday <= 5 else []), *([Rhythm.FRIDAY] if weekday == 5 else [])]
    return SUBSCRIPTIONS.c.rhythm.in_([one.value for one in wanted])
