"""How a postbox misbehaves: a script is asked at every stage of a conversation, and answers with a move or nothing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final


class Stage(StrEnum):
    """Where in a conversation a script is asked.

    CONNECT: somebody is at the door, before TLS or any word. TLS: the handshake is about to begin. BODY: the first byte
    of a letter has come. DOT: all of it, nothing is kept yet. ANSWER: the letter is kept, the 250 not yet said.
    """

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    ANSWER = "answer"
    QUIT = "quit"


class Act(Enum):
    """CLOSE ends the connection (FIN), RESET tears it (RST), HANG says nothing more and reads nothing more.

    LATER holds the usual reply back until the next one is said, so that both arrive at once.
    """

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a script knows: the stage, the address (of MAIL and RCPT), the letters taken on this connection.

    `argument` is all that was said behind the command, `connection` a number of its own for each.
    """

    stage: Stage
    address: str = ""
    argument: str = ""
    letters: int = 0
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Say:
    """Give this reply instead of the usual one; several lines are joined by CRLF. After a 421 the connection ends.

    With `later` it waits for the next reply, so that both arrive at once. A 354 to DATA asks for a letter even when
    nobody is there to get it.
    """

    text: str
    later: bool = False


@dataclass(frozen=True, slots=True)
class Also:
    """Say this line behind the usual reply, in the same breath: a reply to nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Half:
    """Say this without a line end, and end the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on as usual after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """Give the usual reply one octet at a time, with so many seconds before each."""

    seconds: float


Move = Act | Say | Also | Half | Pause | Drip
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


def mixed(stage: Stage, text: str) -> Script:
    """Refuse at MAIL or RCPT, ask for the letter all the same, and give the replies of the whole envelope at once."""

    def script(moment: Moment) -> Move | None:
        if moment.stage is stage:
            return Say(text, later=True)
        if moment.stage in {Stage.MAIL, Stage.RCPT}:
            return Act.LATER
        return Say("354 Go on anyway") if moment.stage is Stage.DATA else None

    return script
