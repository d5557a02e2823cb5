"""Faults by dial: what the command line says is what happens, as often as it says, and again with the same seed."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.postbox import Act, Also, Drip, Half, Moment, Move, Pause, Say, Stage, dial


def moves(faults: list[str], *stages: Stage, chance: float = 0.0) -> list[Move | None]:
    script = dial.turned([dial.parse(one) for one in faults], lambda: chance)
    return [script(Moment(stage=stage)) for stage in stages]


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("rcpt=421", Say("421 4.3.2 Closing connection")),
        ("rcpt=453", Say("453")),
        ("rcpt=550 5.7.1 Not from you", Say("550 5.7.1 Not from you")),
        ("rcpt=reset", Act.RESET),
        ("rcpt=close", Act.CLOSE),
        ("rcpt=hang@1", Act.HANG),
        ("rcpt=half", Half("25")),
        ("rcpt=unasked@1.0", Also("250 2.0.0 Nobody asked")),
        ("rcpt=drip", Drip(0.05)),
        ("rcpt=slow:2.5@.5", Pause(2.5)),
    ],
)
def test_a_fault_happens_at_its_stage_alone(text: str, move: Move) -> None:
    assert moves([text], Stage.MAIL, Stage.RCPT, Stage.DATA) == [None, move, None]


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_has_a_dial(stage: Stage) -> None:
    assert moves([f"{stage}=close"], stage) == [Act.CLOSE]


@pytest.mark.parametrize(
    "text",
    [
        *("", "rcpt", "rcpt=", "=421", "lunch=421", "rcpt=explode", "rcpt=199", "rcpt=slow", "rcpt=slow:soon"),
        *("rcpt=421@", "rcpt=421@2", "rcpt=421@-1", "rcpt=421@nan", "rcpt=421@1@1", "rcpt=550 a\r\nb", "dot=mixed"),
    ],
)
def test_what_is_no_fault_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"is none of|lies between|only mail and rcpt"):
        dial.parse(text)


def test_a_fault_happens_as_often_as_it_says_and_again_with_the_same_seed() -> None:
    fault = dial.parse("dot=close@0.1")

    def run(seed: int) -> list[Move | None]:
        script = dial.turned([fault], random.Random(seed).random)
        return [script(Moment(stage=Stage.DOT)) for _ in range(5_000)]

    first = run(7)
    assert first == run(7) != run(8)
    assert 400 < Counter(first)[Act.CLOSE] < 600


def test_the_first_fault_that_happens_is_the_one() -> None:
    assert moves(["mail=421@0.1", "mail=close@0.6"], Stage.MAIL, chance=0.5) == [Act.CLOSE]
    assert moves(["mail=421@0.1", "mail=close@0.6"], Stage.MAIL, chance=0.7) == [None]


def test_a_mixed_group_is_decided_once_and_for_each_connection() -> None:
    chances = iter([0.1, 0.9, 0.9])
    script = dial.turned([dial.parse("rcpt=mixed@0.5")], lambda: next(chances))
    said = Say("550 5.1.1 No such user", later=True)

    def at(stage: Stage, connection: int) -> Move | None:
        return script(Moment(stage=stage, connection=connection))

    assert (at(Stage.MAIL, 1), at(Stage.MAIL, 2)) == (Act.LATER, None)
    assert (at(Stage.RCPT, 1), at(Stage.RCPT, 2)) == (said, None)
    assert (at(Stage.DATA, 1), at(Stage.DATA, 2)) == (Say("354 Go on anyway"), None)
    assert at(Stage.MAIL, 1) is None


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_fault_or_told_to_be_none(text: str) -> None:
    try:
        fault = dial.parse(text)
    except ValueError:
        return
    assert moves([text], fault.stage, chance=0.0) != [None] or fault.probability == 0
