"""The one header serialiser: text in, RFC 5322 bytes out, round parts that `transfer` encoded. Knows no newsletter.

Python's own policies are not used for writing: they put encoded-words into long List-Unsubscribe values and let an
encoded word in a headline become a header of its own. They are used for reading back what was written: see `verify`.
"""

import base64
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import parseaddr
from typing import Final, Literal

from newsletter.errors import MessageError
from newsletter.rendering.transfer import Part, Segments, segments
from newsletter.stories.story import ascii_host

CRLF: Final = "\r\n"
LINE: Final = 76  # RFC 2047 2: no line that holds an encoded-word is longer; within the 78 of RFC 5322 2.1.1.
MOST_OCTETS: Final = 998  # RFC 5322 2.1.1, without the CRLF.
ENCODED_WORD: Final = 75  # RFC 2047 2.
MOST_TEXT: Final = 2_000  # Far above any subject the preflight lets through; a bound for what nobody looked at.

_SPACES: Final = re.compile("[\t\n\v\f\r \x1c-\x1e\x85\u2028\u2029]+")
# C0 and C1 controls, bidirectional controls, and characters without width that join nothing.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_JOINERS: Final = re.compile("[\u200c\u200d]")
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_WORDS: Final = re.compile(r"(?:<[^<>]*>|[^ <]|<)+")
_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# RFC 2047 5 (3): the characters an encoded-word may show as they are within a phrase, and so everywhere.
_Q_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def safe_text(text: str) -> str:
    """The text as one header line may show it: NFC, one line, no control, direction or invisible characters.

    Joiners stay where they shape a word (Persian, Indic scripts, emoji) and go elsewhere; `=?` is broken up, so that
    nobody's decoder finds an encoded-word in what an editor or a feed wrote.
    """
    text = unicodedata.normalize("NFC", _UNSEEN.sub("", _SPACES.sub(" ", text)))
    text = _JOINERS.sub(lambda found: found[0] if _joins(found) else "", text)
    text = re.sub(" +", " ", text.encode("utf-8", "ignore").decode()).strip()
    return unicodedata.normalize("NFC", re.sub(r"=(?=\?)", "= ", text))


def _joins(found: re.Match[str]) -> bool:
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return all(one > "\x7f" and one not in "\u200c\u200d" and not one.isspace() for one in (before, after))


def safe_address(address: str) -> str:
    """The address as the envelope and headers carry it: the domain in A-labels. Raises MessageError.

    A local part beyond ASCII needs SMTPUTF8 on every hop (RFC 6531), and a quoted one or one that looks like an
    encoded-word is a way in for others' headers: all are refused.
    """
    local, at, domain = address.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or "=?" in local or len(local) > 64:
        raise MessageError("address", "the part before the @ cannot be sent to")
    domain = safe_domain(domain)
    if len(local) + 1 + len(domain) > 254:
        raise MessageError("address", "longer than 254 characters")
    return f"{local}@{domain}"


