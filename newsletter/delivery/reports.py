"""What a returned message is made of: its own words, the fields of a report, and the headers of the letter it returns.

RFC 3464 and RFC 5965 by structure. Pure. A small reader of its own rather than the standard library's, because whatever
a stranger sends must come apart in bounded time: only the first megabyte is read, and nothing nests without end.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 1 << 20
_MOST_PARTS: Final = 60
_MOST_DEPTH: Final = 8
_MOST_FIELDS: Final = 400
_MOST_VALUE: Final = 8_000
_MOST_TEXT: Final = 60_000
_FIELD: Final = re.compile(r"([!-9;-~]{1,76})[ \t]{0,9}:[ \t]*(.*)")
_BOUNDARY: Final = re.compile(r"boundary[ \t]{0,9}=[ \t]{0,9}(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_CHARSET: Final = re.compile(r"charset[ \t]{0,9}=[ \t]{0,9}\"?([\w.:-]{1,40})", re.IGNORECASE)
_KIND: Final = re.compile(r"\s{0,9}([\w.+-]{1,60}/[\w.+-]{1,60})")
_REPORT_TYPE: Final = re.compile(r"report-type[ \t]{0,9}=[ \t]{0,9}\"?([\w-]{1,40})", re.IGNORECASE)
_WORD: Final = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\s]{0,800})\?=(?:\s{1,4}(?==\?))?")
# Only encodings of text: Python also knows some that unpack archives.
_KNOWN_CHARSET: Final = re.compile(r"(utf-?(7|8|16)|iso-|us-|ascii|shift|sjis|euc|gb|big5|koi8|windows-|cp|ks_c)")
_MARKUP: Final = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li)[^<>]{0,200}>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")
_ENTITIES: Final = {"&nbsp;": " ", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&"}
_HIDDEN: Final = re.compile(r"<(style|script|head)\b", re.IGNORECASE)
_RETURNED: Final = frozenset({"message/rfc822", "text/rfc822-headers", "message/partial", "message/global"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Header fields in their order, unfolded; names in lower case."""

    pairs: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The first field of this name, or an empty string."""
        return next((value for each, value in self.pairs if each == name), "")

    def all(self, *names: str) -> list[str]:
        """Every field of these names, in the order of the names."""
        return [value for name in names for each, value in self.pairs if each == name]

    def __bool__(self) -> bool:
        return bool(self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A message taken apart.

    `text` is what the sender of the message says in words, as plain text; `recipients` are the per-recipient groups of
    a delivery-status part, `feedback` the fields of a feedback report, `original` the headers of the letter that came
    back as a part of its own, and `enclosed` that part whole. `report_type` is that of multipart/report.
    """

    headers: Fields
    text: str = ""
    recipients: tuple[Fields, ...] = ()
    feedback: Fields = Fields()
    original: Fields = Fields()
    enclosed: bytes = b""
    report_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leaf:
    """One part that is not a multipart."""

    kind: str
    headers: Fields
    body: bytes


