"""Transfer encodings (RFC 2045 6): a text with blanks is encoded once, and each letter's values are spliced in. Pure.

What comes out is its own canonical form (RFC 6376 3.4.4): no tab, no two spaces side by side, none at the end of a
line. A signer hashes the very octets that leave, and a relay that tidies white space breaks no signature.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

from newsletter.errors import MessageError

LINE: Final = 76  # RFC 2045 6.7 (5) and 6.8.
VALUE_OCTETS: Final = 30  # What a blank is filled with, about.

_OCTETS: Final = LINE * 3 // 4
_UNPRINTED: Final = re.compile(rb"[^\x20-\x3c\x3e-\x7e]")
_FURTHER_SPACE: Final = re.compile(rb"(?<= ) ")
_PLAIN_VALUE: Final = re.compile(rb"[A-Za-z0-9_@+-][A-Za-z0-9_@+.-]{0,74}|")
_LEADING: Final = ((b".", b"=2E"), (b"From ", b"=46rom "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """Octets with blanks: `pieces` stand round the blanks called `names`, in turn."""

    pieces: tuple[bytes, ...]
    names: tuple[str, ...]

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The octets with their blanks filled."""
        whole = [b""] * (len(self.pieces) + len(self.names))
        whole[::2], whole[1::2] = self.pieces, [values[name] for name in self.names]
        return b"".join(whole)


def segments(data: bytes, blanks: Mapping[str, str]) -> Segments:
    """The octets cut at their blanks (marker -> name)."""
    if not blanks:
        return Segments(pieces=(data,), names=())
    found = re.split(b"(" + b"|".join(re.escape(marker.encode()) for marker in blanks) + b")", data)
    return Segments(pieces=tuple(found[::2]), names=tuple(blanks[marker.decode()] for marker in found[1::2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quoted:
    """Quoted-printable: each blank stands on lines of its own, between soft line breaks."""

    spliced: Segments

    @property
    def opening(self) -> bytes:
        return self.spliced.pieces[0]

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        return self.spliced.fill({name: _quoted_value(value) for name, value in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A piece in base64: what completes the three octets begun before it, what follows in whole lines, what is left."""

    lead: bytes
    encoded: bytes
    rest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base64:
    """Base64: each piece encoded for every number of octets, modulo three, that may stand before it.

    A line may be shorter than 76 characters (RFC 2045 6.8), so that only what stands next to a blank is encoded anew.
    """

    runs: tuple[tuple[_Run, ...], ...]
    names: tuple[str, ...]

    @property
    def opening(self) -> bytes:
        return self.runs[0][0].encoded

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        out, begun = [self.opening], self.runs[0][0].rest
        for name, runs in zip(self.names, self.runs[1:], strict=True):
            begun += values[name]
            run = runs[len(begun) % 3]
            begun += run.lead
            whole = len(begun) - len(begun) % 3
            out += (_base64_lines(begun[:whole]), run.encoded)
            begun = begun[whole:] + run.rest
        out.append(_base64_lines(begun))
        return b"".join(out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A text with blanks, encoded but for them."""

    subtype: Literal["plain", "html"]
    encoding: Literal["quoted-printable", "base64"]
    names: frozenset[str]
    body: _Quoted | _Base64

    @property
    def opening(self) -> bytes:
        """How the encoded body begins, whatever the blanks are filled with."""
        return self.body.opening

    def fill(self, values: Mapping[str, str]) -> bytes:
        """The encoded body for these values; in HTML they are escaped."""
        if self.subtype == "html":
            return self.body.fill({name: escape(values[name]).encode() for name in self.names})
        return self.body.fill({name: values[name].encode() for name in self.names})


def part(subtype: Literal["plain", "html"], text: str, blanks: Mapping[str, str]) -> Part:
    """The text with its blanks (marker -> name) prepared for filling, in the smaller of the two encodings."""
    try:
        raw = segments(text.replace("\r\n", "\n").replace("\r", "\n").encode(), blanks)
    except UnicodeEncodeError as error:
        raise MessageError(f"text/{subtype}", "holds half a surrogate pair, which is no character") from error
    names, typical = frozenset(raw.names), dict.fromkeys(raw.names, b"x" * VALUE_OCTETS)
    quoted, based = _quoted(raw), _based(raw)
    if len(quoted.fill(typical)) <= len(based.fill(typical)):
        return Part(subtype=subtype, encoding="quoted-printable", names=names, body=quoted)
    return Part(subtype=subtype, encoding="base64", names=names, body=based)


def _based(raw: Segments) -> _Base64:
    lines = [piece.replace(b"\n", b"\r\n") for piece in raw.pieces]
    return _Base64(runs=tuple(tuple(_run(piece, before) for before in range(3)) for piece in lines), names=raw.names)


def _run(piece: bytes, before: int) -> _Run:
    lead, end = -before % 3, len(piece) - (len(piece) + before) % 3
    if len(piece) < lead:
        return _Run(lead=piece, encoded=b"", rest=b"")
    return _Run(lead=piece[:lead], encoded=_base64_lines(piece[lead:end]), rest=piece[end:])


def _base64_lines(data: bytes) -> bytes:
    return b"".join(base64.b64encode(data[n : n + _OCTETS]) + b"\r\n" for n in range(0, len(data), _OCTETS))


def _quoted(raw: Segments) -> _Quoted:
    last = len(raw.names)
    pieces = tuple(_quoted_piece(piece, first=n == 0, last=n == last) for n, piece in enumerate(raw.pieces))
    return _Quoted(spliced=Segments(pieces=pieces, names=raw.names))


def _quoted_piece(piece: bytes, *, first: bool, last: bool) -> bytes:
    """One piece between blanks, with a soft line break at each side where a blank stands."""
    lines = piece.split(b"\n")
    encoded = [_quoted_line(line, ended=last or n < len(lines) - 1) for n, line in enumerate(lines)]
    return (b"" if first else b"=\r\n") + b"\r\n".join(encoded) + (b"" if last or not encoded[-1] else b"=\r\n")


def _quoted_line(line: bytes, *, ended: bool) -> bytes:
    """One line in softly broken lines of at most 76 octets.

    No line begins with a dot or "From ", so that nobody has to stuff the one or quote the other.
    """
    line = _UNPRINTED.sub(lambda found: b"=%02X" % found[0][0], line)
    line = _FURTHER_SPACE.sub(b"=20", line)
    if ended and line.endswith(b" "):
        line = line[:-1] + b"=20"
    broken: list[bytes] = []
    while True:
        for start, instead in _LEADING:
            if line.startswith(start):
                line = instead + line[len(start) :]
        if len(line) <= LINE - (not ended):
            return b"".join([*broken, line])
        # An escape is not cut in two: one that begins in the last two places moves to the next line.
        cut = line.find(b"=", LINE - 3, LINE - 1)
        cut = LINE - 1 if cut < 0 else cut
        broken.append(line[:cut] + b"=\r\n")
        line = line[cut:]


def _quoted_value(value: bytes) -> bytes:
    """A blank's value, which has lines of its own: the piece after it begins with the soft line break."""
    return value if _PLAIN_VALUE.fullmatch(value) else _quoted_line(value, ended=False)