def safe_domain(domain: str) -> str:
    """The domain in A-labels (IDNA 2008). Raises MessageError when it is none."""
    labels = domain if domain.isascii() else ascii_host(domain)
    if len(labels) > 253 or not _DOMAIN.fullmatch(labels):
        raise MessageError("address", f"{domain[:80]!r} is no domain")
    return labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One header: its meaning, and the words it is written in; a line may break only between two words."""

    name: str
    kind: Literal["plain", "text", "mailbox"]
    meaning: str
    words: tuple[str, ...]

    def lines(self) -> str:
        """The folded field with its CRLF. The first word stays beside the name: signers trip over an empty line."""
        lines = [f"{self.name}:"]
        for number, word in enumerate(self.words):
            if number and len(lines[-1]) + 1 + len(word) > LINE:
                lines.append("")
            lines[-1] += f" {word}"
        if any(len(line) > MOST_OCTETS for line in lines):
            raise MessageError(self.name, f"a line would be longer than {MOST_OCTETS} octets")
        return CRLF.join(lines) + CRLF


def plain(name: str, value: str) -> Header:
    """A header of printable ASCII with single spaces, never encoded, folded only outside `<...>`; or MessageError."""
    if not _HEADER_NAME.fullmatch(name):
        raise MessageError(name, "no header name")
    if not _PRINTABLE.fullmatch(value) or "=?" in value:
        raise MessageError(name, f"{value[:60]!r} must be printable ASCII on one line")
    return Header(name=name, kind="plain", meaning=value, words=tuple(_WORDS.findall(value)))


def unstructured(name: str, text: str) -> Header:
    """A header of free text, such as Subject: made safe, in encoded-words where ASCII does not do."""
    text = _bounded(name, safe_text(text))
    if not text:
        raise MessageError(name, "is empty")
    if text.isascii() and all(len(name) + 2 + len(word) <= LINE for word in text.split(" ")):
        return Header(name=name, kind="text", meaning=text, words=tuple(text.split(" ")))
    return Header(name=name, kind="text", meaning=text, words=_encoded_words(text, LINE - len(name) - 2))


def mailbox(name: str, display_name: str, address: str) -> Header:
    """A header of one mailbox, with a display name or bare. Raises MessageError."""
    address, shown = safe_address(address), _bounded(name, safe_text(display_name))
    if not shown:
        return Header(name=name, kind="mailbox", meaning=f" <{address}>", words=(address,))
    return Header(
        name=name, kind="mailbox", meaning=f"{shown} <{address}>", words=(*_phrase(name, shown), f"<{address}>")
    )


def list_id(name: str, list_name: str, identifier: str) -> Header:
    """The List-ID (RFC 2919): the name only where it needs no encoded-word, since many filters compare raw bytes."""
    identifier, shown = safe_domain(identifier), safe_text(list_name)
    if not shown.isascii() or len(shown) > LINE - len(name) - 4:
        shown = ""
    return plain(name, f"{_quoted(shown)} <{identifier}>" if shown else f"<{identifier}>")


def _bounded(name: str, text: str) -> str:
    if len(text) > MOST_TEXT:
        raise MessageError(name, f"longer than {MOST_TEXT} characters")
    return text


def _phrase(name: str, text: str) -> tuple[str, ...]:
    room = LINE - len(name) - 2
    quoted = _quoted(text).split(" ")
    if text.isascii() and all(len(word) <= room for word in quoted):
        return tuple(quoted)
    return _encoded_words(text, room)


def _quoted(text: str) -> str:
    return text if _PHRASE.fullmatch(text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _encoded_words(text: str, room: int) -> tuple[str, ...]:
    """RFC 2047 words in the shorter of its two encodings, the first within `room`, split between characters."""
    q = [f"=?utf-8?q?{run}?=" for run in _packed([_q(one) for one in text], room, len)]
    b_runs = _packed(text, room, _b_length)
    b = [f"=?utf-8?b?{base64.b64encode(run.encode()).decode()}?=" for run in b_runs]
    return tuple(min(q, b, key=lambda words: len(" ".join(words))))


def _b_length(run: str) -> int:
    return 4 * -(-len(run.encode()) // 3)


def _packed(pieces: Iterable[str], room: int, measure: Callable[[str], int]) -> Iterator[str]:
    """The pieces in runs that fit encoded-words, of which the first shares its line with the header's name."""
    frame = len("=?utf-8?q??=")
    run, most = "", min(room, ENCODED_WORD) - frame
    for piece in pieces:
        if run and measure(run + piece) > most:
            yield run
            run, most = "", ENCODED_WORD - frame
        run += piece
    yield run