def take_apart(data: bytes) -> Report:
    """The parts of any bytes; what cannot be read is left out. Never raises."""
    data = data[:MOST_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\0", b" ")
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    headers, body = _split(data)
    leaves = list(_leaves(headers, body))
    texts = [_text(leaf) for leaf in leaves if _is_text(leaf, "plain")]
    texts = [text for text in texts if text.strip()]
    if not texts:
        texts = [plain(_text(leaf)) for leaf in leaves if _is_text(leaf, "html")]
    groups = [group for leaf in leaves if leaf.kind.endswith("/delivery-status") for group in _groups(_text(leaf))]
    returned = [leaf for leaf in leaves if leaf.kind in _RETURNED][:1]
    found = [fields(_text(leaf).strip()) for leaf in leaves if leaf.kind == "message/feedback-report"]
    report = _REPORT_TYPE.search(headers.get("content-type"))
    return Report(
        headers=headers,
        text="\n\n".join(texts)[:_MOST_TEXT],
        recipients=tuple(groups),
        feedback=next(iter(found), Fields()),
        original=fields(_text(returned[0])) if returned else Fields(),
        enclosed=returned[0].body if returned else b"",
        report_type=report[1].lower() if report else "",
    )


def fields(text: str) -> Fields:
    """The header block at the start of a text, to the first blank line."""
    found: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        if not line.strip() or len(found) > _MOST_FIELDS:
            break
        match = None if line[0] in " \t" else _FIELD.match(line)
        if match:
            found.append((match[1].lower(), [match[2]]))
        elif found and line[0] in " \t":
            found[-1][1].append(line.strip())
    return Fields(pairs=tuple((name, " ".join(lines)[:_MOST_VALUE].strip()) for name, lines in found))


def groups_in(text: str) -> tuple[Fields, ...]:
    """The per-recipient groups of delivery-status fields that stand in plain text, as some systems write them."""
    return tuple(_groups(text)) if "final-recipient:" in text.lower() else ()


def words(value: str) -> str:
    """A header value with its encoded words decoded (RFC 2047)."""
    return _WORD.sub(_decoded_word, value[:_MOST_VALUE])


def plain(html: str) -> str:
    """The words of an HTML page, roughly: tags out, blocks on lines of their own."""
    pieces = _HIDDEN.split(html[: 4 * _MOST_TEXT])
    kept = [pieces[0]]
    for name, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        kept.append(rest.partition(f"</{name.lower()}>")[2])
    text = _TAG.sub("", _MARKUP.sub("\n", "".join(kept)))
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    return text


def _split(data: bytes) -> tuple[Fields, bytes]:
    """Header fields and body. Data that begins with no field is all body."""
    head, _, body = data.partition(b"\n\n")
    first = head[:200].partition(b"\n")[0]
    if data.startswith(b"\n") or not _FIELD.match(_decode(first, "")):
        return Fields(), data.removeprefix(b"\n")
    return fields(_decode(head[: MOST_BYTES >> 2], "")), body


def _leaves(headers: Fields, body: bytes) -> Iterator[_Leaf]:
    """Every part that is no multipart, in order; what lies inside a returned message is not looked at."""
    waiting = [(headers, body, 0)]
    given = 0
    while waiting and given < _MOST_PARTS:
        headers, body, depth = waiting.pop()
        named = _KIND.match(headers.get("content-type"))
        kind = named[1].lower() if named else ""
        boundary = _BOUNDARY.search(headers.get("content-type"))
        pieces = _pieces(body, boundary[1] or boundary[2]) if boundary and depth < _MOST_DEPTH else []
        if kind.startswith("multipart/") and pieces:
            waiting += [(*_split_part(piece), depth + 1) for piece in reversed(pieces)]
            continue
        given += 1
        # A multipart whose boundary is missing is read as the text it looks like.
        unparted = not kind or kind.startswith("multipart/")
        yield _Leaf(kind="text/plain" if unparted else kind, headers=headers, body=body)


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    mark = b"\n--" + boundary.encode("utf-8", "replace")
    return [
        # The rest of the boundary's line belongs to nobody; "--" there ends the multipart.
        piece.partition(b"\n")[2]
        for piece in (b"\n" + body).split(mark, _MOST_PARTS)[1:]
        if not piece.startswith(b"--")
    ]


def _split_part(data: bytes) -> tuple[Fields, bytes]:
    if data.startswith(b"\n"):
        return Fields(), data[1:]
    headers, body = _split(data)
    # A part without a content type that is a header block is a returned letter whose type was forgotten.
    if headers.get("received") and not headers.get("content-description"):
        return Fields(pairs=(("content-type", "text/rfc822-headers"),)), data
    return headers, body


def _is_text(leaf: _Leaf, kind: str) -> bool:
    attached = leaf.headers.get("content-disposition").lower().startswith("attachment")
    return leaf.kind == f"text/{kind}" and not attached


def _text(leaf: _Leaf) -> str:
    encoding = leaf.headers.get("content-transfer-encoding").strip().lower()
    body = leaf.body[: 8 * _MOST_TEXT]
    if encoding == "base64":
        body = _base64(body)
    elif encoding == "quoted-printable":
        body = binascii.a2b_qp(body)
    charset = _CHARSET.search(leaf.headers.get("content-type"))
    return _decode(body.replace(b"\r\n", b"\n"), charset[1] if charset else "")


def _base64(data: bytes) -> bytes:
    """As much as can be decoded: strangers forget the padding, and truncation leaves a lone letter."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    spare = len(letters) % 4
    return binascii.a2b_base64(letters + b"=" * (4 - spare) if spare > 1 else letters[: len(letters) - spare])


def _decode(data: bytes, charset: str) -> str:
    """Text in the charset it claims; in UTF-8 or Latin-1 when it claims none, or lies."""
    name = charset.lower().replace("unicode-1-1-", "")
    if _KNOWN_CHARSET.match(name) and name not in {"us-ascii", "ascii"}:
        try:
            return data.decode(name, "replace").replace("\0", " ")
        except (LookupError, UnicodeError):
            pass
    if b"\x1b$" in data:  # a shift of ISO-2022-JP, whatever the header says
        return data.decode("iso-2022-jp", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _decoded_word(found: re.Match[str]) -> str:
    if found[2] in "bB":
        return _decode(_base64(found[3].encode()), found[1])
    return _decode(binascii.a2b_qp(found[3].encode(), header=True), found[1])


def _groups(text: str) -> Iterator[Fields]:
    """The groups that speak of a recipient; fields spread over several groups without one are taken together."""
    blocks = [fields(block) for block in re.split(r"\n[ \t]*\n", text.strip())[:_MOST_PARTS]]
    named = [part for block in blocks for part in _one_each(block) if part.all("final-recipient", "original-recipient")]
    if named:
        yield from named
        return
    loose = [pair for block in blocks for pair in block.pairs]
    if any(name in {"action", "status", "diagnostic-code"} for name, _ in loose):
        yield Fields(pairs=tuple(loose))


def _one_each(block: Fields) -> Iterator[Fields]:
    """A block in which several recipients follow each other without the blank line between them."""
    pairs: list[tuple[str, str]] = []
    for name, value in block.pairs:
        if name == "final-recipient" and any(each == name for each, _ in pairs):
            yield Fields(pairs=tuple(pairs))
            pairs = []
        pairs.append((name, value))
    yield Fields(pairs=tuple(pairs))
