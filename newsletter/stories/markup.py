"""Strangers' text made safe (pure): plain text without tags or control characters, and HTML as restricted Markdown.

The only importer of nh3. What it lets through is what an edition can print: paragraphs, strong, em, links, lists and
quotations. Images, scripts and styles are dropped, since a remote image in a letter is a tracker.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Final
from urllib.parse import quote, urljoin

import nh3

from newsletter.stories.story import link_url

SUMMARY_CHARACTERS: Final = 400
STANDFIRST_CHARACTERS: Final = 60
# One item's markup: a long read has 100 kB; what is longer is an attack on the converter's time.
MOST_MARKUP: Final = 300_000

BLOCKS: Final = frozenset(
    "p div section article header footer main ul ol li blockquote h1 h2 h3 h4 h5 h6 pre table tr dl dt dd hr".split()  # noqa: SIM905 -- a line, not a page
)
HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
MARKS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*", "cite": "*"}
KEPT: Final = frozenset(BLOCKS | set(MARKS) | {"a", "br", "td", "th"})
# Their text is no prose: captions go with the images they belonged to.
DROPPED: Final = frozenset(
    "script style noscript iframe object embed svg math template form select textarea title head video audio "  # noqa: SIM905
    "canvas figcaption button map".split()
)
CLEANER: Final = nh3.Cleaner(
    tags=set(KEPT),
    clean_content_tags=set(DROPPED),
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
)
TAGS: Final = re.compile(
    r"</?(?:a|abbr|article|aside|audio|b|blockquote|body|br|button|center|cite|code|dd|del|div|dl|dt|em|embed|figcaption"
    r"|figure|font|form|h[1-6]|head|hr|html|i|iframe|img|input|ins|li|link|meta|object|ol|p|path|pre|q|s|script|section"
    r"|small|span|strike|strong|style|sub|sup|svg|table|tbody|td|th|thead|time|tr|tt|u|ul|video)(?:\s*/?|[\s/][^<>]*=[^<>]*)>|<!--",
    re.IGNORECASE,
)
ENTITY: Final = re.compile(r"&(?:#\d+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]+);")
# Invisible characters with no business in prose: soft hyphen, zero-width space, bidi embeddings and isolates (which can
# reorder a headline), byte order mark, tags. The joiners U+200C and U+200D stay: Persian and emoji need them.
INVISIBLE: Final = re.compile(
    "[\u00ad\u180e\u200b\u2060-\u2064\u202a-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
SENTENCE_END: Final = re.compile(r"[.!?…。！？]+[\"'”’»)\]]*(?=\s|$)|[。！？]")
ITEM: Final = re.compile(r" *(?:- |\d+\. )")
# Elements that end by themselves do not nest.
NESTING: Final = re.compile(
    r"<(/)?(?!(?:p|li|br|hr|img|td|th|tr|dt|dd|input|source|wbr|col|meta|link)\b)[a-z]", re.IGNORECASE
)
# A browser nests no deeper than 512; prose needs a tenth of it.
MOST_DEEP: Final = 50


def tidy(text: str) -> str:
    """`text` in NFC, without control and invisible characters, with plain line ends; nothing visible is lost."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = INVISIBLE.sub("", CONTROL.sub(_windows_1252, text))
    return unicodedata.normalize("NFC", text)


def _windows_1252(match: re.Match[str]) -> str:
    """Feeds write &#150; for a dash: the C1 range as Windows numbers it. Browsers read it so (HTML, 13.2.5.80)."""
    code = ord(match[0])
    return bytes([code]).decode("windows-1252", "ignore") if 0x80 <= code <= 0x9F else ""


