"""What is in a letter, for somebody who looks at it: decoded headers and its two bodies. Pure; nothing surprises it."""

from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A letter as a person reads it; a body it does not have is empty."""

    subject: str
    sender: str
    to: str
    date: str
    text: str
    html: str
    head: str
    source: str
    octets: int


def glance(data: bytes) -> Glance:
    """Look at a whole letter, however malformed."""
    message = message_from_bytes(data, policy=compat32)
    bodies = {"plain": "", "html": ""}
    for part in message.walk():
        kind = part.get_content_subtype() if part.get_content_maintype() == "text" else ""
        if kind in bodies and not bodies[kind] and not part.get_filename():
            bodies[kind] = _body(part)
    source = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return Glance(
        subject=_header(message, "Subject"),
        sender=_header(message, "From"),
        to=_header(message, "To"),
        date=_header(message, "Date"),
        text=bodies["plain"],
        html=bodies["html"],
        head=source.partition("\n\n")[0],
        source=source,
        octets=len(data),
    )


def subject(data: bytes) -> tuple[str, str]:
    """The subject and the reader of a letter, for a list; its body is not looked at."""
    message = message_from_bytes(data.partition(_END_OF_HEAD)[0] + _END_OF_HEAD, policy=compat32)
    return _header(message, "Subject"), _header(message, "To")


def _header(message: Message, name: str) -> str:
    raw = str(message.get(name, ""))
    try:
        text = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        text = raw
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _body(part: Message) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    try:
        text = octets.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = octets.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
