"""A second reader of letters, as strict as the first one is forgiving: RFC 5322, 2045, 2046 and 2047 by the letter.

It knows what our letters are made of and nothing else, takes no octet on trust, and raises ValueError where `email`
would make the best of it.
"""

import base64
import re
from dataclasses import dataclass
from itertools import pairwise

_FIELD = re.compile(r"([!-9;-~]+): ([!-~](?:[ -~]|\r\n (?=[!-~]))*)")
_ENCODED_WORD = re.compile(r"=\?utf-8\?([bq])\?([!->@-~]+)\?=")
_MULTIPART = re.compile(r'multipart/alternative; boundary="([!-~]{1,70})"')
_TEXT = re.compile(r"text/(plain|html); charset=utf-8")
_QUOTED = re.compile(rb"(?:[ -<>-~]|=[0-9A-F]{2})*=?")
_PHRASE = re.compile(r'(?:(".*"|[^"<>]*) )?<([^<>]+)>|([^"<> ]+)')


@dataclass(frozen=True, slots=True)
class Read:
    """What a letter says: its fields in order, unfolded, and its parts as (subtype, text)."""

    fields: list[tuple[str, str]]
    parts: list[tuple[str, str]]

    def __getitem__(self, name: str) -> str:
        [value] = [value for known, value in self.fields if known.lower() == name.lower()]
        return value


def read(message: bytes) -> Read:
    """The letter, or ValueError."""
    head, gap, body = message.partition(b"\r\n\r\n")
    if not gap or not body.endswith(b"\r\n"):
        raise ValueError("no body")
    fields = _fields(head)
    kinds = [value for name, value in fields if name.lower() == "content-type"]
    found = _MULTIPART.fullmatch(kinds[0]) if len(kinds) == 1 else None
    if not found:
        raise ValueError("not a multipart/alternative")
    return Read(fields, [_part(part) for part in _split(body, f"--{found[1]}".encode())])


def _fields(head: bytes) -> list[tuple[str, str]]:
    found = [_FIELD.fullmatch(field) for field in re.split(r"\r\n(?! )", head.decode("ascii"))]
    if not all(found):
        raise ValueError("a field that is none")
    return [(one[1], one[2].replace("\r\n", "")) for one in found if one]


def _split(body: bytes, delimiter: bytes) -> list[bytes]:
    lines = body.split(b"\r\n")
    places = [n for n, line in enumerate(lines) if line.startswith(delimiter)]
    if (
        not places
        or places[0] != 0
        or [lines[n] for n in places] != [delimiter] * (len(places) - 1) + [delimiter + b"--"]
    ):
        raise ValueError("delimiters out of place")
    if lines[places[-1] + 1 :] != [b""]:
        raise ValueError("something behind the last delimiter")
    return [b"\r\n".join(lines[start + 1 : end]) for start, end in pairwise(places)]


def _part(part: bytes) -> tuple[str, str]:
    head, gap, body = part.partition(b"\r\n\r\n")
    fields = dict(_fields(head))
    kind = _TEXT.fullmatch(fields.pop("Content-Type"))
    how = fields.pop("Content-Transfer-Encoding")
    if not gap or not kind or fields:
        raise ValueError("a part that says too much or too little")
    octets = {"quoted-printable": _quoted, "base64": _base64}[how](body)
    return kind[1], octets.decode("utf-8")


def _quoted(body: bytes) -> bytes:
    out = []
    for line in body.split(b"\r\n"):
        if len(line) > 76 or not _QUOTED.fullmatch(line) or line.endswith(b" "):
            raise ValueError(f"{line!r} is no quoted-printable")
        soft = line.endswith(b"=")
        text = re.sub(rb"=([0-9A-F]{2})", lambda two: bytes([int(two[1], 16)]), line.removesuffix(b"="))
        out.append(text if soft else text + b"\n")
    return b"".join(out).removesuffix(b"\n")


def _base64(body: bytes) -> bytes:
    lines = body.split(b"\r\n")
    if any(len(line) > 76 for line in lines):
        raise ValueError("a base64 line of more than 76")
    octets = base64.b64decode(b"".join(lines), validate=True)
    if re.search(rb"\r(?!\n)|(?<!\r)\n", octets):
        raise ValueError("bare line ends in a text")
    return octets.replace(b"\r\n", b"\n")


def text_of(value: str) -> str:
    """An unstructured field's text (RFC 2047): the space between two encoded-words is none."""
    out, before = "", False
    for word in value.split(" "):
        found = _ENCODED_WORD.fullmatch(word)
        if found and len(word) > 75:
            raise ValueError("an encoded-word of more than 75")
        if not found and "=?" in word:
            raise ValueError(f"{word!r} is half an encoded-word")
        out += ("" if not out or (before and found) else " ") + (_word(*found.groups()) if found else word)
        before = bool(found)
    return out


def _word(how: str, text: str) -> str:
    if how == "b":
        return base64.b64decode(text, validate=True).decode("utf-8")
    octets = re.sub(rb"=([0-9A-F]{2})", lambda two: bytes([int(two[1], 16)]), text.replace("_", " ").encode("ascii"))
    return octets.decode("utf-8")


def mailbox_of(value: str) -> tuple[str, str]:
    """The one display name and address of a field such as From."""
    found = _PHRASE.fullmatch(value)
    if not found:
        raise ValueError(f"{value!r} is no mailbox")
    if found[3]:
        return "", found[3]
    name = found[1] or ""
    if name.startswith('"'):
        return re.sub(r"\\(.)", r"\1", name[1:-1]), found[2]
    return text_of(name), found[2]