def _q(character: str) -> str:
    if character == " ":
        return "_"
    return "".join(chr(byte) if byte in _Q_PLAIN else f"={byte:02X}" for byte in character.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A multipart/alternative message but for its blanks (marker -> name): headers, parts, and what stands between."""

    headers: tuple[Header, ...]
    blanks: Mapping[str, str]
    head: Segments
    parts: tuple[tuple[bytes, Part], ...]
    end: bytes

    @property
    def opening(self) -> bytes:
        """How every body begins, as far as it is the same for all."""
        before, first = self.parts[0]
        return before + first.opening

    def body(self, values: Mapping[str, str]) -> bytes:
        """What follows the empty line behind the headers."""
        return b"".join([octets for before, one in self.parts for octets in (before, one.fill(values))] + [self.end])


def alternatives(headers: Sequence[Header], parts: Sequence[Part], boundary: str, blanks: Mapping[str, str]) -> Form:
    """The message of these headers and parts, least first. Raises MessageError when a header is there twice.

    The boundary begins with `=_`, which neither encoding can produce (RFC 2045 6.7), so it cannot occur in a part.
    """
    name, count = Counter(header.name.lower() for header in headers).most_common(1)[0]
    if count > 1:
        raise MessageError(name, "there may be only one")
    head = "".join(header.lines() for header in headers) + CRLF
    opened, line = [], f"--{boundary}"
    for one in parts:
        about = (
            plain("Content-Type", f"text/{one.subtype}; charset=utf-8"),
            plain("Content-Transfer-Encoding", one.encoding),
        )
        lines = "".join(header.lines() for header in about)
        opened.append((f"{line}{CRLF}{lines}{CRLF}".encode("ascii"), one))
        line = f"{CRLF}--{boundary}"
    return Form(
        headers=tuple(headers),
        blanks=blanks,
        head=segments(head.encode("ascii"), blanks),
        parts=tuple(opened),
        end=f"{line}--{CRLF}".encode("ascii"),
    )


def multipart_headers(boundary: str) -> tuple[Header, Header]:
    """The two headers that make a message a multipart/alternative one."""
    kind = f'multipart/alternative; boundary="{boundary}"'
    return plain("MIME-Version", "1.0"), plain("Content-Type", kind)


def verify(message: bytes, headers: Sequence[Header], bodies: Sequence[tuple[str, str]]) -> None:
    """Read the message back with two parsers; raises MessageError unless both find exactly what was intended.

    `headers` as they should be with the blanks filled, `bodies` as (subtype, text).
    """
    strict = message_from_bytes(message, policy=policy.default)
    loose = message_from_bytes(message, policy=policy.compat32)
    assert isinstance(strict, EmailMessage)
    if re.search(rb"\r(?!\n)|(?<!\r)\n|[^\t\r\n\x20-\x7e]", message):
        raise MessageError("message", "holds something else than printable ASCII and CRLF")
    if max(map(len, message.split(b"\r\n"))) > MOST_OCTETS:
        raise MessageError("message", f"holds a line of more than {MOST_OCTETS} octets")
    for parsed in (strict, loose):
        if Counter(parsed.keys()) != Counter(header.name for header in headers):
            raise MessageError("message", "other headers were read back than were written")
    for header in headers:
        _verify_header(header, strict, loose)
    _verify_bodies(strict, bodies)
    _verify_bodies(loose, bodies)


def _verify_header(header: Header, strict: EmailMessage, loose: Message) -> None:
    raw = re.sub(r"\r?\n(?=[ \t])", "", str(loose[header.name]))
    value = strict[header.name]
    if raw != " ".join(header.words) or value.defects:
        raise MessageError(header.name, "was read back malformed")
    if header.kind == "mailbox":
        found = {_named(*parseaddr(raw)), *(_named(one.display_name, one.addr_spec) for one in value.addresses)}
        meant = _named(*header.meaning.rsplit(" ", 1))
    else:
        found, meant = {str(value), _decoded(raw) if header.kind == "text" else raw}, header.meaning
    if found != {meant}:
        raise MessageError(header.name, "means something else than was intended")


def _named(name: str, address: str) -> str:
    # White space is left out: in a phrase Python's parser merges no-break spaces and keeps the space between two words.
    return f"{''.join(_decoded(name).split())} <{address.strip('<>')}>"


def _decoded(text: str) -> str:
    return str(make_header(decode_header(text)))


def _verify_bodies(parsed: Message, bodies: Sequence[tuple[str, str]]) -> None:
    parts = parsed.get_payload()
    if parsed.defects or not isinstance(parts, list) or len(parts) != len(bodies):
        raise MessageError("message", "other parts were read back than were written")
    for one, (subtype, text) in zip(parts, bodies, strict=True):
        assert isinstance(one, Message)
        octets = one.get_payload(decode=True)
        assert isinstance(octets, bytes)
        canonical = text.replace("\r\n", "\n").replace("\r", "\n")
        if one.get_content_subtype() != subtype or octets.replace(b"\r\n", b"\n") != canonical.encode():
            raise MessageError(f"text/{subtype}", "was read back differently from what was written")