def plain(text: str) -> str:
    """One line of text without tags, whatever was escaped how often; "a < b" stays."""
    for _ in range(2):
        if TAGS.search(text):
            text = " ".join(one.text for one in convert(text))
        if ENTITY.search(text):
            text = html.unescape(text)
    return " ".join(TAGS.sub("", tidy(text)).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One paragraph: as Markdown, as plain text, how many of its characters are linked, and where to."""

    markdown: str
    text: str
    linked: int = 0
    targets: tuple[str, ...] = ()

    @property
    def navigation(self) -> bool:
        """Mostly links: "Related: ...", "Continue reading", "The post X appeared first on Y"."""
        return self.linked * 10 > len(self.text) * 6


def convert(markup: str, base_url: str = "") -> list[Block]:
    """The paragraphs of a piece of HTML; relative links are resolved against `base_url` or dropped."""
    markup = tidy(markup[:MOST_MARKUP])
    if _too_deep(markup):
        return prose(html.unescape(re.sub(r"<[^<>]*>", " ", markup)))
    tree = _Tree()
    tree.feed(CLEANER.clean(markup))
    tree.close()
    return list(_blocks(tree.root, _Place(base_url=base_url)))


def _too_deep(markup: str) -> bool:
    """The cleaner's time grows with the square of the depth: 100,000 nested <div> take it 20 seconds."""
    depth = 0
    for match in NESTING.finditer(markup):
        depth += -1 if match[1] else 1
        if depth > MOST_DEEP * 2:
            return True
    return False


def prose(text: str) -> list[Block]:
    """The paragraphs of plain text, where an empty line divides."""
    pieces = [" ".join(piece.split()) for piece in re.split(r"\n\s*\n", tidy(text))]
    return [Block(markdown=escape(piece), text=piece) for piece in pieces if piece]


def markdown(blocks: list[Block], own_url: str = "") -> str:
    """The blocks as one body, without a closing "read more" that only points to the story itself."""
    kept = list(blocks)
    while kept and kept[-1].navigation and kept[-1].targets == (own_url,):
        kept.pop()
    body = ""
    for n, one in enumerate(kept):
        body += (_between(kept[n - 1].markdown, one.markdown) if n else "") + one.markdown
    return body


def _between(before: str, after: str) -> str:
    if before.startswith(">") and after.startswith(">"):
        return "\n>\n"
    return "\n" if ITEM.match(before) and ITEM.match(after) else "\n\n"


def summary(blocks: list[Block]) -> str:
    """The first sentences, cut near 400 characters; paragraphs that are mostly links are passed over.

    A first paragraph without a full stop is a standfirst, and stands alone rather than run into the next.
    """
    texts = [one.text for one in blocks if not one.navigation] or [one.text for one in blocks]
    if texts and len(texts[0]) >= STANDFIRST_CHARACTERS and texts[0][-1].isalnum():
        return shorten(texts[0])
    return shorten(" ".join(texts))


def shorten(text: str, most: int = SUMMARY_CHARACTERS) -> str:
    """`text` up to the last sentence that ends within `most` characters, or else up to a word and an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    ends = [match.end() for match in SENTENCE_END.finditer(text, 0, most + 1) if match.end() <= most]
    # A sentence of three words is no summary: an abbreviation's full stop is more likely.
    if ends and ends[-1] >= most // 4:
        return text[: ends[-1]]
    return text[: most - 1].rsplit(" ", 1)[0].rstrip(" ,;:-–—") + "…"


def escape(text: str) -> str:
    """`text` so that Markdown prints it as it is."""
    return _escape_start(_escape_inline(text))


def _escape_inline(text: str) -> str:
    text = re.sub(r"([\\`*_\[\]<>])", r"\\\1", text)
    return re.sub(r"&(?=#?\w+;)", r"\\&", text).replace("~~", r"\~\~")


def _escape_start(line: str) -> str:
    """What only means something at the start of a line: headings, lists, rules, tables."""
    line = re.sub(r"^([#+=|~-])", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", line)


@dataclass(slots=True)
class _Node:
    tag: str
    href: str = ""
    children: list["_Node | str"] = field(default_factory=list)
    holds_blocks: bool = False


class _Tree(HTMLParser):
    """Reads what nh3 has made well-formed into nodes, no deeper than prose needs."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Node("div", holds_blocks=True)
        self.open = [self.root]
        self.deeper = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            for node in reversed(self.open):
                if node.holds_blocks:
                    break
                node.holds_blocks = True
        if tag in {"br", "hr"}:
            self.open[-1].children.append(_Node(tag))
        elif len(self.open) > MOST_DEEP:
            self.deeper += 1
        else:
            node = _Node(tag, dict(attrs).get("href") or "")
            self.open[-1].children.append(node)
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"br", "hr"}:
            return
        if self.deeper:
            self.deeper -= 1
        elif len(self.open) > 1:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a block stands: what its first line begins with, and what the next blocks in the same place begin with."""

    base_url: str
    first: str = ""
    rest: str = ""
    heading: bool = False


def _blocks(node: _Node, place: _Place) -> Iterator[Block]:
    """The paragraphs under a node, in order. Inline elements that hold blocks give up their mark."""
    run: list[_Node | str] = []
    number = 0
    for child in [*node.children, None]:
        if isinstance(child, str) or (child is not None and child.tag not in BLOCKS and not child.holds_blocks):
            run.append(child)
            continue
        if block := _paragraph(run, place):
            yield block
            place = replace(place, first=place.rest)
        run = []
        if child is None:
            continue
        number += child.tag == "li"
        inner = list(_blocks(child, _inside(child.tag, node.tag, number, place)))
        yield from inner
        if inner and child.tag != "li":
            place = replace(place, first=place.rest)


def _inside(tag: str, parent: str, number: int, place: _Place) -> _Place:
    if tag == "li":
        marker = f"{number}. " if parent == "ol" else "- "
        # Only the first block of an item that begins with a list may share its line; a marker of its own replaces it.
        return replace(place, first=place.rest + marker, rest=place.rest + " " * len(marker))
    if tag == "blockquote" and not place.rest:
        return replace(place, first="> ", rest="> ")
    return replace(place, heading=place.heading or tag in HEADINGS)


def _paragraph(run: list[_Node | str], place: _Place) -> Block | None:
    links: list[tuple[str, str]] = []
    body, text = _inline(run, place.base_url, links)
    body, text = " ".join(body.split()), " ".join(text.split())
    if not text:
        return None
    if place.heading:
        body = _emphasise("**", body, "")
    return Block(
        markdown=place.first + _escape_start(body),
        text=text,
        linked=sum(len(words) for words, _ in links),
        targets=tuple(dict.fromkeys(target for _, target in links)),
    )


def _inline(run: list[_Node | str], base_url: str, links: list[tuple[str, str]]) -> tuple[str, str]:
    """The Markdown and the text of inline content; what is linked is added to `links`."""
    body = text = ""
    for child in run:
        if isinstance(child, str):
            body, text = body + _escape_inline(child), text + child
            continue
        if child.tag in {"br", "td", "th"}:
            body, text = body + " ", text + " "
        inner, words = _inline(child.children, base_url, links)
        if child.tag in MARKS:
            inner = _emphasise(MARKS[child.tag], inner, body)
        elif child.tag == "a" and words.strip() and (href := safe_link(child.href, base_url)):
            links.append((" ".join(words.split()), href))
            # An exclamation mark before a link would make it an image.
            body = body[:-1] + "\\!" if body.endswith("!") else body
            inner = f"[{inner.strip()}]({href})" + " " * inner[-1:].isspace()
        body, text = body + inner, text + words
    return body, text


def _emphasise(mark: str, inner: str, before: str) -> str:
    """`inner` between marks, where CommonMark 6.2 would read them so; otherwise without them."""
    match = re.fullmatch(r"(\s*)(\w(?:.*\w)?)([\s.,:;!?…]*)", inner, re.DOTALL)
    if match is None or before.endswith("*"):
        return inner
    lead, words, trail = match.groups()
    return f"{lead}{mark}{words}{mark}{trail}"


def safe_link(href: str, base_url: str = "") -> str:
    """An http, https or mailto address as Markdown can hold it, or ""."""
    if not href.strip():
        return ""
    try:
        whole = urljoin(base_url, href.strip())
    except ValueError:
        return ""
    if whole.lower().startswith("mailto:"):
        address = whole[7:].partition("?")[0]
        return f"mailto:{quote(address, safe='@+._-%')}" if "@" in address else ""
    return link_url(whole).replace("(", "%28").replace(")", "%29")
