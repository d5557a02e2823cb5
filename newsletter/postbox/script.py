"""How a postbox misbehaves: a script is asked at every stage of a conversation, and answers with a move or nothing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final


class Stage(StrEnum):
    """Where in a conversation a script is asked.

    BODY: the first byte of a letter has come. DOT: all of it, nothing is kept yet. ANSWER: the letter is kept, the 250
    not yet said.
    """

    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    ANSWER = "answer"
    QUIT = "quit"


class Act(Enum):
    """CLOSE ends the connection (FIN), RESET tears it (RST), HANG says nothing more and reads nothing more."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a script knows: the stage, the address (of MAIL and RCPT), and the letters taken on this connection."""

    stage: Stage
    address: str = ""
    letters: int = 0


@dataclass(frozen=True, slots=True)
class Say:
    """Give this reply instead of the usual one; several lines are joined by CRLF. After a 421 the connection ends."""

    text: str


@dataclass(frozen=True, slots=True)
class Half:
    """Say this without a line end, and end the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on as usual after so many seconds."""

    seconds: float


Move = Act | Say | Half | Pause
Script = Callable[[Moment], Move | None]

GREYLISTED: Final = "450 4.7.1 Greylisted, try again in 300 seconds"


def behave(_moment: Moment) -> Move | None:
    """Do everything right."""
    return None


def at(stage: Stage, move: Move, *, times: int | None = None) -> Script:
    """Make this move at a stage, always or the first few times."""
    made = 0

    def script(moment: Moment) -> Move | None:
        nonlocal made
        if moment.stage is not stage or (times is not None and made >= times):
            return None
        made += 1
        return move

    return script


def after(letters: int, script: Script) -> Script:
    """Take so many letters on a connection, then follow the script."""
    return lambda moment: script(moment) if moment.letters >= letters else None


def refuse(pattern: str, text: str = "550 5.1.1 User unknown") -> Script:
    """Refuse the recipients whose address matches, in any case."""
    addresses = re.compile(pattern, re.IGNORECASE)

    def script(moment: Moment) -> Move | None:
        return Say(text) if moment.stage is Stage.RCPT and addresses.search(moment.address) else None

    return script


def greylist(text: str = GREYLISTED) -> Script:
    """Put every recipient off once."""
    seen: set[str] = set()

    def script(moment: Moment) -> Move | None:
        if moment.stage is not Stage.RCPT or moment.address in seen:
            return None
        seen.add(moment.address)
        return Say(text)

    return script


def first_of(*scripts: Script) -> Script:
    """Ask each in turn; the first that answers decides."""

    def script(moment: Moment) -> Move | None:
        return next((move for one in scripts if (move := one(moment)) is not None), None)

    return script
