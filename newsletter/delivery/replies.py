"""What a relay's reply lines say (RFC 5321 4.2, RFC 2034). Pure. A line that is no reply raises ValueError."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.delivery.outcome import Reply

MOST_LINES: Final = 100
_MOST_TEXT: Final = 400
_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_ADDRESS: Final = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """What a relay announces. `size` is None when it says nothing, and 0 when it names no limit.

    `most_letters` is how many it takes on one connection (RFC 9422), 0 when it names no limit.
    """

    pipelining: bool = False
    chunking: bool = False
    starttls: bool = False
    dsn: bool = False
    smtputf8: bool = False
    size: int | None = None
    most_letters: int = 0
    auth: frozenset[str] = frozenset()


def is_last(line: bytes) -> bool:
    """Whether a reply ends with this line. Raises ValueError when it is none."""
    return _match(line)[2] != b"-"


def parse(lines: Sequence[bytes]) -> Reply:
    """One reply of one or more lines, on one line, without any mail address: it is kept, and addresses are not."""
    matches = [_match(line) for line in lines]
    codes = {match[1] for match in matches}
    if len(codes) != 1:
        raise ValueError("the lines of one reply bear different codes")
    enhanced, texts = "", []
    for match in matches:
        text = (match[3] or b"").decode("utf-8", "replace").strip()
        found = _ENHANCED.match(text)
        if found:
            enhanced = enhanced or found[1]
            text = text[found.end() :]
        texts.append(text)
    text = without_addresses(" ".join(text for text in texts if text))
    return Reply(code=int(codes.pop()), enhanced=enhanced, text=text[:_MOST_TEXT])


def without_addresses(text: str) -> str:
    """A relay's words as they may be kept: one printable line, without the mail address it likes to repeat."""
    # Not printable are control characters, and those that turn the direction of what a person reads.
    if not text.isprintable():
        text = "".join(one if one.isprintable() else " " for one in text)
    return _ADDRESS.sub("(address)", " ".join(text.split()))


def extensions(lines: Sequence[bytes]) -> Extensions:
    """What the reply to EHLO announces; the first line only greets."""
    entries = [(_match(line)[3] or b"").decode("ascii", "replace").upper().split() for line in lines[1:]]
    # `AUTH=PLAIN` is how servers spoke before RFC 2554, beside the modern form.
    known = {entry[0]: entry[1:] for entry in entries if entry}
    limits = dict(limit.split("=", 1) for limit in known.get("LIMITS", []) if "=" in limit)
    return Extensions(
        pipelining="PIPELINING" in known,
        chunking="CHUNKING" in known,
        starttls="STARTTLS" in known,
        dsn="DSN" in known,
        # RFC 6531 3.1: who offers it offers 8BITMIME as well; who does not could not take such a letter.
        smtputf8="SMTPUTF8" in known and "8BITMIME" in known,
        size=_number(known["SIZE"][:1]) if "SIZE" in known else None,
        most_letters=_number([limits["MAILMAX"]]) if "MAILMAX" in limits else 0,
        auth=frozenset(known.get("AUTH", [])),
    )


def words(lines: Sequence[bytes]) -> tuple[str, ...]:
    """What the reply to EHLO announces, each line as it stands, for a person to read."""
    return tuple(
        without_addresses((_match(line)[3] or b"").decode("utf-8", "replace"))[:_MOST_TEXT] for line in lines[1:]
    )


def _number(words: Sequence[str]) -> int:
    """A limit that is named, else 0, which is none."""
    return int(words[0]) if words and words[0].isdigit() and words[0].isascii() and len(words[0]) < 20 else 0


def _match(line: bytes) -> re.Match[bytes]:
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError(f"not an SMTP reply: {line[:60].decode('ascii', 'replace')!r}")
    return found
