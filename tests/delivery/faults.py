"""What a real server can do wrong in every phase of a submission, and what then becomes of the letter: the tables.

The rows are where the relay misbehaves, the columns how. In the cells:

sent     accepted
later    deferred, and counted as a try of this letter
refused  refused, by a verdict on this letter
relay    waits as if never tried; the relay is left alone for a while
stop     waits as if never tried; the relay is left alone until somebody looked
doubt    uncertain: the end of the letter was with the kernel, and no answer came
-        there is no such thing

The refusal is everywhere the one that calls an address dead: said before a recipient is named, it touches nobody.
"""

from collections.abc import Iterator
from typing import Final

from newsletter.postbox import Act, Also, Drip, Half, Move, Say, Stage

DEAD: Final = "550 5.1.1 No such user"
MOVES: Final[dict[str, Move]] = {
    "421": Say("421 4.3.2 Shutting down"),
    "451": Say("451 4.3.0 Not now"),
    "550": Say(DEAD),
    "reset": Act.RESET,
    "close": Act.CLOSE,
    "half": Half("25"),
    "hang": Act.HANG,
    "unasked": Also("250 2.0.0 Nobody asked"),
    "drip": Drip(0.0005),
    "crawl": Drip(0.1),
}
# With these the relay never answers in time.
SILENT: Final = {"hang", "crawl"}

# One command after another, or the envelope in one write, or with the dot of the letter before it.
COMMANDS: Final = """
         421    451    550      reset  close  half   hang   unasked  drip  crawl  mixed
connect  relay  relay  stop     relay  relay  relay  relay  relay    -     -      -
banner   relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  -
ehlo     relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  -
tls      relay  relay  stop     relay  relay  relay  relay  sent     sent  relay  -
auth     relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  -
mail     relay  relay  stop     relay  relay  relay  relay  relay    sent  relay  stop
rcpt     relay  later  refused  relay  relay  relay  relay  relay    sent  relay  refused
data     relay  later  refused  relay  relay  relay  relay  relay    sent  relay  -
body     relay  later  refused  relay  relay  relay  relay  relay    -     -      -
dot      relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
answer   relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
quit     sent   sent   sent     sent   sent   sent   sent   sent     sent  sent   -
"""
# With BDAT all of a letter is on its way before the first answer: a loss anywhere leaves it in doubt.
CHUNKED: Final = """
         421    451    550      reset  close  half   hang   unasked  drip  crawl  mixed
mail     relay  relay  stop     doubt  doubt  doubt  doubt  sent     sent  doubt  -
rcpt     relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
data     relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
dot      relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
answer   relay  later  refused  doubt  doubt  doubt  doubt  sent     sent  doubt  -
"""
ENVELOPE: Final = {Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT, Stage.ANSWER, Stage.QUIT}


def cells(table: str) -> Iterator[tuple[Stage, str, str]]:
    """Where, how, and the outcome."""
    head, *rows = table.strip("\n").splitlines()
    for row in rows:
        stage, *outcomes = row.split()
        for column, expected in zip(head.split(), outcomes, strict=True):
            if expected != "-":
                yield Stage(stage), column, expected
