"""The machine of states: every pair of state and event, against the table its docstring draws."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.editions import workflow
from newsletter.editions.workflow import Event, State
from newsletter.errors import IllegalMove


def drawn() -> dict[tuple[State, Event], State | None]:
    """The docstring's table."""
    lines = [line.split() for line in (workflow.__doc__ or "").splitlines() if line.startswith("  ")]
    rows = {line[0]: [word for word in line[1:] if word != "*"] for line in lines if line[0] in set(State)}
    header = next(line for line in lines if line[0] == "BUILD")
    assert header == [event.name for event in Event]
    return {
        (State(state), event): None if word == "." else State(word)
        for state, words in rows.items()
        for event, word in zip(Event, words, strict=True)
    }


@pytest.mark.parametrize(("state", "event"), [*itertools.product(State, Event)])
def test_every_pair_moves_as_the_table_says(state: State, event: Event) -> None:
    expected = drawn()[state, event]
    if expected is None:
        with pytest.raises(IllegalMove) as caught:
            workflow.move(state, event)
        assert (caught.value.state, caught.value.event) == (state, event)
    else:
        assert workflow.move(state, event) is expected


@pytest.mark.parametrize("event", list(Event))
def test_an_edition_held_in_mid_send_is_only_released_to_sending_or_killed(event: Event) -> None:
    allowed = {Event.RELEASE: State.SENDING, Event.KILL: State.KILLED}
    if event in allowed:
        assert workflow.move(State.HELD, event, State.SENDING) is allowed[event]
    else:
        with pytest.raises(IllegalMove):
            workflow.move(State.HELD, event, State.SENDING)


@pytest.mark.parametrize("held_from", [State.OPEN, State.BUILDING, State.IN_REVIEW, State.APPROVED, State.SCHEDULED])
def test_an_edition_held_before_it_left_goes_back_to_review(held_from: State) -> None:
    assert workflow.move(State.HELD, Event.RELEASE, held_from) is State.IN_REVIEW


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_nothing_is_sent_that_was_not_approved_since_its_last_edit(events: list[Event]) -> None:
    state, held_from, approved = State.OPEN, None, False
    for event in events:
        before = state
        try:
            state = workflow.move(state, event, held_from)
        except IllegalMove:
            continue
        held_from = (held_from or before) if state is State.HELD else None
        approved = event is Event.APPROVE or (approved and state not in {State.IN_REVIEW, State.BUILDING})
        assert approved or state not in {State.SENDING, State.SENT}
