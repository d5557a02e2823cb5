"""Misbehaviour by dial: `PHASE=WHAT[@PROBABILITY]`, as the command line has it, becomes a script. Chance is told."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from newsletter.postbox.script import Act, Also, Drip, Half, Moment, Move, Pause, Say, Script, Stage, at, mixed

_FAULT: Final = re.compile(r"(?P<stage>[a-z]+)=(?P<what>[^@]+)(?:@(?P<probability>.*))?")
_REPLY: Final = re.compile(r"[2-5][0-9]{2}(?: [\x20-\x7e]*)?")
_DECIMAL: Final = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?|\.[0-9]{1,6}")
_TEXTS: Final = {
    "421": "421 4.3.2 Closing connection",
    "450": "450 4.2.1 Mailbox busy, try again in 300 seconds",
    "451": "451 4.3.0 Not now",
    "550": "550 5.1.1 No such user",
    "552": "552 5.3.4 Message too large",
    "554": "554 5.7.1 Refused",
}
_MOVES: Final[dict[str, Move]] = {
    "close": Act.CLOSE,
    "reset": Act.RESET,
    "hang": Act.HANG,
    "half": Half("25"),
    "unasked": Also("250 2.0.0 Nobody asked"),
    "drip": Drip(0.05),
}
_MIXED: Final = "mixed"
GRAMMAR: Final = (
    f"PHASE=WHAT[@PROBABILITY]. PHASE: {', '.join(Stage)}. WHAT: a reply (a code, or a code and text), "
    f"{', '.join(_MOVES)}, {_MIXED} or slow:SECONDS. PROBABILITY: 0 to 1, and 1 when it is not said."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong at a stage, so often."""

    stage: Stage
    what: str
    probability: float = 1.0


def parse(text: str) -> Fault:
    """Read one fault. Raises ValueError that says what there is."""
    found = _FAULT.fullmatch(text)
    if not found or found["stage"] not in set(Stage):
        raise ValueError(f"{text!r} is none of {GRAMMAR}")
    probability = 1.0 if found["probability"] is None else _number(found["probability"])
    if probability is None or probability > 1:
        raise ValueError(f"{text!r}: a probability lies between 0 and 1")
    fault = Fault(stage=Stage(found["stage"]), what=found["what"], probability=probability)
    _script(fault)
    return fault


def turned(faults: Iterable[Fault], chance: Callable[[], float]) -> Script:
    """The script of these faults, of which the first that happens is made.

    `chance` gives a number in [0, 1) whenever one may happen.
    """
    scripts = [(fault, _script(fault)) for fault in faults]
    going: set[tuple[Fault, int]] = set()

    def happens(fault: Fault, moment: Moment) -> bool:
        if fault.what != _MIXED:
            return chance() < fault.probability
        # One fault in three replies: whether it happens is decided at the first of them.
        key = (fault, moment.connection)
        if moment.stage is Stage.MAIL:
            going.discard(key)
            going.update({key} if chance() < fault.probability else ())
        return key in going

    def script(moment: Moment) -> Move | None:
        moves = ((fault, one(moment)) for fault, one in scripts)
        return next((move for fault, move in moves if move is not None and happens(fault, moment)), None)

    return script


def _script(fault: Fault) -> Script:
    if fault.what == _MIXED:
        if fault.stage not in {Stage.MAIL, Stage.RCPT}:
            raise ValueError(f"{fault.stage}=mixed: only mail and rcpt can be refused in the midst of a group")
        return mixed(fault.stage, _TEXTS["550"])
    return at(fault.stage, _move(fault.what))


def _move(what: str) -> Move:
    if what in _MOVES:
        return _MOVES[what]
    word, _, seconds = what.partition(":")
    if word == "slow" and (found := _number(seconds)) is not None:
        return Pause(found)
    if _REPLY.fullmatch(what):
        return Say(_TEXTS.get(what, what))
    raise ValueError(f"{what!r} is none of {GRAMMAR}")


def _number(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None
