"""The states of an edition, as a pure machine. Who may move it, and where it is written down, stands elsewhere.

              BUILD     BUILT      EDIT       APPROVE   SCHEDULE   SEND     FINISH  HOLD  RELEASE    KILL
  open        building  .          .          .         .          .        .       held  .          killed
  building    building  in_review  .          .         .          .        .       held  .          killed
  in_review   building  .          in_review  approved  .          .        .       held  .          killed
  approved    .         .          in_review  .         scheduled  sending  .       held  .          killed
  scheduled   .         .          in_review  .         .          sending  .       held  .          killed
  sending     .         .          .          .         .          .        sent    held  .          .
  sent        .         .          .          .         .          .        .       .     .          .
  held        .         .          held *     .         .          .        .       .     in_review  killed
  killed      .         .          .          .         .          .        .       .     .          .

  * An edition held while sending cannot be edited, since some letters have left, and is released to sending.
A build that died is built again; an approved edition is not: edit it first, which voids the approval in plain sight.
"""

from enum import StrEnum
from typing import Final

from newsletter.errors import IllegalMove


class State(StrEnum):
    """Where an edition stands."""

    OPEN = "open"
    BUILDING = "building"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    SENT = "sent"
    HELD = "held"
    KILLED = "killed"


class Event(StrEnum):
    """What may happen to an edition."""

    BUILD = "build"
    BUILT = "built"
    EDIT = "edit"
    APPROVE = "approve"
    SCHEDULE = "schedule"
    SEND = "send"
    FINISH = "finish"
    HOLD = "hold"
    RELEASE = "release"
    KILL = "kill"


_MOVES: Final = {
    State.OPEN: {Event.BUILD: State.BUILDING, Event.HOLD: State.HELD, Event.KILL: State.KILLED},
    State.BUILDING: {
        Event.BUILD: State.BUILDING,
        Event.BUILT: State.IN_REVIEW,
        Event.HOLD: State.HELD,
        Event.KILL: State.KILLED,
    },
    State.IN_REVIEW: {
        Event.BUILD: State.BUILDING,
        Event.EDIT: State.IN_REVIEW,
        Event.APPROVE: State.APPROVED,
        Event.HOLD: State.HELD,
        Event.KILL: State.KILLED,
    },
    State.APPROVED: {
        Event.EDIT: State.IN_REVIEW,
        Event.SCHEDULE: State.SCHEDULED,
        Event.SEND: State.SENDING,
        Event.HOLD: State.HELD,
        Event.KILL: State.KILLED,
    },
    State.SCHEDULED: {
        Event.EDIT: State.IN_REVIEW,
        Event.SEND: State.SENDING,
        Event.HOLD: State.HELD,
        Event.KILL: State.KILLED,
    },
    State.SENDING: {Event.FINISH: State.SENT, Event.HOLD: State.HELD},
    State.SENT: {},
    State.HELD: {Event.EDIT: State.HELD, Event.RELEASE: State.IN_REVIEW, Event.KILL: State.KILLED},
    State.KILLED: {},
}
_MOVES_HELD_IN_MID_SEND: Final = {Event.RELEASE: State.SENDING, Event.KILL: State.KILLED}


def move(state: State, event: Event, held_from: State | None = None) -> State:
    """The state after the event; `held_from` is where a held edition came from. Raises IllegalMove."""
    moves = _MOVES[state]
    if state is State.HELD and held_from is State.SENDING:
        moves = _MOVES_HELD_IN_MID_SEND
    if event not in moves:
        raise IllegalMove(state, event)
    return moves[event]
