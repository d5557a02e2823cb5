"""Where a sign-up request and a subscription may go from where they are, by which event, and at whose hand. Pure.

One table decides: for who comes in, who goes out, for imports and their undoing, and when the ledger is replayed. What
is not in it is illegal. A suppression belongs to an address and stands above both: what it bars is decided here, too.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from subscribers.errors import IllegalChange
from subscribers.ledger.evidence import Actor, Kind

COMPLAINT_RESTS: Final = timedelta(days=30)
LETTER_RESTS: Final = timedelta(days=180)


class State(StrEnum):
    """Where a subscription stands; `pending` is no state of it, but a request in its own table."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    UNKNOWN = "unknown"


class EndReason(StrEnum):
    """Why a subscription ended."""

    WITHDRAWN = "withdrawn"
    COMPLAINED = "complained"
    OBJECTED = "objected"
    SUPPRESSED = "suppressed"
    BOUNCED = "bounced"
    UNDONE = "undone"
    EXPIRED = "expired"
    ERASED = "erased"


class Rhythm(StrEnum):
    """Which of a newsletter's editions its reader wants."""

    EVERY = "every"
    WEEKDAYS = "weekdays"
    FRIDAY = "friday"


class RequestState(StrEnum):
    """`pending` until its holder confirms or refuses, a newer one comes, its address leaves, or time is up."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    EXPIRED = "expired"


class SuppressionReason(StrEnum):
    """Why an address must never be written to. Of whose rows are gone, that they left is all that is kept."""

    COMPLAINED = "complained"
    OBJECTED = "objected"
    BOUNCED = "bounced"
    DESK = "desk"
    LEGAL = "legal"
    LEFT = "left"


class Place(NamedTuple):
    """Where the subscription of one subject to one newsletter stands; nowhere as long as there is none."""

    state: State | None = None
    reason: EndReason | None = None

    def __str__(self) -> str:
        return f"{self.state or 'none'} ({self.reason})" if self.reason else str(self.state or "none")


class Change(NamedTuple):
    """An event as the table knows it: what happens, at whose hand, and for an end, its reason."""

    kind: Kind
    actor: Actor
    reason: EndReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From any of these places these hands may lead to that place by this event."""

    kind: Kind
    by: frozenset[Actor]
    before: frozenset[Place]
    after: Place


NONE: Final = Place()
ACTIVE: Final = Place(State.ACTIVE)
PAUSED: Final = Place(State.PAUSED)
UNKNOWN: Final = Place(State.UNKNOWN)
_RUNNING: Final = frozenset({ACTIVE, PAUSED})
# An erased subject has no way back: whoever signs up later is another one.
_ANY: Final = frozenset(
    {NONE, *_RUNNING, UNKNOWN, *(Place(State.ENDED, one) for one in EndReason if one is not EndReason.ERASED)}
)


def ended(reason: EndReason) -> Place:
    """The place of a subscription that ended for this reason."""
    return Place(State.ENDED, reason)


_UNDONE: Final = ended(EndReason.UNDONE)
_SUBJECT: Final = frozenset({Actor.SUBJECT})
_IMPORT: Final = frozenset({Actor.IMPORT})


def _into(kind: Kind, by: frozenset[Actor], before: Iterable[Place], after: Place) -> Rule:
    return Rule(kind=kind, by=by, before=frozenset(before), after=after)


def _out(kind: Kind, by: Collection[Actor], before: Iterable[Place], reason: EndReason) -> Rule:
    after = ended(reason)
    return Rule(kind=kind, by=frozenset(by), before=frozenset(before) - {after}, after=after)


_LIVING: Final = _ANY - {NONE}
RULES: Final = (
    # In: by the holder from wherever they are, by a file only where nobody has decided yet.
    _into(Kind.GIVEN, _SUBJECT, _ANY, ACTIVE),
    _into(Kind.RENEWED, _SUBJECT, _RUNNING, ACTIVE),
    _into(Kind.IMPORTED, _IMPORT, {NONE, UNKNOWN, _UNDONE}, ACTIVE),
    _into(Kind.IMPORTED_WITHOUT_EVIDENCE, _IMPORT, {NONE}, UNKNOWN),
    # Aside and back: the holder's choice alone, or the date the holder chose.
    _into(Kind.PAUSED, _SUBJECT, _RUNNING, PAUSED),
    _into(Kind.RESUMED, frozenset({Actor.SUBJECT, Actor.SYSTEM}), {PAUSED}, ACTIVE),
    # Out.
    _out(
        Kind.WITHDRAWN,
        {Actor.SUBJECT, Actor.DESK, Actor.IMPORT},
        {*_RUNNING, UNKNOWN, _UNDONE, ended(EndReason.BOUNCED)},
        EndReason.WITHDRAWN,
    ),
    _out(Kind.WITHDRAWN, {Actor.MTA, Actor.IMPORT}, _LIVING, EndReason.COMPLAINED),
    _out(Kind.DELIVERY_BLOCKED, {Actor.MTA, Actor.IMPORT}, {*_RUNNING, UNKNOWN, _UNDONE}, EndReason.BOUNCED),
    _out(Kind.OBJECTED, {Actor.SUBJECT}, _LIVING, EndReason.OBJECTED),
    _out(Kind.SUPPRESSED, {Actor.DESK, Actor.IMPORT}, _LIVING, EndReason.SUPPRESSED),
    _out(Kind.EXPIRED, {Actor.SYSTEM}, _RUNNING, EndReason.EXPIRED),
    _out(Kind.INVALIDATED, {Actor.DESK}, {*_RUNNING, UNKNOWN}, EndReason.UNDONE),
    _out(Kind.ERASED, {Actor.SUBJECT, Actor.DESK, Actor.SYSTEM}, _ANY, EndReason.ERASED),
)
_TABLE: Final = {(one.kind, actor, one.after.reason): one for one in RULES for actor in one.by}
_MOVING: Final = frozenset(one.kind for one in RULES)

# What takes a request out of `pending`, and at whose hand; nothing takes it out of any other state.
REQUEST_RULES: Final = {
    Kind.GIVEN: (_SUBJECT, RequestState.CONFIRMED),
    Kind.REQUESTED: (_SUBJECT, RequestState.SUPERSEDED),
    Kind.REFUSED: (_SUBJECT, RequestState.REFUSED),
    Kind.REQUEST_EXPIRED: (frozenset({Actor.SYSTEM}), RequestState.EXPIRED),
    Kind.WITHDRAWN: (frozenset(Actor), RequestState.WITHDRAWN),
    Kind.OBJECTED: (_SUBJECT, RequestState.WITHDRAWN),
    Kind.DELIVERY_BLOCKED: (frozenset({Actor.MTA, Actor.IMPORT}), RequestState.WITHDRAWN),
    Kind.SUPPRESSED: (frozenset({Actor.DESK, Actor.IMPORT}), RequestState.WITHDRAWN),
}

# What each suppression does to the subscriptions of its address.
SUPPRESSING: Final = {
    SuppressionReason.COMPLAINED: Change(Kind.WITHDRAWN, Actor.MTA, EndReason.COMPLAINED),
    SuppressionReason.BOUNCED: Change(Kind.DELIVERY_BLOCKED, Actor.MTA, EndReason.BOUNCED),
    SuppressionReason.OBJECTED: Change(Kind.OBJECTED, Actor.SUBJECT, EndReason.OBJECTED),
    SuppressionReason.DESK: Change(Kind.SUPPRESSED, Actor.DESK, EndReason.SUPPRESSED),
    SuppressionReason.LEGAL: Change(Kind.SUPPRESSED, Actor.DESK, EndReason.SUPPRESSED),
    SuppressionReason.LEFT: Change(Kind.WITHDRAWN, Actor.DESK, EndReason.WITHDRAWN),
}
# Lifted by an owner and a second person; all others by the holder's own confirmation.
BY_THE_DESK: Final = frozenset({SuppressionReason.DESK, SuppressionReason.LEGAL})
# Nor are these told that they were erased: they called us spam, or their mailbox is dead.
_UNWELCOME: Final = BY_THE_DESK | {SuppressionReason.COMPLAINED, SuppressionReason.BOUNCED}


def after(before: Place, change: Change) -> Place:
    """Where a change leads, which is where it began for an event that says nothing of a state. Raises IllegalChange."""
    rule = _TABLE.get(change)
    if rule and before in rule.before:
        return rule.after
    if change.kind in _MOVING or before == ended(EndReason.ERASED):
        raise IllegalChange(str(before), change.kind, change.actor)
    return before


def allows(before: Place, change: Change) -> bool:
    """Whether the table has a way for this change from this place."""
    rule = _TABLE.get(change)
    return rule is not None and before in rule.before


def request_after(before: RequestState, kind: Kind, actor: Actor) -> RequestState:
    """What becomes of a request. Raises IllegalChange."""
    by, state = REQUEST_RULES.get(kind, (frozenset(), before))
    if before is not RequestState.PENDING or actor not in by:
        raise IllegalChange(before, kind, actor)
    return state


class Bar(NamedTuple):
    """A suppression of an address: why, the month it is of, and the month of the last letter sent in spite of it.

    A month is all that is kept, so what rests for so many days rests for as many after the month's end.
    """

    reason: SuppressionReason
    month: str
    letter_month: str = ""


def bars_confirmation(bars: Iterable[Bar], asked_at: datetime) -> bool:
    """Whether a sign-up asked for at that moment cannot be confirmed: desk or law forbid it, or it is too early."""
    return any(
        one.reason in BY_THE_DESK
        or (one.reason is SuppressionReason.COMPLAINED and asked_at < _end_of(one.month) + COMPLAINT_RESTS)
        for one in bars
    )


def bars_letter(bars: Collection[Bar], now: datetime) -> bool:
    """Whether a sign-up gets no letter now: who complained gets one in 180 days, and none in the first 30."""
    return bars_confirmation(bars, now) or any(
        one.reason is SuppressionReason.COMPLAINED
        and one.letter_month != ""
        and now < _end_of(one.letter_month) + LETTER_RESTS
        for one in bars
    )


def bars_last_letter(bars: Iterable[Bar]) -> bool:
    """Whether somebody who was erased is not even told so. Who objected or left is: it answers what they asked."""
    return any(one.reason in _UNWELCOME for one in bars)


def _end_of(month: str) -> datetime:
    year, number = (int(part) for part in month.split("-"))
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
